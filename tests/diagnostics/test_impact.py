"""News-impact surfaces: the closed form of the recursion, and what the surface of each kind of model looks like."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.correlation import CCC, DCC
from cryptoequity.diagnostics.impact import impact_surface, news_impact, next_correlation
from cryptoequity.errors import DataError, SpecError

GRID = np.linspace(-3, 3, 7)


def quiet(spec, data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data)


@pytest.fixture(scope="module")
def fit(sim_dcc3):
    return quiet(DCC(), sim_dcc3.iloc[:700])


def closed_form(a, b, target, zi, zj):
    """Q_2 after Q_1 = target: unit diagonal, so q_ii = 1 - a + a z²."""
    top = (1 - a - b) * target + a * zi * zj + b * target
    return top / np.sqrt(((1 - a) + a * zi**2) * ((1 - a) + a * zj**2))


@pytest.mark.parametrize("pair", [("A", "B"), ("B", "A"), ("C", "A")])
def test_dcc_surface_is_the_closed_form(fit, pair):
    surface = news_impact(fit, *pair, GRID)
    a, b = fit.theta[:2]
    target = fit.target.loc[pair[0], pair[1]]
    wanted = [[closed_form(a, b, target, zi, zj) for zj in GRID] for zi in GRID]
    np.testing.assert_allclose(surface, wanted, rtol=1e-9)
    assert surface.index.name == f"shock to {pair[0]}"
    assert surface.columns.name == f"shock to {pair[1]}"


def test_swapping_the_pair_transposes_and_a_dcc_has_no_sign(fit):
    one, other = news_impact(fit, "A", "C", GRID), news_impact(fit, "C", "A", GRID)
    np.testing.assert_allclose(one.to_numpy(), other.to_numpy().T, rtol=1e-9)
    np.testing.assert_allclose(one.to_numpy(), one.to_numpy()[::-1, ::-1], rtol=1e-9)
    # shocks of one sign raise the correlation, of opposite signs lower it
    assert one.iloc[-1, -1] > one.loc[0.0, 0.0] > one.iloc[0, -1]


def test_constant_correlation_is_flat(sim_dcc3):
    fit = quiet(CCC(), sim_dcc3.iloc[:500])
    surface = news_impact(fit, "A", "B", GRID)
    np.testing.assert_allclose(surface, fit.target.loc["A", "B"], rtol=1e-12)


def test_no_news_moves_to_the_average_of_a_dcc_with_noise():
    # with E[z z'] = R the expected answer is close to the state itself: news is news only beyond what was expected
    target = 0.5
    rng = np.random.default_rng(1)
    z = rng.standard_normal((40_000, 2)) @ np.linalg.cholesky([[1, target], [target, 1]]).T
    answers = [closed_form(0.03, 0.95, target, *row) for row in z]
    assert np.mean(answers) == pytest.approx(target, abs=0.01)


def test_any_function_of_two_shocks_has_a_surface():
    surface = impact_surface(lambda z: 0.2 + 0.1 * np.tanh(min(z[0], 0) * min(z[1], 0)), names=("COIN", "TECH"))
    assert surface.shape == (33, 33)
    assert surface.loc[-4.0, -4.0] > surface.loc[4.0, 4.0] == 0.2
    assert isinstance(surface, pd.DataFrame)


def test_refusals(fit):
    with pytest.raises(SpecError, match="no column 'Z'"):
        next_correlation(fit, "A", "Z")
    with pytest.raises(SpecError, match="always 1"):
        next_correlation(fit, "A", "A")
    with pytest.raises(SpecError, match="this fit has none"):
        news_impact(fit, "A", "B", driver=[1.0])
    with pytest.raises(SpecError, match="increasing order"):
        impact_surface(lambda z: 0.0, [1.0, 0.0])
    with pytest.raises(SpecError, match="a pair has two"):
        impact_surface(lambda z: 0.0, names=("A",))
    with pytest.raises(DataError, match=r"after shocks \(-4, -4\) is 16\.0"):
        impact_surface(lambda z: z[0] * z[1])
    with pytest.raises(DataError, match="is nan; it must lie"):
        impact_surface(lambda z: float("nan"))
