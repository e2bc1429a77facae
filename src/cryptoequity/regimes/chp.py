r"""The optimal test of switching parameters: Carrasco, Hu and Ploberger (2014).

Only the model without regimes is estimated. If :math:`\theta_t=\theta+\eta_t` with :math:`\eta_t` a stationary chain
of variance :math:`hh'` and autocorrelation :math:`\rho`, the likelihood differs from that of a constant
:math:`\theta` to second order by

.. math:: \mu_{2,t}(h,\rho)=\tfrac12h'\Bigl[\frac{\partial^2\ell_t}{\partial\theta\partial\theta'}
          +\frac{\partial\ell_t}{\partial\theta}\frac{\partial\ell_t}{\partial\theta'}
          +2\sum_{s<t}\rho^{t-s}\frac{\partial\ell_t}{\partial\theta}\frac{\partial\ell_s}{\partial\theta'}\Bigr]h .
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import pvalue as bootstrap_pvalue
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import Drawn, TestResult
from ..kernels.regime_chp import switching_surface
from .one_regime import Autoregression, fit_autoregression, read_series

__all__ = ["SwitchingTest", "carrasco_hu_ploberger_test", "chp_surface"]

SWITCHING = ("both", "mean", "variance")
STATISTICS = ("sup", "exp")
STEP = 0.025  # of the grid of rho
ANGLES = 48  # directions on the half circle when mean and variance may both switch
FEWEST = 19


@dataclass(frozen=True, eq=False)
class SwitchingTest(TestResult, Drawn):
    """Outcome of `carrasco_hu_ploberger_test`.

    Attributes
    ----------
    surface : signed roots of the statistic by rho (rows) and direction (columns, angle between mean 0 and variance
        pi/2; one column when a single parameter may switch).
    draws : statistics under the null.
    """

    surface: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    draws: Array = field(default_factory=lambda: np.empty(0), repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The surface."""
        return self.surface

    def cite(self) -> str:
        """BibTeX of the paper behind what was computed."""
        return citation("carrascohuploberger2014")


def carrasco_hu_ploberger_test(
    data: pd.Series,
    *,
    switching: str = "both",
    statistic: str = "sup",
    lags: int = 0,
    persistence: tuple[float, float] = (-0.7, 0.7),
    draws: int = 999,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> SwitchingTest:
    r"""Test one regime against regimes of the mean, the variance or both, in an autoregression with normal errors.

    With :math:`\Gamma=\sum_t\mu_{2,t}/\sqrt T` and :math:`\hat\varepsilon` the residual of the regression of
    :math:`\mu_{2,t}/\sqrt T` on the scores,

    .. math:: \mathrm{supTS}=\sup_{h,\rho}\tfrac12\Bigl(\max\bigl(0,\tfrac{\Gamma}{\sqrt{\hat\varepsilon'\hat
              \varepsilon}}\bigr)\Bigr)^2,\qquad
              \mathrm{expTS}=\int\sqrt{2\pi}\,e^{\frac12\left(\frac{\Gamma}{\sqrt{\hat\varepsilon'\hat\varepsilon}}
              -1\right)^2}\Phi\Bigl(\tfrac{\Gamma}{\sqrt{\hat\varepsilon'\hat\varepsilon}}-1\Bigr)dJ,

    J uniform over the grid. The law is simulated from the fitted autoregression. Without lags the statistic does not
    depend on the mean and the variance, and the p-value is exact.

    Parameters
    ----------
    data : (T,) one series of returns or residuals. switching : "both", "mean" or "variance". lags : of the series.
    statistic : "sup" or "exp". persistence : ends of :math:`\rho`, the sum of the two chances of staying less one; the
        paper's by default. Regimes of fifty days have .96: (0, .98) sees them better.
    draws, rng, n_jobs : of the simulated law.

    Returns
    -------
    SwitchingTest

    Notes
    -----
    Directions h are on the unit circle in units of the residuals' deviation (mean) and variance; the paper's are in
    units of the data. **Normality and a constant variance are part of the null** of "variance" and "both". Rejections
    at 5 %, measured at T = 500 (``benchmarks/regime_number.py``): independent normal 4.8-6.2 %; independent t(5)
    90-100 %; GARCH(.08, .90) 71-97 %; a deviation that doubles half-way 100 %. Do not use them on returns to prove
    regimes of the variance. "mean" is hardly disturbed by any of these, 3.5-6.2 %.

    Raises
    ------
    DataError : more than one column, a series too short or not finite. SpecError : bounds outside (-1, 1).

    References
    ----------
    Carrasco, M., Hu, L. and Ploberger, W. (2014). Optimal test for Markov switching parameters. Econometrica 82,
    765-784.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cryptoequity.regimes.chp import carrasco_hu_ploberger_test
    >>> noise = np.random.default_rng(0).standard_normal(300)
    >>> noise[100:180] *= 3.0
    >>> carrasco_hu_ploberger_test(pd.Series(noise), switching="variance", draws=99).pvalue
    0.01
    """
    check_option("switching", switching, SWITCHING)
    check_option("statistic", statistic, STATISTICS)
    low, high = (float(end) for end in persistence)
    if not -1.0 < low <= high < 1.0:
        raise SpecError(f"persistence={persistence!r}: two numbers between -1 and 1, the smaller first.")
    if not isinstance(draws, int) or isinstance(draws, bool) or draws < FEWEST:
        raise SpecError(f"draws={draws!r}: a whole number of at least {FEWEST}.")
    y, name = read_series(data, lags)
    null = fit_autoregression(y, lags)
    if not null.sigma > 1e-8 * float(np.std(y)):
        raise DataError(f"{name!r} is fitted exactly by its own lags: there is no error to test.")
    rhos = np.linspace(low, high, max(1, int(np.ceil((high - low) / STEP)) + 1))
    angles, weights = directions(switching)
    surface = chp_surface(null, switching, rhos, weights)
    value = summarize(surface, statistic)
    one = _Draw(null, switching, statistic, rhos, weights)
    law = np.array(map_draws(one, spawn(rng, draws), n_jobs=n_jobs))
    row, column = np.unravel_index(int(np.argmax(surface)), surface.shape)
    detail = {
        "lags": lags,
        "observations": null.resid.size,
        "rho of the largest": float(rhos[row]),
        "angle of the largest": float(angles[column]),
        "the other statistic": summarize(surface, "exp" if statistic == "sup" else "sup"),
        "draws": draws,
    }
    what = {"both": "mean and variance", "mean": "mean", "variance": "variance"}[switching]
    return SwitchingTest(
        f"Carrasco–Hu–Ploberger {statistic}TS test of a switching {what}",
        f"{name}: one regime, an autoregression of order {lags} with independent normal errors.",
        value,
        bootstrap_pvalue(value, law),
        f"{draws} draws from the fitted null",
        detail,
        "",
        pd.DataFrame(surface, pd.Index(rhos, name="rho"), pd.Index(angles, name="angle")),
        law,
    )


def directions(switching: str) -> tuple[Array, Array]:
    """Angles (H,) and weights (H, P) of the pairs of parameters that switch."""
    if switching != "both":
        return np.array([0.0 if switching == "mean" else np.pi / 2]), np.ones((1, 1))
    angles = np.pi * np.arange(ANGLES) / ANGLES
    c, s = np.cos(angles), np.sin(angles)
    return angles, np.column_stack([c**2, 2.0 * c * s, s**2])


def chp_surface(null: Autoregression, switching: str, rhos: Array, weights: Array) -> Array:
    r""":math:`\Gamma/\sqrt{\hat\varepsilon'\hat\varepsilon}` by rho and direction, (R, H), see the module."""
    u = null.resid / null.sigma
    mean, variance = u, 0.5 * (u**2 - 1.0)
    by_mean, across, by_variance = u**2 - 1.0, 0.5 * (u**3 - 3.0 * u), 0.25 * (u**4 - 6.0 * u**2 + 3.0)
    if switching == "mean":
        lead, second = mean[:, None], by_mean[:, None]
    elif switching == "variance":
        lead, second = variance[:, None], by_variance[:, None]
    else:
        lead, second = np.column_stack([mean, variance]), np.column_stack([by_mean, across, by_variance])
    scale = np.sqrt((null.x**2).mean(axis=0))
    basis = np.linalg.qr(np.column_stack([null.x / scale * u[:, None], variance]))[0]
    out = np.empty((rhos.size, len(weights)))
    switching_surface(
        np.ascontiguousarray(lead),
        np.ascontiguousarray(second),
        np.ascontiguousarray(basis),
        np.ascontiguousarray(rhos),
        np.ascontiguousarray(weights),
        out,
    )
    return out


def summarize(surface: Array, statistic: str) -> float:
    """SupTS or expTS of a surface."""
    if statistic == "sup":
        return 0.5 * max(0.0, float(surface.max())) ** 2
    x = surface - 1.0
    # exp(x^2/2) Phi(x) overflows far to the right only, where a test has long rejected
    return float(
        np.mean(np.where(surface == 0.0, 1.0, np.exp(0.5 * np.log(2 * np.pi) + 0.5 * x**2 + stats.norm.logcdf(x))))
    )


@dataclass(frozen=True, eq=False)
class _Draw:
    """Statistic of one series drawn from the null."""

    null: Autoregression
    switching: str
    statistic: str
    rhos: Array
    weights: Array

    def __call__(self, seed: np.random.SeedSequence) -> float:
        shocks = np.random.default_rng(seed).standard_normal(self.null.resid.size)
        fresh = fit_autoregression(self.null.simulate(shocks), self.null.lags)
        return summarize(chp_surface(fresh, self.switching, self.rhos, self.weights), self.statistic)
