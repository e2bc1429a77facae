"""Sum of squares of a smooth transition regression over the speed and the center of the transition."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from ..errors import SpecError
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from .transition_sample import TransitionSample

__all__ = ["Surface"]

SPEEDS = (0.1, 500.0)  # bounds of gamma; above, the transition falls between two observations
GRID = (24, 40)  # speeds, centers
CLIMBS = 6


class Surface:
    """Sum of squares as a function of (log gamma, c), all else concentrated out."""

    def __init__(self, sample: TransitionSample, kind: str, trim: float) -> None:
        self.sample, self.kind = sample, kind
        self.spread = float(sample.s.std())
        low, high = np.quantile(sample.s, [trim, 1.0 - trim])
        if not high > low:
            raise SpecError(f"trim={trim!r}: the driver {sample.driver!r} has one value between its quantiles.")
        self.bounds = [(float(np.log(SPEEDS[0])), float(np.log(SPEEDS[1]))), (float(low), float(high))]
        scale = np.sqrt(np.mean(sample.x**2, axis=0))
        self.x = sample.x / scale
        self.varied = np.ascontiguousarray(self.x[:, sample.varies])
        self.unit = float(np.mean(sample.residuals**2)) * sample.nobs
        self.count = 0

    def transition(self, speed: float, center: float) -> tuple[Array, Array, Array]:
        """G (T,) and its derivatives by gamma and by c."""
        u = (self.sample.s - center) / self.spread
        if self.kind == "logistic":
            weight = 1.0 / (1.0 + np.exp(-np.clip(speed * u, -700.0, 700.0)))
            inner = weight * (1.0 - weight)
            return weight, inner * u, -inner * speed / self.spread
        away = np.exp(-speed * u**2)
        return 1.0 - away, away * u**2, -2.0 * speed * away * u / self.spread

    def solve(self, weight: Array) -> tuple[Array, Array]:
        """Errors, and the change of x'beta from regime 1 to 2, for transition weights (T,)."""
        design = np.concatenate([self.x, self.varied * weight[:, None]], axis=1)
        # a transition nobody sees makes columns collinear; the shortest solution then is as good as any
        beta = np.linalg.lstsq(design, self.sample.y, rcond=1e-10)[0]
        return self.sample.y - design @ beta, self.varied @ beta[self.x.shape[1] :]

    def value(self, point: Array) -> tuple[float, Array]:
        """Sum of squares over that of the linear regression, and its gradient by (log gamma, c)."""
        self.count += 1
        speed = float(np.exp(point[0]))
        weight, by_speed, by_center = self.transition(speed, float(point[1]))
        e, gap = self.solve(weight)
        slope = np.array([-2.0 * (e * gap) @ by_speed * speed, -2.0 * (e * gap) @ by_center])
        return float(e @ e) / self.unit, slope / self.unit

    def minimize(self) -> Optimum:
        """Grid, its lowest local minima, climbs from them."""
        speeds = np.linspace(self.bounds[0][0] + 0.7, self.bounds[0][1] - 0.5, GRID[0])
        centers = np.quantile(self.sample.s, np.linspace(*self._share(), GRID[1]))
        centers = np.unique(np.clip(centers, *self.bounds[1]))
        table = np.array([[self.value(np.array([a, c]))[0] for c in centers] for a in speeds])
        padded = np.pad(table, 1, constant_values=np.inf)
        lowest = np.ones_like(table, bool)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                if down or right:
                    shifted = padded[1 + down : 1 + down + len(speeds), 1 + right : 1 + right + len(centers)]
                    lowest &= table <= shifted
        places = np.argwhere(lowest)
        places = places[np.argsort(table[lowest], kind="stable")][:CLIMBS]
        ends = []
        for a, c in places:
            start = np.array([speeds[a], centers[c]])
            # the center is scaled to the driver's deviation, so that both coordinates are pure numbers
            found = optimize.minimize(
                self._scaled,
                start / self._unit(),
                jac=True,
                method="L-BFGS-B",
                bounds=[
                    tuple(end / unit for end in pair) for pair, unit in zip(self.bounds, self._unit(), strict=True)
                ],
                options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500},
            )
            point = found.x * self._unit()
            value, slope = self.value(point)
            if value > table[a, c]:
                point, (value, slope) = start, self.value(start)
            ends.append((value, point, slope))
        value, point, slope = min(ends, key=lambda one: one[0])
        lower = np.array([pair[0] for pair in self.bounds])
        upper = np.array([pair[1] for pair in self.bounds])
        near = 1e-9 * (upper - lower)
        pinned = ((point <= lower + near) & (slope > 0)) | ((point >= upper - near) & (slope < 0))
        rest = np.abs(slope * self._unit())[~pinned]
        gradient = float(rest.max()) if rest.size else 0.0
        converged = gradient < 1e-5
        reason = "" if converged else f"the slope of the sum of squares is {gradient:.1e} of it where the climb ended"
        agreement = float(np.mean([one[0] <= value + 1e-7 for one in ends]))
        nobs = self.sample.nobs
        loglik = -0.5 * nobs * (np.log(2.0 * np.pi * value * self.unit / nobs) + 1.0)
        theta = np.array([np.exp(point[0]), point[1]])
        flags = tuple(bool(flag) for flag in pinned)
        return Optimum(
            theta,
            point,
            float(loglik),
            converged,
            reason,
            gradient,
            agreement,
            flags,
            self.count,
            np.full((2, 2), np.nan),
        )

    def _share(self) -> tuple[float, float]:
        below = float(np.mean(self.sample.s <= self.bounds[1][0]))
        above = float(np.mean(self.sample.s <= self.bounds[1][1]))
        return min(below, above - 1e-9), above

    def _unit(self) -> Array:
        return np.array([1.0, self.spread])

    def _scaled(self, point: Array) -> tuple[float, Array]:
        value, slope = self.value(point * self._unit())
        return value, slope * self._unit()
