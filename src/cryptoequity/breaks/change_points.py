r"""Change points without a model of the regimes: where a mean, a variance, a correlation or a regression moves.

Descriptive: what is found has no p-value. Theory and false alarms: the page "Change points".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.params import Array
from ..kernels.change_points import first_singular, fixed_number, penalized
from ..table import Table, format_number
from .change_point_costs import KINDS, SQUARES, Sample, estimates, noise_variance, read_sample
from .results import DatedMixin, label
from .sample import minimum_segment
from .wild_binary import LONGEST, greedy_path, least_criterion, random_intervals, total_cost

__all__ = ["ChangePoints", "ChangePointsFit"]

METHODS = ("dp", "pelt", "binary", "wild")
PENALTIES = ("bic", "mbic", "ssic")
KEYS = {"dp": ("auger1989",), "pelt": ("killick2012",), "binary": ("vostrikova1981",), "wild": ("fryzlewicz2014",)}
NOTE = (
    "Descriptive: these are the breaks that pay the penalty, not breaks that a test has found. The penalties are for "
    "independent observations; clustered volatility and serial correlation look like breaks to them."
)


@dataclass(frozen=True)
class ChangePoints:
    r"""Partition a sample so that a sum of segment costs plus a penalty for every break is least.

    .. math:: \min_{m,\,p_1<\dots<p_m}\ \sum_{j=0}^{m} C(p_j,p_{j+1}) + m\,\pi,\qquad p_0=0,\ p_{m+1}=T,

    with one of these costs of n rows:

    ============== ===============================================================================================
    "mean"         sum of squared deviations from the segment's mean, over the columns
    "variance"     n ln of the mean square about the sample mean, summed over the columns
    "meanvariance" n ln of the variance about the segment's mean, summed over the columns
    "correlation"  two columns, standardized over the sample: -2 log-likelihood of the normal with the segment's
                   correlation and unit variances. Give standardized residuals: a move of a variance is not modeled
    "regression"   sum of squared residuals of y on exog
    "normal"       n ln det of the segment's covariance about its mean, all columns together
    ============== ===============================================================================================

    Parameters
    ----------
    cost : see above.
    method : "dp" (exact, O(T²)); "pelt" (the same partition with starts pruned that cannot return, also exact where
        ``min_size`` exceeds 1: Killick, Fearnhead & Eckley 2012; needs a penalty); "binary" (greedy: split the segment
        with the largest saving, while it exceeds the penalty); "wild" (greedy over random intervals: Fryzlewicz 2014).
        Every row is a candidate, there is no grid.
    n_breaks : their number ("dp", "binary", "wild"); or None, and a penalty decides.
    penalty : :math:`\pi`, a number in the unit of the cost; or, with p parameters in a segment, "bic" (p + 1) ln T;
        "mbic" (p + 2) ln T and p ln(n/T) in every segment (Zhang & Siegmund 2007, p = 1); "ssic" (p + 1) (ln T)^1.01
        (Fryzlewicz). With these three, sums of squares are divided by the noise variance, the mean of the residual
        variances of consecutive blocks. None is "mbic". For "wild" a number is the threshold for the saving within an
        interval, and a name chooses along the path of its first 50 breaks.
    min_size : fewest rows of a segment; by default 2 for "mean", else 20 or five times the parameters.
    intervals : random intervals of "wild". rng : their seed.

    Notes
    -----
    Not a test. Share of samples of 500 rows without a break in which the default penalty reports one (100 samples
    each), costs "mean", "variance", "meanvariance", "correlation", "normal": normal 1, 0, 0, 0, 0 %; t(5) 21, 29,
    24, 0, 18 %; GARCH(.08, .90) 11, 72, 67, 2, 80 %; GARCH(.12, .87) with t(5) 56, 100, 99, 19, 99 %; AR(.3) 14, 0,
    2, 2, 2 %. "bic" is worse for means and variances (t(5) 37 and 46 %). Fat tails, clustered volatility and serial
    correlation look like breaks: cut standardized residuals, or use a test.

    References
    ----------
    Auger, I. E. and Lawrence, C. E. (1989), Bulletin of Mathematical Biology 51, 39–54.
    Killick, R., Fearnhead, P. and Eckley, I. A. (2012), Journal of the American Statistical Association 107, 1590–1598.
    Fryzlewicz, P. (2014), Annals of Statistics 42, 2243–2281.
    Zhang, N. R. and Siegmund, D. O. (2007), Biometrics 63, 22–32.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> y = np.random.default_rng(0).standard_normal(300) + 2.0 * (np.arange(300) >= 200)
    >>> ce.ChangePoints("mean", method="pelt").fit(y).positions
    (200,)
    >>> ce.ChangePoints("mean", method="pelt", penalty=0.1, min_size=2).fit([0.0, 1.0, 0.0, 0.0, 1.0]).positions
    ()
    """

    cost: str = "mean"
    method: str = "dp"
    n_breaks: int | None = None
    penalty: str | float | None = None
    min_size: int | None = None
    intervals: int = 5000
    rng: int | np.random.Generator = 0

    def __post_init__(self) -> None:
        check_option("cost", self.cost, tuple(KINDS))
        check_option("method", self.method, METHODS)
        if self.n_breaks is not None:
            if self.penalty is not None:
                raise SpecError("n_breaks fixes the number of breaks and penalty chooses it; give one of them.")
            if not isinstance(self.n_breaks, int | np.integer) or isinstance(self.n_breaks, bool) or self.n_breaks < 0:
                raise SpecError(f"n_breaks={self.n_breaks!r}: a whole number, 0 or more.")
            if self.method == "pelt":
                raise SpecError("method='pelt' needs a penalty; for a given number of breaks use method='dp'.")
        if isinstance(self.penalty, str):
            check_option("penalty", self.penalty, PENALTIES)
        elif self.penalty is not None and not (math.isfinite(self.penalty) and self.penalty >= 0):
            raise SpecError(f"penalty={self.penalty!r}: a name among {PENALTIES} or a number, 0 or more.")
        whole = isinstance(self.intervals, int | np.integer) and not isinstance(self.intervals, bool)
        if not whole or self.intervals < 1:
            raise SpecError(f"intervals={self.intervals!r}: a whole number, 1 or more.")

    def fit(self, y: Any, exog: Any = None) -> ChangePointsFit:
        """Find the partition.

        Parameters
        ----------
        y : series or frame of columns (T, D), labels kept; a regression takes one column, a correlation two.
        exog : regressors of "regression", a constant is added.

        Raises
        ------
        DataError : too few rows for a break, missing values, a stretch of ``min_size`` rows without finite cost.
        """
        sample = read_sample(self.cost, y, exog)
        nobs, size = len(sample.index), _minimum(self, sample)
        minimum_segment(nobs, None, size, sample.least, 0 if self.n_breaks == 0 else max(self.n_breaks or 0, 1))
        kind = KINDS[self.cost]
        bad = first_singular(kind, sample.z, size)
        if bad >= 0:
            raise DataError(
                f"the {size} rows from {label(sample.index[bad])} to {label(sample.index[bad + size - 1])} do not "
                f"identify the parameters of cost={self.cost!r} (they are constant, or columns agree): use a larger "
                "min_size, or drop the rows."
            )
        name = "mbic" if self.penalty is None else self.penalty
        named = self.n_breaks is None and isinstance(name, str)
        scale = noise_variance(sample.z, sample.least) if named and self.cost in SQUARES else np.ones(1)
        z = sample.z
        if named and self.cost in SQUARES:
            z = z.copy()
            columns = slice(None) if self.cost == "mean" else slice(-1, None)
            z[:, columns] /= np.sqrt(scale)
        pi, weight = _penalty(name, sample.parameters, nobs) if self.n_breaks is None else (0.0, 0.0)
        positions, table = self._search(kind, np.ascontiguousarray(z), size, pi, weight, named)
        return ChangePointsFit(
            spec=self,
            positions=positions,
            index=sample.index,
            data=sample.data,
            exog=sample.exog,
            min_size=size,
            penalty=pi if self.n_breaks is None else math.nan,
            noise=pd.Series(scale, sample.data.columns) if named and self.cost in SQUARES else None,
            cost=total_cost(kind, z, positions) + sample.constant,
            savings=_savings(kind, z, positions, sample.index),
            search=table,
        )

    def _search(
        self, kind: int, z: Array, size: int, penalty: float, weight: float, named: bool
    ) -> tuple[tuple[int, ...], pd.DataFrame]:
        """Positions, and what the search went through."""
        nobs = z.shape[0]
        if self.method in ("dp", "pelt"):
            if self.n_breaks is None:
                total, start, evaluations = penalized(kind, z, penalty, weight, size, self.method == "pelt")
                found = _trace(start, nobs)
                return found, pd.DataFrame({"breaks": [len(found)], "criterion": [total], "evaluations": [evaluations]})
            costs, starts = fixed_number(kind, z, int(self.n_breaks), size)
            end, positions = nobs, []
            for m in range(int(self.n_breaks), 0, -1):
                end = int(starts[m, end])
                positions.append(end)
            return tuple(positions[::-1]), pd.DataFrame({"breaks": np.arange(costs.size), "cost": costs})
        drawn = None
        if self.method == "wild":
            drawn = random_intervals(nobs, self.intervals, size, self.rng)
        room = nobs // size - 1
        by_path = self.method == "wild" and named
        most = min(int(self.n_breaks), room) if self.n_breaks is not None else (min(LONGEST, room) if by_path else room)
        path = greedy_path(
            kind,
            z,
            size,
            most=most,
            # a path is followed past its best point, to have something to compare with
            threshold=-math.inf if self.n_breaks is not None else (0.0 if by_path else penalty),
            weight=0.0 if self.method == "wild" else weight,
            intervals=drawn,
        )
        table = pd.DataFrame({"position": path.positions, "saving": path.gains})
        if by_path:
            found, criterion = least_criterion(kind, z, path, penalty, weight)
            table["criterion"] = criterion[1:]
            return found, table
        if self.n_breaks is not None and len(path.positions) < self.n_breaks:
            raise DataError(
                f"the greedy search came to {len(path.positions)} breaks, and no segment can be split further; ask for "
                "no more, use a smaller min_size, or method='dp'."
            )
        return path.first(len(path.positions)), table


@dataclass(frozen=True, eq=False)
class ChangePointsFit(DatedMixin):
    """A partition of a sample.

    Attributes
    ----------
    spec : what was asked for. positions : 0-based first rows of the new regimes. index : labels of the rows.
    data : columns that were segmented. exog : regressors, constant first; None but for "regression".
    min_size : fewest rows of a segment. penalty : cost of a break; NaN where their number was given.
    noise : noise variance by column that sums of squares were divided by; None where they were not.
    cost : sum of the costs of the segments; of a likelihood, -2 log-likelihood but for T D ln 2π and, likewise, what
        is the same for all partitions.
    savings : by date, what the cost would rise by without that break.
    search : what the search went through: least cost by number of breaks ("dp" with a number), breaks in the order
        they were found ("binary", "wild").
    """

    spec: ChangePoints
    positions: tuple[int, ...]
    index: pd.Index = field(repr=False)
    data: pd.DataFrame = field(repr=False)
    exog: pd.DataFrame | None = field(repr=False)
    min_size: int
    penalty: float
    noise: pd.Series | None
    cost: float
    savings: pd.Series = field(repr=False)
    search: pd.DataFrame = field(repr=False)

    @property
    def n_breaks(self) -> int:
        """Breaks found."""
        return len(self.positions)

    @property
    def nobs(self) -> int:
        """Observations."""
        return len(self.index)

    @property
    def params(self) -> pd.DataFrame:
        """Estimates by regime: means, standard deviations, correlations or coefficients, whatever the cost is of."""
        rows = [estimates(self.spec.cost, self.data, self.exog, first, end) for first, end in self.bounds]
        return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="regime"))

    @property
    def levels(self) -> pd.DataFrame:
        """The estimates of `params` by date, constant within a regime."""
        frame = self.params.loc[self.labels.to_numpy()]
        return frame.set_axis(self.index, axis=0)

    def to_frame(self) -> pd.DataFrame:
        """First and last label, observations and estimates of each regime."""
        return pd.concat([self.spans, self.params], axis=1)

    def summary(self) -> Table:
        """Return the regimes as a table."""
        frame = self.to_frame()
        frame["first"] = [label(when) for when in frame["first"]]
        frame["last"] = [label(when) for when in frame["last"]]
        chosen = "given" if self.spec.n_breaks is not None else f"penalty {format_number(self.penalty)} a break"
        notes = [
            f"method {self.spec.method}   {self.n_breaks} break(s), {chosen}   cost {format_number(self.cost)}   at "
            f"least {self.min_size} rows in a regime",
            NOTE,
        ]
        return Table.of(f"Change points: {self.spec.cost}", frame, notes=notes, corner="regime")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "cost": self.spec.cost,
            "method": self.spec.method,
            "positions": list(self.positions),
            "break_dates": [label(when) for when in self.break_dates],
            "last_dates": [label(when) for when in self.last_dates],
            "penalty": None if math.isnan(self.penalty) else self.penalty,
            "min_size": self.min_size,
            "total_cost": self.cost,
            "savings": [float(value) for value in self.savings],
            "params": [{str(key): float(value) for key, value in row.items()} for _, row in self.params.iterrows()],
            "nobs": self.nobs,
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        name = "mbic" if self.spec.penalty is None else self.spec.penalty
        extra = ("zhangsiegmund2007",) if self.spec.n_breaks is None and name == "mbic" else ()
        return citation(*KEYS[self.spec.method], *extra)


def _minimum(spec: ChangePoints, sample: Sample) -> int:
    if spec.min_size is not None:
        return spec.min_size
    return 2 if spec.cost == "mean" else max(20, 5 * sample.parameters)


def _penalty(name: str | float, parameters: int, nobs: int) -> tuple[float, float]:
    """Cost of a break, and the weight of ln(rows / T) in the cost of a segment."""
    if not isinstance(name, str):
        return float(name), 0.0
    log = math.log(nobs)
    if name == "mbic":
        return (parameters + 2) * log, float(parameters)
    return (parameters + 1) * (log if name == "bic" else log**1.01), 0.0


def _trace(start: Any, nobs: int) -> tuple[int, ...]:
    positions, end = [], nobs
    while start[end] > 0:
        end = int(start[end])
        positions.append(end)
    return tuple(positions[::-1])


def _savings(kind: int, z: Array, positions: tuple[int, ...], index: pd.Index) -> pd.Series:
    edges = [0, *positions, z.shape[0]]
    values = []
    for k, at in enumerate(positions, 1):
        part = np.ascontiguousarray(z[edges[k - 1] : edges[k + 1]])
        values.append(total_cost(kind, part, ()) - total_cost(kind, part, (at - edges[k - 1],)))
    return pd.Series(values, index[list(positions)], name="saving", dtype=float)
