"""DECO fits: what they reduce to, errors that count every step, blocks, storage, recovery of the truth."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.correlation import DCC, CorrelationFit
from cryptoequity.correlation.cdcc import CDCC
from cryptoequity.correlation.deco import DECO, DECOLikelihood
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.named_covariance import named_covariance
from cryptoequity.correlation.stacking import stacked_moments
from cryptoequity.errors import SpecError
from cryptoequity.volatility import GARCH, fit_margins
from strategies import dcc_parameters, residuals, seeds

CORRECTIONS = ["dcc", "cdcc"]
BLOCKS = (("A", "B"), ("C", "D", "E"))


def panel(nobs: int = 700, seed: int = 0) -> pd.DataFrame:
    """Five columns in two groups, correlations that move."""
    rng = np.random.default_rng(seed)
    block = np.array([0, 0, 1, 1, 1])
    target = np.where(np.equal.outer(block, block), 0.6, 0.3)
    np.fill_diagonal(target, 1.0)
    mold = DECOLikelihood(np.eye(5), dist="normal", correction="cdcc", block=block, target=target)
    z, _ = mold.simulate(np.array([0.05, 0.92]), rng.standard_normal((nobs, 5)))
    return pd.DataFrame(z * [1.0, 2.0, 0.5, 1.0, 1.5], pd.bdate_range("2012-01-02", periods=nobs), list("ABCDE"))


def quiet(spec, data, **options) -> CorrelationFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


@pytest.fixture(scope="module")
def margins():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit_margins(panel())


@pytest.fixture(scope="module", params=CORRECTIONS)
def correction(request) -> str:
    return request.param


@pytest.fixture(scope="module", params=[None, BLOCKS], ids=["one block", "two blocks"])
def fit(request, correction, margins) -> CorrelationFit:
    return quiet(DECO(dist="t", correction=correction, blocks=request.param), margins)


@given(residuals(nobs=(20, 60)), dcc_parameters(), st.sampled_from(CORRECTIONS), st.booleans())
@settings(max_examples=40, deadline=None)
def test_paths_stay_in_the_range_of_equicorrelations(z, parameters, correction, split):
    if np.linalg.cond(z.T @ z) > 1e10:
        return
    n = z.shape[1]
    block = np.arange(n) % 2 if split else np.zeros(n, np.int64)
    lik = DECOLikelihood(z, dist="normal", correction=correction, block=block)
    rows, cols = lik.pairs
    path = lik.path(np.array(parameters), rows, cols)
    assert (path <= 1 + 1e-12).all()
    if not split:
        assert (path >= -1 / (n - 1) - 1e-12).all()
        np.testing.assert_array_equal(path, path[:, :1].repeat(rows.size, axis=1))
    for flat in path[::7]:
        assert np.linalg.eigvalsh(lik.matrix(flat))[0] > -1e-12
    np.testing.assert_array_equal(lik.path(np.array(parameters), [0, 1], [0, 1]), 1.0)


@pytest.mark.parametrize("dist", ["normal", "t"])
@pytest.mark.parametrize("correction", CORRECTIONS)
@given(n=st.integers(2, 4), seed=seeds)
@settings(max_examples=6, deadline=None)
def test_scores_and_adjoint_equal_differences(dist, correction, n, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((40, n)) + 0.5 * rng.standard_normal((40, 1))
    block = np.unique(rng.integers(0, 2, n), return_inverse=True)[1]
    theta = np.array([0.07, 0.85, 7.0][: 3 if dist == "t" else 2])

    def model(z, target=None):
        return DECOLikelihood(z, dist=dist, correction=correction, block=block, target=target)

    lik = model(z)
    score = lik.evaluate(theta, 1)[1]
    for k in range(theta.size):
        step = 1e-6 * max(theta[k], 1e-2)
        ends = [lik.evaluate(theta + sign * step * (np.arange(theta.size) == k), 0)[0] for sign in (1, -1)]
        wanted = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(score[:, k], wanted, rtol=1e-5, atol=1e-6 * np.abs(wanted).max())
    lik.settle(theta)
    dz, by_target = lik.adjoint(theta)
    held, step = np.ascontiguousarray(lik.target), 1e-5
    for _ in range(4):
        direction = rng.standard_normal(z.shape)
        ends = [model(z + sign * step * direction, held).evaluate(theta, 0)[0].sum() for sign in (1, -1)]
        np.testing.assert_allclose((dz * direction).sum(), (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-5)
        turn = rng.standard_normal((n, n))
        turn = turn + turn.T
        np.fill_diagonal(turn, 0.0)
        ends = [model(z, held + sign * step * turn).evaluate(theta, 0)[0].sum() for sign in (1, -1)]
        wanted = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(by_target @ turn[lik.pairs], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("correction", "other"), [("dcc", DCC), ("cdcc", CDCC)])
@pytest.mark.parametrize("dist", ["normal", "t"])
def test_two_columns_or_blocks_of_one_are_the_model_that_drives_them(correction, other, dist, margins):
    pair = margins.select("A", "C")
    deco, wanted = quiet(DECO(dist=dist, correction=correction), pair), quiet(other(dist=dist), pair)
    np.testing.assert_allclose(deco.theta, wanted.theta, atol=1e-6)
    np.testing.assert_allclose(deco.loglikelihood, wanted.loglikelihood, rtol=1e-10)
    np.testing.assert_allclose(deco.std_err, wanted.std_err, rtol=2e-3)
    np.testing.assert_allclose(deco.correlations(), wanted.correlations(), atol=1e-6)
    three = margins.select("A", "C", "D")
    single = quiet(DECO(dist=dist, correction=correction, blocks=(("A",), ("C",), ("D",))), three)
    wanted = quiet(other(dist=dist), three)
    np.testing.assert_allclose(single.loglikelihood, wanted.loglikelihood, rtol=1e-10)
    np.testing.assert_allclose(single.std_err.filter(like="deco."), wanted.std_err.filter(regex="dcc"), rtol=2e-3)


def test_columns_of_a_block_correlate_alike(fit):
    frame = fit.correlations()
    assert frame.std().min() > 1e-3
    if fit.spec.blocks is None:
        np.testing.assert_array_equal(frame.to_numpy(), frame.to_numpy()[:, :1].repeat(10, axis=1))
    else:
        pd.testing.assert_series_equal(frame[("C", "D")], frame[("D", "E")], check_names=False)
        pd.testing.assert_series_equal(frame[("A", "C")], frame[("B", "E")], check_names=False)
        assert (frame[("A", "B")] != frame[("C", "D")]).all()
    low = np.linalg.cholesky(fit.correlation_at(fit.std_resid.index[100]))
    np.testing.assert_allclose(fit.whitened()[100], np.linalg.solve(low, fit.std_resid.iloc[100]), atol=1e-10)


def test_order_of_columns_does_not_matter(fit, margins):
    turned = quiet(fit.spec, margins.select("D", "B", "A", "E", "C"))
    np.testing.assert_allclose(turned.theta[:2], fit.theta[:2], atol=1e-4)
    np.testing.assert_allclose(turned.loglikelihood, fit.loglikelihood, rtol=1e-9)
    np.testing.assert_allclose(turned.correlation("D", "A"), fit.correlation("A", "D"), atol=1e-4)
    names = ["deco.a", "deco.b", "corr.D.E", "A.omega"]
    np.testing.assert_allclose(turned.std_err[names], fit.std_err[names], rtol=5e-3)


def test_storage_filtering_and_forecasts(fit):
    again = CorrelationFit.from_json(fit.to_json())
    assert again.spec == fit.spec
    pd.testing.assert_series_equal(again.params, fit.params)
    pd.testing.assert_series_equal(again.std_err, fit.std_err)
    assert str(again.summary()) == str(fit.summary())
    same = fit.filter(panel())
    np.testing.assert_allclose(same.correlations(), fit.correlations(), rtol=1e-10)
    longer = panel(720)
    ahead = quiet(fit.spec, panel()).forecast(1)
    following = fit.filter(pd.concat([panel(), longer.iloc[700:701]]))
    np.testing.assert_allclose(ahead.correlation.iloc[0], following.correlations().iloc[-1], atol=1e-6)
    for method in ("R", "Q"):
        path = fit.forecast(4000, method=method).correlation
        np.testing.assert_allclose(path.iloc[0], ahead.correlation.iloc[0], atol=1e-6)
        mean = fit.target.to_numpy()[2:, 2:][np.triu_indices(3, 1)].mean()
        if fit.spec.blocks is not None:
            np.testing.assert_allclose(path[("C", "D")].iloc[-1], mean, atol=1e-6)
        for flat in path.to_numpy()[::500]:
            np.linalg.cholesky(fit.likelihood.matrix(flat))
    simulated = fit.forecast(5, method="simulation", paths=600, rng=1).correlation
    np.testing.assert_allclose(simulated, fit.forecast(5).correlation, atol=0.03)


def test_influence_of_the_target(fit):
    """Means are zero, contraction changes nothing, and the tangent is the derivative of the target."""
    lik, theta, rng = fit.likelihood, fit.theta, np.random.default_rng(0)
    weights = rng.standard_normal((2, lik.nuisance.size))
    for noise in ("exact", "moment"):
        full = lik.nuisance_moments(theta, noise)
        np.testing.assert_allclose(lik.contracted_moments(theta, noise, weights), full @ weights.T, atol=1e-9)
    dzs = [rng.standard_normal((lik.nobs, 2)) for _ in range(lik.n)]
    tangent = lik.nuisance_tangent(theta, dzs)
    for contracted, block in zip(lik.contracted_tangent(theta, dzs, weights), tangent, strict=True):
        np.testing.assert_allclose(contracted, weights @ block, rtol=1e-6, atol=1e-8)
    for i in range(lik.n):
        ends = []
        for sign in (1, -1):
            z = lik.z.copy()
            z[:, i] += sign * 1e-5 * dzs[i][:, 0]
            moved = DECOLikelihood(z, dist="t", correction=lik.correction, block=lik.block)
            moved.settle(theta)
            ends.append(moved.nuisance)
        np.testing.assert_allclose(tangent[i][:, 0], (ends[0] - ends[1]) / 2e-5, atol=1e-6)


def test_errors_by_the_full_stack_and_by_influence_agree(fit):
    for cov_type in ("robust", "hac"):
        for noise in ("exact", "none"):
            options = {"cov_type": cov_type, "target_noise": noise}
            names, _, full = named_covariance(fit.likelihood, fit.optimum, fit.margins, full=True, **options)
            few, _, steps = named_covariance(fit.likelihood, fit.optimum, fit.margins, full=False, **options)
            at = [names.index(name) for name in few]
            np.testing.assert_allclose(np.diag(steps), np.diag(full)[at], rtol=1e-8)
            np.testing.assert_allclose(steps[-3:, -3:], full[-3:, -3:], rtol=1e-8)


def test_slope_of_the_system_equals_differences_in_the_data(fit):
    lik, theta = fit.likelihood, fit.theta
    parts, dzs = [one.part for one in fit.margins.fits], [one.dz for one in fit.margins.fits]
    bread, _, last, edges = stacked_moments(lik, fit.optimum, parts, dzs, "exact")
    jacobian = lik.layout.jacobian(fit.optimum.box)[:, last.free]
    for k, (part, dz) in enumerate(zip(parts, dzs, strict=True)):
        for j in range(part.jacobian.shape[1]):
            size = 1e-5 / np.abs(dz[:, j]).mean()
            ends = []
            for sign in (1, -1):
                z = lik.z.copy()
                z[:, k] += sign * size * dz[:, j]
                # the whole chain: the target follows the residuals
                moved = DECOLikelihood(z, dist="t", correction=lik.correction, block=lik.block)
                ends.append(moved.evaluate(theta, 1)[1].mean(axis=0) @ jacobian)
            wanted = (ends[0] - ends[1]) / (2 * size)
            through = bread[edges[-2] :, edges[-3] : edges[-2]] @ bread[edges[-3] : edges[-2], edges[k] + j]
            got = bread[edges[-2] :, edges[k] + j] + through
            largest = np.abs(bread[edges[-2] :, : edges[-3]]).max()
            # with cDCC how the target moves with (a, b) depends on the residuals too, at a weight, the mean score in
            # the target, that vanishes in expectation and is left out
            slack = 2e-4 if lik.correction == "dcc" else 0.03
            np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=slack * largest)


def test_recovers_the_truth():
    """Twenty-four samples of eight columns: centred within Monte-Carlo error, errors of the size of the spread."""
    rng = np.random.default_rng(20261122)
    truth, n, nobs = np.array([0.04, 0.93]), 8, 1200
    target = np.full((n, n), 0.4) + 0.6 * np.eye(n)
    mold = DECOLikelihood(np.eye(n), dist="normal", correction="cdcc", target=target)
    estimates, errors, means = [], [], []
    for _ in range(24):
        z, _ = mold.simulate(truth, draw_shocks(rng, nobs, n, 0.0))
        frame = pd.DataFrame(z, pd.bdate_range("2000-01-03", periods=nobs), [f"X{i}" for i in range(n)])
        fit = quiet(DECO(), frame, margins=GARCH(mean="zero"))
        estimates.append(fit.theta)
        errors.append(fit.std_err[["deco.a", "deco.b"]])
        means.append(fit.target.to_numpy()[np.triu_indices(n, 1)].mean())
    spread = np.std(estimates, axis=0, ddof=1)
    gap = np.mean(estimates, axis=0) - truth
    assert (np.abs(gap) < 4 * spread / np.sqrt(24) + [0.003, 0.015]).all(), (gap, spread)
    np.testing.assert_allclose(np.mean(errors, axis=0), spread, rtol=0.5)
    assert abs(np.mean(means) - 0.4) < 4 * np.std(means) / np.sqrt(24) + 0.01


def test_a_band_and_a_given_target(margins):
    fit = quiet(DECO(correction="dcc"), margins.select("A", "C", "D"))
    band = fit.correlation_band("A", "C", draws=60, rng=0)
    assert (band["lower"] <= band["upper"]).all()
    shrunk = quiet(DECO(correction="dcc"), margins, target="constant")
    weights = np.random.default_rng(0).standard_normal((2, 10))
    full = shrunk.likelihood.nuisance_moments(shrunk.theta, "exact")
    contracted = shrunk.likelihood.contracted_moments(shrunk.theta, "exact", weights)
    np.testing.assert_allclose(contracted, full @ weights.T, atol=1e-9)
    assert shrunk.likelihood.shrink < 1
    with pytest.raises(SpecError, match="cDCC takes its target at every parameter"):
        DECO().fit(margins, target="constant")
    given = quiet(DECO(), margins.select("A", "C", "D"), target=np.full((3, 3), 0.5) + 0.5 * np.eye(3))
    assert given.std_err.filter(like="corr.").isna().all()
    np.testing.assert_array_equal(given.params.filter(like="corr."), 0.5)
    assert np.isfinite(given.std_err.filter(like="deco.")).all()


def test_more_columns_than_the_table_holds():
    rng = np.random.default_rng(0)
    z = 0.7 * rng.standard_normal((300, 1)) * np.exp(0.4 * np.sin(np.arange(300) / 30))[:, None]
    frame = pd.DataFrame(
        z + 0.7 * rng.standard_normal((300, 34)),
        pd.bdate_range("2015-01-01", periods=300),
        [f"X{i}" for i in range(34)],
    )
    fit = quiet(DECO(), frame, margins=GARCH(mean="zero", q=0))
    assert not any(name.startswith("corr.") for name in fit.params.index)
    assert np.isfinite(fit.std_err[["deco.a", "deco.b"]]).all()
    table = str(fit.summary())
    assert "34 columns, X0 to X33" in table
    assert "X0.omega" not in table
    full = named_covariance(
        fit.likelihood, fit.optimum, fit.margins, cov_type="robust", target_noise="exact", full=True
    )[2]
    np.testing.assert_allclose(np.sqrt(np.diag(full))[-2:], fit.std_err[["deco.a", "deco.b"]], rtol=1e-8)
    with pytest.raises(SpecError, match="a band needs the joint covariance"):
        fit.correlation_band("X0", "X1")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda m: DECO(correction="aielli"), "correction='aielli' is not known here"),
        (lambda m: DECO(blocks=("AB", "C")), "pass tuples of column names"),
        (lambda m: DECO(blocks=(("A", "B"), ("B",))), "'B' is in more than one place"),
        (lambda m: DECO(blocks=(("A", "B"), ())), "a block without columns"),
        (lambda m: DECO(blocks=(("A", "B"), ("C", "D"))).fit(m), r"missing \['E'\], unknown none"),
        (lambda m: DECO(blocks=(*BLOCKS, ("Z",))).fit(m), r"missing none, unknown \['Z'\]"),
        (lambda m: DECO().fit(m, method="composite"), "DECOLikelihood has no composite likelihood: use method='ml'"),
    ],
)
def test_choices_that_cannot_be(build, message, margins):
    with pytest.raises(SpecError, match=message):
        build(margins)


def test_names_and_papers(margins):
    assert DECO().name == "DECO-normal"
    assert DECO(dist="t", blocks=BLOCKS).name == "DECO(2 blocks)-t"
    assert "archakovhansen2024" in DECO(blocks=BLOCKS).references
    assert "archakovhansen2024" not in DECO().references
    cited = quiet(DECO(), margins.select("A", "B")).cite()
    assert "englekelly2012" in cited
    assert "aielli2013" in cited
