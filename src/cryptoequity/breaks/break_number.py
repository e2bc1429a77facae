r"""How many breaks: tests of m against none, of l + 1 against l, and criteria.

Statistics and critical values are on the scale of Bai and Perron's printed tables, q times their F: 8.58 at 5 % for one
break in one coefficient with a trimming of .15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from ..estimation.params import Array
from .break_covariance import BreakCovariance, scaled_f
from .limits import LEVELS, PROBABILITIES
from .partitions import Partitions, one_break, regime_design
from .results import BreakTest
from .sample import Regression
from .trimmed_laws import TrimmedLaw, tabulated, trimmed_law

__all__ = ["NumberOfBreaks", "break_criteria", "one_at_a_time"]

FAMILY = "bai_perron"
SINGLE = "sup_wald"
KEYS = ("baiperron1998", "baiperron2003")
# measured: 300 samples of 500 observations, trimming .15, supF(1) and UDmax at 5 %; standard error 1.3 %
ROBUSTNESS = {
    "nonrobust": "For errors without serial correlation, of one variance in a regime (het_errors) or in all: a mean "
    "under t(5), GARCH or a doubled standard deviation is rejected in 3.0 to 5.3 % of samples, a slope in 3.7 to "
    "6.3 % where it is constant; under autocorrelation .5 in 51 to 72 %.",
    "HC": "For heteroskedastic errors without serial correlation: a mean under t(5), GARCH or a doubled standard "
    "deviation is rejected in 3.0 to 5.0 % of samples, a constant slope in 3.7 to 6.3 %; under "
    "autocorrelation .5 in 52 to 70 %. Between two GARCH series of constant correlation the slope itself "
    "moves: rejected in 48 to 65 %.",
    "HAC": "For serially correlated errors too, in long regimes: a mean is rejected in 2.7 to 5.0 % of samples, with"
    " autocorrelation .5 in 3.3 and 6.3 %; a slope in 4.3 to 8.3 %, with autocorrelation .5 in 8 and 15 %. "
    "Not for errors that persist, nor for slopes between GARCH series.",
}


def break_criteria(regression: Regression, partitions: Partitions) -> pd.DataFrame:
    r"""BIC (Yao 1988), LWZ (Liu, Wu & Zidek 1997) and KT (Kurozumi & Tuvaandorj 2011) by number of breaks.

    .. math:: \mathrm{BIC}=\ln\frac{S_m}{T}+\frac{m(q+1)\ln T}{T},\qquad
       \mathrm{LWZ}=\ln\frac{S_m}{T-(m+1)q-m}+.299\,\frac{m(q+1)(\ln T)^{2.1}}{T},

    .. math:: \mathrm{KT}=\sum_i\{n_i\ln(S_{m,i}/n_i)+q\ln n_i\}+2(m+1)\ln T .
    """
    nobs, q = regression.nobs, regression.q
    rows = []
    for m, (total, where) in enumerate(zip(partitions.ssr, partitions.positions, strict=True)):
        if where is None:
            rows.append((np.nan,) * 4)
            continue
        log = np.log(nobs)
        # a perfect fit has no logarithm; it is the best there is
        with np.errstate(divide="ignore"):
            bic = np.log(total / nobs) + m * (q + 1) * log / nobs
            lwz = np.log(total / (nobs - (m + 1) * q - m)) + 0.299 * m * (q + 1) * log**2.1 / nobs
            design = np.hstack([regime_design(regression.breaking, where), regression.constant])
            residuals = regression.y - design @ np.linalg.lstsq(design, regression.y, rcond=None)[0]
            kt = 2.0 * (m + 1) * log
            for first, end in pairwise((0, *where, nobs)):
                size = end - first
                kt += size * np.log(np.sum(residuals[first:end] ** 2) / size) + q * np.log(size)
        rows.append((total, bic, lwz, kt))
    return pd.DataFrame(
        rows, columns=["ssr", "bic", "lwz", "kt"], index=pd.RangeIndex(len(rows), name="breaks"), dtype=float
    )


@dataclass(frozen=True, eq=False)
class NumberOfBreaks:
    """The tests of one regression, with partitions and assumptions.

    Attributes
    ----------
    h : fewest rows of a regime. trim : its share of the sample, by which laws are read.
    sup : "ssr" takes statistics at the dates of the least sum of squares, as Bai and Perron; "wald" takes the largest
        statistic over all dates of one break (in the sample, or in a segment).
    """

    regression: Regression = field(repr=False)
    partitions: Partitions = field(repr=False)
    rule: BreakCovariance
    h: int
    trim: float
    alpha: float = 0.05
    sup: str = "ssr"

    @property
    def q(self) -> int:
        """Coefficients that may break."""
        return self.regression.q

    @property
    def feasible(self) -> int:
        """Largest number of breaks with a partition."""
        return max(m for m, where in enumerate(self.partitions.positions) if where is not None)

    def law(self, m: int) -> TrimmedLaw:
        """Of sup F(m)."""
        return trimmed_law(FAMILY, f"supF.q{self.q}.m{m}", self.trim, scale=float(self.q))

    def single_law(self) -> TrimmedLaw:
        """Of the supremum over one break, from its own finer simulation where there is one."""
        found = trimmed_law(SINGLE, f"sup.q{self.q}", self.trim)
        return found if not found.reason else self.law(1)

    def most(self, trim: float) -> int:
        """Breaks tabulated at a trimming."""
        table = tabulated(FAMILY)
        m = 0
        while f"supF.q{self.q}.m{m + 1}.trim{trim:.2f}" in table:
            m += 1
        return m

    def double_law(self, kind: str, breaks: int) -> TrimmedLaw:
        """Of UDmax or WDmax over up to ``breaks`` breaks."""
        if breaks == 1:
            return self.law(1)
        return trimmed_law(
            FAMILY,
            f"{kind}.q{self.q}",
            self.trim,
            scale=float(self.q),
            end=lambda trim: "" if self.most(trim) == breaks else f".max{breaks}",
        )

    def tests(self) -> dict[str, BreakTest]:
        """supF(1), …, supF(M), UDmax, WDmax, supF(2|1), …, by name."""
        out = {f"supF({m})": self.against_none(m) for m in range(1, self.feasible + 1)}
        out |= {test.name: test for test in self.double_maximum([out[f"supF({m + 1})"] for m in range(self.feasible)])}
        for m in range(1, self.feasible):
            test = self.one_more(m)
            out[test.name] = test
        return out

    def against_none(self, m: int) -> BreakTest:
        """Sup F(m): no break against m."""
        positions = self.partitions.positions[m]
        assert positions is not None  # asked for up to `feasible`
        if m == 1:
            value, where, path = self.single(0, self.regression.nobs)
        else:
            value, where, path = scaled_f(self.regression, positions, self.rule), None, None
        return self._conclude(
            f"supF({m})", "no coefficient breaks", f"{m} break(s)", value, self.law(m), position=where, path=path
        )

    def single(self, first: int, end: int) -> tuple[float, int | None, pd.Series | None]:
        """Statistic of one break within rows [first, end): value, position, and path with ``sup="wald"``.

        NaN where two regimes do not fit.
        """
        sums, start = one_break(self.regression, self.h, first, end)
        if not np.isfinite(sums).any():
            return float("nan"), None, None
        part = self.regression
        if (first, end) != (0, part.nobs):
            inside = slice(first, end)
            part = replace(part, y=part.y[inside], x=part.x[inside], index=part.index[inside])
        if self.sup == "ssr":
            best = int(np.argmin(sums))
            return scaled_f(part, (start - first + best,), self.rule), start + best, None
        values = np.array(
            [
                scaled_f(part, (start - first + i,), self.rule) if np.isfinite(sums[i]) else np.nan
                for i in range(sums.size)
            ]
        )
        if not np.isfinite(values).any():
            return float("nan"), None, None
        path = pd.Series(values, self.regression.index[start : start + sums.size], name="F")
        best = int(np.nanargmax(values))
        return float(values[best]), start + best, path

    def double_maximum(self, singles: list[BreakTest]) -> list[BreakTest]:
        """UDmax and WDmax over as many breaks as are tabulated; the weights of WDmax are those of level ``alpha``."""
        known = 0
        while known < len(singles) and not self.law(known + 1).reason:
            known += 1
        null, text = "no coefficient breaks", "an unknown number of breaks, up to"
        if known == 0:
            empty = TrimmedLaw(reason=self.law(1).reason)
            largest = max(test.statistic for test in singles)
            return [
                self._conclude("UDmax", null, f"{text} {len(singles)}", largest, empty),
                self._conclude("WDmax", null, f"{text} {len(singles)}", float("nan"), empty),
            ]
        values = np.array([test.statistic for test in singles[:known]])
        out = [
            self._conclude(
                "UDmax",
                null,
                f"{text} {known}",
                float(values.max()),
                self.double_law("UDmax", known),
                detail={"most breaks": known},
            )
        ]
        law = self.double_law("WDmax", known)
        weighted = self._conclude(
            "WDmax", null, f"{text} {known}", self._weighted(values, self.alpha), law, detail={"most breaks": known}
        )
        if not law.reason:
            weighted = replace(
                weighted,
                pvalue=self._weighted_pvalue(values, law),
                # those of other levels belong to statistics with other weights
                critical_values={self.alpha: law.critical(self.alpha)},
                reference=f"{weighted.reference}; weights of level {self.alpha:g}, p-value over weights of all levels",
            )
        return [*out, weighted]

    def _weighted(self, values: Array, alpha: float, laws: list[TrimmedLaw] | None = None) -> float:
        """Largest of F(m) c(alpha, 1) / c(alpha, m)."""
        known = [self.law(m + 1) for m in range(values.size)] if laws is None else laws
        critical = np.array([law.critical(alpha) for law in known])
        return float(np.max(values * (critical[0] / critical)))

    def _weighted_pvalue(self, values: Array, law: TrimmedLaw) -> float:
        """Least level at which the statistic with the weights of that level rejects."""
        if not np.isfinite(values).all():
            return float("nan")
        laws = [self.law(m + 1) for m in range(values.size)]
        levels = 1.0 - PROBABILITIES[::-1]
        excess = np.array([self._weighted(values, a, laws) - law.critical(a) for a in levels])
        rejects = np.flatnonzero(excess >= 0.0)
        if not rejects.size:
            return 1.0
        first = int(rejects[0])
        if first == 0:
            return law.pvalue(self._weighted(values, float(levels[0]), laws))
        # where the excess changes sign, linear in the log of the level
        low, high = excess[first - 1], excess[first]
        share = -low / (high - low)
        return float(np.exp((1.0 - share) * np.log(levels[first - 1]) + share * np.log(levels[first])))

    def one_more(self, breaks: int, positions: tuple[int, ...] | None = None) -> BreakTest:
        """Sup F(l + 1 | l): the largest statistic of one more break within the segments of l breaks.

        ``positions`` are the l breaks; those of the least sum of squares by default.
        """
        given = self.partitions.positions[breaks] if positions is None else positions
        assert given is not None  # asked for up to `feasible`
        edges = (0, *given, self.regression.nobs)
        room = sum(end - first >= 2 * self.h for first, end in pairwise(edges))
        found = [self.single(first, end) for first, end in pairwise(edges)]
        values = np.array([value for value, _, _ in found])
        name = f"supF({breaks + 1}|{breaks})"
        null, alternative = f"{breaks} break(s)", f"{breaks + 1} breaks"
        law = self.single_law()
        if not np.isfinite(values).any():
            full = f"no segment has room for two regimes of {self.h} rows."
            none = TrimmedLaw(reason=full if room == 0 else "")
            return self._conclude(name, null, alternative, float("nan"), none, detail={"segments with room": room})
        best = int(np.nanargmax(values))
        value, where, path = found[best]
        test = self._conclude(
            name, null, alternative, value, law, position=where, path=path, detail={"segments with room": room}
        )
        count = breaks + 1
        # of l + 1 independent suprema the largest
        return replace(
            test,
            pvalue=float(1.0 - (1.0 - law.pvalue(value)) ** count) if not law.reason else float("nan"),
            critical_values={
                level: law.critical(-float(np.expm1(np.log1p(-level) / count))) for level in test.critical_values
            },
            reference=f"largest of {count} suprema, q={self.q}, trim={self.trim:.3g}",
            boundary=None,
        )

    def _conclude(
        self,
        name: str,
        null: str,
        alternative: str,
        value: float,
        law: TrimmedLaw,
        *,
        position: int | None = None,
        path: pd.Series | None = None,
        detail: Mapping[str, int] | None = None,
    ) -> BreakTest:
        critical = law.critical_values(tuple(sorted({*LEVELS, self.alpha})))
        reason = law.reason
        if not np.isfinite(value) and not reason:
            reason = "the covariance of the differences between regimes is singular; center the regressors or drop one."
        index = self.regression.index
        return BreakTest(
            name=name,
            null=null,
            statistic=value,
            pvalue=law.pvalue(value) if np.isfinite(value) else float("nan"),
            reference=f"simulated, q={self.q}, trim={self.trim:.3g}",
            detail=dict(detail or {}),
            reason=reason,
            alternative=alternative,
            critical_values=critical,
            path=path,
            boundary=None if path is None or 0.05 not in critical else pd.Series(critical[0.05], path.index),
            position=position,
            break_date=None if position is None else index[position],
            last_date=None if position is None else index[position - 1],
            nobs=self.regression.nobs,
            options={"cov_type": self.rule.cov_type, "trim": self.trim, "sup": self.sup, "min_size": self.h},
            robustness=ROBUSTNESS[self.rule.cov_type],
            keys=KEYS,
        )


def one_at_a_time(number: NumberOfBreaks, most: int) -> tuple[tuple[int, ...], Mapping[str, BreakTest]]:
    """Breaks added one by one where sup F(l + 1 | l) given those before rejects at ``alpha``; with the tests made.

    Stops at the first test that does not reject, or has no p-value.
    """
    positions: tuple[int, ...] = ()
    made: dict[str, BreakTest] = {}
    while len(positions) < most:
        test = number.against_none(1) if not positions else number.one_more(len(positions), positions)
        made[test.name] = test
        if test.position is None or not test.pvalue <= number.alpha:
            break
        positions = tuple(sorted((*positions, test.position)))
    return positions, made
