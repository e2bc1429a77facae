"""Chow's test: coefficients before and after dates that were known before the data were looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ..errors import DataError, SpecError, check_option
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from .limits import LEVELS
from .results import BreakTest, label
from .sample import Regression, read_regression

__all__ = ["COV_TYPES", "break_positions", "chow_test", "regime_design", "shift_wald"]

COV_TYPES = ("HC", "nonrobust", "HAC")
KNOWN = "A date chosen by looking at the data needs sup_wald_test."
ROBUSTNESS = {
    "nonrobust": "For errors of one variance and without memory. Measured at 5 %, T = 1000, at the middle, "
    "over iid t(5), GARCH(.08, .90), GARCH(.12, .87) with t(5) and a standard deviation that doubles "
    "half-way: 4.7-7.0 % for the mean, 4.3-5.3 % for a slope on an independent return. A variance that "
    "differs between regimes of unequal length distorts it, and cov_type='HC' does not mind. Between two "
    "GARCH returns with a constant correlation the slope moves, and the test rejects (32-55 %). " + KNOWN,
    "HC": "Valid under heteroskedasticity of any form where errors have no serial correlation. Measured "
    "at 5 %, T = 1000, at the middle, over iid t(5), GARCH(.08, .90), GARCH(.12, .87) with t(5) and a "
    "standard deviation that doubles half-way: 4.7-7.0 % for the mean, 4.0-7.0 % for a slope on an "
    "independent return; short regimes reject too often. Between two GARCH returns with a constant "
    "correlation the slope moves, and the test rejects (30-41 %). " + KNOWN,
    "HAC": "For heteroskedastic and serially correlated errors. Measured at 5 % for the mean, T = 400, "
    "at the middle, 120 samples: 5.0-8.3 % over iid t(5), two GARCH, a standard deviation that doubles "
    "half-way and an autocorrelation of .5. A covariance from a few dozen observations is poor: use long "
    "regimes. " + KNOWN,
    "predictive": "The predictive form needs normal errors of one variance: its regime is too short for a "
    "central limit theorem, and under fat tails or GARCH one wild day rejects. " + KNOWN,
}


def chow_test(
    y: Any,
    exog: Any = None,
    *,
    dates: Any,
    vary: Sequence[str] | None = None,
    cov_type: str = "nonrobust",
    long_run: LongRun | None = None,
    constant: bool = True,
) -> BreakTest:
    r"""Chow's (1960) test of equal coefficients in regimes that are cut at known dates.

    With m dates, k coefficients of which q may break, and the sums of squares without and with breaks,

    .. math:: F=\frac{(SSR_0-SSR_u)/(mq)}{SSR_u/(T-k-mq)}\sim F(mq,\;T-k-mq)

    for normal errors of one variance. ``cov_type="HC"`` and ``"HAC"`` give the Wald statistic of the mq differences
    between consecutive regimes with White's (1980) or a kernel covariance, on :math:`\chi^2(mq)`.

    A regime of n < q observations cannot have coefficients of its own. It then counts with n free residuals, which is
    Chow's **predictive** test: for one such regime
    :math:`F=\{(SSR_0-SSR_1)/n\}/\{SSR_1/(T-n-k)\}\sim F(n,T-n-k)`. It has no robust form.

    Parameters
    ----------
    y : pd.Series or array (T,). exog : regressors (T, k - 1) or None for a mean.
    dates : first observation of each new regime, one or several. Labels of the index; a date that is no row stands for
        the next row. A whole number is a position (0-based) unless the labels themselves are numbers.
    vary : names of the coefficients that may break, among "const" and the columns of ``exog``; all by default.
    cov_type : "nonrobust" (the F test), "HC" (White's HC0) or "HAC".
    long_run : of "HAC"; `LongRun(prewhiten=True)` by default, which estimates it from the moments of all regimes.
    constant : put a constant among the regressors.

    Returns
    -------
    BreakTest : ``detail`` holds both sums of squares and the degrees of freedom; without ``path``. ``position`` and
        ``break_date`` are set for one date, and ``options["dates"]`` lists them all.

    Notes
    -----
    At the middle of 1000 days, a true null of a constant mean or of a constant slope on an independent return was
    rejected in 4.0 to 7.0 % of 300 samples at 5 %, over iid t(5), GARCH(.08, .90), GARCH(.12, .87) with t(5), and a
    standard deviation that doubles, with "HC" as without. The slope between two GARCH returns with a constant
    correlation moves, and is found to, in 30 to 55 %. The predictive form needs normal errors. The test is for a date
    known beforehand: at a date that was chosen for its look, the level means nothing. See the page "One break in a
    regression".

    Raises
    ------
    DataError : a date outside the sample, a regime with linearly dependent regressors or, with a robust covariance, too
        short. SpecError : dates repeated, ``long_run`` without "HAC".

    Examples
    --------
    >>> import cryptoequity as ce
    >>> from statsmodels.datasets import nile
    >>> flow = nile.load_pandas().data.set_index("year")["volume"]
    >>> test = ce.chow_test(flow, dates=1899)
    >>> round(test.statistic, 2), int(test.last_date)
    (75.93, 1898)
    """
    check_cov_type(cov_type, long_run)
    reg = read_regression(y, exog, constant=constant, vary=vary, min_obs=8)
    positions = break_positions(dates, reg.index)
    edges = [0, *positions, reg.nobs]
    sizes = np.diff(edges)
    short = sizes < reg.q
    shown = ", ".join(label(reg.index[position]) for position in positions)
    extra: dict[str, Any] = {}
    if len(positions) == 1:
        extra = {
            "position": positions[0],
            "break_date": reg.index[positions[0]],
            "last_date": reg.index[positions[0] - 1],
        }
    options = {"cov_type": cov_type, "dates": shown, "vary": ", ".join(np.array(reg.names)[reg.varies])}
    broken = " and ".join(np.array(reg.names)[reg.varies])
    common: dict[str, Any] = {
        "null": "the coefficients are the same in all regimes.",
        "alternative": f"{broken} differ between the regimes that begin at {shown}.",
        "nobs": reg.nobs,
        "options": options,
    }
    design = regime_design(reg.x, reg.varies, positions)
    check_regimes(reg, positions)
    if cov_type != "nonrobust":
        if short.any():
            which = int(np.flatnonzero(short)[0])
            raise DataError(
                f"the regime from {label(reg.index[edges[which]])} has {sizes[which]} observations for {reg.q} "
                "coefficients; the predictive test of such a regime has cov_type='nonrobust' only."
            )
        wald = shift_wald(reg, positions, cov_type, long_run)
        dof = len(positions) * reg.q
        return BreakTest(
            name=f"Chow test, {cov_type} Wald",
            statistic=wald,
            pvalue=float(stats.chi2.sf(wald, dof)),
            reference=f"chi2({dof})",
            critical_values={level: float(stats.chi2.isf(level, dof)) for level in LEVELS},
            robustness=ROBUSTNESS[cov_type],
            keys=("chow1960", "white1980") if cov_type == "HC" else ("chow1960", "andrews1991"),
            **common,
            **extra,
        )
    ssr0 = residual_square(reg.y, reg.x)[0]
    ssr, rank = residual_square(reg.y, design)
    top, bottom = rank - reg.x.shape[1], reg.nobs - rank
    if bottom < 1:
        raise DataError(f"{reg.nobs} observations leave no degree of freedom for {rank} coefficients in the regimes.")
    check_fit(ssr, reg)
    statistic = (ssr0 - ssr) / top / (ssr / bottom)
    return BreakTest(
        name="Chow predictive test" if short.any() else "Chow test",
        statistic=statistic,
        pvalue=float(stats.f.sf(statistic, top, bottom)),
        reference=f"F({top}, {bottom})",
        detail={"SSR without breaks": ssr0, "SSR with breaks": ssr, "Wald": statistic * top},
        critical_values={level: float(stats.f.isf(level, top, bottom)) for level in LEVELS},
        robustness=ROBUSTNESS["predictive" if short.any() else "nonrobust"],
        keys=("chow1960",),
        **common,
        **extra,
    )


def break_positions(dates: Any, index: pd.Index) -> tuple[int, ...]:
    """Positions of the first rows of the new regimes that ``dates`` name, increasing; see `chow_test`.

    Raises
    ------
    SpecError : none given, or the same row twice. DataError : a date that is not inside the sample.
    """
    many = isinstance(dates, Iterable) and not isinstance(dates, str | bytes)
    wanted = list(dates) if many else [dates]
    if not wanted:
        raise SpecError("dates: give the first observation of at least one new regime.")
    positions = sorted(_position(when, index) for when in wanted)
    for position in positions:
        if not 1 <= position < len(index):
            raise DataError(
                f"dates: row {position} of {len(index)} starts no new regime; give dates after {label(index[0])} "
                f"and not beyond {label(index[-1])}."
            )
    if len(set(positions)) < len(positions):
        twice = next(one for one in positions if positions.count(one) > 1)
        raise SpecError(f"dates: two of them start a regime at {label(index[twice])}; give each once.")
    return tuple(positions)


def _position(when: Any, index: pd.Index) -> int:
    whole = isinstance(when, int | np.integer) and not isinstance(when, bool | np.bool_)
    if whole and not pd.api.types.is_numeric_dtype(index.dtype):
        return int(when)
    if isinstance(index, pd.DatetimeIndex):
        try:
            stamp = pd.Timestamp(when)
        except (TypeError, ValueError) as error:
            raise DataError(f"dates: {when!r} is no date ({error}).") from error
        if index.tz is not None and stamp.tzinfo is None:
            stamp = stamp.tz_localize(index.tz)
        elif index.tz is None and stamp.tzinfo is not None:
            raise DataError(f"dates: {when} has a time zone and the series has none.")
        # a day without trading stands for the next row
        return int(index.searchsorted(stamp))
    found = index.get_indexer(pd.Index([when]))
    if found[0] < 0 and isinstance(index, pd.PeriodIndex):
        found = index.get_indexer(pd.PeriodIndex([when], freq=index.freq))
    if found[0] < 0:
        raise DataError(
            f"dates: no row is labeled {when!r}; the labels run from {label(index[0])} to {label(index[-1])}."
        )
    return int(found[0])


def check_cov_type(cov_type: str, long_run: LongRun | None) -> None:
    """Refuse an unknown covariance, and a long-run covariance that would not be used."""
    check_option("cov_type", cov_type, COV_TYPES)
    if long_run is not None and cov_type != "HAC":
        raise SpecError(f"long_run is used with cov_type='HAC' only, not with {cov_type!r}.")


def check_fit(ssr: float, reg: Regression) -> None:
    """Refuse a regression without errors."""
    if not ssr > 1e-20 * float(reg.y @ reg.y):
        raise DataError(
            f"the regressors {list(reg.names)} explain {reg.name!r} exactly; there are no errors to test by."
        )


def check_regimes(reg: Regression, positions: tuple[int, ...]) -> None:
    """Refuse regimes whose coefficients cannot be told apart; regimes of fewer than q rows are passed over."""
    edges = [0, *positions, reg.nobs]
    names = list(np.array(reg.names)[reg.varies])
    x = reg.breaking / np.sqrt(np.einsum("tk,tk->k", reg.breaking, reg.breaking))
    room = reg.x.shape[1] - reg.q
    for first, end in pairwise(edges):
        room += min(end - first, reg.q)
        if end - first >= reg.q and np.linalg.matrix_rank(x[first:end]) < reg.q:
            raise DataError(
                f"from {label(reg.index[first])} to {label(reg.index[end - 1])} the regressors {names} are linearly "
                "dependent, so their coefficients cannot be told apart there; choose other dates or a larger trim, or "
                "leave the one that does not vary out of vary=[…]."
            )
    if design_rank(regime_design(reg.x, reg.varies, positions)) < room:
        shown = ", ".join(label(reg.index[position]) for position in positions)
        raise DataError(
            f"with a break at {shown} the changes of {names} cannot be told from the coefficients that do not break: a "
            "regressor there is the dummy of a regime. Drop it, or choose other dates."
        )


def design_rank(x: Array) -> int:
    """Rank of the columns of ``x``, each scaled to length one."""
    scale = np.sqrt(np.einsum("tk,tk->k", x, x))
    return int(np.linalg.matrix_rank(x / np.where(scale > 0, scale, 1.0)))


def residual_square(y: Array, x: Array) -> tuple[float, int]:
    """Sum of squared residuals of ``y`` on ``x``, and the rank of ``x``."""
    scale = np.sqrt(np.einsum("tk,tk->k", x, x))
    left, values, _ = np.linalg.svd(x / np.where(scale > 0, scale, 1.0), full_matrices=False)
    rank = int(np.sum(values > values[0] * max(x.shape) * np.finfo(float).eps))
    basis = left[:, :rank]
    resid = y - basis @ (basis.T @ y)
    # once more: the first projection leaves rounding of the size of y
    resid = resid - basis @ (basis.T @ resid)
    return float(resid @ resid), rank


def regime_design(x: Array, varies: npt.NDArray[np.bool_], positions: tuple[int, ...]) -> Array:
    """Columns that do not break, then those that may once for each regime, zero outside it."""
    nobs = x.shape[0]
    edges = [0, *positions, nobs]
    breaking = x[:, varies]
    blocks = [x[:, ~varies]]
    for first, end in pairwise(edges):
        block = np.zeros_like(breaking)
        block[first:end] = breaking[first:end]
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def shift_wald(
    reg: Regression, positions: tuple[int, ...], cov_type: str = "HC", long_run: LongRun | None = None
) -> float:
    r"""Wald statistic of equal coefficients in consecutive regimes, :math:`(R\hat\beta)'[R\hat VR']^{-1}R\hat\beta`.

    The moments of "HAC" are :math:`d_t\hat u_t` with :math:`d_t` a row of `regime_design`, divided by T less the
    coefficients, so that each regime has its own covariances and regimes are taken to be independent at no lag.
    """
    design = regime_design(reg.x, reg.varies, positions)
    nobs, width = design.shape
    m, q = len(positions), reg.q
    left, upper = np.linalg.qr(design)
    resid = reg.y - left @ (left.T @ reg.y)
    check_fit(float(resid @ resid), reg)
    coefficients = np.linalg.solve(upper, left.T @ reg.y)
    contrast = np.zeros((m * q, width))
    for j in range(m):
        rows = np.arange(q)
        contrast[j * q + rows, width - (m + 1 - j) * q + rows] = -1.0
        contrast[j * q + rows, width - (m - j) * q + rows] = 1.0
    delta = contrast @ coefficients
    if cov_type == "nonrobust":
        # R (D'D)^{-1} R' = (R upper^{-1})(R upper^{-1})'
        carry = np.linalg.solve(upper.T, contrast.T).T
        cov = carry @ carry.T * float(resid @ resid) / (nobs - width)
    elif cov_type == "HC":
        carry = np.linalg.solve(upper.T, contrast.T).T @ (left * resid[:, None]).T
        cov = carry @ carry.T
    else:
        spec = LongRun(prewhiten=True) if long_run is None else long_run
        bread = np.linalg.solve(upper.T, contrast.T)
        carry = np.linalg.solve(upper, bread).T  # R (D'D)^{-1}
        cov = nobs * carry @ spec.covariance(design * resid[:, None], dof=width) @ carry.T
    try:
        return float(delta @ np.linalg.solve(cov, delta))
    except np.linalg.LinAlgError as error:
        raise DataError(
            f"the {cov_type} covariance of the breaks is singular; a regime is too short for its {q} coefficients."
        ) from error
