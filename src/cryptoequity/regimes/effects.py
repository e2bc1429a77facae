r"""What drivers of the transition odds do: probabilities, durations, shares, expected transitions, profiles."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import ConvergenceWarning, DataError, SpecError
from ..estimation.optimize import maximize
from ..estimation.params import Array, Layout, interval
from .chain import Chain
from .fit import RegimeFit
from .likelihood import RegimeLikelihood

__all__ = ["Held", "ProfileInterval", "driver_interval", "expected_transitions", "transition_effects"]


class Held:
    """A likelihood with coefficients of its chain held at values; ``held`` maps positions to values."""

    def __init__(self, lik: RegimeLikelihood, held: dict[int, float]) -> None:
        self.lik = lik
        blocks = [*lik.emission.blocks(), *lik.chain.blocks()]
        first = len(blocks) - lik.chain.size  # a driven chain has one block a coefficient
        for position, value in held.items():
            at = first + position - lik.inside
            blocks[at] = interval(lik.layout.names[position], value, value)
        self.layout = Layout(blocks)

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood by date and scores."""
        return self.lik.evaluate(theta, want)

    def climb(self, starts: Sequence[Array]) -> tuple[float, Array]:
        """Best log-likelihood and its parameters from ``starts``."""
        best = maximize(self, list(starts), polish=len(starts))
        return best.loglik, best.theta


def _require_driven(fit: RegimeFit) -> Chain:
    if not isinstance(fit, RegimeFit):
        raise SpecError(f"a fitted regime model is wanted, not {type(fit).__name__}.")
    if not fit.chain.driven:
        raise SpecError(f"{fit.spec.name}: the transition odds of this fit are constant; fit it with drivers=.")
    return fit.chain


def _levels(values: Array) -> tuple[float, float] | None:
    """The two values of an indicator; None for any other driver."""
    found = np.unique(values)
    return (float(found[0]), float(found[1])) if found.size == 2 else None


def expected_transitions(fit: RegimeFit) -> pd.DataFrame:
    """Transitions between regimes a driven fit expects in each cell of its drivers.

    Parameters
    ----------
    fit : a fit with drivers.

    Returns
    -------
    DataFrame : rows by driver and transition, with "cell" ("= value" for an indicator, "below" and "above the median"
        for others) and "expected", the sum over dates of Pr(S_t = j, S_{t-1} = i | all data).
    """
    chain = _require_driven(fit)
    _, moves = fit.inference.smooth(by_date=True)
    if moves.shape[1] > chain.k:  # states that hold more than today's regime
        part = (chain.now[:, None] == np.arange(chain.k)).astype(float)
        moves = np.einsum("si,tsr,rj->tij", part, moves, part)
    rows = []
    for r, name in enumerate(chain.names[1:], start=1):
        values = chain.z[:, r]
        levels = _levels(values)
        if levels is None:
            high = values > np.median(values)
            labels = ("below the median", "above the median")
        else:
            high = values == levels[1]
            labels = (f"= {levels[0]:g}", f"= {levels[1]:g}")
        for label, rows_in in zip(labels, (~high, high), strict=True):
            total = moves[rows_in].sum(axis=0)
            rows += [(name, f"{i + 1} to {j + 1}", label, float(total[i, j])) for i, j in chain.pairs]
    return pd.DataFrame(rows, columns=["driver", "transition", "cell", "expected"])


# --- what a coefficient means


def transition_effects(
    fit: RegimeFit, values: dict[str, tuple[float, float]] | None = None, *, level: float = 0.95
) -> pd.DataFrame:
    r"""Transition probabilities, durations and long-run shares at two values of each driver, and their difference.

    Parameters
    ----------
    fit : a fit with drivers. level : of the interval of the difference.
    values : (low, high) by driver; by default the two values of an indicator, else the 10 % and 90 % quantiles. The
        other drivers are at their means.

    Returns
    -------
    DataFrame : rows (driver, quantity), with quantities "P[i,j]", "duration[i]" (:math:`1/(1-p_{ii})`) and "share[j]"
        (long-run probability of regime j were the driver to stay there); columns low, high, difference, std_err (delta
        method), lower, upper. Columns "at low" and "at high" are the driver's values.
    """
    chain = _require_driven(fit)
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level!r}: a probability between 0 and 1.")
    chosen = {} if values is None else dict(values)
    unknown = [name for name in chosen if name not in chain.names[1:]]
    if unknown:
        raise SpecError(f"values: no driver {unknown[0]!r}; there are {', '.join(chain.names[1:])}.")
    theta = fit.likelihood.split(fit.theta)[1]
    cov = fit.estimate.cov[-chain.size :, -chain.size :]
    half = float(stats.norm.isf((1.0 - level) / 2.0))
    rows: dict[tuple[str, str], tuple[float, ...]] = {}
    for r, name in enumerate(chain.names[1:], start=1):
        column = chain.z[:, r]
        low, high = chosen.get(name) or _levels(column) or tuple(np.quantile(column, [0.1, 0.9]))
        if not np.isfinite([low, high]).all() or low == high:
            raise SpecError(f"values[{name!r}]={(low, high)!r}: two different finite numbers.")
        ends = []
        for value in (low, high):
            z = chain.z.mean(axis=0)
            z[r] = value
            ends.append(_quantities(chain, theta, z))
        for quantity, (first, slope) in ends[0].items():
            second, other = ends[1][quantity]
            gradient = other - slope
            variance = float(gradient @ cov @ gradient)
            error = float(np.sqrt(variance)) if variance >= 0.0 else float("nan")
            gap = second - first
            rows[name, quantity] = (low, high, first, second, gap, error, gap - half * error, gap + half * error)
    columns = ["at low", "at high", "low", "high", "difference", "std_err", "lower", "upper"]
    out = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    out.index = pd.MultiIndex.from_tuples(list(rows), names=["driver", "quantity"])
    return out


def _quantities(chain: Chain, theta: Array, z: Array) -> dict[str, tuple[float, Array]]:
    """Values and gradients (size,) at one row of regressors."""
    k = chain.k
    p = chain.at(theta, z[None])[0]
    slope = chain.slope(theta, z)
    out: dict[str, tuple[float, Array]] = {}
    for i, j in chain.pairs:
        out[f"P[{i + 1},{j + 1}]"] = (float(p[i, j]), slope[i, j])
    for i in range(k):
        away = 1.0 - p[i, i]
        inside = away > 0.0
        duration = 1.0 / away if inside else np.inf
        out[f"duration[{i + 1}]"] = (float(duration), slope[i, i] / away**2 if inside else np.full(chain.size, np.nan))
    # pi = 1'M^{-1} with M = I - P + 11', hence d pi = pi dP M^{-1}
    inverse = np.linalg.pinv(np.eye(k) - p + 1.0)
    law = inverse.sum(axis=0)
    change = np.einsum("i,ijs,jm->ms", law, slope, inverse)
    for j in range(k):
        out[f"share[{j + 1}]"] = (float(law[j]), change[j])
    return out


# --- profile


@dataclass(frozen=True)
class ProfileInterval:
    """Interval of a coefficient by its profile likelihood.

    Attributes
    ----------
    estimate, lower, upper : infinite where the likelihood never falls by enough before the bound of the coefficient.
    profile : twice the fall of the log-likelihood, by value of the coefficient.
    critical : the fall that marks the interval.
    """

    name: str
    estimate: float
    lower: float
    upper: float
    level: float
    critical: float
    profile: pd.Series = field(repr=False)


def driver_interval(fit: RegimeFit, coefficient: str, *, level: float = 0.95, points: int = 40) -> ProfileInterval:
    r"""Interval of a coefficient of the transition odds, :math:`\{d:\ 2[\ell(\hat\theta)-\max_{\delta=d}\ell]\le c\}`.

    A driver that is on in few episodes can separate the transitions: the estimate then runs to its bound and a Wald
    interval is meaningless, while this one is merely open on that side. Margins are taken as known.

    Parameters
    ----------
    fit : a fit with drivers. coefficient : its name, e.g. "delta[1,2].R".
    level : of the interval; c is the :math:`\chi^2(1)` quantile. points : values tried on each side at most.

    Raises
    ------
    SpecError : no such coefficient.
    """
    chain = _require_driven(fit)
    lik = fit.likelihood
    own = lik.layout.names[lik.inside :]
    if coefficient not in own:
        raise SpecError(f"no coefficient {coefficient!r}; there are {', '.join(own)}.")
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level!r}: a probability between 0 and 1.")
    if not isinstance(points, int) or isinstance(points, bool) or points < 5:
        raise SpecError(f"points={points!r}: at least 5.")
    at = lik.layout.names.index(coefficient)
    low, high = lik.layout.lower[at], lik.layout.upper[at]
    critical = float(stats.chi2.ppf(level, 1))
    top = lik.total(fit.theta)
    center = float(fit.theta[at])
    column = chain.z[:, own.index(coefficient) % chain.z.shape[1]]
    step = float(fit.std_err[coefficient]) if np.isfinite(fit.std_err[coefficient]) else 1.0 / max(column.std(), 1e-12)
    step = min(step, (high - low) / 10.0)
    seen = {center: 0.0}

    def fall(value: float, start: Array) -> tuple[float, Array]:
        moved = start.copy()
        moved[at] = value
        best, theta = Held(lik, {at: value}).climb([moved])
        seen[value] = 2.0 * (top - best)
        return seen[value], theta

    ends = []
    for side, bound in ((-1.0, low), (1.0, high)):
        inner, outer, theta, size = center, center, fit.theta, 0.5 * step
        found = False
        spent = 0
        while spent < points and outer != bound:
            spent += 1
            outer = float(np.clip(inner + side * size, low, high))
            drop, moved = fall(outer, theta)
            if drop > critical:
                found = True
                break
            inner, theta, size = outer, moved, 1.6 * size
        if not found:
            ends.append(side * np.inf)
            continue
        for _ in range(points - spent):
            if abs(outer - inner) < 1e-3 * step:
                break
            # the fall is close to a parabola about the estimate: secant on its root, kept inside
            a, b = np.sqrt(max(seen[inner], 0.0)), np.sqrt(seen[outer])
            share = (np.sqrt(critical) - a) / (b - a) if b > a else 0.5
            trial = inner + float(np.clip(share, 0.1, 0.9)) * (outer - inner)
            drop, moved = fall(trial, theta)
            if drop > critical:
                outer = trial
            else:
                inner, theta = trial, moved
        ends.append(0.5 * (inner + outer))
    path = pd.Series(seen, name=coefficient).sort_index()
    if float(path.min()) < -1e-3:
        warnings.warn(
            f"{coefficient}: the profile rises {-0.5 * float(path.min()):.3f} above the fit, which is a lower peak; "
            "fit again with more starts.",
            ConvergenceWarning,
            stacklevel=2,
        )
    if not np.isfinite(path).all():
        raise DataError(f"{coefficient}: the likelihood is not finite along the profile.")
    return ProfileInterval(coefficient, center, float(ends[0]), float(ends[1]), level, critical, path)
