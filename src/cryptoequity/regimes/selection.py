"""Information criteria over the number of regimes, with what is needed to distrust them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ConvergenceError, CryptoEquityWarning, SpecError
from ..estimation.bibliography import citation
from ..estimation.results import Drawn
from ..table import Table
from ..volatility import Margins
from .fit import RegimeFit
from .number import densities_of
from .one_regime import fit_one, place
from .rsdc import RSDC
from .spec import RegimeSpec

__all__ = ["RegimeSelection", "select_regimes"]

CRITERIA = ("AIC", "BIC", "HQC")
NOTE = "criteria are not tests: they have no level, and AIC takes too many regimes. See regime_number_test"


@dataclass(frozen=True, eq=False)
class RegimeSelection(Drawn):
    """Fits with 1 to ``k_max`` regimes.

    Attributes
    ----------
    table : by number of regimes: loglik, parameters, AIC, BIC, HQC, RCM (Baele's measure, 0 sure to 100 blind),
        converged, replicated (climbs that reached the best), climbs, degenerate (starts given up). NaN where every
        solution is degenerate.
    fits : by number of regimes, where there is a fit of several.
    reasons : why there is none.
    """

    spec: RegimeSpec
    table: pd.DataFrame
    fits: dict[int, RegimeFit] = field(repr=False)
    reasons: dict[int, str] = field(default_factory=dict, repr=False)

    def best(self, criterion: str = "BIC") -> int:
        """Number of regimes with the smallest criterion."""
        if criterion not in CRITERIA:
            raise SpecError(f"criterion={criterion!r}: one of {', '.join(CRITERIA)}.")
        return int(self.table.index[int(np.nanargmin(self.table[criterion].to_numpy(float)))])

    def to_frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def summary(self) -> Table:
        """Return the table with notes."""
        notes = [", ".join(f"{name}: {self.best(name)}" for name in CRITERIA), NOTE]
        alone = [str(k) for k, fit in self.fits.items() if fit.n_best_replicated < 2]
        if alone:
            notes.append(f"only one climb reached the best with k = {', '.join(alone)}: use more starts")
        notes += [f"k = {k}: {reason}" for k, reason in self.reasons.items()]
        digits = {"parameters": 0, "replicated": 0, "climbs": 0, "degenerate": 0, "RCM": 1}
        return Table.of(f"{self.spec.name}: number of regimes", self.table, notes=notes, digits=digits)

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*self.spec.references, "psaradakisspagnolo2003")


def select_regimes(
    data: Any,
    spec: RegimeSpec,
    *,
    k_max: int = 4,
    starts: int = 20,
    rng: int | np.random.Generator = 0,
    **options: Any,
) -> RegimeSelection:
    """Fit 1 to ``k_max`` regimes and compare criteria.

    Parameters
    ----------
    data, spec : what ``spec.fit`` takes; its ``k`` is not used. k_max : most regimes.
    rng : seed of the starts.
    starts : of the fit with two regimes; k regimes have k / 2 times as many, for their likelihood has more peaks.
    options : passed to ``spec.fit``. Drivers are for a k that has been chosen.

    Notes
    -----
    One regime is the plain model, without chain. Criteria inherit the wrong density of the model: with normal regimes
    fat tails and GARCH are worth one more regime after another, whatever the truth. Criteria are not tests.

    Raises
    ------
    SpecError : drivers, or ``k_max`` outside 2 to 8.

    References
    ----------
    Psaradakis, Z. and Spagnolo, N. (2003). On the determination of the number of regimes in Markov-switching
    autoregressive models. Journal of Time Series Analysis 24, 237-252.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN"]]
    >>> ce.select_regimes(returns, ce.MarkovCovariance(), k_max=2).table.index.tolist()
    [1, 2]
    """
    if not isinstance(spec, RegimeSpec):
        raise SpecError(f"spec={spec!r}: a regime specification such as MarkovCovariance().")
    if not isinstance(k_max, int) or isinstance(k_max, bool) or not 2 <= k_max <= 8:
        raise SpecError(f"k_max={k_max!r}: between 2 and 8.")
    if options.get("drivers") is not None:
        raise SpecError("drivers: choose the number of regimes with constant probabilities first; drop drivers=.")
    if not isinstance(spec.initial, str):
        raise SpecError(f"initial={spec.initial!r}: probabilities belong to one k; use 'ergodic' or 'uniform'.")
    generator = np.random.default_rng(rng)
    two: RegimeSpec = replace(spec, k=2)  # type: ignore[type-var]
    fit, emission, held = densities_of(data, two, starts, generator, options)
    plain = fit_one(place(emission, np.asarray(emission.y, np.float64), 1))  # type: ignore[attr-defined]
    # margins cost the same at every k
    offset, margin_size = _margins_part(held) if isinstance(spec, RSDC) else (0.0, 0)
    size = plain.theta.size + margin_size
    fits: dict[int, RegimeFit] = {}
    reasons: dict[int, str] = {}
    rows = {1: _row(plain.loglik + offset, size, emission.nobs) | {"converged": plain.converged}}
    cov_type = "classic" if isinstance(spec, RSDC) else "none"
    for k in range(2, k_max + 1):
        if k > 2 or fit is None:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", CryptoEquityWarning)
                    fit = replace(spec, k=k).fit(  # type: ignore[type-var]
                        held, starts=starts * k // 2, rng=generator, **{"cov_type": cov_type, **options}
                    )
            except ConvergenceError as error:
                reasons[k], fit = str(error), None
                rows[k] = {"loglik": np.nan, "converged": False}
                continue
        assert fit is not None
        fits[k] = fit
        rows[k] = _row(fit.loglikelihood, fit.estimate.free_count, fit.nobs) | {
            "RCM": fit.rcm()["baele"],
            "converged": fit.converged,
            "replicated": fit.n_best_replicated,
            "climbs": fit.n_climbs,
            "degenerate": fit.n_degenerate,
        }
    columns = ["loglik", "parameters", *CRITERIA, "RCM", "converged", "replicated", "climbs", "degenerate"]
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns)
    table.index.name = "k"
    table["converged"] = table["converged"].astype(bool)
    return RegimeSelection(spec, table, fits, reasons)


def _row(loglik: float, size: int, nobs: int) -> dict[str, Any]:
    """Criteria of a log-likelihood with ``size`` parameters."""
    aic = 2.0 * size - 2.0 * loglik
    bic = np.log(nobs) * size - 2.0 * loglik
    return {
        "loglik": loglik,
        "parameters": size,
        "AIC": aic,
        "BIC": float(bic),
        "HQC": float(2.0 * np.log(np.log(nobs)) * size - 2.0 * loglik),
    }


def _margins_part(margins: Margins) -> tuple[float, int]:
    """What the margins add to the log-likelihood of the residuals, and their parameters."""
    size = sum(one.estimate.theta.size for one in margins.fits)
    return -float(np.log(margins.volatility.to_numpy(float)).sum()), size
