"""Fits as text: what a specification's ``fit`` was given, what it found, and how to put the two together again.

`RegimeSpec` wraps every ``fit`` in `remember`. A fit is rebuilt by giving its inputs to ``fit`` once more while
`found` holds the estimate: `estimate_regimes` then takes it instead of searching, so that every kind of fit has JSON
and can filter new data without code of its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import SpecError
from ..estimation.params import Array
from ..estimation.results import Estimate
from ..volatility import Margins
from ..volatility.garch import index_from_dict, index_to_dict, optimum_from_dict, optimum_to_dict
from .likelihood import RegimeLikelihood, Start

if TYPE_CHECKING:
    from .spec import RegimeSpec

__all__ = ["Found", "decode", "encode", "found", "found_for", "remember", "taken"]


@dataclass(frozen=True, eq=False)
class Found:
    """An estimate that ``fit`` of ``spec`` shall take.

    Attributes
    ----------
    new : the data are others than the estimate was found on. first : law of the first state then, or the chain's own.
    """

    spec: RegimeSpec
    estimate: Estimate
    starts: tuple[Start, ...]
    new: bool = False
    first: Array | None = None


_FOUND: ContextVar[Found | None] = ContextVar("found", default=None)


@contextmanager
def found(what: Found) -> Iterator[None]:
    """Let the next fit of this specification take an estimate."""
    token = _FOUND.set(what)
    try:
        yield
    finally:
        _FOUND.reset(token)


def found_for(spec: RegimeSpec, names: tuple[str, ...]) -> Found | None:
    """The estimate to take, if there is one for this specification; other fits on the way search as ever.

    Raises
    ------
    SpecError : the data lead to other parameters than the estimate has.
    """
    what = _FOUND.get()
    if what is None or what.spec != spec:
        return None
    if what.estimate.names != names:
        odd = sorted(set(names) ^ set(what.estimate.names))
        raise SpecError(f"{spec.name}: the data ask for other parameters than those estimated, e.g. {odd[0]!r}.")
    return what


def taken(what: Found, lik: RegimeLikelihood, jacobian: float = 0.0) -> Estimate:
    """The estimate as it stands on the data of ``lik``; ``jacobian`` is what its log-likelihood has besides."""
    old = what.estimate
    if not what.new:
        return old
    loglik = float(lik.infer(old.theta[old.theta.size - lik.layout.size :]).loglik.sum()) + jacobian
    return replace(old, loglik=loglik, nobs=lik.nobs, optimum=None)


def remember(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``fit`` so that its result holds what it was given."""
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    def remembering(self: Any, *args: Any, **options: Any) -> Any:
        out = fit(self, *args, **options)
        given = dict(signature.bind(self, *args, **options).arguments)
        given.pop("self", None)
        inputs = getattr(out, "_inputs", None)
        if inputs is not None:
            inputs.clear()
            inputs.update(given)
        return out

    return remembering


def estimate_to_dict(estimate: Estimate) -> dict[str, Any]:
    """JSON-able estimate."""
    content = {
        "names": list(estimate.names),
        "theta": estimate.theta.tolist(),
        "cov": [[None if np.isnan(value) else value for value in row] for row in estimate.cov.tolist()],
        "loglik": estimate.loglik,
        "nobs": estimate.nobs,
        "free_count": estimate.free_count,
        "cov_type": estimate.cov_type,
        "bounded": list(estimate.bounded),
    }
    content["optimum"] = None if estimate.optimum is None else optimum_to_dict(estimate.optimum)
    return content


def estimate_from_dict(content: dict[str, Any]) -> Estimate:
    """Rebuild an estimate."""
    cov = np.array([[np.nan if value is None else value for value in row] for row in content["cov"]], float)
    return Estimate(
        tuple(content["names"]),
        np.array(content["theta"], float),
        cov.reshape(len(content["names"]), -1),
        content["loglik"],
        content["nobs"],
        content["free_count"],
        content["cov_type"],
        None if content["optimum"] is None else optimum_from_dict(content["optimum"]),
        tuple(content["bounded"]),
    )


def starts_to_list(starts: tuple[Start, ...]) -> list[dict[str, Any]]:
    """JSON-able starts of a search."""
    return [{key: encode(value) for key, value in asdict(start).items()} for start in starts]


def starts_from_list(content: list[dict[str, Any]]) -> tuple[Start, ...]:
    """Rebuild the starts."""
    return tuple(Start(**{key: decode(value) for key, value in start.items()}) for start in content)


def encode(value: Any) -> Any:
    """JSON-able form of what ``fit`` may be given: numbers, text, arrays, series, frames, margins and tuples of them.

    Raises
    ------
    SpecError : anything else.
    """
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, Margins):
        return {"is": "margins", "value": value.to_dict()}
    if isinstance(value, pd.Series):
        return {"is": "series", "name": value.name, "value": encode(value.to_numpy()), "index": _index(value.index)}
    if isinstance(value, pd.DataFrame):
        columns = [[str(name), encode(value[name].to_numpy())] for name in value.columns]
        return {"is": "frame", "value": columns, "index": _index(value.index)}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        kind = value.dtype.str
        return {"is": "array", "dtype": kind, "value": value.tolist()}
    if isinstance(value, list | tuple):
        return {"is": type(value).__name__, "value": [encode(one) for one in value]}
    if isinstance(value, dict):
        return {"is": "dict", "value": [[encode(key), encode(one)] for key, one in value.items()]}
    raise SpecError(f"{value!r} (a {type(value).__name__}) has no JSON form here.")


def _index(index: pd.Index) -> dict[str, Any]:
    if isinstance(index, pd.MultiIndex | pd.PeriodIndex):
        raise SpecError(f"an index of type {type(index).__name__} has no JSON form here; use dates or numbers.")
    return index_to_dict(index)


def decode(content: Any) -> Any:
    """Rebuild from `encode`."""
    if not isinstance(content, dict):
        return content
    kind, value = content["is"], content["value"]
    if kind == "margins":
        return Margins.from_dict(value)
    if kind == "array":
        return np.array(value, dtype=content["dtype"])
    if kind == "series":
        return pd.Series(decode(value), index_from_dict(content["index"]), name=content["name"])
    if kind == "frame":
        index = index_from_dict(content["index"])
        return pd.DataFrame({name: decode(column) for name, column in value}, index)
    if kind == "dict":
        return {decode(key): decode(one) for key, one in value}
    rows = [decode(one) for one in value]
    return tuple(rows) if kind == "tuple" else rows
