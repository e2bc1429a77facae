"""What every fit and every test looks like: named estimates, one table, one plot, one citation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from ..table import Table, format_number
from .bibliography import bibliography, citation
from .optimize import Optimum
from .params import Array

__all__ = ["FILTERED", "Drawn", "Estimate", "FitMixin", "TestResult", "bibliography", "citation", "mark_filtered"]

# key in the ``attrs`` of a series that is a filtered path, so that tests of raw observations can refuse it
FILTERED = "cryptoequity.filtered"


def mark_filtered(path: pd.Series) -> pd.Series:
    """Note in ``attrs`` that ``path`` holds conditional correlations, not observations."""
    path.attrs[FILTERED] = "path of conditional correlations"
    return path


@dataclass(frozen=True)
class Estimate:
    """Named parameters with their covariance; what the shared result vocabulary reads.

    Attributes
    ----------
    names : parameter names such as "dcc.a" or "BTC.omega".
    theta : (K,) estimates; cov : (K, K), rows of NaN for parameters on their bound.
    loglik, nobs : log-likelihood and the observations in it.
    free_count : parameters counted by the information criteria (targets included).
    optimum : how the optimiser ended, or None for parameters that were given.
    bounded : names of parameters on their bound or not identified there.
    """

    names: tuple[str, ...]
    theta: Array
    cov: Array = field(repr=False)
    loglik: float
    nobs: int
    free_count: int
    cov_type: str
    optimum: Optimum | None = field(default=None, repr=False)
    bounded: tuple[str, ...] = ()


class Drawn:
    """What has a picture: the one place that calls upward, at call time."""

    def plot(self, **options: Any) -> Any:
        """Draw it; see the function of `cryptoequity.plots` for this type."""
        from .. import plots

        return plots.draw(self, **options)


class FitMixin(Drawn):
    """The vocabulary of arch and statsmodels over an `Estimate`; subclasses hold ``estimate`` and ``spec``."""

    _title: ClassVar[str] = "Fit"
    _references: ClassVar[tuple[str, ...]] = ()

    @property
    def estimate(self) -> Estimate:
        """Named parameters and their covariance."""
        raise NotImplementedError

    @property
    def params(self) -> pd.Series:
        """Estimated parameters."""
        return pd.Series(self.estimate.theta, self._names, name="params")

    @property
    def std_err(self) -> pd.Series:
        """Standard errors; NaN for a parameter on its bound."""
        return pd.Series(np.sqrt(np.diag(self.estimate.cov)), self._names, name="std_err")

    @property
    def cov(self) -> pd.DataFrame:
        """Covariance of the estimates."""
        return pd.DataFrame(self.estimate.cov, self._names, self._names)

    @property
    def tvalues(self) -> pd.Series:
        """Estimates over standard errors."""
        return (self.params / self.std_err).rename("tvalues")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided normal p-values of a zero parameter."""
        return pd.Series(2 * stats.norm.sf(np.abs(self.tvalues)), self._names, name="pvalues")

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Wald intervals at level ``1 - alpha``."""
        half = stats.norm.isf(alpha / 2) * self.std_err
        return pd.DataFrame({"lower": self.params - half, "upper": self.params + half})

    @property
    def loglikelihood(self) -> float:
        """Log-likelihood at the estimates, constants included."""
        return self.estimate.loglik

    @property
    def nobs(self) -> int:
        """Observations in the likelihood."""
        return self.estimate.nobs

    @property
    def aic(self) -> float:
        """Akaike criterion; targets such as the sample correlation count as parameters."""
        return 2.0 * self.estimate.free_count - 2.0 * self.loglikelihood

    @property
    def bic(self) -> float:
        """Schwarz criterion; targets count as parameters."""
        return math.log(self.nobs) * self.estimate.free_count - 2.0 * self.loglikelihood

    @property
    def optimum(self) -> Optimum | None:
        """How the optimiser ended."""
        return self.estimate.optimum

    @property
    def converged(self) -> bool:
        """Whether the optimiser converged (True for parameters that were given)."""
        return self.estimate.optimum is None or self.estimate.optimum.converged

    @property
    def at_bound(self) -> tuple[str, ...]:
        """Names of parameters on their bound or not identified: they have no standard error."""
        return self.estimate.bounded

    @property
    def _names(self) -> pd.Index:
        return pd.Index(self.estimate.names, dtype=object)

    def to_frame(self) -> pd.DataFrame:
        """Estimates, standard errors, t-values, p-values and 95 % intervals."""
        frame = pd.DataFrame(
            {
                "estimate": self.params,
                "std err": self.std_err,
                "t": self.tvalues,
                "P>|t|": self.pvalues,
            }
        )
        bounds = self.conf_int()
        frame["2.5 %"], frame["97.5 %"] = bounds["lower"], bounds["upper"]
        return frame

    def summary(self) -> Table:
        """Return the fit as a table; the same fit always gives the same text."""
        est = self.estimate
        notes = [
            f"log-likelihood {format_number(est.loglik)}   AIC {format_number(self.aic)}   "
            f"BIC {format_number(self.bic)}   observations {est.nobs}   covariance {est.cov_type}"
        ]
        if est.optimum is not None:
            state = "converged" if est.optimum.converged else f"NOT CONVERGED: {est.optimum.reason}"
            share = f"{est.optimum.agreement:.0%} of the climbs agree"
            notes.append(f"{state}; {share}; {est.optimum.evaluations} evaluations")
        if est.bounded:
            notes.append("On the bound or not identified, hence without standard error: " + ", ".join(est.bounded))
        return Table.of(self._title_line(), self.to_frame(), notes=notes, digits={"P>|t|": 3, "t": 2})

    def _title_line(self) -> str:
        return self._title

    def to_latex(self) -> str:
        """LaTeX of `summary`."""
        return self.summary().to_latex()

    def to_html(self) -> str:
        """HTML of `summary`."""
        return self.summary().to_html()

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*self._reference_keys())

    def _reference_keys(self) -> tuple[str, ...]:
        return self._references


@dataclass(frozen=True)
class TestResult:
    """The outcome of a test.

    Attributes
    ----------
    name : the test's name in the field.
    null : the hypothesis, a sentence.
    statistic, pvalue : numbers; ``pvalue`` is NaN, with a reason, when it cannot be computed.
    reference : the distribution used, in words.
    detail : further numbers.
    reason : why there is no p-value; "" otherwise.
    """

    __test__: ClassVar[bool] = False

    name: str
    null: str
    statistic: float
    pvalue: float
    reference: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    def summary(self) -> Table:
        """Return the test as a table."""
        rows = [
            ("statistic", format_number(self.statistic)),
            ("p-value", format_number(self.pvalue)),
            ("reference", self.reference),
        ]
        rows += [(key, format_number(value)) for key, value in self.detail.items() if np.ndim(value) == 0]
        notes = [f"H0: {self.null}"] + ([self.reason] if self.reason else [])
        return Table(self.name, ("", "value"), tuple(rows), tuple(notes))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; arrays in ``detail`` are left out."""
        detail = {key: value for key, value in self.detail.items() if np.ndim(value) == 0}
        return {
            "name": self.name,
            "null": self.null,
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "reference": self.reference,
            "detail": json.loads(json.dumps(detail, default=float)),
            "reason": self.reason,
        }
