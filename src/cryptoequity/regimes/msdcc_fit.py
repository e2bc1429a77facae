"""A fitted Markov-switching DCC: correlations by regime and date, paths, forecasts, simulated returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import mark_filtered
from ..table import Table
from ..volatility import MarginFit
from ..volatility.garch import simulate_margin
from .chain_fit import KINDS
from .fit import draw_states
from .rsdc_fit import RSDCFit, RSDCForecast, mean_forecast
from .switching_dcc import DccRegimes, SwitchingDCCLikelihood

__all__ = ["MSDCCFit", "rosenblatt_paths"]


@dataclass(frozen=True, eq=False)
class MSDCCFit(RSDCFit):
    """A fitted `MSDCC`. Attributes are those of `RSDCFit`; correlations move within regimes, so these are paths.

    `correlations` and `regime_correlations` are the levels; `regime_paths` what a regime's correlations are by date.
    """

    @property
    def _lik(self) -> SwitchingDCCLikelihood:
        assert isinstance(self.likelihood, SwitchingDCCLikelihood)
        return self.likelihood

    @property
    def _dcc(self) -> DccRegimes:
        return self._lik.emission

    @property
    def _inner(self) -> Array:
        return self.likelihood.split(self.theta)[0]

    # --- correlations and paths

    def regime_correlations(self) -> Array:
        """Levels the correlations of each regime return to, (k, N, N)."""
        return self._dcc.unpack(self._inner)[0]

    def regime_paths(self) -> Array:
        """Correlations given the regime and the past, (T, k, N, N); under the collapse with yesterday summed out."""
        found = self._lik.run(self.theta, 0, self.inference.first, paths=True)
        assert found is not None
        return found[1]

    def _last(self) -> Array:
        """Q of each regime at the last date, (k, N, N)."""
        found = self._lik.run(self.theta, 0, self.inference.first)
        assert found is not None
        return found[2]

    def _moments(self) -> tuple[Array, Array]:
        corr = self.regime_paths()
        return np.zeros(corr.shape[:3]), corr

    def correlation(self, i: str, j: str, kind: str = "predicted") -> pd.Series:
        """Correlation of two columns by date, (T,): "predicted" knows the past only, "smoothed" the future too."""
        check_option("kind", kind, KINDS)
        a, b = self._position(i), self._position(j)
        path = (self._states(kind) * self.regime_paths()[:, :, a, b]).sum(axis=1)
        return mark_filtered(pd.Series(path, self.index, name=f"corr({i}, {j})"))

    def conditional_covariance(self, kind: str = "predicted") -> Array:
        """Covariances of the returns, D_t R_t D_t with the mixture of the regimes' R, percent squared, (T, N, N)."""
        check_option("kind", kind, KINDS)
        sigma = self.volatility.to_numpy(float)
        corr = np.einsum("tk,tkij->tij", self._states(kind), self.regime_paths())
        out: Array = corr * sigma[:, :, None] * sigma[:, None, :]
        return out

    def _path(self, z: Array, theta: Array, kind: str, a: int, b: int) -> Array:
        """Correlation of columns ``a`` and ``b`` under other residuals and parameters, (T,)."""
        old = self._dcc
        own = DccRegimes(z, old.names, old.k, switching=old.switching, student=old.student)
        lik = SwitchingDCCLikelihood(own, self.chain, self._lik.method)
        lik.best_first = self.likelihood.best_first
        found = lik.run(theta, 0, paths=True)
        if found is None:
            raise SpecError("a draw of the parameters has no likelihood; the band cannot be drawn.")
        states: Array = found[0].smooth()[0] if kind == "smoothed" else getattr(found[0], kind)
        out: Array = (states * found[1][:, :, a, b]).sum(axis=1)
        return out

    def pit(self, joint: bool = False) -> pd.DataFrame:
        """Probability integral transforms of the residuals given the past, (T, N); see `RegimeFit.pit`.

        Jointly under the collapse, each regime takes the mean of its matrices over yesterday's regimes.
        """
        inner = self._inner
        if joint:
            nu = self._dcc.unpack(inner)[3]
            values = rosenblatt_paths(self._dcc.z, self.regime_paths(), nu, self.inference.predicted)
        else:
            values = self._dcc.margins_cdf(inner)[:, 0]
        return pd.DataFrame(values, self.index, list(self.names))

    # --- ahead

    def forecast(  # type: ignore[override]
        self,
        horizon: int = 1,
        *,
        drivers: pd.DataFrame | pd.Series | None = None,
        paths: int = 1000,
        rng: int | np.random.Generator | None = None,
    ) -> RSDCForecast:
        r"""Probabilities, means, volatilities, correlations and covariances 1 to ``horizon`` dates after the last.

        One date ahead the correlation is the mixture of the regimes' own, exact but for the collapse. Beyond, a
        correlation is a ratio of elements of Q whose mean has no closed form: correlations and covariances are means
        over ``paths`` simulated paths of regimes, residuals and margins, which needs ``rng``.

        Parameters
        ----------
        drivers : rows of future drivers, row h acting on date T + h (lag them beforehand); needed with drivers.
        """
        probabilities = self._ahead(horizon, drivers)
        if not isinstance(paths, int) or isinstance(paths, bool) or paths < 1:
            raise SpecError(f"paths={paths!r}: at least one path.")
        fits = [self._own(fit) for fit in self.margins.fits]
        if horizon == 1:
            corr = self._tomorrow(self._matrices_ahead(1, drivers)[0])[None]
            volatility = np.sqrt(np.stack([fit.variance_forecast(1) for fit in fits], axis=1))
            covs = corr * volatility[:, :, None] * volatility[:, None, :]
        else:
            if rng is None:
                raise SpecError("beyond one date the correlation is simulated: pass rng.")
            volatility, covs, corr = self._many(horizon, paths, np.random.default_rng(rng), drivers, fits)
        rows, cols = np.triu_indices(len(self.names), 1)
        steps = pd.RangeIndex(1, horizon + 1, name="horizon")
        names = list(self.names)
        return RSDCForecast(
            pd.DataFrame(probabilities, steps, self.regime_names),
            pd.DataFrame(np.stack([mean_forecast(fit, horizon) for fit in fits], axis=1), steps, names),
            covs,
            pd.DataFrame(corr[:, rows, cols], steps, self._pairs()),
            pd.DataFrame(volatility, steps, names),
            "exact" if horizon == 1 else "simulation",
        )

    def _tomorrow(self, p: Array) -> Array:
        """Correlation matrix of the next date, (N, N)."""
        level, a, b, _ = self._dcc.unpack(self._inner)
        last, z = self._last(), self._dcc.z[-1]
        joint = self.inference.filtered[-1][:, None] * p
        out: Array = np.zeros(level.shape[1:])
        for i in range(self.k):
            for j in range(self.k):
                q = (1.0 - a[j] - b[j]) * level[j] + a[j] * np.outer(z, z)
                q += b[j] * last[i if self._lik.method == "collapse" else j]
                root = np.sqrt(np.diag(q))
                out += joint[i, j] * q / np.outer(root, root)
        return out

    def _many(
        self,
        horizon: int,
        paths: int,
        rng: np.random.Generator,
        drivers: pd.DataFrame | pd.Series | None,
        fits: Sequence[MarginFit],
    ) -> tuple[Array, Array, Array]:
        """Volatilities (H, N), covariances and correlations (H, N, N), means over simulated paths."""
        moves = self._matrices_ahead(horizon, drivers)
        # the date before the first, so that a path's first transition is into date T + 1
        moves = np.concatenate([moves[:1], moves])
        last, before = self._last(), self._dcc.z[-1]
        n = len(self.names)
        variances, outer, mean = np.zeros((horizon, n)), np.zeros((horizon, n, n)), np.zeros((horizon, n, n))
        for _ in range(paths):
            states = draw_states(moves, self.inference.filtered[-1], horizon + 1, rng)
            z, corr = self._lik.draw(self.theta, states[1:], rng, (last, before, int(states[0])))
            variance = np.stack([fit.conditional_variances(z[:, i]) for i, fit in enumerate(fits)], axis=1)
            sigma = np.sqrt(variance)
            variances += variance
            outer += corr * sigma[:, :, None] * sigma[:, None, :]
            mean += corr
        return np.sqrt(variances / paths), outer / paths, mean / paths

    def simulate(self, nobs: int | None = None, *, rng: int | np.random.Generator) -> tuple[pd.DataFrame, pd.Series]:
        """Draw percent returns (nobs, N) and regimes (nobs,), numbered from 1; drivers stay as observed.

        Regimes start at the law of the first state, correlations at their levels, variances at the sample's mean. Under
        the collapse the path-dependent model is drawn from.
        """
        fits = [self._own(fit) for fit in self.margins.fits]
        count = len(self.index) if nobs is None else nobs
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise SpecError(f"nobs={nobs!r}: a whole number of dates, at least 1.")
        if self.chain.driven and count > len(self.index):
            raise SpecError(f"nobs={count}: the drivers are known for {len(self.index)} dates only.")
        generator = np.random.default_rng(rng)
        states = draw_states(self.inference.transitions, self.inference.first, count, generator)
        z = self._lik.draw(self.theta, states, generator)[0]
        columns = {
            fit.name: simulate_margin(fit.spec, fit.estimate.theta, z[:, i].copy(), fit.start_variance)[0]
            for i, fit in enumerate(fits)
        }
        index = self.index if count == len(self.index) else pd.RangeIndex(count)
        return pd.DataFrame(columns, index), pd.Series(states + 1, index, name="regime")

    # --- words

    def summary(self) -> Table:
        """Return the fit as a table, which says what is approximate."""
        plain = super().summary()
        if self._lik.method == "parallel":
            return plain
        note = (
            "APPROXIMATE likelihood: yesterday's matrices are collapsed over regimes (Kim); that of the path-dependent "
            "model is another one"
        )
        return Table(plain.title, plain.head, plain.rows, (*plain.notes, note))

    def filter(self, data: Any, **inputs: Any) -> MSDCCFit:
        """See `RSDCFit.filter`."""
        out = super().filter(data, **inputs)
        assert isinstance(out, MSDCCFit)
        return out


def rosenblatt_paths(z: Array, corr: Array, nu: float, predicted: Array) -> Array:
    """Rosenblatt transforms (T, N) of ``z`` under correlations (T, k, N, N) mixed with probabilities (T, k).

    Column n given those before it; normal where ``nu`` is 0, else t with unit variances.
    """
    nobs, n = z.shape
    out = np.empty((nobs, n))
    low = np.linalg.cholesky(corr)  # (T, k, N, N): u = L^{-1} z has column n given those before it
    u = np.linalg.solve(low, np.broadcast_to(z[:, None, :, None], (*corr.shape[:2], n, 1)))[..., 0]
    for c in range(n):
        d = (u[:, :, :c] ** 2).sum(axis=2)
        logdet = np.log(np.einsum("tkii->tki", low)[:, :, :c]).sum(axis=2)
        if nu:
            # given the first c columns a t vector is t with nu + c degrees of freedom and a scale that knows d
            cdf = stats.t.cdf(u[:, :, c] * np.sqrt((nu + c) / (nu - 2.0 + d)), nu + c)
            logf = -logdet - 0.5 * (nu + c) * np.log1p(d / (nu - 2.0))
        else:
            cdf, logf = stats.norm.cdf(u[:, :, c]), -logdet - 0.5 * d
        w = predicted * np.exp(logf - logf.max(axis=1, keepdims=True))
        out[:, c] = (w * cdf).sum(axis=1) / w.sum(axis=1)
    return out
