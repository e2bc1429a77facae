"""Change points: exact searches against enumeration and each other, greedy ones, and what is refused."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from cryptoequity.breaks.change_points import ChangePoints
from cryptoequity.errors import DataError, SpecError
from cryptoequity.kernels.change_points import (
    correlation_estimate,
    correlation_loss,
    fixed_number,
    penalized,
    segment_cost,
)

KINDS = {"mean": 0, "variance": 1, "meanvariance": 2, "correlation": 3, "regression": 4, "normal": 5}


def by_hand(kind: int, z: np.ndarray) -> float:
    """Cost of a segment from its formula."""
    n = len(z)
    if kind == 0:
        return float(((z - z.mean(axis=0)) ** 2).sum())
    if kind == 1:
        return n * float(np.log((z**2).mean(axis=0)).sum())
    if kind == 2:
        return n * float(np.log(z.var(axis=0)).sum())
    if kind == 3:
        a, b, c = (z[:, 0] ** 2).mean(), (z[:, 1] ** 2).mean(), (z[:, 0] * z[:, 1]).mean()
        grid = np.linspace(-0.9999, 0.9999, 4001)
        start = grid[np.argmin([correlation_loss(a, b, c, r) for r in grid])]
        found = minimize_scalar(
            lambda r: correlation_loss(a, b, c, r),
            bounds=(max(start - 1e-3, -0.99999), min(start + 1e-3, 0.99999)),
            method="bounded",
            options={"xatol": 1e-12},
        )
        return n * float(found.fun)
    if kind == 4:
        beta = np.linalg.lstsq(z[:, :-1], z[:, -1], rcond=None)[0]
        return float(((z[:, -1] - z[:, :-1] @ beta) ** 2).sum())
    return n * float(np.linalg.slogdet(np.cov(z.T, bias=True))[1])


def data_of(kind: int, nobs: int, rng: np.random.Generator) -> np.ndarray:
    columns = {3: 2, 4: 3, 5: 2}.get(kind, 1)
    z = rng.standard_normal((nobs, columns))
    z[nobs // 2 :] *= 1.7
    z[nobs // 3 :, 0] += 1.0
    return z


@pytest.mark.parametrize("kind", range(6))
def test_costs_are_their_formulas(kind):
    z = data_of(kind, 60, np.random.default_rng(kind))
    for first, end in ((0, 60), (3, 20), (31, 60)):
        assert segment_cost(kind, z, first, end) == pytest.approx(by_hand(kind, z[first:end]), rel=1e-9, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 4.0), st.floats(0.05, 4.0), st.floats(-0.99, 0.99))
def test_correlation_estimate_is_the_global_minimum(first, second, share):
    cross = share * np.sqrt(first * second)
    r = correlation_estimate(first, second, cross)
    grid = np.linspace(-0.9995, 0.9995, 2001)
    losses = np.log(1 - grid**2) + (first + second - 2 * grid * cross) / (1 - grid**2)
    assert abs(r) < 1
    assert correlation_loss(first, second, cross, r) <= losses.min() + 1e-9


def test_a_small_variance_far_from_the_mean_keeps_its_digits():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(400)
    y = noise + np.where(np.arange(400) < 200, 0.0, 1e7)
    z = (y - y.mean())[:, None]
    assert segment_cost(0, z, 200, 400) == pytest.approx(((noise[200:] - noise[200:].mean()) ** 2).sum(), rel=1e-6)
    assert segment_cost(0, z, 0, 200) == pytest.approx(((noise[:200] - noise[:200].mean()) ** 2).sum(), rel=1e-6)


def enumerated(kind: int, z: np.ndarray, min_size: int, breaks: int | None, penalty: float = 0.0, weight: float = 0.0):
    """Least criterion over every partition."""
    nobs = len(z)
    counts = range(nobs // min_size) if breaks is None else [breaks]
    least = np.inf
    for m in counts:
        for places in combinations(range(min_size, nobs - min_size + 1), m):
            edges = [0, *places, nobs]
            if min(np.diff(edges)) < min_size:
                continue
            total = sum(segment_cost(kind, z, a, b) + weight * np.log((b - a) / nobs) for a, b in pairwise(edges))
            least = min(least, total + penalty * m)
    return least


@pytest.mark.parametrize(("kind", "min_size"), [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3), (3, 3), (4, 4), (5, 4)])
def test_dynamic_programs_against_enumeration(kind, min_size):
    for seed in range(4):
        z = data_of(kind, 13, np.random.default_rng(100 * kind + seed))
        costs, _ = fixed_number(kind, z, 3, min_size)
        for m in range(4):
            assert costs[m] == pytest.approx(enumerated(kind, z, min_size, m), rel=1e-9, abs=1e-9)
        for penalty, weight in ((0.5, 0.0), (2.0, 0.0), (2.0, 1.0)):
            wanted = enumerated(kind, z, min_size, None, penalty, weight)
            for prune in (False, True):
                assert penalized(kind, z, penalty, weight, min_size, prune)[0] == pytest.approx(wanted, abs=1e-8)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(-3, 3).map(lambda v: round(v, 1)), min_size=4, max_size=40),
    st.integers(1, 5),
    st.floats(0.01, 8.0),
)
def test_pruning_loses_nothing(values, min_size, penalty):
    """With min_size above 1 pruning at once is wrong; pruning when the rival can be a start is not."""
    z = np.array(values)[:, None]
    exact, pruned = penalized(0, z, penalty, 0.0, min_size, False), penalized(0, z, penalty, 0.0, min_size, True)
    assert pruned[0] == pytest.approx(exact[0], abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 3, 4, 5]), st.floats(1.0, 15.0), st.sampled_from([0.0, 1.0]))
def test_pruning_loses_nothing_for_likelihoods(seed, kind, penalty, weight):
    z = data_of(kind, 70, np.random.default_rng(seed))
    exact = penalized(kind, z, penalty, weight, 6, False)
    pruned = penalized(kind, z, penalty, weight, 6, True)
    assert pruned[0] == pytest.approx(exact[0], abs=1e-7)
    assert pruned[2] <= exact[2]


def test_the_case_in_which_immediate_pruning_fails():
    for method in ("dp", "pelt"):
        fit = ChangePoints("mean", method=method, penalty=0.1, min_size=2).fit([0.0, 1.0, 0.0, 0.0, 1.0])
        assert fit.positions == ()


def shifted(seed: int = 0, nobs: int = 300) -> pd.Series:
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(nobs)
    y[100:] += 3.0
    y[200:] -= 2.0
    return pd.Series(y, pd.date_range("2020-01-01", periods=nobs), name="r")


@pytest.mark.parametrize("method", ["dp", "pelt", "binary", "wild"])
def test_two_shifts_are_found_and_dated(method):
    y = shifted()
    fit = ChangePoints("mean", method=method).fit(y)
    assert fit.n_breaks == 2
    np.testing.assert_allclose(fit.positions, [100, 200], atol=2)
    assert list(fit.break_dates) == [y.index[p] for p in fit.positions]
    assert list(fit.last_dates) == [y.index[p - 1] for p in fit.positions]
    assert fit.savings.gt(20).all()
    assert list(fit.levels.index) == list(y.index)
    np.testing.assert_allclose(fit.params["mean"].iloc[0], y.iloc[: fit.positions[0]].mean())
    text = str(fit.summary())
    assert "2020-04-1" in text
    assert "Descriptive" in text
    assert fit.to_dict()["positions"] == list(fit.positions)
    assert "@article" in fit.cite()


@pytest.mark.parametrize("cost", list(KINDS))
@pytest.mark.parametrize("method", ["dp", "binary", "wild"])
def test_every_cost_finds_its_own_break(cost, method):
    rng = np.random.default_rng(5)
    nobs = 400
    late = np.arange(nobs) >= 250
    e = rng.standard_normal((nobs, 2))
    exog = None
    if cost == "mean":
        y = e[:, 0] + 1.5 * late
    elif cost in ("variance", "meanvariance"):
        y = e[:, 0] * (1 + 2.0 * late)
    elif cost == "regression":
        exog, y = e[:, 1], e[:, 0] + (0.2 + 1.5 * late) * e[:, 1]
    else:
        rho = np.where(late, 0.9, 0.0)
        y = np.column_stack([e[:, 0], rho * e[:, 0] + np.sqrt(1 - rho**2) * e[:, 1]])
    fit = ChangePoints(cost, method=method, n_breaks=1).fit(y, exog)
    assert abs(fit.positions[0] - 250) <= 12
    assert ChangePoints(cost, method=method).fit(y, exog).n_breaks == 1
    assert fit.params.shape[0] == 2
    assert np.isfinite(fit.params.to_numpy()).all()


def test_costs_by_number_and_path():
    fit = ChangePoints("mean", n_breaks=4).fit(shifted())
    assert np.all(np.diff(fit.search["cost"]) <= 1e-9)
    assert fit.search["cost"].iloc[-1] == pytest.approx(fit.cost)
    greedy = ChangePoints("mean", method="binary", n_breaks=4).fit(shifted())
    assert greedy.cost >= fit.cost - 1e-9
    assert sorted(greedy.search["position"]) == list(greedy.positions)
    assert ChangePoints("mean", n_breaks=0).fit(shifted()).positions == ()


def test_wild_finds_what_binary_misses():
    """A short excursion in the middle cancels in the means on either side of any single split."""
    rng = np.random.default_rng(2)
    y = rng.standard_normal(600)
    y[290:300] -= 5.0
    y[300:310] += 5.0
    binary = ChangePoints("mean", method="binary", penalty="bic").fit(y)
    wild = ChangePoints("mean", method="wild", penalty="ssic", rng=3).fit(y)
    assert {290, 300, 310} <= {p + s for p in wild.positions for s in (-1, 0, 1)}
    assert wild.n_breaks >= binary.n_breaks
    again = ChangePoints("mean", method="wild", penalty="ssic", rng=3).fit(y)
    assert again.positions == wild.positions


def test_wild_threshold_is_a_number():
    y = shifted()
    assert ChangePoints("mean", method="wild", penalty=40.0).fit(y).n_breaks == 2
    assert ChangePoints("mean", method="wild", penalty=1e6).fit(y).n_breaks == 0


@settings(max_examples=20, deadline=None)
@given(st.floats(-50, 50), st.floats(0.01, 100).map(lambda v: round(v, 3)))
def test_named_penalties_do_not_feel_location_and_scale(shift, scale):
    y = shifted(3)
    plain = ChangePoints("mean", method="pelt").fit(y)
    moved = ChangePoints("mean", method="pelt").fit(shift + scale * y)
    assert moved.positions == plain.positions
    by_variance = ChangePoints("meanvariance", method="pelt")
    assert by_variance.fit(shift + scale * y).positions == by_variance.fit(y).positions


def test_reversing_time_reflects_the_breaks():
    y = shifted(4).to_numpy()
    plain, reverse = (ChangePoints("meanvariance", n_breaks=2).fit(x).positions for x in (y, y[::-1]))
    assert sorted(300 - p for p in reverse) == list(plain)


def test_min_size_is_kept():
    fit = ChangePoints("mean", method="pelt", penalty=0.5, min_size=25).fit(shifted())
    assert np.diff([0, *fit.positions, 300]).min() >= 25


def test_cost_in_the_units_of_the_data():
    y = shifted()
    fit = ChangePoints("normal", n_breaks=1).fit(pd.DataFrame({"a": y, "b": 50 * y.shift(1, fill_value=0.0) + 3}))
    z = fit.data.to_numpy()
    assert fit.cost == pytest.approx(sum(by_hand(5, z[a:b]) for a, b in fit.bounds), rel=1e-9)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"cost": "median"}, "cost"),
        ({"method": "window"}, "method"),
        ({"n_breaks": 2, "penalty": 3.0}, "one of them"),
        ({"n_breaks": -1}, "n_breaks"),
        ({"n_breaks": 2, "method": "pelt"}, "dp"),
        ({"penalty": "aic"}, "penalty"),
        ({"penalty": -1.0}, "penalty"),
        ({"penalty": float("nan")}, "penalty"),
        ({"intervals": 0}, "intervals"),
    ],
)
def test_contradictions_are_refused(options, match):
    with pytest.raises(SpecError, match=match):
        ChangePoints(**options)


def test_unusable_data_are_refused():
    y = shifted()
    with pytest.raises(DataError, match="missing"):
        ChangePoints().fit(y.where(y.index != y.index[7]))
    with pytest.raises(DataError, match="constant"):
        ChangePoints().fit(np.ones(50))
    with pytest.raises(DataError, match="do not fit"):
        ChangePoints("mean", n_breaks=5, min_size=60).fit(y)
    with pytest.raises(DataError, match="do not fit"):
        ChangePoints("variance").fit(y[:30])
    with pytest.raises(DataError, match="cannot identify"):
        ChangePoints("meanvariance", min_size=1).fit(y)
    with pytest.raises(SpecError, match="min_size"):
        ChangePoints("mean", min_size=0).fit(y)
    stale = y.copy()
    stale.iloc[40:65] = 1.0
    with pytest.raises(DataError, match="2020-02-10 to 2020-02-29"):
        ChangePoints("meanvariance").fit(stale)
    with pytest.raises(SpecError, match="exog"):
        ChangePoints("regression").fit(y)
    with pytest.raises(SpecError, match="exog"):
        ChangePoints("mean").fit(y, y)
    with pytest.raises(SpecError, match="two columns"):
        ChangePoints("correlation").fit(y)
    with pytest.raises(SpecError, match="meanvariance"):
        ChangePoints("normal").fit(y)
    with pytest.raises(DataError, match="do not identify"):
        ChangePoints("normal").fit(np.column_stack([y, 2 * y]))
    dummy = (np.arange(300) < 100).astype(float)
    with pytest.raises(DataError, match="do not identify"):
        ChangePoints("regression").fit(y, dummy)


def test_filtered_paths_are_warned_about():
    from cryptoequity.errors import FilteredSeriesWarning

    path = shifted().rolling(60).mean().dropna() / 10
    with pytest.warns(FilteredSeriesWarning):
        ChangePoints("mean", method="pelt").fit(path)
