r"""Score tests of a correlation that moves with a variable: STCC, Berben–Jansen, a second transition, DCC-X.

Each asks whether :math:`\operatorname{E}x_tv_t=0` for a direction :math:`x_t` known before the date, :math:`v_t` being
the scores in the correlations under the null. Theory and measured sizes: the page "Tests of constant correlation".
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from ..correlation.fit import CorrelationFit
from ..correlation.likelihood import CorrelationLikelihood
from ..correlation.spec import check_driver
from ..correlation.stcc import STCC
from ..correlation.transition import TransitionLikelihood
from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import TestResult
from ..volatility import Margins
from .constancy import read, weighted_statistic
from .driver_directions import driver_statistic, read_loadings, standardized
from .null_fit import NullFit, fitted_null
from .null_world import Outcome, conclude

__all__ = ["berben_jansen_test", "driver_test", "second_transition_test", "stcc_test"]

Driver = pd.Series | pd.DataFrame | Array


def stcc_test(
    fit: Margins | CorrelationFit,
    driver: Driver,
    *,
    order: int = 1,
    robust: bool = True,
    bootstrap: int = 0,
    shocks: str = "fhs",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""LM test of a constant correlation against a smooth transition driven by ``driver`` (STCC).

    Silvennoinen and Teräsvirta (2015): :math:`R_t=(1-G_t)R_1+G_tR_2`, :math:`G_t=[1+e^{-\gamma(s_t-c)}]^{-1}`. Under
    :math:`\gamma=0` neither c nor the two matrices are identified; the expansion of :math:`G_t` to first order leaves
    :math:`R_t\approx R+s_tP`, and the test is that of P = 0: scores :math:`s_tv_{ij,t}`, :math:`\chi^2(N(N-1)/2)`.
    ``order`` 2 or 3 adds :math:`s_t^2` and :math:`s_t^3`, for a correlation that is not monotone in the driver.

    Parameters
    ----------
    fit : margins, or a fitted model of which only the margins are read.
    driver : :math:`s_t`. A series is read on the dates of the residuals; of an array row t belongs to residual t. Row
        t acts on the correlation of date t, so lag what is not known before the return. Maps ``a + b s``
        leave the statistic unchanged.
    order : 1, 2 or 3. robust : variance whatever the density, margins' estimation counted; False for the
        outer product of joint Gaussian scores.
    bootstrap : draws of the fitted constant-correlation world, with the driver as it is: it must not be made of
        the returns themselves.
    shocks, rng, n_jobs : as in `engle_sheppard_test`.

    Notes
    -----
    Size at 5 %, measured with estimated margins (``benchmarks/constancy.py``), over normal and over t(5) residuals:
    robust 3.7–4.7 % and 5.2–7.6 %, beyond two standard errors (6.4 %) for five columns with t(5); ``robust=False`` does
    not hold its size, 3.9–6.8 % and 9.7–38.4 %: use ``bootstrap`` there.

    Raises
    ------
    DataError : a driver of the wrong length, with a date missing, not finite or constant.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> margins = ce.fit_margins(returns, ce.GARCH(dist="t"))
    >>> ce.stcc_test(margins, returns["COIN"].abs().rolling(20).mean().shift(1).bfill()).reference
    'chi2(1)'
    """
    null = read(fit)
    s = driver_values(driver, _index(fit), "stcc_test")
    return _constant_against(
        null,
        s,
        order,
        robust,
        bootstrap,
        shocks,
        rng,
        n_jobs,
        "LM test against a smooth transition (STCC)",
        "the driver",
    )


def berben_jansen_test(
    fit: Margins | CorrelationFit,
    *,
    order: int = 1,
    robust: bool = True,
    bootstrap: int = 0,
    shocks: str = "fhs",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""Berben and Jansen's (2005) LM test of a constant correlation against a change in time.

    `stcc_test` with :math:`s_t=t/T`: a correlation that moves from one level to another, once, slowly or at a stroke.
    Parameters as there.

    Notes
    -----
    Size at 5 %, measured with estimated margins (``benchmarks/constancy.py``), over normal and over t(5) residuals:
    robust 4.8–5.7 % and 3.5–7.6 %, beyond two standard errors (6.4 %) for five columns with t(5); ``robust=False`` does
    not hold its size, 4.9–8.8 % and 7.2–39.6 %: use ``bootstrap`` there.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> ce.berben_jansen_test(ce.fit_margins(returns, ce.GARCH(dist="t"))).pvalue < 0.01
    True
    """
    null = read(fit)
    nobs = null.model.nobs
    s = np.arange(1, nobs + 1) / nobs
    return _constant_against(
        null, s, order, robust, bootstrap, shocks, rng, n_jobs, "Berben–Jansen LM test against a change in time", "time"
    )


def second_transition_test(
    fit: CorrelationFit | Margins,
    driver: Driver,
    *,
    first: pd.Series | None = None,
    additive: bool = False,
    robust: bool = True,
    bootstrap: int = 0,
    shocks: str = "fhs",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""LM test of one transition against two (DSTCC).

    Silvennoinen and Teräsvirta (2009). The null is a fitted STCC, :math:`R_t=(1-G_t)R_1+G_tR_2`. With a second
    transition in ``driver``, expanded around :math:`\gamma_2=0`,

    .. math:: R_t\approx(1-G_t)(R_1+s_tP_1)+G_t(R_2+s_tP_2),

    and the test is that of :math:`P_1=P_2=0`, :math:`\chi^2(N(N-1))`; ``additive`` imposes :math:`P_1=P_2`,
    :math:`\chi^2(N(N-1)/2)`. The estimation of margins, regimes and first transition is counted; a slope or a place
    that the fit does not identify counts as known.

    Parameters
    ----------
    fit : a fitted `STCC` or `BerbenJansen` (a `DSTCC` is tested against a third transition); or margins, and the
        variable of the first transition in ``first``: an STCC is then fitted.
    driver : the second variable; see `stcc_test`.
    additive : one change for all regimes.
    robust, bootstrap, shocks, rng, n_jobs : as in `stcc_test`; samples are those of the fitted first transition,
        fitted again in each.

    Notes
    -----
    Size at 5 %, measured for two columns under an STCC (``benchmarks/constancy.py``), over normal and over t(5)
    residuals: robust 3.8–7.0 % and 8.8–8.8 %, additive 4.2–5.0 % and 6.2–7.8 %, beyond two standard errors (7.2 %)
    with t(5); ``robust=False`` 3.8–7.0 % and 12.5–14.0 %, additive 4.0–5.8 % and 9.5–10.2 %. ``bootstrap`` fits the
    transition again in every draw: 7–9 % and 2–5 % at T = 1000 (100 samples, 99 draws).

    Raises
    ------
    SpecError : a model without a transition; margins without ``first``.
    """
    if isinstance(fit, Margins):
        if first is None:
            raise SpecError(
                "second_transition_test: margins alone have no first transition; pass a fitted STCC, or the variable "
                "of the first transition in first=."
            )
        fit = STCC().fit(fit, driver=first)
    elif first is not None:
        raise SpecError("first= is for margins; the fit passed has its first transition already.")
    null = fitted_null(fit)
    if not isinstance(null.model, TransitionLikelihood) or not null.model.dynamic:
        raise SpecError(
            f"{fit.spec.name} has no transition: fit an STCC for this test, or ask stcc_test (constant correlation) or "
            "driver_test (DCC)."
        )
    s = driver_values(driver, _index(fit), "second_transition_test")
    statistic = partial(_second_transition_statistic, s=s, additive=additive, robust=robust)
    value = statistic(null)
    pairs = null.model.pair_count
    count = pairs * (1 if additive else 2**null.model.count)
    outcome = Outcome(
        "LM test against a second transition (DSTCC)",
        f"beyond the transition of {fit.spec.name} the correlation does not move with the driver.",
        f"chi2({count})",
        value,
        float(stats.chi2.sf(value, count)),
        {"pairs": pairs},
    )
    return conclude(outcome, null, fit.spec, statistic, bootstrap=bootstrap, shocks=shocks, rng=rng, n_jobs=n_jobs)


def driver_test(
    fit: CorrelationFit | Margins,
    driver: Driver,
    *,
    loading: str | Array = "common",
    robust: bool = True,
    bootstrap: int = 0,
    shocks: str = "fhs",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""LM test of a variable in the recursion of a fitted DCC (DCC-X).

    The alternative adds :math:`c(x_t-\bar x)K` to :math:`Q_t=(1-a-b)\bar Q+az_{t-1}z_{t-1}'+bQ_{t-1}`. At c = 0
    :math:`\partial Q_t/\partial c=f_tK` with :math:`f_t=x_t-\bar x+bf_{t-1}`, and the score of c is

    .. math:: \sum_{i<j}v_{ij,t}\,f_t\Bigl\{\frac{K_{ij}}{\sqrt{q_{ii}q_{jj}}}
              -\frac{\rho_{ij,t}}2\Bigl(\frac{K_{ii}}{q_{ii}}+\frac{K_{jj}}{q_{jj}}\Bigr)\Bigr\} .

    The variance counts margins, target and (a, b[, ν]); what a persistent driver shares with a persistent path
    is thereby taken out of it.

    Parameters
    ----------
    fit : a fitted DCC, or CCC, normal or t.
    driver : :math:`x_t`, row t acting on the correlation of date t; see `stcc_test`.
    loading : "common" (K all ones: one degree of freedom), "pairs" (each pair its own c), or a symmetric (N, N) K.
    robust : False for the outer product of the scores of the correlation step, blind to the margins.
    bootstrap : draws of the fitted model, margins and model fitted again in each. shocks, rng, n_jobs : as in
        `engle_sheppard_test`.

    Notes
    -----
    Size at 5 %, measured for two columns under a DCC(.03, .95) (``benchmarks/constancy.py``), over normal and over t(5)
    residuals: robust 6.3–8.7 % and 8.0–8.7 %, ``robust=False`` 6.3–8.0 % and 7.3–8.0 %, beyond two standard errors
    (7.5 %) where T = 1000 and, robust, with t(5). ``bootstrap`` fits the model again in every draw: 8 % and
    6–7 % at T = 1000 (100 samples, 99 draws).

    Raises
    ------
    SpecError : margins instead of a fitted model, or a model other than DCC and CCC.
    """
    if isinstance(fit, Margins):
        raise SpecError("driver_test needs a fitted model as its null, not margins alone: DCC().fit(margins).")
    null = fitted_null(fit)
    if not isinstance(null.model, CorrelationLikelihood):
        raise SpecError(f"driver_test is for DCC and CCC, not {fit.spec.name}.")
    x = driver_values(driver, _index(fit), "driver_test")
    loadings = read_loadings(loading, null.model)
    statistic = partial(driver_statistic, x=x, loadings=loadings, robust=robust)
    value = statistic(null)
    count = loadings.shape[0]
    outcome = Outcome(
        "LM test of a driver of the correlation (DCC-X)",
        f"the driver does not enter the correlation of the {fit.spec.name} model.",
        f"chi2({count})",
        value,
        float(stats.chi2.sf(value, count)),
        {"loadings": count},
    )
    return conclude(outcome, null, fit.spec, statistic, bootstrap=bootstrap, shocks=shocks, rng=rng, n_jobs=n_jobs)


def driver_values(driver: Driver, index: pd.Index, test: str) -> Array:
    """Driver on the dates of the residuals, (T,): one column, every date present, finite, not constant.

    Raises
    ------
    SpecError : more than one column. DataError : what is wrong, with the column, the date and the cure.
    """
    if not isinstance(driver, pd.Series | pd.DataFrame):
        values = np.asarray(driver)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1:
            raise SpecError(f"driver of shape {values.shape}: {test} takes one variable, a series or a vector.")
        if values.size != len(index):
            raise DataError(
                f"driver has {values.size} rows, the residuals {len(index)} (from {index[0]} to {index[-1]}); give one "
                "row a residual, or a Series indexed by date."
            )
        driver = pd.Series(values, index, name="driver")
    frame = driver.to_frame(driver.name or "driver") if isinstance(driver, pd.Series) else driver
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise DataError(f"driver {name!r} is not numeric (dtype {frame[name].dtype}); convert it to numbers.")
    checked = check_driver(frame, index, (1, 1), test)
    assert checked is not None  # one column is required above
    out: Array = checked.to_numpy(float)[:, 0]
    return out


def _index(fit: Margins | CorrelationFit) -> pd.Index:
    return fit.std_resid.index


def _constant_against(
    null: NullFit,
    s: Array,
    order: int,
    robust: bool,
    bootstrap: int,
    shocks: str,
    rng: int | np.random.Generator,
    n_jobs: int | None,
    name: str,
    what: str,
) -> TestResult:
    """The LM test of a constant correlation with powers of s."""
    check_option("order", order, (1, 2, 3))
    distinct = np.unique(s).size
    if distinct <= order:
        raise DataError(
            f"order={order}: {what} takes {distinct} values only, powers beyond {distinct - 1} say nothing new; use "
            f"order={distinct - 1}."
        )
    unit = standardized(s)
    powers = np.stack([standardized(unit**k) for k in range(1, order + 1)])
    statistic = partial(_transition_statistic, powers=powers, robust=robust)
    value = statistic(null)
    pairs = null.scores[0].shape[1]
    outcome = Outcome(
        name,
        f"the correlation is constant: it does not move with {what}.",
        f"chi2({order * pairs})",
        value,
        float(stats.chi2.sf(value, order * pairs)),
        {"pairs": pairs, "order": order},
    )
    return conclude(outcome, null, None, statistic, bootstrap=bootstrap, shocks=shocks, rng=rng, n_jobs=n_jobs)


def _transition_statistic(null: NullFit, powers: Array, robust: bool) -> float:
    """Powers of the driver (order, T) against the scores."""
    shape = null.scores[0].shape
    return weighted_statistic(null, [np.broadcast_to(one[:, None], shape) for one in powers], robust)


def _second_transition_statistic(null: NullFit, s: Array, additive: bool, robust: bool) -> float:
    """The second driver, times the weight of each regime unless additive, against the scores."""
    assert isinstance(null.model, TransitionLikelihood)  # checked where the null was read
    shape = null.scores[0].shape
    regimes = np.ones((shape[0], 1)) if additive else null.model.weigh(null.theta)[1]
    unit = standardized(s)
    return weighted_statistic(null, [np.broadcast_to((unit * one)[:, None], shape) for one in regimes.T], robust)
