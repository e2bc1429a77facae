"""A fitted Markov-switching GARCH: variances by regime, moments, forecasts, quantiles, simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import SpecError
from ..estimation.params import Array
from ..kernels.regime_garch import switching_garch_simulate
from ..table import Table, format_number
from .emission import Integers
from .fit import RegimeFit, RegimeForecast, draw_states
from .switching_garch import METHODS, GarchRegimes, SwitchingGarchLikelihood, transfer_matrix

__all__ = ["MSGARCHFit", "mixture_risk"]


@dataclass(frozen=True, eq=False)
class MSGARCHFit(RegimeFit):
    """A fitted `MSGARCH`. Attributes are those of `RegimeFit`."""

    @property
    def _lik(self) -> SwitchingGarchLikelihood:
        assert isinstance(self.likelihood, SwitchingGarchLikelihood)
        return self.likelihood

    @property
    def _garch(self) -> GarchRegimes:
        return self._lik.emission

    @property
    def _unpacked(self) -> tuple[float, Array, Array]:
        return self._garch.unpack(self.likelihood.split(self.theta)[0])

    # --- variances

    @property
    def variances(self) -> pd.DataFrame:
        """Variance each regime would have by date, (T, k), known the day before."""
        found = self._lik.run(self.theta, 0, self.inference.first)
        assert found is not None
        return pd.DataFrame(found[1], self.index, self.regime_names)

    def volatility(self, kind: str = "predicted") -> pd.Series:
        """Standard deviation of the mixture by date, (T,)."""
        mixed = (self.probabilities(kind).to_numpy() * self.variances.to_numpy()).sum(axis=1)
        return pd.Series(np.sqrt(mixed), self.index, name="volatility")

    def _moments(self) -> tuple[Array, Array]:
        """Means (T, k, 1) and variances (T, k, 1, 1)."""
        variance = self.variances.to_numpy()
        return np.full((*variance.shape, 1), self._unpacked[0]), variance[:, :, None, None]

    def pit(self, joint: bool = False) -> pd.DataFrame:  # noqa: ARG002
        """Probability integral transforms given the past, (T, 1); one column is jointly what it is alone."""
        inner, _ = self.likelihood.split(self.theta)
        cdf = self._garch.cdf(inner, self._garch.y[:, 0], self.variances.to_numpy())
        values = (self.inference.predicted * cdf).sum(axis=1, keepdims=True)
        return pd.DataFrame(values, self.index, list(self.names))

    # --- moments of the process

    @property
    def persistence(self) -> pd.Series:
        """Sum alpha + gamma / 2 + beta by regime; single regimes may be above one."""
        _, par, _ = self._unpacked
        return pd.Series(par[:, 1] + 0.5 * par[:, 2] + par[:, 3], self.regime_names, name="persistence")

    def _transfer(self) -> tuple[Array, Array, Array]:
        """Matrix of the second moments, its constant, and the law of the regimes."""
        if self._lik.method == "gray":
            raise SpecError("Gray's recursion has no closed moments: simulate instead.")
        _, par, _ = self._unpacked
        outer = self.likelihood.split(self.theta)[1]
        p = self.chain.at(outer, self.chain.z.mean(axis=0)[None])[0]
        law = self.ergodic_probabilities.to_numpy()
        if self._lik.method == "parallel":
            return transfer_matrix(p, par), np.kron(law, par[:, 0]), law
        return p.T * (par[:, 1] + 0.5 * par[:, 2] + par[:, 3])[:, None], law * par[:, 0], law

    @property
    def spectral_radius(self) -> float:
        r"""Largest eigenvalue, in modulus, of the matrix that carries second moments: below one the variance is finite.

        Parallel recursions: of the k² x k² matrix with blocks :math:`p_{ij}(B+\alpha e_i')`; Klaassen: of
        :math:`p_{ij}(\alpha_j+\beta_j)`. With drivers, at their mean. Gray's has no such condition.
        """
        return float(np.abs(np.linalg.eigvals(self._transfer()[0])).max())

    def unconditional_moments(self) -> pd.Series:
        """Variance and volatility of the process, and the variance in each regime; infinite where there are none."""
        matrix, constant, law = self._transfer()
        k = self.k
        if self.spectral_radius < 1.0:
            h = np.linalg.solve(np.eye(len(matrix)) - matrix, constant)
            own = np.diag(h.reshape(k, k)) if h.size > k else h
        else:
            own = np.full(k, np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = own / law
        out = {"variance": own.sum(), "volatility": np.sqrt(own.sum())}
        return pd.Series(out | {f"variance in {name}": v for name, v in zip(self.regime_names, each, strict=True)})

    # --- ahead

    def _next_variances(self, drivers: pd.DataFrame | pd.Series | None, horizon: int) -> Array:
        """Variances of the first date after the sample, (k,)."""
        mu, par, _ = self._unpacked
        h = self.variances.to_numpy()[-1]
        e = float(self._garch.y[-1, 0]) - mu
        news = par[:, 0] + (par[:, 1] + par[:, 2] * (e < 0)) * e * e
        bar = h
        if self._lik.method == "gray":
            bar = np.full(self.k, float(self.inference.predicted[-1] @ h))
        elif self._lik.method == "klaassen":
            joint = self.inference.filtered[-1][:, None] * self._matrices_ahead(horizon, drivers)[0]
            bar = h @ joint / np.maximum(joint.sum(axis=0), 1e-300)
        out: Array = news + par[:, 3] * bar
        return out

    def forecast(self, horizon: int = 1, *, drivers: pd.DataFrame | pd.Series | None = None) -> RegimeForecast:
        r"""Probabilities, mean and variance 1 to ``horizon`` dates after the last, exact under parallel recursions.

        With :math:`g_{j,n}=\operatorname{E}_T[h_{T+n}1\{S_{T+n}=j\}]`:
        :math:`g_{j,n+1}=\Pr_T(S_{T+n+1}=j)\,\omega+\sum_ip_{ij}(B+\alpha e_i')g_{i,n}`.

        Raises
        ------
        SpecError : more than one step of Gray's recursion, which has no closed form; use `simulate_ahead`.
        """
        path = self._ahead(horizon, drivers)
        matrices = self._matrices_ahead(horizon, drivers)
        if horizon > 1 and self._lik.method == "gray":
            raise SpecError("Gray's recursion has no closed forecast beyond one step: use simulate_ahead.")
        mu, par, _ = self._unpacked
        slope = par[:, 1] + 0.5 * par[:, 2]
        first = self._next_variances(drivers, horizon)
        variance = np.empty(horizon)
        parallel = self._lik.method == "parallel"
        g = path[0][:, None] * first if parallel else path[0] * first
        for n in range(horizon):
            if n:
                p = matrices[n]
                if parallel:
                    carried = g * par[:, 3] + np.diag(g)[:, None] * slope
                    g = path[n][:, None] * par[:, 0] + p.T @ carried
                else:
                    g = path[n] * par[:, 0] + (slope + par[:, 3]) * (p.T @ g)
            variance[n] = np.trace(g) if parallel else g.sum()
        return self._forecast_frames(path, np.full((horizon, 1), mu), variance[:, None, None])

    def risk(self, level: float = 0.05) -> pd.DataFrame:
        """Value at risk and expected shortfall of every date given the past: columns "var" and "es", as returns."""
        weights = self.inference.predicted
        var, es = mixture_risk(level, weights, self.variances.to_numpy(), *self._law)
        return pd.DataFrame({"var": var, "es": es}, self.index)

    def forecast_risk(self, level: float = 0.05, *, drivers: pd.DataFrame | pd.Series | None = None) -> pd.Series:
        """Value at risk and expected shortfall of the next date, exact quantiles of the mixture."""
        weights = self._ahead(1, drivers)
        var, es = mixture_risk(level, weights, self._next_variances(drivers, 1)[None], *self._law)
        return pd.Series({"var": float(var[0]), "es": float(es[0])}, name="risk")

    @property
    def _law(self) -> tuple[float, Array | None]:
        mu, _, nu = self._unpacked
        return mu, nu if self._garch.student else None

    def simulate_ahead(
        self,
        horizon: int,
        draws: int = 999,
        *,
        rng: int | np.random.Generator,
        drivers: pd.DataFrame | pd.Series | None = None,
    ) -> Array:
        """Returns of the next ``horizon`` dates given the sample, (draws, horizon): any quantile of any sum of them."""
        if not isinstance(draws, int) or isinstance(draws, bool) or draws < 1:
            raise SpecError(f"draws={draws!r}: a whole number, at least 1.")
        generator = np.random.default_rng(rng)
        law = self._ahead(horizon, drivers)[0]
        p = self._matrices_ahead(horizon, drivers)
        p = p if self.chain.driven else p[:1]
        first = self._next_variances(drivers, horizon)
        out = np.empty((draws, horizon))
        for one in out:
            self._run(draw_states(p, law, horizon, generator), p, law, first, generator, one)
        return out

    def _run(self, states: Integers, p: Array, law: Array, first: Array, rng: np.random.Generator, out: Array) -> None:
        own = self._garch
        mu, par, nu = self._unpacked
        shocks = own.shocks(self.likelihood.split(self.theta)[0], states, rng)
        room = np.empty((states.size, self.k))
        method = METHODS[self._lik.method]
        switching_garch_simulate(mu, par, shocks, states, p, first, law, method, nu, own.constants(nu), out, room)

    def simulate(self, nobs: int | None = None, *, rng: int | np.random.Generator) -> tuple[pd.DataFrame, pd.Series]:
        """Draw data (nobs, 1) and regimes (nobs,), numbered from 1, from the first date's variances of the fit."""
        generator = np.random.default_rng(rng)
        count = len(self.index) if nobs is None else nobs
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise SpecError(f"nobs={nobs!r}: a whole number of dates, at least 1.")
        if self.chain.driven and count > len(self.index):
            raise SpecError(f"nobs={count}: the drivers are known for {len(self.index)} dates only.")
        p, law = self.inference.transitions, self.inference.first
        states = draw_states(p, law, count, generator)
        begin = self._lik.first_variances(self.theta)
        assert begin is not None
        out = np.empty(count)
        self._run(states, p, law, begin[0], generator, out)
        index = self.index if count == len(self.index) else pd.RangeIndex(count)
        return pd.DataFrame(out[:, None], index, list(self.names)), pd.Series(states + 1, index, name="regime")

    # --- words

    def summary(self) -> Table:
        """Return the fit as a table, with persistence, spectral radius and what is approximate."""
        plain = super().summary()
        notes = [*plain.notes]
        if self._lik.method != "parallel":
            notes.append(
                f"APPROXIMATE: variances are collapsed over regimes ({self._lik.method.title()}); the path-dependent "
                "model has another likelihood"
            )
        notes.append(
            "alpha + gamma/2 + beta "
            + ", ".join(f"{name}: {format_number(float(v), 3)}" for name, v in self.persistence.items())
        )
        if self._lik.method != "gray":
            radius = self.spectral_radius
            verdict = "the variance is finite" if radius < 1.0 else "the variance is NOT finite"
            notes.append(f"spectral radius {format_number(radius, 4)}: {verdict}")
        return Table(plain.title, plain.head, plain.rows, tuple(notes))


def mixture_risk(level: float, weights: Array, variance: Array, mu: float, nu: Array | None) -> tuple[Array, Array]:
    """Quantile and mean below it of mixtures with ``weights`` and ``variance`` (T, k): (T,) and (T,).

    Raises
    ------
    SpecError : a level outside (0, 1/2].
    """
    if not 0.0 < level <= 0.5:
        raise SpecError(f"level={level!r}: a probability in (0, 0.5], such as 0.05.")
    scale = np.sqrt(variance)
    if nu is not None:
        scale = scale * np.sqrt((nu - 2.0) / nu)

    def cdf(x: Array) -> Array:
        u = (x[:, None] - mu) / scale
        each = stats.norm.cdf(u) if nu is None else stats.t.cdf(u, nu)
        total: Array = (weights * each).sum(axis=1)
        return total

    ends = mu + scale * (stats.norm.ppf(level) if nu is None else stats.t.ppf(level, nu))
    low, high = ends.min(axis=1), ends.max(axis=1)
    for _ in range(60):  # the quantile lies between those of the regimes
        middle = 0.5 * (low + high)
        above = cdf(middle) > level
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    var = 0.5 * (low + high)
    u = (var[:, None] - mu) / scale
    if nu is None:
        part = mu * stats.norm.cdf(u) - scale * stats.norm.pdf(u)
    else:
        part = mu * stats.t.cdf(u, nu) - scale * (nu + u * u) / (nu - 1.0) * stats.t.pdf(u, nu)
    return var, (weights * part).sum(axis=1) / level
