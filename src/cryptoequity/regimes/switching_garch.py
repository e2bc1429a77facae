r"""GARCH recursions by regime as one likelihood with the chain.

.. math:: y_t=\mu+\varepsilon_t,\quad \varepsilon_t=\sqrt{h_{S_t,t}}\,z_t,\qquad
          h_{j,t+1}=\omega_j+(\alpha_j+\gamma_j1\{\varepsilon_t<0\})\varepsilon_t^2+\beta_j\bar h_{jt}

with :math:`\bar h_{jt}=h_{jt}` (parallel recursions), or a mean over regimes; see `kernels.regime_garch`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import special, stats

from ..estimation.params import PERSISTENCE_CAP, Array, Block, Layout, interval, positive, subsimplex
from ..kernels.regime_garch import switching_garch
from .chain import Chain
from .emission import Integers, responsibilities, rolling_splits
from .likelihood import Inference
from .recursion_search import RecursiveLikelihood

__all__ = ["METHODS", "GarchRegimes", "SwitchingGarchLikelihood", "transfer_matrix"]

METHODS = {"parallel": 0, "gray": 1, "klaassen": 2}
SMALLEST_VARIANCE = 1e-4  # of a regime, mean over its dates, relative to the sample's (Hathaway 1985)
FEWEST = 10.0  # expected observations of a regime
NU_RANGE = (2.05, 200.0)
STEEPEST = 20.0  # of the slopes by the last squared shock, both signs together


def transfer_matrix(p: Array, par: Array) -> Array:
    r"""Matrix M (k², k²) that carries second moments under parallel recursions: blocks :math:`p_{ij}(B+\alpha e_i')`.

    .. math:: \operatorname{E}[h_{t+1}1\{S_{t+1}=j\}]=\pi_j\omega+\sum_iM_{ji}\operatorname{E}[h_t1\{S_t=i\}]

    ``p`` (k, k), ``par`` (k, 4): omega, alpha, gamma, beta. Symmetric shocks: half of gamma counts.
    """
    k = len(par)
    out = np.empty((k * k, k * k))
    slope = par[:, 1] + 0.5 * par[:, 2]
    for i in range(k):
        step = np.diag(par[:, 3])
        step[:, i] += slope
        for j in range(k):
            out[j * k : (j + 1) * k, i * k : (i + 1) * k] = p[i, j] * step
    return out


class GarchRegimes:
    """Parameters, labels and starts of ``k`` GARCH(1,1) recursions of one series ``y`` (T, 1).

    Not an `Emission`: the variances may depend on the chain, so the densities are `SwitchingGarchLikelihood`'s.

    Parameters
    ----------
    mean : "constant" or "zero". student : t errors. switching_nu : degrees of freedom by regime. asymmetric : GJR.
    variance_start : "sample", "stationary" or "regime"; see `MSGARCH`.

    Attributes
    ----------
    dynamics : pairs of (alpha, beta) that starts begin with.
    """

    dynamics = ((0.05, 0.90), (0.10, 0.75), (0.03, 0.95), (0.20, 0.40))

    def __init__(
        self,
        y: Array,
        names: tuple[str, ...],
        k: int,
        *,
        mean: str = "constant",
        student: bool = False,
        switching_nu: bool = False,
        asymmetric: bool = False,
        variance_start: str = "sample",
    ) -> None:
        self.y, self.names, self.k = np.ascontiguousarray(y), names, k
        self.mean, self.student, self.switching_nu = mean, student, switching_nu
        self.asymmetric, self.variance_start = asymmetric, variance_start
        self.center = float(y.mean()) if mean == "constant" else 0.0
        self.sample_var = float(((y - self.center) ** 2).mean())
        self._blocks = self._make_blocks()
        self.layout = Layout(self._blocks)
        self.places = self._make_places()

    @property
    def nobs(self) -> int:
        """Dates."""
        return len(self.y)

    # --- parameters

    def _make_blocks(self) -> tuple[Block, ...]:
        sd, var = np.sqrt(self.sample_var), self.sample_var
        out: list[Block] = [] if self.mean == "zero" else [interval("mu", self.center - 3 * sd, self.center + 3 * sd)]
        for tag in (f"[{j + 1}]" for j in range(self.k)):
            out.append(positive(f"omega{tag}", lower=1e-8 * var, upper=1e3 * var))
            alpha, gamma, beta = f"alpha{tag}", f"gamma{tag}", f"beta{tag}"
            if self.variance_start == "regime":
                # each recursion has a variance of its own to start from: alpha + gamma/2 + beta below one
                mix = np.array([[0.0, 2.0, 0.0], [2.0, -2.0, 0.0], [0.0, 0.0, 1.0]])
                if self.asymmetric:
                    out.append(subsimplex(alpha, gamma, beta, mix=mix))
                else:
                    out.append(subsimplex(alpha, beta))
                continue
            if self.asymmetric:
                # slopes after falls and after rises, each at least zero
                out.append(subsimplex(alpha, gamma, cap=STEEPEST, mix=np.array([[0.0, 1.0], [1.0, -1.0]])))
            else:
                out.append(interval(alpha, 0.0, STEEPEST))
            out.append(interval(beta, 0.0, PERSISTENCE_CAP))
        if self.student:
            for name in [f"nu[{j + 1}]" for j in range(self.k)] if self.switching_nu else ["nu"]:
                out.append(interval(name, *NU_RANGE, log_from=2.0))
        return tuple(out)

    def _make_places(self) -> Integers:
        """Positions of (mu, omega, alpha, gamma, beta, nu) by regime, -1 for none."""
        where = {name: n for n, name in enumerate(self.layout.names)}
        out = np.full((self.k, 6), -1, np.int64)
        for j in range(self.k):
            for n, name in enumerate(("mu", "omega", "alpha", "gamma", "beta", "nu")):
                out[j, n] = where.get(f"{name}[{j + 1}]", where.get(name, -1))
        return out

    def blocks(self) -> tuple[Block, ...]:
        """Names and constraints."""
        return self._blocks

    def unpack(self, theta: Array) -> tuple[float, Array, Array]:
        """Mean, (k, 4) of omega, alpha, gamma, beta, and (k,) degrees of freedom, 0 for normal."""
        full = np.where(self.places >= 0, theta[self.places], 0.0)
        mu = float(full[0, 0]) if self.mean == "constant" else 0.0
        return mu, np.ascontiguousarray(full[:, 1:5]), np.ascontiguousarray(full[:, 5])

    def constants(self, nu: Array) -> Array:
        """Constants of the log-densities and their derivatives by nu, (k, 2)."""
        out = np.zeros((self.k, 2))
        out[:, 0] = -0.5 * np.log(2.0 * np.pi)
        if self.student:
            out[:, 0] = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - 0.5 * np.log(np.pi * (nu - 2.0))
            out[:, 1] = 0.5 * (special.digamma((nu + 1) / 2) - special.digamma(nu / 2)) - 0.5 / (nu - 2.0)
        return out

    # --- starts

    def begin(self, weights: Array, alpha: float, beta: float) -> Array:
        """Start with the variances of ``weights`` (T, k) as the regimes' levels.

        Every recursion sees the squares of all regimes: one at level v gets alpha v / s², so that at the mean square
        s² it rests at v.
        """
        e2 = (self.y[:, 0] - self.center) ** 2
        level = np.maximum((weights * e2[:, None]).sum(axis=0) / weights.sum(axis=0), 1e-3 * self.sample_var)
        theta = np.empty(self.layout.size)
        ratio = level / self.sample_var
        if self.variance_start == "regime":
            ratio = np.minimum(ratio, 0.9 * (1.0 - beta) / alpha)
        for j in range(self.k):
            _, omega, at, gamma, keep, nu = self.places[j]
            theta[omega], theta[keep] = level[j] * (1.0 - alpha - beta), beta
            theta[at] = alpha * ratio[j]
            if gamma >= 0:
                theta[at] *= 0.5
                theta[gamma] = theta[at] * 2.0
            if nu >= 0:
                theta[nu] = 8.0
        if self.mean == "constant":
            theta[0] = self.center
        return theta

    def splits(self, count: int, rng: np.random.Generator) -> Iterator[Array]:
        """Bands of rolling squares, and of single squares for regimes that do not last."""
        e2 = (self.y[:, 0] - self.center) ** 2
        smooth = rolling_splits([e2], self.k, count, rng)
        for number, weights in enumerate(smooth):
            if number % 4 == 1:
                cuts = np.array([0.9]) if self.k == 2 else None
                yield responsibilities(e2, self.k, cuts, firm=0.8)
            else:
                yield weights

    # --- what a fit reads

    def cdf(self, theta: Array, x: Array, variance: Array) -> Array:
        """Distribution functions (..., k) at ``x`` (...) with variances (..., k)."""
        mu, _, nu = self.unpack(theta)
        u = (x[..., None] - mu) / np.sqrt(variance)
        each = stats.t.cdf(u * np.sqrt(nu / (nu - 2.0)), nu) if self.student else stats.norm.cdf(u)
        return np.asarray(each, np.float64)

    def shocks(self, theta: Array, states: Integers, rng: np.random.Generator) -> Array:
        """Unit-variance errors (T,) of a path of regimes."""
        normal = np.asarray(rng.standard_normal(states.size), np.float64)
        if not self.student:
            return normal
        nu = self.unpack(theta)[2][states]
        out: Array = normal * np.sqrt((nu - 2.0) / rng.chisquare(nu))
        return out

    # --- labels

    def rank(self, theta: Array) -> Array:
        """Level of each recursion at the sample's mean square."""
        _, par, _ = self.unpack(theta)
        news = (par[:, 1] + 0.5 * par[:, 2]) * self.sample_var
        out: Array = (par[:, 0] + news) / np.maximum(1.0 - par[:, 3], 1.0 - PERSISTENCE_CAP)
        return out

    def relabel(self, order: Integers) -> Integers:
        """Positions of the parameters under new numbers."""
        out = np.arange(self.layout.size)
        for new, old in enumerate(order):
            own = self.places[new] >= 0
            out[self.places[new][own]] = self.places[int(old)][own]
        return out


class SwitchingGarchLikelihood(RecursiveLikelihood):
    """Recursions and chain together.

    Parameters
    ----------
    method : "parallel", "gray" or "klaassen". hold : dates at the beginning that feed the recursions only.
    """

    emission: GarchRegimes  # type: ignore[assignment]  # densities and variances are this class's, not the emission's

    def __init__(self, emission: GarchRegimes, chain: Chain, method: str = "parallel", hold: int = 0) -> None:
        super().__init__(emission, chain)  # type: ignore[arg-type]
        self.method, self.hold = method, hold

    def first_variances(self, theta: Array) -> tuple[Array, Array] | None:
        """Variances of the first date (k,) and their derivatives (k, K); None where there are none."""
        own = self.emission
        k, size = own.k, self.layout.size
        inner, outer = self.split(theta)
        _, par, _ = own.unpack(inner)
        slope = np.zeros((k, size))
        if own.variance_start == "sample":
            return np.full(k, own.sample_var), slope
        if own.variance_start == "regime":
            left = 1.0 - par[:, 1] - 0.5 * par[:, 2] - par[:, 3]
            if not (left > 0).all():
                return None
            level = par[:, 0] / left
            for j in range(k):
                _, omega, alpha, gamma, beta, _ = own.places[j]
                slope[j, omega] += 1.0 / left[j]
                slope[j, alpha] += level[j] / left[j]
                slope[j, beta] += level[j] / left[j]
                if gamma >= 0:
                    slope[j, gamma] += 0.5 * level[j] / left[j]
            return level, slope
        p = self.chain.at(outer, self.chain.z.mean(axis=0)[None])[0]
        found = stationary_moments(p, par)
        if found is None:
            return None
        h, law, matrix = found
        middle = self.chain.z.mean(axis=0)
        dp = self.chain.slope(outer, middle)
        dlaw = Chain(k, self.chain.z, self.chain.names, self.chain.driven).start(outer)[1]
        right = np.zeros((k * k, size))
        blocks = h.reshape(k, k)  # row i: E[h 1{S = i}]
        news = par[:, 1] + 0.5 * par[:, 2]
        carried = blocks * par[:, 3] + np.diag(blocks)[:, None] * news  # row i: (B + alpha e_i') h_i
        for j in range(k):
            rows = slice(j * k, (j + 1) * k)
            right[rows, self.inside :] = np.outer(par[:, 0], dlaw[j]) + np.einsum("is,ic->cs", dp[:, j], carried)
            for c in range(k):
                _, omega, alpha, gamma, beta, _ = own.places[c]
                right[j * k + c, omega] += law[j]
                right[j * k + c, alpha] += p[:, j] @ np.diag(blocks)
                right[j * k + c, beta] += p[:, j] @ blocks[:, c]
                if gamma >= 0:
                    right[j * k + c, gamma] += 0.5 * p[:, j] @ np.diag(blocks)
        dh = np.linalg.solve(np.eye(k * k) - matrix, right).reshape(k, k, size)
        return blocks.sum(axis=0), dh.sum(axis=0)

    def run(self, theta: Array, want: int, first: Array | None = None) -> tuple[Inference, Array, Array, Array] | None:
        """Filter with variances (T, k), slopes (T, k, K) and scores (T, K); None where a density is not finite."""
        own, chain = self.emission, self.chain
        nobs, k, size = own.nobs, own.k, self.layout.size
        inner, outer = self.split(theta)
        mu, par, nu = own.unpack(inner)
        begin = self.first_variances(theta)
        if begin is None:
            return None
        dstart = np.zeros((k, size))
        if first is None:
            first, dstart[:, self.inside :] = chain.start(outer, self.best_first)
        p = chain.matrices(outer)
        loglik, predicted, filtered = np.zeros(nobs), np.zeros((nobs, k)), np.zeros((nobs, k))
        density, variance = np.zeros((nobs, k)), np.zeros((nobs, k))
        slopes = np.empty((nobs if want else 0, k, size))
        score = np.zeros((nobs if want else 0, size))
        sound = switching_garch(
            own.y[:, 0].copy(), mu, par, nu, own.constants(nu), own.places, p, chain.z, chain.driven, self.inside,
            first, dstart, *begin, METHODS[self.method], self.hold, want,
            loglik, predicted, filtered, density, variance, slopes, score,
        )  # fmt: skip
        if not sound:
            return None
        return Inference(loglik, predicted, filtered, density, p, first), variance, slopes, score

    def spectral_radius(self, theta: Array) -> float:
        """Largest modulus of an eigenvalue of M at the mean of the drivers; the variance is finite below one."""
        inner, outer = self.split(theta)
        p = self.chain.at(outer, self.chain.z.mean(axis=0)[None])[0]
        _, par, _ = self.emission.unpack(inner)
        return float(np.abs(np.linalg.eigvals(transfer_matrix(p, par))).max())

    def weakness(self, theta: Array) -> str:
        """Why an optimum is degenerate, or ""."""
        found = self.run(theta, 0)
        if found is None:
            return "the likelihood is not finite"
        smoothed = found[0].smooth()[0]
        count = smoothed.sum(axis=0)
        if count.min() < FEWEST:
            return f"a regime is left with {count.min():.1f} observations"
        level = (smoothed * found[1]).sum(axis=0) / count
        if float(level.min()) < SMALLEST_VARIANCE * self.emission.sample_var:
            return f"a variance collapses to below {SMALLEST_VARIANCE:g} of the sample's"
        return ""


def stationary_moments(p: Array, par: Array) -> tuple[Array, Array, Array] | None:
    """E[h 1{S = j}] stacked by j (k²,), the law of the regimes and M, or None where the variance is not finite."""
    k = len(par)
    law = np.maximum(np.linalg.pinv(np.eye(k) - p + 1.0).sum(axis=0), 0.0)
    law /= law.sum()
    matrix = transfer_matrix(p, par)
    if not float(np.abs(np.linalg.eigvals(matrix)).max()) < 1.0:
        return None
    h: Array = np.asarray(np.linalg.solve(np.eye(k * k) - matrix, np.kron(law, par[:, 0])), np.float64)
    return h, np.asarray(law, np.float64), matrix
