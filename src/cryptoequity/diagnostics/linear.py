"""Linear restrictions on named parameters, and where they lead: onto a bound, or to parameters without meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from scipy import optimize

from ..errors import SpecError
from ..estimation.params import Array, Layout
from ..volatility import MarginFit
from ..volatility.likelihood import layout_of

__all__ = ["NullPoint", "Restrictions", "null_point", "read_restrictions"]

Restrictions: TypeAlias = str | Sequence[str] | Mapping[str, float] | tuple[Array, Array]

_NUMBER = re.compile(r"\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?")


def read_restrictions(names: Sequence[str], restrictions: Restrictions) -> tuple[Array, Array, tuple[str, ...]]:
    """Matrix R (m, K), values q (m,) and wordings of the restrictions R theta = q.

    Parameters
    ----------
    names : (K,) parameters. restrictions : equations such as "dcc.a + dcc.b = 0.99" or "A.beta = B.beta" (a missing
        right-hand side is zero), values by name, or (R, q).

    Raises
    ------
    SpecError : an unknown parameter, an equation that cannot be read, restrictions that repeat or contradict.
    """
    labels = list(names)
    if isinstance(restrictions, Mapping):
        for name in restrictions:
            if name not in labels:
                raise SpecError(f"no parameter {name!r}; there are {', '.join(labels)}.")
        matrix = np.array([[float(name == label) for label in labels] for name in restrictions])
        values = np.array([float(value) for value in restrictions.values()])
        words = tuple(f"{name} = {float(value):g}" for name, value in restrictions.items())
    elif isinstance(restrictions, str) or all(isinstance(one, str) for one in restrictions):
        texts = [restrictions] if isinstance(restrictions, str) else [str(one) for one in restrictions]
        pairs = [_read_equation(text, labels) for text in texts]
        matrix, values = np.array([row for row, _ in pairs]), np.array([value for _, value in pairs])
        words = tuple(" ".join(text.split()) if "=" in text else f"{' '.join(text.split())} = 0" for text in texts)
    else:
        if len(restrictions) != 2:
            raise SpecError("restrictions: give equations, values by name, or the pair (R, q).")
        matrix, values = (
            np.atleast_2d(np.asarray(restrictions[0], float)),
            np.atleast_1d(np.asarray(restrictions[1], float)),
        )
        words = (f"R theta = q, {len(values)} rows",)
    if matrix.size == 0:
        raise SpecError("restrictions: there is none.")
    if matrix.shape != (values.size, len(labels)):
        raise SpecError(
            f"R of shape {matrix.shape} and q of length {values.size} do not fit {len(labels)} parameters; R has a row "
            "for each restriction and a column for each parameter."
        )
    if not (np.isfinite(matrix).all() and np.isfinite(values).all()):
        raise SpecError("restrictions must be finite numbers.")
    if np.linalg.matrix_rank(matrix) < values.size:
        raise SpecError(f"the {values.size} restrictions repeat or contradict each other: their rows are dependent.")
    return matrix, values, words


def _read_equation(text: str, names: list[str]) -> tuple[Array, float]:
    """One equation as (row, value)."""
    sides = text.split("=")
    if len(sides) > 2 or not sides[0].strip() or (len(sides) == 2 and not sides[1].strip()):
        raise SpecError(f"{text!r} is not an equation like 'dcc.a + dcc.b = 0.99'.")
    row, constant = np.zeros(len(names)), 0.0
    for sign, side in zip((1.0, -1.0), sides, strict=False):
        weights, number = _read_side(side, names, text)
        row += sign * weights
        constant += sign * number
    if not row.any():
        raise SpecError(f"{text!r} restricts no parameter.")
    return row, -constant


def _read_side(side: str, names: list[str], text: str) -> tuple[Array, float]:
    """Weights and constant of a sum of terms ``number``, ``name`` or ``number * name``."""
    longest_first = sorted(range(len(names)), key=lambda k: -len(names[k]))
    weights, constant = np.zeros(len(names)), 0.0
    rest = side.strip()
    first = True
    while rest:
        match = re.match(r"[+-]\s*", rest)
        if match is None and not first:
            raise SpecError(f"cannot read {rest!r} in {text!r}: terms are joined by + or -.")
        sign = -1.0 if match is not None and rest[0] == "-" else 1.0
        rest = rest[match.end() :] if match is not None else rest
        first = False
        factor, found = 1.0, False

        def named(piece: str) -> int | None:
            # a name ends where it is not continued, so "a" is not read out of "alpha" or "a.1"
            for k in longest_first:
                after = piece[len(names[k]) :]
                if piece.startswith(names[k]) and not re.match(r"[\w.]", after):
                    return k
            return None

        at = named(rest)
        if at is None:
            number = _NUMBER.match(rest)
            if number is None:
                raise SpecError(f"no parameter in {rest!r} of {text!r}; there are {', '.join(names)}.")
            factor, found = float(number.group()), True
            rest = rest[number.end() :].lstrip()
            if rest.startswith("*"):
                rest = rest[1:].lstrip()
                at = named(rest)
                if at is None:
                    raise SpecError(f"no parameter in {rest!r} of {text!r}; there are {', '.join(names)}.")
        if at is not None:
            weights[at] += sign * factor
            rest = rest[len(names[at]) :].lstrip()
        elif found:
            constant += sign * factor
    return weights, constant


@dataclass(frozen=True, eq=False)
class NullPoint:
    """Where the restrictions hold, nearest to the estimate, and what is irregular there.

    Attributes
    ----------
    theta : (K,) all parameters. edge : rows of R whose restriction lies on the boundary of the parameter space: near it
        R theta moves to one side only. lost : parameters of the correlation step without effect there, hence not
        identified under the null.
    """

    theta: Array = field(repr=False)
    edge: tuple[int, ...]
    lost: tuple[str, ...]


def null_point(fit: Any, matrix: Array, values: Array) -> NullPoint:
    """Project the estimate on the restrictions, in units of standard errors, and look around there.

    Raises
    ------
    SpecError : no parameters satisfy the restrictions.
    """
    estimate = fit.estimate
    theta = np.asarray(estimate.theta, float)
    variance = np.diag(estimate.cov)
    weight = matrix * np.where(np.isfinite(variance) & (variance > 0.0), variance, 1e-4 * (1.0 + np.abs(theta)))
    point = theta - weight.T @ np.linalg.solve(weight @ matrix.T, matrix @ theta - values)
    blocks = [(layout, at) for layout, at in _blocks(fit) if np.any(matrix[:, at : at + layout.size] != 0.0)]
    box, point = _feasible(blocks, point, matrix, values)
    covered = np.zeros(theta.size, bool)
    moves: list[Array] = []
    first = 0
    for layout, at in blocks:
        part = slice(at, at + layout.size)
        covered[part] = True
        here = box[first : first + layout.size]
        first += layout.size
        for k in range(layout.size):
            for side in (1.0, -1.0):
                near = here.copy()
                near[k] = min(max(here[k] + side * 1e-5, layout.lower[k]), layout.upper[k])
                move = np.zeros(theta.size)
                move[part] = layout.natural(near) - point[part]
                moves.append(matrix @ move)
    free = np.any(matrix[:, ~covered] != 0.0, axis=1)
    steps = np.array(moves) if moves else np.zeros((1, values.size))
    both = (steps > 1e-12).any(axis=0) & (steps < -1e-12).any(axis=0)
    edge = tuple(np.flatnonzero(~(both | free)).tolist())
    return NullPoint(point, edge, _lost(fit, point, blocks))


def _feasible(blocks: list[tuple[Layout, int]], point: Array, matrix: Array, values: Array) -> tuple[Array, Array]:
    """Box coordinates of the blocks and the point, moved inside the parameter space onto the restrictions."""
    point = point.copy()
    box: Array = np.concatenate([np.empty(0), *(one.box(point[at : at + one.size]) for one, at in blocks)])

    def parameters(u: Array) -> Array:
        out = point.copy()
        first = 0
        for layout, at in blocks:
            out[at : at + layout.size] = layout.natural(u[first : first + layout.size])
            first += layout.size
        return out

    def gap(u: Array) -> Array:
        out: Array = matrix @ parameters(u) - values
        return out

    limit = 1e-5 * (1.0 + np.abs(values))
    if blocks and np.any(np.abs(gap(box)) > limit):
        # the nearest point lies outside: look for one inside that gives way in the other parameters
        lower = np.concatenate([layout.lower for layout, _ in blocks])
        upper = np.concatenate([layout.upper for layout, _ in blocks])
        box = optimize.least_squares(gap, np.clip(box, lower, upper), bounds=(lower, upper), xtol=1e-14).x
        if np.any(np.abs(gap(box)) > limit):
            k = int(np.argmax(np.abs(gap(box))))
            raise SpecError(
                f"restriction {k + 1} cannot hold: the parameter space ends {abs(gap(box)[k]):.3g} short of it."
            )
    return box, parameters(box)


def _lost(fit: Any, point: Array, blocks: list[tuple[Layout, int]]) -> tuple[str, ...]:
    own: Layout = fit.likelihood.layout
    if not any(layout is own for layout, _ in blocks):
        return ()
    score = fit.likelihood.evaluate(point[point.size - own.size :], 1)[1]
    # the later half: what a starting value does has died out there
    size = np.sqrt(np.mean(score[score.shape[0] // 2 :] ** 2, axis=0))
    floor = 1e-9 * max(float(size.max()), 1e-300)
    return tuple(name for name, one in zip(own.names, size, strict=True) if not one > floor)


def _blocks(fit: Any) -> list[tuple[Layout, int]]:
    """Layouts with known bounds and where they begin among the fit's parameters."""
    out = []
    at = 0
    for margin in getattr(getattr(fit, "margins", None), "fits", ()):
        if isinstance(margin, MarginFit):
            out.append((layout_of(margin.spec), at))
        at += len(margin.estimate.names)
    own: Layout = fit.likelihood.layout
    if own.size:
        out.append((own, len(fit.estimate.names) - own.size))
    return out
