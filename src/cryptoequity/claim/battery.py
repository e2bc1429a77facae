r"""Further tests of H2 that stand beside the verdict and decide nothing: E, F and G of the battery.

**E** smooth transitions of a constant correlation driven by the episodes, alone and given a transition in time; **F** a
regime model of the correlation that knows nothing of the episodes, whether its high regime falls into them, and whether
they move the odds of its regimes; **G** breaks of the products of residuals, dated without the episodes, and how near
the episodes' edges lie to them. The first two believe in a correlation that is constant, or constant within
regimes, and reject true nulls too often when it wanders; the third has a handful of edges. Hence the flag on each row.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..breaks import BaiPerron
from ..diagnostics.transition_tests import second_transition_test, stcc_test
from ..errors import CryptoEquityError, CryptoEquityWarning, DataError
from ..estimation.parallel import spawn
from ..estimation.params import Array
from ..estimation.results import TestResult
from ..regimes import RSDC
from ..regimes.concordance import concordance_test
from ..regimes.driver_tests import regime_driver_test
from ..table import Table
from ..volatility import Margins
from ..volatility.margins import fit_margins
from .headline import Headline, Sample, sessions_of
from .plan import Plan

__all__ = ["Battery", "battery", "break_distances", "break_matching_test", "edges_of"]

COLUMNS = ("part", "statistic", "pvalue", "decides nothing", "note")
STARTS = 8  # of the regime model's search


@dataclass(frozen=True, eq=False)
class Battery:
    """Further tests of one window.

    Attributes
    ----------
    frame : by test: part of the battery ("E", "F", "G"), statistic, pvalue, whether it decides nothing (always), and a
        note: what was warned of, or why there is no number.
    tests : the results behind the rows.
    """

    frame: pd.DataFrame
    tests: dict[str, TestResult] = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The rows."""
        return self.frame

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content by test; missing numbers are None."""
        rows = self.frame.astype(object).where(self.frame.notna(), None)
        return {str(name): dict(row) for name, row in rows.to_dict(orient="index").items()}

    def summary(self) -> Table:
        """Return the rows as a table."""
        shown = self.frame.drop(columns=["note", "decides nothing"])
        notes = [f"{name}: {row['note']}" for name, row in self.frame.iterrows() if row["note"]]
        return Table.of(
            "Beside the verdict: further tests of H2, none of which decides anything",
            shown,
            digits={"statistic": 2, "pvalue": 3},
            notes=[
                *notes,
                "E and F believe the correlation to be constant, or constant within regimes, and reject true nulls too "
                "often where it wanders; G has a handful of edges.",
            ],
        )


def edges_of(dummy: Array) -> npt.NDArray[np.intp]:
    """Rows at which a dummy (T,) changes: the first day inside, and the first day outside again."""
    return np.flatnonzero(np.diff(dummy) != 0.0) + 1


def break_distances(breaks: npt.ArrayLike, nobs: int) -> Array:
    """Distance of every row to the nearest break on a circle of ``nobs`` rows, (T,)."""
    rows = np.arange(nobs)
    gaps = np.abs(rows[:, None] - np.atleast_1d(np.asarray(breaks, np.int64))[None, :])
    out: Array = np.minimum(gaps, nobs - gaps).min(axis=1).astype(np.float64)
    return out


def break_matching_test(product: pd.Series, dummy: pd.Series, *, spec: BaiPerron | None = None) -> TestResult:
    r"""Test whether the edges of episodes lie nearer to the breaks of a series than edges placed anywhere would.

    The breaks :math:`\hat t_j` of the mean are dated without the episodes; with :math:`e_k` the edges,

    .. math:: D=\frac1K\sum_k\min_j|e_k-\hat t_j|,

    distances on a circle, and the p-value is the share of all T circular shifts of the edges with a D that is not
    larger.

    Parameters
    ----------
    product : (T,) products of standardized residuals by date. dummy : zeros and ones on the same dates.
    spec : how breaks are dated; `BaiPerron` with HAC errors by default.

    Returns
    -------
    TestResult : mean distance in sessions; ``detail`` holds the dates. Without a break there is no p-value.

    Raises
    ------
    DataError : different dates, a dummy that is not one, a series that cannot be used.

    Notes
    -----
    **Robustness.** GARCH and fat tails move the breaks found, not the law: breaks are given and edges are moved. A
    persistent correlation breaks by chance, and the test is then one of coincidence with those breaks. The p-value
    is at least 1/T, in practice far larger: evenly spaced edges, or a single break, are matched by many shifts. Do not
    use it for episodes dated from the tested series.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from cryptoequity.claim.battery import break_matching_test
    >>> dates = pd.bdate_range("2020-01-01", periods=300)
    >>> inside = pd.Series(np.repeat([0.0, 1.0, 0.0], [80, 120, 100]), dates)
    >>> noise = np.random.default_rng(0).standard_normal(300)
    >>> break_matching_test(inside + 0.5 * noise, inside).pvalue < 0.1
    True
    """
    if not isinstance(product, pd.Series) or not isinstance(dummy, pd.Series):
        raise DataError("product and dummy must be Series by date; wrap them: pd.Series(values, index=dates).")
    if not product.index.equals(dummy.index):
        raise DataError(
            f"product has {len(product)} dates and dummy {len(dummy)}, and they differ; build the dummy on the dates "
            "of the product: episodes.dummy(product.index)."
        )
    inside = dummy.to_numpy(float, na_value=np.nan)
    if not np.isin(inside, (0.0, 1.0)).all():
        where = int(np.flatnonzero(~np.isin(inside, (0.0, 1.0)))[0])
        raise DataError(f"the dummy is {inside[where]:g} in row {where}; it must be 1 inside an episode and 0 outside.")
    null = "the edges of the episodes have nothing to do with the breaks of the correlation"
    name = "break matching"
    edges = edges_of(inside)
    if not edges.size:
        reason = "the episodes cover none or all of the sample and have no edge in it"
        return TestResult(name, null, float("nan"), float("nan"), "", reason=reason)
    fit = (BaiPerron(cov_type="HAC") if spec is None else spec).fit(product)
    found = [int(row) for row in fit.positions]
    detail: dict[str, Any] = {
        "breaks": [str(pd.Timestamp(product.index[row]).date()) for row in found],
        "edges": [str(pd.Timestamp(product.index[row]).date()) for row in edges],
    }
    if not found:
        return TestResult(name, null, float("nan"), float("nan"), "", detail, "no break is found, so none is matched")
    distance = break_distances(found, len(product))
    shifts = np.arange(len(product))
    law = distance[(edges[:, None] + shifts[None, :]) % len(product)].mean(axis=0)
    p = float(np.mean(law <= law[0] + 1e-9))
    return TestResult(name, null, float(law[0]), p, f"{len(product)} rotations of the edges", {**detail, "null": law})


def battery(
    plan: Plan,
    sample: Sample,
    main: Headline,
    prices: pd.DataFrame,
    seed: np.random.SeedSequence,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Battery:
    """Tests E, F and G on the tested window; see the module. Takes seconds, none of it in a bootstrap.

    A test that refuses this sample leaves its row without numbers and with the reason; warnings are in the note.

    Parameters
    ----------
    plan, sample, main, prices : of `test_claim`. seed : of the regime model's search. n_jobs, progress : unused, there
        are no draws.
    """
    del prices, n_jobs, progress
    index = sessions_of(sample.window)
    # guard bands leave days to neither side, which these models cannot do: the episodes as they are
    if main.pipeline.redating is None:
        dummy = plan.episodes.dummy(index).rename("episodes")
    else:
        dummy = pd.Series(np.abs(main.pipeline.signed), index, name="episodes")
    pair = [plan.crypto, plan.equity]
    search = [np.random.default_rng(one) for one in spawn(seed, 2)]
    rows: dict[str, tuple[Any, ...]] = {}
    tests: dict[str, TestResult] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptoEquityWarning)  # the verdict's own fits of these margins have said it
        margins = fit_margins(sample.window[pair], {name: plan.margin(name) for name in pair})
    product = margins.std_resid.prod(axis=1).rename("product")
    time = pd.Series(np.linspace(0.0, 1.0, len(index)), index, name="time")
    jobs: tuple[tuple[str, str, Callable[[], TestResult]], ...] = (
        ("E", "smooth transition driven by the episodes", lambda: stcc_test(margins, dummy)),
        (
            "E",
            "smooth transition driven by the episodes, given one in time",
            lambda: second_transition_test(margins, dummy, first=time),
        ),
        ("F", "high-correlation regime inside the episodes", lambda: _regimes(margins, dummy, plan.dist, search[0])),
        (
            "F",
            "episodes move the odds of the regimes",
            lambda: regime_driver_test(margins, RSDC(dist=plan.dist), dummy, starts=STARTS, rng=search[1]),
        ),
        ("G", "edges of the episodes near breaks", lambda: break_matching_test(product, dummy)),
    )
    for part, name, job in jobs:
        rows[name], found = _row(part, job)
        if found is not None:
            tests[name] = found
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS)).rename_axis("test")
    return Battery(frame, tests)


def _row(part: str, job: Callable[[], TestResult]) -> tuple[tuple[Any, ...], TestResult | None]:
    """One row, with what was warned of, or why the test refused."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            found = job()
        except CryptoEquityError as error:
            return (part, float("nan"), float("nan"), True, str(error)), None
    said = [str(one.message) for one in heard]
    note = " ".join(dict.fromkeys([*([found.reason] if found.reason else []), *said]))
    return (part, found.statistic, found.pvalue, True, note), found


def _regimes(margins: Margins, dummy: pd.Series, dist: str, rng: np.random.Generator) -> TestResult:
    """P(high | inside) - P(high | outside) of a regime model without the episodes, and its p-value by shifts."""
    fit = RSDC(dist=dist).fit(margins, starts=STARTS, rng=rng)
    high = fit.probabilities("filtered").to_numpy()[:, -1]
    inside = dummy.to_numpy(float) == 1.0
    test = concordance_test(fit, dummy, kind="filtered")
    gap = float(high[inside].mean() - high[~inside].mean())
    detail = {**test.detail, "correlation of states and episodes": test.statistic}
    return TestResult(test.name, test.null, gap, test.pvalue, test.reference, detail, test.reason)
