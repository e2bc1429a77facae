r"""Normal or t densities with mean, scale and correlation of their own in each regime.

:math:`y_t\mid S_t=j\sim(\mu_j,\Sigma_j)`, :math:`\Sigma_j=D_jR_jD_j` a covariance also under t errors,

.. math:: \log f_j=c(\nu)-\tfrac12\log|\Sigma_j|-\tfrac{\nu+N}2\log\Bigl(1+\frac{d_{jt}}{\nu-2}\Bigr),\qquad
          d_{jt}=(y_t-\mu_j)'\Sigma_j^{-1}(y_t-\mu_j).

Means, standard deviations and correlations may each switch or be common; on standardised residuals means are zero and
deviations one, which leaves the correlations: Pelletier's (2006) regime switching dynamic correlation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import special, stats

from ..estimation.params import Array, Block, Layout, correlation, interval, positive, real
from ..kernels.regime_em import EMPTY, HOPELESS, normal_em
from ..kernels.regime_gaussian import regime_distances, regime_moments, regime_slopes
from .chain import Chain
from .emission import Integers, rolling_splits
from .student import NU_RANGE, best_freedom, log_density
from .unit_moments import correlation_of_moment

__all__ = ["GaussianEmission"]

SMALLEST_VARIANCE = 1e-4  # of a regime's variances relative to the sample's (Hathaway 1985)
FEWEST = 5.0  # expected observations of a regime beyond its columns
FIRST_STEPS, NEXT_STEPS = 200, 2  # of scoring for a correlation matrix, at a start and within EM
COLLAPSE = f"a variance collapses to below {SMALLEST_VARIANCE:g} of the sample's"


class GaussianEmission:
    """See the module; ``y`` (T, N) are returns, or standardised residuals with ``unit=True``.

    Parameters
    ----------
    k : regimes. mean : "switching", "common" or "zero". scale : "switching", "common" or "unit".
    corr : "switching" or "common". student : t errors with one number of degrees of freedom.
    order_by : "variance", "mean" or "correlation".
    """

    def __init__(
        self,
        y: Array,
        names: tuple[str, ...],
        k: int,
        *,
        mean: str = "switching",
        scale: str = "switching",
        corr: str = "switching",
        student: bool = False,
        order_by: str = "variance",
    ) -> None:
        self.y, self.names, self.k = np.ascontiguousarray(y), names, k
        self.mean, self.scale, self.corr = mean, scale, corr
        self.student, self.order_by = student, order_by
        self.n = y.shape[1]
        self.rows, self.cols = np.triu_indices(self.n, 1)
        self.sample_mean = self.y.mean(axis=0)
        self.sample_var = self.y.var(axis=0) if scale != "unit" else np.ones(self.n)
        self._blocks = self._make_blocks()
        self.layout = Layout(self._blocks)
        self.index = self._make_index()
        none = np.empty((k, 0), np.int64)
        self._places = tuple(
            np.stack(own) if own else none for own in (self.index[g] for g in ("mean", "scale", "corr"))
        )

    @property
    def nobs(self) -> int:
        """Dates."""
        return len(self.y)

    # --- parameters

    def _make_blocks(self) -> tuple[Block, ...]:
        out: list[Block] = []
        sd = np.sqrt(self.sample_var)
        each = [f"[{j + 1}]" for j in range(self.k)]
        pairs = [f"{self.names[i]},{self.names[j]}" for i, j in zip(self.rows, self.cols, strict=True)]
        if self.mean != "zero":
            for tag in each if self.mean == "switching" else [""]:
                out.append(real(*(f"mean{tag}.{name}" for name in self.names)))
        if self.scale != "unit":
            for tag in each if self.scale == "switching" else [""]:
                for i, name in enumerate(self.names):
                    low, high = 0.5 * np.sqrt(SMALLEST_VARIANCE) * sd[i], 1e3 * sd[i]
                    out.append(positive(f"sd{tag}.{name}", lower=float(low), upper=float(high)))
        if self.n > 1:
            for tag in each if self.corr == "switching" else [""]:
                out.append(correlation(*(f"corr{tag}.{pair}" for pair in pairs)))
        if self.student:
            out.append(interval("nu", *NU_RANGE, log_from=2.0))
        return tuple(out)

    def _make_index(self) -> dict[str, list[Integers]]:
        """Positions in theta by group, one array a regime (the same one where it is common)."""
        at = 0
        out: dict[str, list[Integers]] = {}
        for group, kind, width in (
            ("mean", self.mean, self.n),
            ("scale", self.scale, self.n),
            ("corr", self.corr, self.rows.size),
        ):
            if kind in ("zero", "unit") or width == 0:
                out[group] = []
                continue
            count = self.k if kind == "switching" else 1
            own = [np.arange(at + j * width, at + (j + 1) * width) for j in range(count)]
            out[group] = own if count == self.k else own * self.k
            at += count * width
        out["nu"] = [np.array([at])] if self.student else []
        return out

    def blocks(self) -> tuple[Block, ...]:
        """Names and constraints."""
        return self._blocks

    def unpack(self, theta: Array) -> tuple[Array, Array, Array, float]:
        """Means (k, N), deviations (k, N), correlation matrices (k, N, N), degrees of freedom (0 for normal)."""
        k, n = self.k, self.n
        mean, sd = np.zeros((k, n)), np.ones((k, n))
        corr = np.repeat(np.eye(n)[None], k, axis=0)
        for j in range(k):
            if self.index["mean"]:
                mean[j] = theta[self.index["mean"][j]]
            if self.index["scale"]:
                sd[j] = theta[self.index["scale"][j]]
            if self.index["corr"]:
                corr[j, self.rows, self.cols] = corr[j, self.cols, self.rows] = theta[self.index["corr"][j]]
        return mean, sd, corr, float(theta[-1]) if self.student else 0.0

    def pack(self, mean: Array, sd: Array, corr: Array, nu: float) -> Array:
        """Inverse of `unpack`; common groups are read from the first regime."""
        theta = np.empty(self.layout.size)
        for j in reversed(range(self.k)):
            if self.index["mean"]:
                theta[self.index["mean"][j]] = mean[j]
            if self.index["scale"]:
                theta[self.index["scale"][j]] = sd[j]
            if self.index["corr"]:
                theta[self.index["corr"][j]] = corr[j][self.rows, self.cols]
        if self.student:
            theta[-1] = nu
        return theta

    # --- densities

    def _distances(self, mean: Array, sd: Array, corr: Array) -> tuple[Array, Array]:
        """Squared distances d (T, k) and log|Sigma| (k,)."""
        factors = np.linalg.cholesky(corr) * sd[:, :, None]
        logdet = 2.0 * np.log(np.einsum("kii->ki", factors)).sum(axis=1)
        d = np.empty((self.nobs, self.k))
        regime_distances(self.y, mean, np.linalg.inv(factors), d)
        return d, logdet

    def density(self, theta: Array) -> Array:
        """Log-densities (T, k)."""
        mean, sd, corr, nu = self.unpack(theta)
        try:
            d, logdet = self._distances(mean, sd, corr)
        except np.linalg.LinAlgError:
            return np.full((self.nobs, self.k), -np.inf)
        return log_density(d, logdet, self.n, nu)

    def slopes(self, theta: Array) -> Array:
        """Derivatives of the log-densities, (T, k, E)."""
        mean, sd, corr, nu = self.unpack(theta)
        n = self.n
        base = 0.0
        if nu:
            base = 0.5 * (special.digamma((nu + n) / 2) - special.digamma(nu / 2)) - 0.5 * n / (nu - 2.0)
        out = np.zeros((self.nobs, self.k, self.layout.size))
        regime_slopes(self.y, mean, sd, np.linalg.inv(corr), nu, *self._places, self.layout.size - 1, base, out)
        return out

    def data_slopes(self, theta: Array) -> Array:
        """Derivatives of the log-densities by the data, (T, k, N)."""
        mean, sd, corr, nu = self.unpack(theta)
        precision = np.linalg.inv(corr * sd[:, :, None] * sd[:, None, :])
        e = self.y[:, None] - mean
        pulled = np.einsum("kij,tkj->tki", precision, e)
        w = (nu + self.n) / (nu - 2.0 + np.einsum("tki,tki->tk", e, pulled)) if nu else np.ones(e.shape[:2])
        out: Array = -w[:, :, None] * pulled
        return out

    # --- EM

    def mstep(self, weights: Array, theta: Array | None) -> Array:
        """Weighted moments; under t errors a conditional step with the weights of ``theta`` (Liu & Rubin 1995)."""
        k, n = self.k, self.n
        nu = 8.0 if self.student else 0.0
        w = weights
        old: tuple[Array, Array, Array] | None = None
        if theta is not None:
            mean, sd, corr, nu = self.unpack(theta)
            old = mean, sd, corr
            if nu:
                w = weights * ((nu + n) / (nu - 2.0 + self._distances(mean, sd, corr)[0]))
        total, first, second = np.empty(k), np.empty((k, n)), np.empty((k, n, n))
        regime_moments(self.y, self.sample_mean, w, total, first, second)
        count = np.maximum(weights.sum(axis=0) if nu else total, 1e-300)
        mean = self._means(total, first, old)
        gap = mean - self.sample_mean
        # moments about the new mean from those about the sample's
        cross = first[:, :, None] * gap[:, None, :]
        second -= cross + cross.transpose(0, 2, 1) - total[:, None, None] * gap[:, :, None] * gap[:, None, :]
        second /= count[:, None, None]
        sd, corr = self._spread(second, count, old)
        if nu and theta is not None:
            nu = self._freedom(weights, mean, sd, corr, nu)
        return self.pack(mean, sd, corr, nu)

    def _means(self, total: Array, first: Array, old: tuple[Array, Array, Array] | None) -> Array:
        k, n = self.k, self.n
        if self.mean == "zero":
            return np.zeros((k, n))
        own: Array = self.sample_mean + first / np.maximum(total, 1e-300)[:, None]
        if self.mean == "switching":
            return own
        if old is None:
            return np.repeat(self.sample_mean[None], k, axis=0)
        # generalised least squares with the covariances of the last iteration
        precision = np.linalg.inv(old[2] * old[1][:, :, None] * old[1][:, None, :]) * total[:, None, None]
        center = np.linalg.solve(precision.sum(axis=0), np.einsum("kij,kj->i", precision, own))
        return np.repeat(center[None], k, axis=0)

    def _spread(self, second: Array, count: Array, old: tuple[Array, Array, Array] | None) -> tuple[Array, Array]:
        """Deviations (k, N) and correlations (k, N, N) from weighted second moments."""
        k, n = self.k, self.n
        pooled = np.einsum("k,kij->ij", count, second) / count.sum()
        free_scale, free_corr = self.scale == "switching", self.corr == "switching"
        if self.scale == "unit":
            moments = second if free_corr else np.repeat(pooled[None], k, axis=0)
            start = None if old is None else old[2]
            fitted = [
                unit_correlation(moments[j], None if start is None else start[j]) for j in range(k if free_corr else 1)
            ]
            corr = np.stack(fitted if free_corr else fitted * k)
            return np.ones((k, n)), corr
        if free_scale and (free_corr or n == 1):
            sd = np.sqrt(np.maximum(np.einsum("kii->ki", second), 1e-300))
            return sd, second / (sd[:, :, None] * sd[:, None, :])
        if not free_scale and (not free_corr or n == 1):
            sd = np.repeat(np.sqrt(np.diag(pooled))[None], k, axis=0)
            return sd, np.repeat((pooled / np.outer(sd[0], sd[0]))[None], k, axis=0)
        # one of the two is common: alternate, each half given the other
        sd = np.sqrt(np.maximum(np.einsum("kii->ki", second), 1e-300)) if old is None else old[1].copy()
        corr = np.repeat(np.eye(n)[None], k, axis=0) if old is None else old[2].copy()
        for _ in range(3):
            scaled = second / (sd[:, :, None] * sd[:, None, :])
            if free_corr:
                corr = np.stack([unit_correlation(scaled[j], corr[j]) for j in range(k)])
            else:
                joint = np.einsum("k,kij->ij", count, scaled) / count.sum()
                corr = np.repeat(unit_correlation(joint, corr[0])[None], k, axis=0)
            sd = self._deviations(second, count, corr, sd, free_scale)
        return sd, corr

    def _deviations(self, second: Array, count: Array, corr: Array, sd: Array, free: bool) -> Array:
        """Deviations given correlations: a few Newton steps on log deviations, concave enough to need no search."""
        inverse = np.linalg.inv(corr)
        out = sd.copy()
        for _ in range(20):
            scaled = inverse * second / (out[:, :, None] * out[:, None, :])  # (k, N, N)
            grad = (scaled.sum(axis=2) - 1.0) * count[:, None]
            hess = np.zeros((self.k, self.n, self.n))
            hess += scaled
            for j in range(self.k):
                hess[j] += np.diag(scaled[j].sum(axis=1))
            hess *= count[:, None, None]
            if free:
                step = np.stack([np.linalg.solve(hess[j], grad[j]) for j in range(self.k)])
            else:
                step = np.repeat(np.linalg.solve(hess.sum(axis=0), grad.sum(axis=0))[None], self.k, axis=0)
            step = np.clip(step, -0.5, 0.5)
            out = out * np.exp(step)
            if float(np.abs(step).max()) < 1e-12:
                break
        return out

    def _freedom(self, weights: Array, mean: Array, sd: Array, corr: Array, nu: float) -> float:
        """Degrees of freedom given all else: one bounded search of the weighted log-density."""
        d, _ = self._distances(mean, sd, corr)
        return best_freedom(d, weights, self.n, nu)

    def compiled_em(
        self, chain: Chain, theta: Array, outer: Array, first: Array, max_iter: int, gain: float
    ) -> tuple[Array, Array, Array, Array, str] | None:
        """EM in one compiled loop, where one is written: normal densities that switch freely, a constant chain.

        Returns parameters of densities and chain, law of the first state, log-likelihoods and what went wrong or "";
        None where the steps have to be taken one by one. The numbers are those of the steps but for rounding.
        """
        free = self.scale == "switching" and self.mean != "common" and (self.corr == "switching" or self.n == 1)
        if type(self) is not GaussianEmission or type(chain) is not Chain or chain.driven or self.student or not free:
            return None
        mean, cov = self.moments(theta)
        p, law = chain.matrices(outer)[0], np.array(first, float)
        path = np.empty(max_iter)
        filled, code, count = normal_em(
            self.y,
            self.sample_mean,
            np.sqrt(self.sample_var),
            SMALLEST_VARIANCE,
            FEWEST + self.n,
            self.mean == "switching",
            gain,
            mean,
            cov,
            p,
            law,
            path,
        )
        reason = ""
        if code:
            reason = few(count) if code == EMPTY else "the likelihood is not finite" if code == HOPELESS else COLLAPSE
        sd = np.sqrt(np.maximum(np.einsum("kii->ki", cov), 1e-300))
        corr = cov / (sd[:, :, None] * sd[:, None, :])
        away = np.array([p[pair] for pair in chain.pairs])
        return self.pack(mean, sd, corr, 0.0), away, law, path[:filled], reason

    def weak(self, theta: Array, weights: Array) -> str:
        """Collapsed variances and empty regimes."""
        _, sd, corr, _ = self.unpack(theta)
        count = weights.sum(axis=0)
        shares = sd / np.sqrt(self.sample_var)
        smallest = np.linalg.eigvalsh(corr * shares[:, :, None] * shares[:, None, :])[:, 0]
        for j in range(self.k):
            if count[j] < FEWEST + self.n:
                return few(count[j])
            if smallest[j] < SMALLEST_VARIANCE:
                return COLLAPSE
        return ""

    def splits(self, count: int, rng: np.random.Generator) -> Iterator[Array]:
        """Bands of rolling squares, products and means."""
        e = (self.y - (0.0 if self.mean == "zero" else self.sample_mean)) / np.sqrt(self.sample_var)
        scores = []
        if self.scale == "switching":
            scores.append((e**2).sum(axis=1))
        if self.n > 1 and self.corr == "switching":
            scores.append((e[:, self.rows] * e[:, self.cols]).sum(axis=1))
        if self.mean == "switching":
            scores.append(e.sum(axis=1))
        return rolling_splits(scores or [e.sum(axis=1)], self.k, count, rng)

    # --- what a fit reads

    def moments(self, theta: Array) -> tuple[Array, Array]:
        """Means (k, N) and covariances (k, N, N) by regime."""
        mean, sd, corr, _ = self.unpack(theta)
        return mean, corr * sd[:, :, None] * sd[:, None, :]

    def margins_cdf(self, theta: Array) -> Array:
        """Distribution functions of each column in each regime at the data, (T, k, N)."""
        mean, sd, _, nu = self.unpack(theta)
        u = (self.y[:, None] - mean[None]) / sd[None]
        out: Array = stats.t.cdf(u * np.sqrt(nu / (nu - 2.0)), nu) if nu else stats.norm.cdf(u)
        return out

    def simulate(self, theta: Array, states: Integers, rng: np.random.Generator) -> Array:
        """Data (len(states), N) of a path of regimes."""
        mean, sd, corr, nu = self.unpack(theta)
        shocks = rng.standard_normal((states.size, self.n))
        if nu:
            shocks *= np.sqrt((nu - 2.0) / rng.chisquare(nu, states.size))[:, None]
        factors = np.linalg.cholesky(corr)
        out: Array = mean[states] + sd[states] * np.einsum("tij,tj->ti", factors[states], shocks)
        return out

    # --- labels

    def rank(self, theta: Array) -> Array:
        """What regimes are numbered by."""
        mean, sd, corr, _ = self.unpack(theta)
        if self.order_by == "mean":
            return np.asarray(mean.mean(axis=1))
        if self.order_by == "correlation" and self.n > 1:
            out: Array = corr[:, self.rows, self.cols].mean(axis=1)
            return out
        out = (sd**2 / self.sample_var).mean(axis=1)
        return out

    def relabel(self, order: Integers) -> Integers:
        """Positions of the parameters under new numbers."""
        out = np.arange(self.layout.size)
        for group in ("mean", "scale", "corr"):
            own = self.index[group]
            if own and own[0] is not own[-1]:
                for new, old in enumerate(order):
                    out[own[new]] = own[int(old)]
        return out


def few(count: float) -> str:
    """Why a regime that hardly happens is no regime."""
    return f"a regime is left with {count:.1f} observations"


def unit_correlation(moment: Array, start: Array | None) -> Array:
    r"""Correlation matrix R that maximises :math:`-\tfrac12(\log|R|+\operatorname{tr}R^{-1}S)` for a moment S.

    S scaled to a unit diagonal is not the answer. With two columns the root of
    :math:`\rho^3-s_{12}\rho^2+(s_{11}+s_{22}-1)\rho-s_{12}=0` with the highest likelihood is; with more, Fisher
    scoring, all the way without a ``start`` and a few steps with one, which EM repeats.
    """
    n = moment.shape[0]
    if n == 1:
        return np.eye(1)
    if n == 2:
        s12, total = moment[0, 1], moment[0, 0] + moment[1, 1]
        roots = np.roots([1.0, -s12, total - 1.0, -s12])
        real_roots = roots[np.abs(roots.imag) < 1e-9].real
        inside = real_roots[np.abs(real_roots) < 0.9999]
        if not inside.size:
            inside = np.array([np.clip(s12 / np.sqrt(moment[0, 0] * moment[1, 1]), -0.9999, 0.9999)])
        det = 1.0 - inside**2
        value = -np.log(det) - (total - 2.0 * inside * s12) / det
        rho = float(inside[np.argmax(value)])
        return np.array([[1.0, rho], [rho, 1.0]])
    return correlation_of_moment(moment, start, FIRST_STEPS if start is None else NEXT_STEPS)
