"""What every correlation model must satisfy, whatever its equation; not a test module itself."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln


def log_density(z, r, nu=0.0):
    """Gaussian or unit-variance t log-density of one date, by dense algebra."""
    n = len(z)
    quad = z @ np.linalg.solve(r, z)
    logdet = np.linalg.slogdet(r)[1]
    if nu <= 0:
        return -0.5 * (n * np.log(2 * np.pi) + logdet + quad)
    const = gammaln((nu + n) / 2) - gammaln(nu / 2) - n / 2 * np.log(np.pi * (nu - 2))
    return const - 0.5 * logdet - 0.5 * (nu + n) * np.log1p(quad / (nu - 2))


def normalized(q):
    root = np.sqrt(np.diag(q))
    return q / np.outer(root, root)


def check_brute_force(model, theta, matrices, nu=0.0):
    """``matrices`` (T, N, N) are the correlations of a loop over dates written in the test."""
    wanted = np.array([log_density(z, r, nu) for z, r in zip(model.z, matrices, strict=True)])
    np.testing.assert_allclose(model.evaluate(theta, 0)[0], wanted, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(model.evaluate(theta, 1)[0], wanted, rtol=1e-10, atol=1e-10)
    rows, cols = model.pairs
    np.testing.assert_allclose(model.path(theta, rows, cols), matrices[:, rows, cols], rtol=0, atol=1e-11)


def check_scores(model, theta, tol=1e-6, step=1e-6):
    """Per-observation scores against central differences, relative to the largest of each column."""
    score = model.evaluate(theta, 1)[1]
    assert score.shape == (model.nobs, theta.size) == (model.nobs, len(model.layout.names))
    for k in range(theta.size):
        h = step * max(abs(theta[k]), 1e-2)
        up, down = theta.copy(), theta.copy()
        up[k] += h
        down[k] -= h
        wanted = (model.evaluate(up, 0)[0] - model.evaluate(down, 0)[0]) / (2 * h)
        np.testing.assert_allclose(score[:, k], wanted, rtol=0, atol=tol * max(np.abs(wanted).max(), 1.0))


def check_adjoint(model, theta, rng, tol=1e-5):
    """Gradients by z and by the nuisance against differences of the total along random directions."""
    settled = model.nuisance.copy()
    dz, dnuisance = model.adjoint(theta)
    assert dz.shape == model.z.shape
    assert dnuisance.shape == settled.shape
    step = 1e-6

    def total(z, nuisance):
        return model.fixed(np.ascontiguousarray(z), model.driver, nuisance).evaluate(theta, 0)[0].sum()

    for _ in range(4):
        turn = rng.standard_normal(model.z.shape)
        wanted = (total(model.z + step * turn, settled) - total(model.z - step * turn, settled)) / (2 * step)
        np.testing.assert_allclose((dz * turn).sum(), wanted, rtol=tol, atol=tol)
        if settled.size:
            move = 0.1 * rng.standard_normal(settled.size)
            ends = [total(model.z, settled + sign * step * move) for sign in (1.0, -1.0)]
            np.testing.assert_allclose(dnuisance @ move, (ends[0] - ends[1]) / (2 * step), rtol=tol, atol=tol)


def check_simulation(model, theta, rng, nobs=40, driver=None):
    """Filtering what was simulated gives the correlations back, from the unconditional start and from the end."""
    shocks = rng.standard_normal((nobs, model.n))
    rows, cols = model.pairs
    z, path = model.simulate(theta, shocks, rows, cols, driver=driver)
    assert path.shape == (nobs, rows.size)
    assert (np.abs(path) < 1).all()
    again = model.fixed(z, driver, model.nuisance)
    np.testing.assert_allclose(again.path(theta, rows, cols), path, atol=1e-10)
    for t in range(0, nobs, 7):
        low = np.linalg.cholesky(model.matrix(path[t]))
        np.testing.assert_allclose(low @ shocks[t], z[t], atol=1e-9)
    # row 0 of a warm path is R_{T+1}: what filtering one more date would say, whatever that date brings
    warm, ahead = model.simulate(
        theta, shocks[:3], rows, cols, driver=None if driver is None else driver[:3], warm=True
    )
    longer = np.vstack([model.z, warm])
    drivers = None if driver is None else np.vstack([model.driver, driver[:3]])
    whole = model.fixed(longer, drivers, model.nuisance).path(theta, rows, cols)
    np.testing.assert_allclose(whole[-3:], ahead, atol=1e-9)
    one = model.ahead(theta, None if driver is None else driver[:1])
    np.testing.assert_allclose(one[rows, cols], ahead[0], atol=1e-12)
