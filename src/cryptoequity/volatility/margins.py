"""Several margins at once: one specification for all, one per column, or fitted `arch` results."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..data.checks import check_returns
from ..errors import BoundaryWarning, ConvergenceWarning, DataError, SpecError, check_option
from ..estimation.inference import COV_TYPES
from ..estimation.params import Array
from ..table import Table, format_number
from .adapter import ArchMargin, is_arch_result
from .garch import EGARCH, GARCH, MarginFit, fit_margin

__all__ = ["Margins", "fit_margins"]

Spec = GARCH | EGARCH


@dataclass(frozen=True, eq=False)
class Margins:
    """Fitted margins on one common sample.

    Attributes
    ----------
    fits : one fit a column. std_resid, volatility : (T, N) frames, unitless and percent.
    """

    fits: tuple[MarginFit | ArchMargin, ...]
    std_resid: pd.DataFrame = field(repr=False)
    volatility: pd.DataFrame = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(fit.name for fit in self.fits)

    @property
    def converged(self) -> bool:
        """Whether every margin converged."""
        return all(fit.converged for fit in self.fits)

    @property
    def at_bound(self) -> tuple[str, ...]:
        """Parameters on their bound, as "column.parameter"."""
        return tuple(f"{fit.name}.{name}" for fit in self.fits for name in fit.at_bound)

    @property
    def params(self) -> pd.Series:
        """All parameters, named "column.parameter"."""
        return self._stack("params")

    @property
    def std_err(self) -> pd.Series:
        """All standard errors."""
        return self._stack("std_err")

    def _stack(self, what: str) -> pd.Series:
        stacked: pd.Series = pd.concat([getattr(fit, what).add_prefix(f"{fit.name}.") for fit in self.fits])
        return stacked.rename(what)

    @property
    def loglikelihood(self) -> float:
        """Sum of the margins' log-likelihoods."""
        return float(sum(fit.loglikelihood for fit in self.fits))

    def __getitem__(self, name: str) -> MarginFit | ArchMargin:
        for fit in self.fits:
            if fit.name == name:
                return fit
        raise SpecError(f"no margin named {name!r}; there are {', '.join(self.names)}.")

    def select(self, *names: str) -> Margins:
        """Return the margins of some columns, in the order given."""
        return Margins(tuple(self[name] for name in names), self.std_resid[list(names)], self.volatility[list(names)])

    def summary(self) -> Table:
        """One row a parameter."""
        frame = pd.concat([fit.to_frame().add_prefix(f"{fit.name}.", axis=0) for fit in self.fits])
        notes = [
            f"{fit.name}: {fit._title_line().split(':')[0]}, log-likelihood {format_number(fit.loglikelihood)}"
            + ("" if fit.converged else "  NOT CONVERGED")
            for fit in self.fits
        ]
        if self.at_bound:
            notes.append("On the bound, hence without standard error: " + ", ".join(self.at_bound))
        return Table.of("Margins", frame, notes=notes, digits={"P>|t|": 3, "t": 2})

    def to_dict(self) -> list[dict[str, Any]]:
        """JSON-able content; margins adapted from `arch` cannot be written."""
        content = []
        for fit in self.fits:
            if isinstance(fit, ArchMargin):
                raise SpecError(f"{fit.name}: a margin taken from the arch package has no JSON form here.")
            content.append(fit.to_dict())
        return content

    @classmethod
    def from_dict(cls, content: list[dict[str, Any]]) -> Margins:
        """Rebuild from `to_dict`."""
        return gather([MarginFit.from_dict(part) for part in content])

    def to_json(self) -> str:
        """JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Margins:
        """Rebuild from `to_json`."""
        return cls.from_dict(json.loads(text))


def fit_margins(
    returns: pd.DataFrame | Sequence[Any] | Mapping[str, Any],
    spec: Spec | Mapping[str, Spec] | None = None,
    *,
    cov_type: str = "robust",
    strict: bool = False,
) -> Margins:
    """Fit a volatility model to every column.

    Parameters
    ----------
    returns : (T, N) percent returns; or fitted ``arch`` results, as a list or a dict by name.
    spec : one specification for all columns (default ``GARCH()``), or one per column.
    cov_type : "robust", "hac" or "classic".
    strict : raise `ConvergenceError` where an optimiser stops short.

    Notes
    -----
    When a margin has autoregressive lags, every margin holds back as many observations as the longest
    needs, so that all residuals share one sample. Columns on a bound or without convergence are
    reported by a warning and on the result.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> margins = ce.fit_margins(returns[["COIN", "SMALL_TECH"]], ce.GARCH(dist="t"))
    >>> margins.names
    ('COIN', 'SMALL_TECH')
    """
    check_option("cov_type", cov_type, COV_TYPES)
    if not isinstance(returns, pd.DataFrame):
        return gather(_adapt(returns))
    frame = check_returns(returns)
    if isinstance(spec, Mapping):
        missing = [str(name) for name in frame.columns if name not in spec]
        unknown = [str(name) for name in spec if name not in frame.columns]
        if missing or unknown:
            raise SpecError(
                f"spec must name every column once: missing {missing or 'none'}, unknown {unknown or 'none'}."
            )
        specs = [spec[name] for name in frame.columns]
    else:
        specs = [GARCH() if spec is None else spec] * frame.shape[1]
    for one in specs:
        if not isinstance(one, GARCH | EGARCH):
            raise SpecError(f"spec={one!r}: pass GARCH(...) or EGARCH(...), or a dict of them by column.")
    hold_back = max(one.lags for one in specs)
    fits = [
        fit_margin(one, frame[name], hold_back=hold_back, cov_type=cov_type, strict=strict)
        for one, name in zip(specs, frame.columns, strict=True)
    ]
    out = gather(fits)
    for fit in out.fits:
        if not fit.converged:
            reason = fit.estimate.optimum.reason if fit.estimate.optimum else "arch did not converge"
            warnings.warn(f"{fit.name}: {reason}", ConvergenceWarning, stacklevel=2)
    if out.at_bound:
        warnings.warn(f"on the bound, no standard error: {', '.join(out.at_bound)}", BoundaryWarning, stacklevel=2)
    return out


def _adapt(results: Sequence[Any] | Mapping[str, Any]) -> list[ArchMargin]:
    pairs: list[tuple[str | None, Any]] = []
    if isinstance(results, Mapping):
        pairs = list(results.items())
    elif isinstance(results, Sequence) and not isinstance(results, str):
        pairs = [(None, one) for one in results]
    if not pairs or not all(is_arch_result(one) for _, one in pairs):
        raise SpecError("pass a frame of returns, or fitted results of the arch package (list or dict).")
    return [ArchMargin.of(one, name) for name, one in pairs]


def gather(fits: Sequence[MarginFit | ArchMargin]) -> Margins:
    """Put fits side by side; they must share one sample."""
    names = [fit.name for fit in fits]
    if len(set(names)) != len(names):
        raise DataError(f"two margins share a name among {names}; name them, e.g. by passing a dict.")
    index = fits[0].std_resid.index
    for fit in fits[1:]:
        if not fit.std_resid.index.equals(index):
            raise DataError(
                f"margins {names[0]!r} ({len(index)} residuals from {index[0]}) and {fit.name!r} "
                f"({len(fit.std_resid)} from {fit.std_resid.index[0]}) are on different samples; fit them on "
                "the same dates with the same hold_back."
            )
    return Margins(
        tuple(fits),
        pd.DataFrame(np.column_stack([fit.std_resid.to_numpy(float) for fit in fits]), index, names),
        pd.DataFrame(np.column_stack([fit.volatility.to_numpy(float) for fit in fits]), index, names),
    )


def residual_arrays(margins: Margins) -> tuple[Array, Array]:
    """Contiguous std_resid and volatility, (T, N) each."""
    return (
        np.ascontiguousarray(margins.std_resid.to_numpy(float)),
        np.ascontiguousarray(margins.volatility.to_numpy(float)),
    )
