"""Several fitted models of one sample side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, SpecError
from ..estimation.results import FitMixin
from ..table import Table, format_number

__all__ = ["check_same_sample", "compare", "inside_episodes", "own_parameters"]

Flags = npt.NDArray[np.bool_]


def compare(
    fits: Mapping[str, Any],
    *,
    pair: tuple[str, str] | None = None,
    episodes: pd.DataFrame | pd.Series | pd.DatetimeIndex | None = None,
) -> Table:
    """Table of fits: the correlation step's parameters with errors, likelihood, criteria, a pair's mean correlation.

    Parameters
    ----------
    fits : name -> fitted model; all on the same returns and dates. pair : whose mean correlation is shown, by default
        the first two columns.
    episodes : the dates to average over apart: a frame with columns ``start`` and ``end`` (both days included, as
        ``ReRating.spells``), a series of 0/1 or booleans by date (missing dates count on neither side), or dates.

    Returns
    -------
    Table : renders as text, LaTeX, HTML or Markdown. Errors in parentheses; "bound" where a parameter has none.

    Raises
    ------
    DataError : the fits are on different samples (the message says which and where), or no date lies inside.
    SpecError : nothing to compare, an unknown column, something that is not a fit.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> from cryptoequity.diagnostics.comparison import compare
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> margins = ce.fit_margins(returns, ce.GARCH(dist="t"))
    >>> compare({"CCC": ce.CCC().fit(margins), "DCC": ce.DCC().fit(margins)}).head
    ('', 'CCC', 'DCC')
    """
    notes = list(check_same_sample(fits))
    first = next(iter(fits.values()))
    i, j = pair if pair is not None else first.names[:2]
    for name in (i, j):
        if name not in first.names:
            raise SpecError(f"no column {name!r} in these fits; there are {', '.join(first.names)}.")
    columns = {label: _column(fit) for label, fit in fits.items()}
    parameters = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = [(name, *(columns[label].get(name, "") for label in fits)) for name in parameters]
    rows += [
        ("log-likelihood", *(format_number(float(fit.loglikelihood), 2) for fit in fits.values())),
        ("parameters", *(str(fit.estimate.free_count) for fit in fits.values())),
        ("AIC", *(format_number(float(fit.aic), 2) for fit in fits.values())),
        ("BIC", *(format_number(float(fit.bic), 2) for fit in fits.values())),
    ]
    paths = {label: fit.correlation(i, j) for label, fit in fits.items()}
    rows.append((f"mean correlation {i}, {j}", *(format_number(float(path.mean()), 3) for path in paths.values())))
    if episodes is not None:
        inside, outside = inside_episodes(episodes, next(iter(paths.values())).index)
        for text, where in (("  inside episodes", inside), ("  outside", outside)):
            cells = (format_number(float(path.to_numpy()[where].mean()), 3) for path in paths.values())
            rows.append((text, *cells))
        notes.append(f"{int(inside.sum())} dates inside episodes, {int(outside.sum())} outside.")
    rows.append(("converged", *(_state(fit) for fit in fits.values())))
    rows.append(("on the bound", *(", ".join(fit.at_bound) or "none" for fit in fits.values())))
    best = min(fits, key=lambda label: fits[label].bic)
    notes.insert(0, f"{len(next(iter(paths.values())))} dates; smallest BIC: {best}. Standard errors in parentheses.")
    if any(hasattr(fit, "margins") for fit in fits.values()):
        notes.append("Models on fitted margins are not maximized jointly: their likelihood lies below its maximum.")
    if len({fit.estimate.cov_type for fit in fits.values()}) > 1:
        notes.append("Errors: " + "; ".join(f"{label} {fit.estimate.cov_type}" for label, fit in fits.items()) + ".")
    return Table(f"Models of {', '.join(first.names)}", ("", *fits), tuple(rows), tuple(notes))


def own_parameters(fit: Any) -> tuple[str, ...]:
    """Names of the parameters that the last step's likelihood was maximized over."""
    names: tuple[str, ...] = fit.likelihood.layout.names
    return names


def check_same_sample(fits: Mapping[str, Any]) -> tuple[str, ...]:
    """Refuse fits whose likelihoods are of different data; return remarks for the reader.

    Raises
    ------
    SpecError : no fit, or something that is not one. DataError : other columns, dates or returns.
    """
    if not fits:
        raise SpecError("there is no fit to compare.")
    for label, fit in fits.items():
        if not isinstance(fit, FitMixin) or not hasattr(fit, "correlation"):
            raise SpecError(f"{label!r} is a {type(fit).__name__}, not a fitted correlation or covariance model.")
    labels = list(fits)
    base = fits[labels[0]]
    index = base.loglik_obs.index
    values = _returns(base)
    remarks = [] if values is not None else [_UNSEEN]
    for label in labels[1:]:
        fit = fits[label]
        if set(fit.names) != set(base.names):
            raise DataError(
                f"{labels[0]!r} is a model of {', '.join(base.names)}, {label!r} of {', '.join(fit.names)}; fit both "
                "on the same columns."
            )
        other = fit.loglik_obs.index
        if not other.equals(index):
            raise DataError(
                f"{labels[0]!r} ({len(index)} dates, {index[0]} to {index[-1]}) and {label!r} ({len(other)} dates, "
                f"{other[0]} to {other[-1]}) are on different samples: their likelihoods cannot be compared; fit both "
                "on the same dates (autoregressive lags cost the first ones)."
            )
        theirs = _returns(fit)
        if theirs is None or values is None:
            remarks = [_UNSEEN]
            continue
        gap = np.abs(theirs[list(base.names)].to_numpy(float) - values.to_numpy(float))
        if gap.max() > 1e-9 * max(1.0, float(np.abs(values.to_numpy(float)).max())):
            t, k = np.unravel_index(int(np.argmax(gap)), gap.shape)
            raise DataError(
                f"{labels[0]!r} and {label!r} saw different returns: {base.names[int(k)]!r} differs by {gap[t, k]:.3g} "
                f"at {index[int(t)]}; fit both on the same returns."
            )
    return tuple(remarks)


_UNSEEN = "Returns were not compared: a margin comes from the arch package."


def inside_episodes(episodes: pd.DataFrame | pd.Series | pd.DatetimeIndex, index: pd.Index) -> tuple[Flags, Flags]:
    """Which dates of ``index`` lie inside and which outside, (T,) each; undecided dates are in neither.

    Raises
    ------
    SpecError : a frame without ``start`` and ``end``, an index without dates. DataError : nothing inside or outside.
    """
    if isinstance(episodes, pd.Series):
        missing = index.difference(episodes.index)
        if len(missing):
            raise DataError(f"the episodes lack {len(missing)} dates of the fits, the first {missing[0]}.")
        flags = episodes.loc[index].to_numpy(float)
        if not np.isin(flags[np.isfinite(flags)], (0.0, 1.0)).all():
            raise DataError("episodes by date must be 0 or 1 (or missing where undecided).")
        inside, outside = flags == 1.0, flags == 0.0
    else:
        if not isinstance(index, pd.DatetimeIndex):
            raise SpecError("episodes are dated, the fits are not: their index holds no dates.")
        days = index.tz_localize(None).normalize()
        if isinstance(episodes, pd.DataFrame):
            if not {"start", "end"} <= set(episodes.columns):
                raise SpecError(
                    f"a frame of episodes has columns 'start' and 'end'; these are {list(episodes.columns)}."
                )
            inside = np.zeros(len(index), bool)
            for start, end in zip(pd.to_datetime(episodes["start"]), pd.to_datetime(episodes["end"]), strict=True):
                if not start <= end:
                    raise DataError(f"the episode from {start} ends before it starts, at {end}.")
                inside |= np.asarray((days >= start.normalize()) & (days <= end.normalize()))
        elif isinstance(episodes, pd.DatetimeIndex):
            inside = np.asarray(days.isin(episodes.tz_localize(None).normalize()))
        else:
            raise SpecError(f"episodes of type {type(episodes).__name__}: pass spells, a 0/1 series or dates.")
        outside = ~inside
    if not inside.any() or not outside.any():
        raise DataError(f"{int(inside.sum())} of {len(index)} dates lie inside the episodes: both sides need some.")
    return inside, outside


def _returns(fit: Any) -> pd.DataFrame | None:
    """Returns of a fit, None where margins adapted from the arch package do not keep them."""
    try:
        frame: pd.DataFrame = fit.returns
    except SpecError:
        return None
    return frame


def _column(fit: Any) -> dict[str, str]:
    """Own parameters as text, named without the model's prefix where all share one."""
    names = own_parameters(fit)
    heads = {name.partition(".")[0] for name in names}
    bare = len(heads) == 1 and all("." in name for name in names)
    params, errors = fit.params, fit.std_err
    out = {}
    for name in names:
        error = float(errors[name])
        tail = "bound" if math.isnan(error) else format_number(error)
        out[name.partition(".")[2] if bare else name] = f"{format_number(float(params[name]))} ({tail})"
    return out


def _state(fit: Any) -> str:
    if fit.optimum is None and len(own_parameters(fit)):
        return "given"
    return "yes" if fit.converged else "NO"
