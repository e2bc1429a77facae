"""What fits of regressions that an observed driver moves have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..estimation.params import Array
from ..estimation.results import Estimate, FitMixin
from .transition_sample import TransitionSample

__all__ = ["DriverFit"]


class DriverFit(FitMixin):
    """Subclasses hold ``spec``, ``_estimate``, ``sample`` (the regression as arrays) and ``_errors`` (T,)."""

    spec: Any
    _estimate: Estimate
    sample: TransitionSample
    _errors: Array

    @property
    def estimate(self) -> Estimate:
        """Named parameters and their covariance."""
        return self._estimate

    @property
    def driver(self) -> pd.Series:
        """The driver, lagged as used."""
        return pd.Series(self.sample.s, self.sample.index, name=self.sample.driver)

    @property
    def resid(self) -> pd.Series:
        """Errors by date."""
        return pd.Series(self._errors, self.sample.index, name="resid")

    @property
    def fitted(self) -> pd.Series:
        """Fitted values by date."""
        return pd.Series(self.sample.y - self._errors, self.sample.index, name="fitted")

    @property
    def ssr(self) -> float:
        """Sum of squared errors."""
        return float(self._errors @ self._errors)

    def _title_line(self) -> str:
        return f"{self.spec.name}: {self.sample.name} by {self.sample.driver}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        est = self.estimate
        return {
            "spec": self.spec.to_dict(),
            "names": list(est.names),
            "theta": est.theta.tolist(),
            "cov": [[None if np.isnan(value) else value for value in row] for row in est.cov.tolist()],
            "loglik": est.loglik,
            "nobs": est.nobs,
            "ssr": self.ssr,
        }
