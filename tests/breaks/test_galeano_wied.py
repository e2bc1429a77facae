"""Dates of a correlation: what the search finds, the law of a date against known numbers and simulation, refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.breaks.date_intervals import drifting_quantile
from cryptoequity.breaks.galeano_wied import GaleanoWied
from cryptoequity.breaks.wied import wied_kraemer_dehling_test
from cryptoequity.errors import DataError, SpecError


def pairs(rho, seed: int, nobs: int) -> pd.DataFrame:
    u = np.random.default_rng(seed).standard_normal((nobs, 2))
    rho = np.broadcast_to(rho, nobs)
    z = np.column_stack([u[:, 0], rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 1]])
    return pd.DataFrame(z, pd.bdate_range("2015-01-01", periods=nobs), ["A", "B"])


@pytest.fixture(scope="module")
def three():
    rho = np.repeat([0.0, 0.8, 0.1], [400, 500, 600])
    return pairs(rho, 1, 1500)


@pytest.fixture(scope="module")
def fit(three):
    return GaleanoWied(filter=None, alpha=0.01).fit(three)


def test_two_breaks_are_found(fit, three):
    assert len(fit.positions) == 2
    assert abs(fit.positions[0] - 400) < 40
    assert abs(fit.positions[1] - 900) < 25
    assert fit.converged
    assert list(fit.break_dates) == [three.index[i] for i in fit.positions]
    assert list(fit.last_dates) == [three.index[i - 1] for i in fit.positions]
    np.testing.assert_allclose(fit.correlations, [0.0, 0.8, 0.1], atol=0.12)
    assert (fit.tests["pvalue"] < 1e-6).all()
    assert fit.labels.value_counts().sort_index().tolist() == fit.spans["nobs"].tolist()
    assert fit.correlation_path.nunique() == 3


def test_every_break_is_the_peak_between_its_neighbors(fit, three):
    edges = [0, *fit.positions, fit.nobs]
    for i, position in enumerate(fit.positions):
        test = wied_kraemer_dehling_test(three.iloc[edges[i] : edges[i + 2]], filter=None)
        assert test.statistic == pytest.approx(fit.tests["statistic"].iloc[i])
        assert edges[i] + test.position == position


def test_regimes_are_the_correlations_of_their_rows(fit, three):
    regimes = fit.regimes()
    for (first, end), row in zip(fit.bounds, regimes.itertuples(), strict=True):
        part = three.iloc[first:end]
        assert row.correlation == pytest.approx(part.corr().iloc[0, 1])
        assert -1 < row.lower < row.correlation < row.upper < 1
        # under iid normal pairs the standard error is (1 - rho^2) / sqrt(n)
        assert row.std_err == pytest.approx((1 - row.correlation**2) / np.sqrt(len(part)), rel=0.3)
    wide = fit.regimes(0.99)
    assert (wide["lower"] < regimes["lower"]).all()


def test_intervals_of_dates(fit):
    dates = fit.conf_int()
    for (_, row), position in zip(dates.iterrows(), fit.positions, strict=True):
        assert row["first_row"] <= position <= row["last_row"]
        assert row["lower"] == fit.index[row["first_row"]]
        assert not row["cut"]
    narrow = fit.conf_int(0.8)
    assert (narrow["last_row"] - narrow["first_row"] < dates["last_row"] - dates["first_row"]).all()
    assert dates["first_row"].iloc[0] <= 400 <= dates["last_row"].iloc[0]


def test_vocabulary(fit):
    text = str(fit.summary())
    assert "95 % interval" in text
    assert "settled in" in text
    assert json.loads(json.dumps(fit.to_dict()))["positions"] == list(fit.positions)
    assert "galeanowied2014" in fit.cite()
    assert list(fit.to_frame().index) == [1, 2, 3]
    assert fit.history["action"].str.startswith("break at").sum() == 2
    assert fit.path.max() == pytest.approx(fit.statistic)


def test_no_break():
    fit = GaleanoWied(filter=None).fit(pairs(0.4, 4, 600))
    assert fit.positions == ()
    assert len(fit.regimes()) == 1
    assert fit.pvalue > 0.05
    assert fit.conf_int().empty
    assert "no break" in str(fit.summary())


def test_weaker_levels_find_no_fewer_and_the_decreasing_rule_is_stricter():
    spec = GaleanoWied(alpha_rule="decreasing")
    assert spec.level(1) == pytest.approx(0.05)
    assert 1 - (1 - spec.level(4)) ** 4 == pytest.approx(0.05)
    assert GaleanoWied().level(4) == 0.05
    data = pairs(np.repeat([0.1, 0.5, 0.2], 300), 3, 900)
    counts = [len(GaleanoWied(filter=None, alpha=alpha).fit(data).positions) for alpha in (1e-8, 0.05, 0.2)]
    assert counts[0] == 0
    assert counts[0] <= counts[1]


@pytest.mark.parametrize("how", ["block", "multiplier"])
def test_drawn_pvalues_and_seeds(three, how):
    spec = GaleanoWied(filter=None, pvalue=how, draws=199, alpha=0.01)
    one, two = (spec.fit(three, rng=seed) for seed in (3, 3))
    assert one.positions == two.positions
    assert len(one.positions) == 2
    assert (one.tests["pvalue"] == 0.005).all()
    assert len(spec.fit(three, rng=np.random.default_rng(1)).positions) == 2


@pytest.mark.filterwarnings("ignore::cryptoequity.errors.BoundaryWarning")
def test_breaks_beyond_a_dcc():
    data = pairs(np.where(np.arange(500) < 250, 0.0, 0.8), 2, 500)
    fit = GaleanoWied(pvalue="dcc", draws=19).fit(data)
    assert fit.spec.pvalue == "dcc"
    assert 0 < fit.pvalue <= 1
    assert fit.history["pvalue"].iloc[0] == fit.pvalue
    plain = GaleanoWied().fit(data)
    assert plain.statistic == fit.statistic


# one column of independent draws in a thousand looks like a return, and is warned of
@pytest.mark.filterwarnings("ignore:.*squares are autocorrelated")
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(50, 120))
def test_regimes_keep_their_size_and_the_search_ends(seed, size):
    rho = np.random.default_rng(seed).uniform(-0.8, 0.8, 6).repeat(100)
    fit = GaleanoWied(filter=None, min_size=size, alpha=0.2).fit(pairs(rho, seed, 600))
    assert all(end - first >= size for first, end in fit.bounds)
    assert fit.rounds <= 25
    dates = fit.conf_int()
    assert (dates["first_row"] >= 1).all()
    assert (dates["last_row"] < 600).all()


# --- the law of a date


@pytest.mark.parametrize(("level", "half"), [(0.90, 7.687), (0.95, 11.033), (0.99, 19.767)])
def test_symmetric_law_is_bais(level, half):
    assert drifting_quantile(0.5 + level / 2, (0.5, 0.5), (1.0, 1.0)) == pytest.approx(half, abs=1e-3)
    assert drifting_quantile(0.5 - level / 2, (0.5, 0.5), (1.0, 1.0)) == pytest.approx(-half, abs=1e-3)


def test_the_law_mirrors_and_scales():
    for p in (0.01, 0.2, 0.6, 0.99):
        here = drifting_quantile(p, (0.8, 0.3), (1.0, 1.7))
        assert here == pytest.approx(-drifting_quantile(1 - p, (0.3, 0.8), (1.7, 1.0)), abs=1e-6)
        # with drifts twice as steep everything happens in a quarter of the time
        assert drifting_quantile(p, (1.6, 0.6), (1.0, 1.7)) == pytest.approx(here / 4.0, abs=1e-8)


def test_unequal_law_by_simulation():
    rng = np.random.default_rng(5)
    step, reach, paths = 0.05, 1200, 3000
    drifts, deviations = (0.8, 0.6), (1.0, 1.4)
    tops, places = [], []
    for a, w in zip(drifts, deviations, strict=True):
        walk = np.cumsum(w * np.sqrt(step) * rng.standard_normal((paths, reach)) - a * step, axis=1)
        walk = np.concatenate([np.zeros((paths, 1)), walk], axis=1)
        places.append(walk.argmax(axis=1) * step)
        tops.append(walk.max(axis=1))
    peak = np.where(tops[1] > tops[0], places[1], -places[0])
    for p in (0.1, 0.25, 0.75, 0.9):
        below = np.mean(peak <= drifting_quantile(p, drifts, deviations))
        assert below == pytest.approx(p, abs=0.035)


def test_intervals_cover():
    hits, found = 0, 0
    for seed in range(60):
        fit = GaleanoWied(filter=None).fit(pairs(np.where(np.arange(600) < 300, 0.0, 0.6), seed, 600))
        if len(fit.positions) == 1:
            row = fit.conf_int().iloc[0]
            found += 1
            hits += row["first_row"] <= 300 <= row["last_row"]
    assert found > 40
    assert hits / found > 0.85


def test_refusals():
    data = pairs(0.3, 1, 300)
    with pytest.raises(DataError, match="two regimes of 151 observations do not fit into 300"):
        GaleanoWied(filter=None, min_size=151).fit(data)
    with pytest.raises(DataError, match="missing or infinite"):
        GaleanoWied(filter=None).fit(data.where(data["A"] < data["A"].max()))
    with pytest.raises(DataError, match="'B' is constant"):
        GaleanoWied(filter=None).fit(data.assign(B=1.0))
    for options, message in [
        ({"alpha": 0.0}, "alpha=0.0"),
        ({"alpha_rule": "T"}, "alpha_rule='T'"),
        ({"min_size": 5}, "min_size=5"),
        ({"pvalue": "hac"}, "pvalue='hac'"),
        ({"draws": 5}, "draws=5"),
    ]:
        with pytest.raises(SpecError, match=message):
            GaleanoWied(**options)
    with pytest.raises(SpecError, match="level=2"):
        GaleanoWied(filter=None).fit(data).conf_int(2)
