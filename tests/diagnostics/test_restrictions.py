"""Restrictions: the parser, Wald and likelihood-ratio tests against first principles, and their refusals."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.correlation import CCC, DCC
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.diagnostics.linear import null_point, read_restrictions
from cryptoequity.diagnostics.restrictions import likelihood_ratio_test, wald_test, weighted_chi2_sf
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.inference import free_part, spread
from cryptoequity.estimation.optimize import maximize
from cryptoequity.estimation.params import Layout, interval
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import GARCH, fit_margins

NAMES = ("A.omega", "A.alpha", "A.alpha.1", "BTC-USD.omega", "3M.omega", "dcc.a", "dcc.b")


def quiet(spec, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


@pytest.fixture(scope="module")
def margins(sim_dcc3):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit_margins(sim_dcc3.iloc[:1200])


@pytest.fixture(scope="module")
def dcc(margins):
    return quiet(DCC(), margins)


# --- reading


@pytest.mark.parametrize(
    ("text", "row", "value"),
    [
        ("dcc.a + dcc.b = 0.99", {"dcc.a": 1, "dcc.b": 1}, 0.99),
        ("dcc.a", {"dcc.a": 1}, 0.0),
        ("2*dcc.a - 3 * dcc.b = 1e-1", {"dcc.a": 2, "dcc.b": -3}, 0.1),
        ("dcc.a = dcc.b", {"dcc.a": 1, "dcc.b": -1}, 0.0),
        ("A.alpha.1 = A.alpha", {"A.alpha.1": 1, "A.alpha": -1}, 0.0),
        ("BTC-USD.omega - 3M.omega = .5 + .25", {"BTC-USD.omega": 1, "3M.omega": -1}, 0.75),
        ("1 - dcc.a = dcc.b", {"dcc.a": -1, "dcc.b": -1}, -1.0),
        ("-dcc.a = - 2", {"dcc.a": -1}, -2.0),
    ],
)
def test_equations_are_read(text, row, value):
    matrix, values, words = read_restrictions(NAMES, text)
    np.testing.assert_allclose(matrix[0], [row.get(name, 0.0) for name in NAMES])
    assert values[0] == pytest.approx(value)
    assert words[0].startswith(" ".join(text.split())[:4])


def test_other_forms_of_restrictions():
    matrix, values, words = read_restrictions(NAMES, {"dcc.b": 0.9, "dcc.a": 0.05})
    assert matrix.shape == (2, 7)
    np.testing.assert_array_equal(values, [0.9, 0.05])
    assert words == ("dcc.b = 0.9", "dcc.a = 0.05")
    both = read_restrictions(NAMES, (np.eye(7)[[6, 5]], np.array([0.9, 0.05])))
    np.testing.assert_array_equal(both[0], matrix)
    np.testing.assert_array_equal(read_restrictions(NAMES, ["dcc.b = 0.9", "dcc.a = 0.05"])[0], matrix)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0.01, 99).map(lambda x: round(x, 3))), min_size=1))
def test_sums_are_read_term_by_term(terms):
    text = " + ".join(f"{factor} * {name}" for name, factor in terms)
    matrix, _, _ = read_restrictions(NAMES, text)
    wanted = [sum(factor for name, factor in terms if name == label) for label in NAMES]
    np.testing.assert_allclose(matrix[0], wanted)


@pytest.mark.parametrize(
    ("restrictions", "message"),
    [
        ("dcc.c = 0", r"no parameter in 'dcc\.c' of .*; there are A\.omega"),
        ({"dcc.c": 0.0}, r"no parameter 'dcc\.c'"),
        ("dcc.a dcc.b = 0", "terms are joined by"),
        ("2 * = 0", "no parameter in ''"),
        ("= 0", "is not an equation"),
        ("dcc.a = 1 = 2", "is not an equation"),
        ("1 = 1", "restricts no parameter"),
        ("dcc.a = dcc.a", "restricts no parameter"),
        ([], "there is none"),
        (["dcc.a = 0", "2*dcc.a = 1"], "2 restrictions repeat or contradict"),
        ((np.eye(3), np.zeros(3)), r"R of shape \(3, 3\) and q of length 3 do not fit 7"),
        ((np.eye(7), np.full(7, np.nan)), "must be finite"),
    ],
)
def test_what_cannot_be_read_is_refused(restrictions, message):
    with pytest.raises(SpecError, match=message):
        read_restrictions(NAMES, restrictions)


# --- Wald


def test_wald_is_the_squared_t_ratio_and_the_quadratic_form(dcc):
    one = wald_test(dcc, {"dcc.b": 0.9})
    t = (dcc.params["dcc.b"] - 0.9) / dcc.std_err["dcc.b"]
    assert one.statistic == pytest.approx(t**2, rel=1e-9)
    assert one.pvalue == pytest.approx(2 * stats.norm.sf(abs(t)), rel=1e-9)
    assert one.reference == "chi2(1)"
    two = wald_test(dcc, ["A.beta = B.beta", "dcc.a + dcc.b = 0.97"])
    names = ["A.beta", "B.beta", "dcc.a", "dcc.b"]
    r = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    gap = r @ dcc.params[names].to_numpy() - [0.0, 0.97]
    wanted = gap @ np.linalg.inv(r @ dcc.cov.loc[names, names].to_numpy() @ r.T) @ gap
    assert two.statistic == pytest.approx(wanted, rel=1e-8)
    assert two.reference == "chi2(2)"
    assert two.null == "A.beta = B.beta; dcc.a + dcc.b = 0.97"
    # any invertible mixture of the restrictions says the same
    r_all, q, _ = read_restrictions(dcc.estimate.names, ["A.beta = B.beta", "dcc.a + dcc.b = 0.97"])
    mix = np.array([[2.0, 1.0], [-1.0, 3.0]])
    assert wald_test(dcc, (mix @ r_all, mix @ q)).statistic == pytest.approx(wanted, rel=1e-8)
    assert wald_test(dcc, {"corr.A.B": 0.5}).reference == "chi2(1)"


def test_one_restriction_on_the_boundary_is_half_a_chi2(dcc):
    test = wald_test(dcc, "dcc.b = 0")
    t = dcc.params["dcc.b"] / dcc.std_err["dcc.b"]
    assert test.reference.startswith("half chi2(0), half chi2(1)")
    assert test.pvalue == pytest.approx(stats.norm.sf(t), rel=1e-8)
    alpha = wald_test(dcc, "A.alpha = 0")
    # beta loses its meaning there too, but margins are not looked into: the law of the boundary is used
    assert alpha.reference.startswith("half")
    unit = wald_test(dcc, "dcc.a + dcc.b = 1")
    assert unit.reference.startswith("half")
    assert unit.pvalue < 0.5
    several = wald_test(dcc, ["A.alpha = 0", "B.beta = 0.9"])
    assert math.isnan(several.pvalue)
    assert "boundary of the parameter space under the null: A.alpha = 0" in several.reason
    assert np.isfinite(several.statistic)


def test_parameters_that_vanish_under_the_null_are_named(dcc, margins):
    for fit in (dcc, quiet(DCC(presample="ewma"), margins), quiet(DCC(dist="t"), margins)):
        test = wald_test(fit, "dcc.a = 0")
        assert math.isnan(test.pvalue)
        assert test.reason.startswith("dcc.b has no effect on the likelihood under the null")
        assert "engle_sheppard_test" in test.reason
        assert np.isfinite(test.statistic)
    both = wald_test(dcc, ["dcc.a = 0", "dcc.b = 0.5"])
    assert math.isnan(both.pvalue)


def test_an_estimate_on_its_bound_has_no_wald_test_but_the_trivial_one(sim_dcc3):
    # no dynamics at all: a is often estimated at zero
    for seed in range(20):
        noise = np.random.default_rng(seed).standard_normal((400, 2))
        frame = pd.DataFrame(noise, sim_dcc3.index[:400], ["A", "B"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = GARCH(mean="zero").fit(frame["A"])
        if "alpha" in fit.at_bound and fit.params["alpha"] == 0.0:
            break
    else:
        pytest.fail("no estimate on the bound in twenty worlds")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        full = CCC().fit(fit_margins(frame, GARCH(mean="zero")))
    test = wald_test(full, "A.alpha = 0")
    assert (test.statistic, test.pvalue) == (0.0, 1.0)
    other = wald_test(full, "A.alpha = 0.2")
    assert math.isnan(other.pvalue)
    assert "A.alpha: no standard error" in other.reason


def test_a_null_outside_the_parameter_space_is_refused(dcc):
    with pytest.raises(SpecError, match="restriction 1 cannot hold"):
        wald_test(dcc, "dcc.a = -0.2")
    with pytest.raises(SpecError, match=r"ends 0\.2 short of it"):
        wald_test(dcc, "dcc.a + dcc.b = 1.2")
    # more news than the persistence of the estimate leaves room for: the other parameter gives way
    matrix, values, _ = read_restrictions(dcc.estimate.names, "dcc.a = 0.5")
    point = null_point(dcc, matrix, values)
    assert matrix @ point.theta == pytest.approx(values)
    assert point.theta[-1] < 0.5
    assert point.edge == ()


def test_the_null_point_satisfies_the_restrictions_and_is_near(dcc):
    matrix, values, _ = read_restrictions(dcc.estimate.names, ["A.beta = B.beta", "dcc.b = 0.8"])
    point = null_point(dcc, matrix, values)
    np.testing.assert_allclose(matrix @ point.theta, values, atol=1e-9)
    assert point.edge == ()
    assert point.lost == ()


# --- weighted chi2


@pytest.mark.parametrize(
    "weights", [[1.0], [2.5, 2.5, 2.5], [3.0, 1.0], [1.0, 0.2, 0.05], [10.0, 0.1], [5.0, 4.0, 3.0]]
)
def test_weighted_chi2_equals_its_simulation(weights):
    draws = (np.random.default_rng(2).standard_normal((200_000, len(weights))) ** 2) @ np.array(weights)
    for share in (0.5, 0.1, 0.01):
        x = float(np.quantile(draws, 1 - share))
        assert weighted_chi2_sf(x, np.array(weights)) == pytest.approx(share, abs=4 * math.sqrt(share / 200_000))
    assert weighted_chi2_sf(0.0, np.array(weights)) == 1.0
    assert weighted_chi2_sf(1e-8, np.array(weights)) > 0.9
    assert weighted_chi2_sf(1e6, np.array(weights)) < 1e-12


def test_weighted_chi2_is_chi2_when_weights_agree_and_needs_positive_ones():
    for x in (0.3, 4.0, 30.0):
        assert weighted_chi2_sf(x, np.full(4, 2.0)) == pytest.approx(stats.chi2.sf(x / 2, 4), rel=1e-9)
        # two pairs of equal weights: a hypoexponential law
        a, b = 1.5, 0.4
        wanted = (a * math.exp(-x / (2 * a)) - b * math.exp(-x / (2 * b))) / (a - b)
        assert weighted_chi2_sf(x, np.array([a, a, b, b])) == pytest.approx(wanted, rel=1e-6)
    with pytest.raises(SpecError, match="positive numbers"):
        weighted_chi2_sf(1.0, np.array([1.0, 0.0]))
    with pytest.raises(SpecError, match="too unequal"):
        weighted_chi2_sf(1.0, np.array([1e6, 1.0]))


# --- likelihood ratio


class Pinned:
    """A DCC whose b is fixed: what a restricted fit maximizes."""

    def __init__(self, lik, b):
        self.lik, self.b = lik, b
        self.layout = Layout([interval("dcc.a", 0.0, 1.0 - b - 1e-6)])

    def evaluate(self, theta, want):
        loglik, score = self.lik.evaluate(np.array([theta[0], self.b]), want)
        return loglik, score[:, :1]


def restricted_fit(fit, b):
    """The same fit with b held at a value and a maximized."""
    from dataclasses import replace

    optimum = maximize(Pinned(fit.likelihood, b), [np.array([0.03])])
    theta = np.array([optimum.theta[0], b])
    loglik = fit.likelihood.evaluate(theta, 0)[0] - np.log(fit.volatility.to_numpy()).sum(axis=1)
    full = fit.estimate.theta.copy()
    full[-2:] = theta
    estimate = replace(
        fit.estimate,
        theta=full,
        loglik=float(loglik.sum()),
        free_count=fit.estimate.free_count - 1,
        optimum=replace(fit.estimate.optimum, theta=theta, loglik=optimum.loglik),
    )
    return replace(fit, _estimate=estimate, theta=theta)


def test_the_ratio_of_a_later_step_is_weighted(dcc):
    smaller = restricted_fit(dcc, 0.9)
    test = likelihood_ratio_test(smaller, dcc, restrictions="dcc.b = 0.9")
    assert test.statistic == pytest.approx(2 * (dcc.loglikelihood - smaller.loglikelihood))
    part = free_part(dcc.likelihood, dcc.optimum)
    curvature = spread(np.linalg.inv(-part.hessian) / dcc.nobs, part.jacobian)
    weight = dcc.cov.loc["dcc.b", "dcc.b"] / curvature[1, 1]
    assert test.detail["weights"] == pytest.approx([weight], rel=1e-8)
    assert test.pvalue == pytest.approx(stats.chi2.sf(test.statistic / weight, 1), rel=1e-8)
    assert "weighted sum of 1 chi2(1)" in test.reference
    # near the estimate, ratio over weight and Wald are the same quadratic
    near = dcc.params["dcc.b"] - 0.1 * dcc.std_err["dcc.b"]
    ratio = likelihood_ratio_test(restricted_fit(dcc, near), dcc, restrictions={"dcc.b": near})
    assert ratio.statistic / weight == pytest.approx(wald_test(dcc, {"dcc.b": near}).statistic, rel=0.1)
    unnamed = likelihood_ratio_test(smaller, dcc)
    assert math.isnan(unnamed.pvalue)
    assert "weighted sum of chi2(1); name the restrictions=" in unnamed.reason
    assert unnamed.detail["chi2 p-value"] == pytest.approx(stats.chi2.sf(test.statistic, 1))


def test_weights_restore_the_size_that_fat_tails_take():
    # normal likelihood, t(5) shocks, estimated margins: the textbook ratio rejects a true b far too often
    rng = np.random.default_rng(1)
    target = np.array([[1.0, 0.5], [0.5, 1.0]])
    pvalues = []
    for _ in range(100):
        z = dcc_simulate(0.06, 0.9, target, draw_shocks(rng, 1000, 2, 5.0), target)
        fit = quiet(DCC(), pd.DataFrame(2.0 * z, columns=["A", "B"]), margins=GARCH(q=0))
        if fit.likelihood.layout.names[0] in fit.at_bound:
            continue
        test = likelihood_ratio_test(restricted_fit(fit, 0.9), fit, restrictions="dcc.b = 0.9")
        pvalues.append([test.pvalue, test.detail["chi2 p-value"]])
    weighted, textbook = np.mean(np.array(pvalues) <= 0.05, axis=0)
    assert len(pvalues) > 90
    assert weighted <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(pvalues))
    assert textbook > weighted + 0.03


def test_constant_against_dynamic_correlation_has_no_chi2_law(dcc, margins):
    test = likelihood_ratio_test(CCC().fit(margins), dcc)
    assert test.statistic > 0
    assert math.isnan(test.pvalue)
    assert "not identified (such as b when a = 0)" in test.reason
    assert "engle_sheppard_test" in test.reason
    assert "Likelihood ratio" in test.summary().to_text()
    named = likelihood_ratio_test(CCC().fit(margins), dcc, restrictions=["dcc.a = 0", "dcc.b = 0.5"])
    assert math.isnan(named.pvalue)
    assert "dcc.b has no effect" in named.reason


def test_normal_against_t_is_on_the_boundary(margins):
    for one, other in ((CCC(), CCC(dist="t")), (DCC(), DCC(dist="t"))):
        test = likelihood_ratio_test(quiet(one, margins), quiet(other, margins))
        assert "infinite degrees of freedom" in test.reference
        wanted = 1.0 if test.statistic == 0 else 0.5 * stats.chi2.sf(test.statistic, 1)
        assert test.pvalue == pytest.approx(wanted)
        assert test.detail["restrictions"] == 1


def test_normal_against_t_keeps_its_size():
    # CCC on given residuals: the last step alone, fast; margins are orthogonal to the degrees of freedom under the null
    from cryptoequity.correlation.spec import climb_correlation

    rng = np.random.default_rng(3)
    worlds, hits = 300, 0
    for _ in range(worlds):
        z = rng.standard_normal((400, 2))
        _, optimum = climb_correlation(CCC(dist="t"), z)
        normal = CCC().model(z).evaluate(np.empty(0), 0)[0].sum()
        ratio = max(0.0, 2 * (optimum.loglik - normal))
        hits += (1.0 if ratio == 0 else 0.5 * stats.chi2.sf(ratio, 1)) <= 0.05
    assert hits / worlds <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / worlds)
    assert hits / worlds > 0.005


def test_what_spoils_a_ratio_is_said(dcc, margins, sim_dcc3):
    frame = sim_dcc3.iloc[:1200]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        heavy = fit_margins(frame, GARCH(dist="t"))
    other = likelihood_ratio_test(dcc, quiet(DCC(dist="t"), heavy))
    assert math.isnan(other.pvalue)
    assert "the margins differ" in other.reason
    with pytest.raises(SpecError, match=r"nothing is restricted \(swap them"):
        likelihood_ratio_test(quiet(DCC(dist="t"), margins), dcc)
    backwards = likelihood_ratio_test(dcc, CCC().fit(margins), df=2)
    assert "restricted model fits better" in backwards.reason
    filtered = likelihood_ratio_test(restricted_fit(dcc, 0.9), dcc.filter(frame), df=1)
    assert "filtered with given parameters" in filtered.reason
    with pytest.raises(DataError, match="different samples"):
        likelihood_ratio_test(quiet(DCC(), fit_margins(sim_dcc3.iloc[:1000])), dcc)
    with pytest.raises(SpecError, match="on the parameters of the last step alone"):
        likelihood_ratio_test(dcc, dcc, restrictions="A.beta = 0.9", df=1)
