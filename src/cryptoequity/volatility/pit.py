r"""Distribution functions of the margins: from standardized residuals to normal scores and back.

The probability integral transform of a residual is :math:`u=F(z)`; here it is told as the normal score
:math:`n=\Phi^{-1}(u)`, which keeps its digits in both tails. :math:`F` is the unit-variance normal, Student's t or
Hansen's (1994) skewed t: with :math:`G_\nu` the unit-variance t and :math:`a,b` of `volatility.density`,

.. math::

    F(z) = (1-\lambda)G_\nu\Bigl(\frac{bz+a}{1-\lambda}\Bigr)\ (bz+a<0), \qquad
    1-F(z) = (1+\lambda)\Bigl\{1-G_\nu\Bigl(\frac{bz+a}{1+\lambda}\Bigr)\Bigr\}\ \text{otherwise.}

Slopes by the residual are :math:`dn/dz=f(z)/\phi(n)`; those by the shape are
:math:`dn/d\eta=(\partial F/\partial\eta)/\phi(n)`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import special

from ..errors import SpecError
from ..estimation.params import Array
from .adapter import ArchMargin
from .density import CODE, constants, t_constants
from .garch import MarginFit

__all__ = ["MarginLaw", "empirical_scores", "law_of", "log_normal", "log_t", "t_tail", "t_tail_slope"]

_ARCH = {"Normal": "normal", "Standardized Student's t": "t", "Standardized Skew Student's t": "skewt"}
_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


def log_normal(x: Array) -> Array:
    """Log density of the standard normal."""
    out: Array = -0.5 * x * x - _HALF_LOG_2PI
    return out


def log_t(x: Array, nu: float) -> tuple[Array, Array, Array]:
    """Log density of the unit-variance t, with its slopes by x and by nu."""
    c, c_nu = t_constants(nu)
    square = x * x
    grow = np.log1p(square / (nu - 2.0))
    weight = (nu + 1.0) / (nu - 2.0 + square)
    value = c - 0.5 * (nu + 1.0) * grow
    return value, -weight * x, c_nu - 0.5 * grow + 0.5 * weight * square / (nu - 2.0)


def t_tail(x: Array, nu: float) -> Array:
    """Probability beyond |x| of the unit-variance t, with all its digits."""
    out: Array = special.stdtr(nu, -np.abs(x) * np.sqrt(nu / (nu - 2.0)))
    return out


def t_tail_slope(x: Array, nu: float) -> Array:
    """Derivative of `t_tail` by nu, |x| held.

    The derivative of an incomplete beta function by its parameters has no closed form. The *logarithm* of the tail is
    nearly linear in nu however small the tail is: its five-point difference is exact to some 1e-11.
    """
    step = 2e-3 * (nu - 2.0)
    ends = [np.log(t_tail(x, nu + k * step)) for k in (-2, -1, 1, 2)]
    slope = (ends[0] - 8.0 * ends[1] + 8.0 * ends[2] - ends[3]) / (12.0 * step)
    out: Array = slope * t_tail(x, nu)
    return out


@dataclass(frozen=True, eq=False)
class MarginLaw:
    """Law of one margin's standardized residuals.

    Attributes
    ----------
    dist : "normal", "t" or "skewt". shape : its shape parameters.
    """

    dist: str
    shape: Array = field(repr=False)

    def log_density(self, z: Array) -> tuple[Array, Array]:
        """Log density and its slope by z, (T,) each."""
        if self.dist == "normal":
            return log_normal(z), -z
        nu = float(self.shape[0])
        if self.dist == "t":
            return log_t(z, nu)[:2]
        const = constants("skewt", self.shape)
        y, scale, _ = self._stretched(z, const)
        value, slope, _ = log_t(y, nu)
        return value + np.log(const[6]), slope * const[6] / scale

    def _stretched(self, z: Array, const: Array) -> tuple[Array, Array, Array]:
        """Argument of the t in the skewed t, its scale 1 ± lambda, and the side."""
        lam = float(self.shape[1])
        y = const[6] * z + const[3]
        side = np.where(y >= 0.0, 1.0, -1.0)
        scale = 1.0 + side * lam
        return y / scale, scale, side

    def scores(self, z: Array, *, slopes: bool = True) -> tuple[Array, Array, Array]:
        """Normal scores n (T,), dn/dz (T,) and dn/dshape (T, S); slopes are empty unless asked for."""
        size = CODE[self.dist]
        none = np.empty((z.size, 0))
        if self.dist == "normal":
            return z.copy(), np.ones(z.size) if slopes else np.empty(0), none
        nu = float(self.shape[0])
        const = constants(self.dist, self.shape)
        if self.dist == "t":
            y, scale, side = z, np.ones(z.size), np.where(z >= 0.0, 1.0, -1.0)
        else:
            y, scale, side = self._stretched(z, const)
        tail = scale * t_tail(y, nu)  # probability beyond z on its own side of the mode
        with np.errstate(divide="ignore"):
            n = -side * special.ndtri(tail)
        if not slopes:
            return n, np.empty(0), none
        log_phi = log_normal(n)
        dz = np.exp(self.log_density(z)[0] - log_phi)
        per_phi = np.exp(-log_phi)
        out = np.empty((z.size, size))
        # the tail is that beyond: it falls as y moves outwards, and n moves against the tail
        by_y = -scale * np.exp(log_t(y, nu)[0])
        out[:, 0] = scale * t_tail_slope(y, nu)
        if self.dist == "skewt":
            y_nu = (const[7] * z + const[4]) / scale
            y_lam = (const[8] * z + const[5]) / scale - y * side / scale
            out[:, 0] += by_y * side * y_nu
            out[:, 1] = side * t_tail(y, nu) + by_y * side * y_lam
        out *= (-side * per_phi)[:, None]
        return n, dz, out

    def quantile(self, n: Array) -> Array:
        """Residuals whose normal scores are ``n``."""
        if self.dist == "normal":
            return n.copy()
        nu = float(self.shape[0])
        lam = float(self.shape[1]) if self.dist == "skewt" else 0.0
        unit = np.sqrt((nu - 2.0) / nu)
        low = special.ndtr(n) < 0.5 * (1.0 - lam)
        scale = np.where(low, 1.0 - lam, 1.0 + lam)
        tail = special.ndtr(np.where(low, n, -n)) / scale
        y = np.where(low, 1.0, -1.0) * special.stdtrit(nu, np.minimum(tail, 0.5)) * unit * scale
        if self.dist == "t":
            return y  # type: ignore[no-any-return]
        const = constants("skewt", self.shape)
        out: Array = (y - const[3]) / const[6]
        return out


def law_of(fit: MarginFit | ArchMargin) -> MarginLaw:
    """Law of a fitted margin's residuals.

    Raises
    ------
    SpecError : a distribution of the ``arch`` package that is none of ours.
    """
    theta = fit.estimate.theta
    if isinstance(fit, ArchMargin):
        label = fit.spec.rsplit(" / ", 1)[-1]
        if label not in _ARCH:
            raise SpecError(
                f"{fit.name}: the distribution function of arch's {label!r} is not known here; use pit='rank', or fit "
                "the margin with normal, t or skewt errors."
            )
        dist = _ARCH[label]
    else:
        dist = fit.spec.dist
    return MarginLaw(dist, np.array(theta[theta.size - CODE[dist] :]))


def empirical_scores(sample: Array, z: Array) -> Array:
    """Normal scores of ``z`` (K,) by their mid-ranks in the sorted ``sample`` (T,), over T + 1.

    A value of the sample has its (average) rank; one between two of them lies half-way, and one beyond the ends half
    a rank beyond: the scores are finite for any z.
    """
    below = np.searchsorted(sample, z, side="left")
    upto = np.searchsorted(sample, z, side="right")
    out: Array = special.ndtri(0.5 * (below + upto + 1.0) / (sample.size + 1.0))
    return out
