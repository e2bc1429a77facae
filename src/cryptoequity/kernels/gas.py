r"""Score-driven correlation of a pair: likelihood, score, adjoint and simulation.

.. math::

    \rho_t = \tanh f_t, \qquad f_{t+1} = \omega(1-b) + b f_t + a\,s_t, \qquad f_1=\omega, \qquad
    s_t = I_t^{-p}\,\nabla_t,

with :math:`\nabla_t=\partial\ell_t/\partial f_t` and :math:`I_t=\operatorname{E}_{t-1}\nabla_t^2`. The link keeps
:math:`\rho_t` inside (-1, 1) whatever happens to :math:`f_t`, and it takes the determinant out of both: with
:math:`\xi=z'R^{-1}z`, :math:`m=z_1z_2-\rho\xi` and the weight :math:`w` of the density (1 for the normal),

.. math::

    \nabla = \rho + w\,m, \qquad I = 1+\rho^2 \text{ (normal)}, \qquad I = \frac{\nu+2+\nu\rho^2}{\nu+4} \text{ (t)}.

``power`` is p: 1 scales by the inverse information, 1/2 by its root, 0 not at all. Parameters are stacked
(omega, a, b[, nu]); ``nu`` is 0 for the normal and ``const`` is as in `kernels.dcc`. Where :math:`\tanh f_t` rounds to
one the density does not exist: from there on ``loglik`` is minus infinity and the path NaN.
"""

import math

import numpy as np

from . import kernel
from .dcc import _pair_density

__all__ = ["gas_adjoint", "gas_filter", "gas_simulate", "gas_step"]


@kernel
def gas_step(z1, z2, rho, nu, power):
    r"""Scaled score s with its slopes by f, nu, z_1 and z_2, then the plain score and its information.

    From :math:`d\xi/df=-2m` and :math:`dm/df=2\rho m-\xi(1-\rho^2)`.
    """
    det = (1.0 - rho) * (1.0 + rho)
    quad = (z1 * z1 - 2.0 * rho * z1 * z2 + z2 * z2) / det
    m = z1 * z2 - rho * quad
    m_f = 2.0 * rho * m - quad * det
    q1 = 2.0 * (z1 - rho * z2) / det
    q2 = 2.0 * (z2 - rho * z1) / det
    if nu > 0.0:
        room = nu - 2.0 + quad
        w = (nu + 2.0) / room
        w_quad = -w / room
        w_nu = (1.0 - w) / room
        info = (nu + 2.0 + nu * rho * rho) / (nu + 4.0)
        info_f = 2.0 * nu * rho * det / (nu + 4.0)
        info_nu = (2.0 + 4.0 * rho * rho) / ((nu + 4.0) * (nu + 4.0))
    else:
        w = 1.0
        w_quad = 0.0
        w_nu = 0.0
        info = 1.0 + rho * rho
        info_f = 2.0 * rho * det
        info_nu = 0.0
    plain = rho + w * m
    plain_f = det - 2.0 * w_quad * m * m + w * m_f
    plain_nu = w_nu * m
    plain_1 = w_quad * q1 * m + w * (z2 - rho * q1)
    plain_2 = w_quad * q2 * m + w * (z1 - rho * q2)
    scale = info**-power
    s = scale * plain
    s_f = scale * plain_f - power * s * info_f / info
    s_nu = scale * plain_nu - power * s * info_nu / info
    return s, s_f, s_nu, scale * plain_1, scale * plain_2, plain, info


@kernel
def gas_filter(omega, a, b, nu, const, power, z, want):
    """Return loglik (T,), f (T+1,) and the score (T, 3 or 4), or (0, ·) with ``want`` = 0."""
    nobs = z.shape[0]
    k = 4 if nu > 0.0 else 3
    loglik = np.empty(nobs)
    f = np.empty(nobs + 1)
    score = np.zeros((nobs if want > 0 else 0, k))
    f[0] = omega
    # derivatives of f_t by omega, a, b and nu
    by_omega = 1.0
    by_a = by_b = by_nu = 0.0
    for t in range(nobs):
        rho = math.tanh(f[t])
        if not (rho > -1.0 and rho < 1.0):
            for s in range(t, nobs):
                loglik[s] = -np.inf
                f[s + 1] = np.nan
            f[t] = np.nan
            break
        z1, z2 = z[t, 0], z[t, 1]
        loglik[t], _, dnu, _, _ = _pair_density(z1, z2, rho, nu, const)
        step, step_f, step_nu, _, _, plain, _ = gas_step(z1, z2, rho, nu, power)
        if want > 0:
            score[t, 0] = plain * by_omega
            score[t, 1] = plain * by_a
            score[t, 2] = plain * by_b
            if nu > 0.0:
                score[t, 3] = plain * by_nu + dnu
            carry = b + a * step_f
            by_omega = carry * by_omega + 1.0 - b
            by_a = carry * by_a + step
            by_b = carry * by_b + f[t] - omega
            by_nu = carry * by_nu + a * step_nu
        f[t + 1] = omega + b * (f[t] - omega) + a * step
    return loglik, f, score


@kernel
def gas_adjoint(omega, a, b, nu, const, power, z):
    """Gradient of the total log-likelihood by every residual, (T, 2): the recursion run backwards."""
    nobs = z.shape[0]
    dz = np.empty((nobs, 2))
    back = np.empty((nobs, 4))  # slope of f_{t+1} by f_t, z_1 and z_2, and d ell / d f_t
    f = omega
    for t in range(nobs):
        rho = math.tanh(f)
        z1, z2 = z[t, 0], z[t, 1]
        _, _, _, dz[t, 0], dz[t, 1] = _pair_density(z1, z2, rho, nu, const)
        step, step_f, _, step_1, step_2, plain, _ = gas_step(z1, z2, rho, nu, power)
        back[t, 0] = b + a * step_f
        back[t, 1] = a * step_1
        back[t, 2] = a * step_2
        back[t, 3] = plain
        f = omega + b * (f - omega) + a * step
    after = 0.0  # d L / d f_{t+1}
    for t in range(nobs - 1, -1, -1):
        dz[t, 0] += after * back[t, 1]
        dz[t, 1] += after * back[t, 2]
        after = back[t, 3] + after * back[t, 0]
    return dz


@kernel
def gas_simulate(omega, a, b, nu, power, shocks, first):
    """Residuals z (T, 2) and f (T,) from uncorrelated unit-variance ``shocks`` (T, 2); ``first`` is f_1."""
    nobs = shocks.shape[0]
    z = np.empty((nobs, 2))
    f = np.empty(nobs)
    now = first
    for t in range(nobs):
        f[t] = now
        rho = math.tanh(now)
        z[t, 0] = shocks[t, 0]
        z[t, 1] = rho * shocks[t, 0] + shocks[t, 1] / math.cosh(now)
        step, _, _, _, _, _, _ = gas_step(z[t, 0], z[t, 1], rho, nu, power)
        now = omega + b * (now - omega) + a * step
    return z, f
