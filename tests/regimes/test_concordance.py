"""Concordance and peaks: against the definitions written out, the law of fixed b, and worlds without a link."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cryptoequity as ce
from cryptoequity.errors import DataError, SpecError
from cryptoequity.regimes import MarkovCovariance
from cryptoequity.regimes.concordance import concordance_index, concordance_test
from cryptoequity.regimes.episodes import read_episodes, spells_of
from cryptoequity.regimes.peaks import correlation_peaks_test, local_peaks
from cryptoequity.regimes.shifts import (
    correlation_of,
    fixed_b_pvalue,
    hac_tstat,
    holm,
    mean_duration,
    resample_blocks,
    shift_pvalue,
)

DATES = pd.bdate_range("2018-01-01", periods=600)


def chain(nobs, stay, seed):
    rng = np.random.default_rng(seed)
    out = np.zeros(nobs, bool)
    for t in range(1, nobs):
        out[t] = out[t - 1] ^ (rng.random() > stay)
    return out


def series(bits, name="state"):
    return pd.Series(np.asarray(bits, int), DATES[: len(bits)], name=name)


def windows(nobs=600, count=6, length=30):
    out = np.zeros(nobs, bool)
    for k in range(count):
        # evenly spread windows would be mapped onto each other by shifts
        begin = (2 * k + 1) * nobs // (2 * count) - (7 * k * k) % 31
        out[begin : begin + length] = True
    return out


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_index_is_the_harding_pagan_identity(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.random(80) < 0.4, rng.random(80) < rng.uniform(0.2, 0.8)
    mx, my = x.mean(), y.mean()
    sx, sy = x.std(), y.std()
    if min(sx, sy) == 0:
        return
    rho = np.corrcoef(x, y)[0, 1]
    identity = 1 + 2 * rho * sx * sy + 2 * mx * my - mx - my
    assert concordance_index(x, y) == pytest.approx(identity, abs=1e-12)
    assert correlation_of(x, y, float(np.sum(x & y))) == pytest.approx(rho, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["upper", "lower", "two"]))
def test_shifts_are_every_shift(seed, side):
    rng = np.random.default_rng(seed)
    nobs = int(rng.integers(50, 90))
    x, y = chain(nobs, 0.8, seed), chain(nobs, 0.9, seed + 1)
    if x.all() or y.all() or not (x.any() and y.any()):
        return
    direct = np.array([np.corrcoef(np.roll(x, s), y)[0, 1] for s in range(nobs)])
    p, law = shift_pvalue(x, y, side)
    np.testing.assert_allclose(law, direct, atol=1e-12)
    sign = {"upper": direct, "lower": -direct, "two": np.abs(direct)}[side]
    assert p == pytest.approx(np.mean(sign >= sign[0] - 1e-12))
    assert p >= 1 / nobs


def test_the_t_statistic_is_least_squares_with_newey_west():
    sm = pytest.importorskip("statsmodels.api")
    x, y = windows(), chain(600, 0.95, 3)
    for lags in (0, 7, 40):
        fit = sm.OLS(y.astype(float), sm.add_constant(x.astype(float))).fit(
            cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
        )
        assert hac_tstat(x, y, lags) == pytest.approx(fit.tvalues[1], rel=1e-10)


def test_fixed_b_law_against_kiefer_and_vogelsangs_critical_values():
    # one-sided 5 % and 2.5 %, Bartlett: their cubic approximations in b
    for b in (0.02, 0.1, 0.3):
        five = 1.6449 + 2.1859 * b + 0.3142 * b**2 - 0.3427 * b**3
        half = 1.9600 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3
        assert fixed_b_pvalue(five, b, "upper") == pytest.approx(0.05, abs=0.004)
        assert fixed_b_pvalue(half, b, "upper") == pytest.approx(0.025, abs=0.003)
        assert fixed_b_pvalue(half, b, "two") == pytest.approx(0.05, abs=0.006)
        assert fixed_b_pvalue(-half, b, "lower") == pytest.approx(fixed_b_pvalue(half, b, "upper"))


def test_blocks_run_around_the_circle_with_the_mean_length():
    rows = resample_blocks(200_000, 25.0, np.random.default_rng(0))
    jumps = np.sum(np.diff(rows) % 200_000 != 1)
    assert 200_000 / jumps == pytest.approx(25.0, rel=0.03)
    assert rows.min() >= 0
    assert rows.max() < 200_000
    assert mean_duration(np.array([1, 1, 1, 0, 1, 1, 1, 0], bool)) == 3.0


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.9, 0.8])), [1.0, 1.0])


def test_episodes_as_series_frames_and_pairs_agree():
    bits = windows()
    spells = spells_of(bits)
    pairs = [(DATES[a], DATES[b]) for a, b in spells]
    frame = pd.DataFrame(pairs, columns=["start", "end"])
    for given_as in (series(bits), pairs, frame, frame.rename(columns={"start": "first", "end": "last"})):
        np.testing.assert_array_equal(read_episodes(given_as, DATES), bits)
    hours = pd.date_range("2020-01-01", periods=96, freq="h")
    assert read_episodes([("2020-01-02", "2020-01-03")], hours).sum() == 48
    zoned = hours.tz_localize("UTC")
    assert read_episodes([("2020-01-02", "2020-01-02")], zoned).sum() == 24


def test_states_that_are_the_episodes_are_found_by_every_pvalue():
    x = windows()
    y = np.roll(x, 2)
    for how in ("shift", "hac", "block"):
        found = concordance_test(series(y), series(x), pvalue=how, draws=199, rng=1)
        assert found.statistic > 0.9
        assert found.pvalue < 0.02
        assert found.detail["episodes"] == 6
        assert found.reason == ""
    assert concordance_test(series(~y), series(x), side="lower").pvalue < 0.02
    assert concordance_test(series(~y), series(x)).pvalue > 0.9
    text = str(found.summary())
    assert "concordance index" in text
    assert found.to_frame()["share in regime"].min() > 0.8
    assert "Synchronization" in found.cite()
    assert found.to_dict()["detail"]["episodes"] == 6


def test_few_episodes_get_no_asymptotic_pvalue():
    found = concordance_test(series(chain(600, 0.95, 1)), series(windows(count=4)), pvalue="hac")
    assert np.isnan(found.pvalue)
    assert "4 episodes are too few" in found.reason
    assert np.isnan(concordance_test(series(chain(600, 0.95, 1)), series(windows(count=4))).detail["HAC p-value"])


def test_size_of_the_shifts_with_persistent_states():
    x = windows(1200, 5, 60)
    hits = []
    for seed in range(300):
        y = chain(1200, 0.97, seed)
        hits.append([shift_pvalue(x, y, "upper")[0] <= 0.1, hac_tstat(x, y, 0) > 1.2816])
    shift, naive = np.mean(hits, axis=0)
    assert 0.1 - 3 * 0.0173 < shift < 0.1 + 3 * 0.0173
    assert naive > 0.2


def test_short_spells_of_the_regime_can_be_left_out():
    y = windows()
    y[10] = True
    plain = concordance_test(series(y), series(windows()))
    clean = concordance_test(series(y), series(windows()), min_length=5)
    assert plain.states.sum() == clean.states.sum() + 1
    assert clean.statistic == pytest.approx(1.0)


@pytest.fixture(scope="module")
def linked():
    """Returns whose correlation is high in six windows."""
    rng = np.random.default_rng(5)
    bits = windows(600, 6, 50)
    rho = np.where(bits, 0.9, 0.0)
    z = rng.standard_normal((600, 2))
    z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    spec = MarkovCovariance(mean="zero", volatility="common", order_by="correlation")
    return spec.fit(pd.DataFrame(z, DATES, ["A", "B"]), starts=4), series(bits, "episode")


def test_a_fit_and_its_refits(linked):
    fit, episodes = linked
    found = concordance_test(fit, episodes, pvalue="bootstrap", draws=19, starts=1, rng=2)
    assert found.statistic > 0.5
    assert found.pvalue == pytest.approx(0.05)
    again = concordance_test(fit, episodes, pvalue="bootstrap", draws=19, starts=1, rng=2)
    np.testing.assert_array_equal(found.draws, again.draws)
    assert concordance_test(fit, episodes).pvalue < 0.01
    smooth = concordance_test(fit, episodes, kind="smoothed")
    assert smooth.statistic > found.statistic  # it knows what comes after
    low = concordance_test(fit, episodes, regime=1, side="lower")
    assert low.statistic == pytest.approx(-found.statistic)
    driven = fit.spec.fit(
        pd.DataFrame(fit.emission.y, DATES, ["A", "B"]),
        drivers=episodes.shift(-1).fillna(0.0),
        starts=2,
        cov_type="none",
    )
    with pytest.raises(SpecError, match="is the episodes"):
        concordance_test(driven, episodes, pvalue="bootstrap", draws=19)


def test_refusals():
    good = series(chain(600, 0.9, 1))
    x = series(windows())
    with pytest.raises(DataError, match="off at every date"):
        concordance_test(series(np.zeros(600)), x)
    with pytest.raises(DataError, match="every date of the sample lies in an episode"):
        concordance_test(good, series(np.ones(600)))
    with pytest.raises(DataError, match="no date of the sample"):
        concordance_test(good, [("1990-01-01", "1990-02-01")])
    with pytest.raises(DataError, match="no row for 100 of the 600"):
        concordance_test(good, x.iloc[100:])
    with pytest.raises(DataError, match="0 or 1 by date"):
        concordance_test(good, x * 0.4)
    with pytest.raises(DataError, match="not within 0 and 1"):
        concordance_test(good * 2, x)
    with pytest.raises(DataError, match="nan"):
        concordance_test(good.astype(float).where(np.arange(600) != 7), x)
    with pytest.raises(DataError, match="40 dates are too few"):
        concordance_test(good.iloc[:40], x)
    with pytest.raises(DataError, match="appears twice"):
        concordance_test(pd.concat([good.iloc[:1], good]), x)
    with pytest.raises(DataError, match="not in order"):
        concordance_test(good.iloc[::-1], x)
    with pytest.raises(DataError, match="ends before"):
        concordance_test(good, [("2019-01-01", "2018-06-01")])
    with pytest.raises(SpecError, match="columns start and end"):
        concordance_test(good, pd.DataFrame({"a": [1]}))
    with pytest.raises(SpecError, match="pairs of dates"):
        concordance_test(good, 3)
    with pytest.raises(SpecError, match="pass the fit"):
        concordance_test(good, x, pvalue="bootstrap")
    with pytest.raises(SpecError, match="regime="):
        concordance_test(good, x, regime=1)
    with pytest.raises(SpecError, match="lags=600"):
        concordance_test(good, x, lags=600)
    with pytest.raises(SpecError, match="draws=5"):
        concordance_test(good, x, pvalue="block", draws=5)
    with pytest.raises(SpecError, match="block=0"):
        concordance_test(good, x, pvalue="block", block=0.5)
    with pytest.raises(SpecError, match="threshold=2"):
        concordance_test(good, x, threshold=2)
    with pytest.raises(SpecError, match="min_length"):
        concordance_test(good, x, min_length=0)
    with pytest.raises(DataError, match="zeros and ones"):
        concordance_index([0.5, 1], [1, 0])
    with pytest.raises(DataError, match="same length"):
        concordance_index([1], [1, 0])


# --- peaks


def wandering(nobs, seed, bits=None, size=0.0):
    rng = np.random.default_rng(seed)
    out = np.zeros(nobs)
    for t in range(1, nobs):
        out[t] = 0.95 * out[t - 1] + 0.05 * rng.standard_normal()
    if bits is not None:
        out = out + size * np.convolve(bits, np.ones(15) / 15, "same")
    return pd.Series(np.tanh(out), DATES[:nobs], name="path")


def test_peaks_against_the_statistics_written_out():
    path, bits = wandering(600, 1), windows(600, 5, 40)
    found = correlation_peaks_test(path, series(bits), reach=10, horizon=30)
    p = path.to_numpy()
    tops = [t for t in range(10, 590) if p[t] == p[t - 10 : t + 11].max()]
    np.testing.assert_array_equal(np.flatnonzero(local_peaks(p, 10)), tops)
    assert list(found.peaks) == list(DATES[tops])
    gaps, hits, caught, sups = [], [], [], []
    spells = spells_of(bits)
    for s in range(600):
        moved = np.roll(bits, s)
        gaps.append(p[moved].mean() - p[~moved].mean())
        inside = [{(t + s) % 600 for t in range(a, b + 1)} for a, b in spells]
        hits.append(np.mean([bool(one & set(tops)) for one in inside]))
        caught.append(float(moved[np.argmax(p)]))
        days = np.arange(-30, 31)
        profile = np.mean([p[(a + s + days) % 600] for a, _ in spells], axis=0)
        sups.append(profile[30:].mean() - profile[:30].mean())
    for name, law in (
        ("higher inside", gaps),
        ("episodes with a peak", hits),
        ("highest date inside", caught),
        ("rise at the start", sups),
    ):
        law = np.array(law)
        assert found.parts.loc[name, "statistic"] == pytest.approx(law[0], abs=1e-10), name
        assert found.parts.loc[name, "pvalue"] == pytest.approx(np.mean(law >= law[0] - 1e-9)), name
    np.testing.assert_allclose(
        found.profile["profile"], np.mean([p[a - 30 : a + 31] for a, _ in spells], axis=0), atol=1e-12
    )
    around = [np.mean([p[(a + s) % 600] for a, _ in spells]) for s in range(600)]
    np.testing.assert_allclose(found.profile["upper"], np.quantile(around, 0.975))


def test_peaks_that_are_there_are_found_and_others_are_adjusted_with_them():
    bits = windows(600, 6, 30)
    path = wandering(600, 2, bits, 0.8)
    found = correlation_peaks_test(path, series(bits), reach=15, horizon=30, others={"driver": 0.5})
    assert found.pvalue < 0.05
    assert found.parts.loc["driver", "holm"] >= 0.5
    assert found.parts["holm"].ge(found.parts["pvalue"]).all()
    assert "highest date inside" in str(found.summary())
    assert found.profile.loc[15, "profile"] > found.profile.loc[15, "upper"]


def test_size_of_the_peaks():
    bits = windows(600, 5, 30)
    parts = [correlation_peaks_test(wandering(600, seed), series(bits), reach=10, horizon=30) for seed in range(200)]
    for name in ("higher inside", "rise at the start"):
        rate = np.mean([one.parts.loc[name, "pvalue"] <= 0.1 for one in parts])
        assert abs(rate - 0.1) < 3 * np.sqrt(0.09 / 200), (name, rate)
    assert np.mean([one.pvalue <= 0.1 for one in parts]) < 0.1 + 3 * np.sqrt(0.09 / 200)


def test_peaks_of_a_fit_and_refusals(linked):
    fit, episodes = linked
    found = correlation_peaks_test(fit, episodes, horizon=20)
    same = correlation_peaks_test(fit.conditional_correlation("A", "B", "filtered"), episodes, horizon=20)
    pd.testing.assert_frame_equal(found.parts, same.parts)
    assert found.pvalue < 0.05
    path = wandering(600, 1)
    with pytest.raises(DataError, match="constant"):
        correlation_peaks_test(path * 0 + 0.3, episodes)
    with pytest.raises(DataError, match="not finite"):
        correlation_peaks_test(path.where(path.index != DATES[9]), episodes)
    with pytest.raises(DataError, match="too few"):
        correlation_peaks_test(path.iloc[:30], episodes, reach=5, horizon=5)
    with pytest.raises(SpecError, match="reach=0"):
        correlation_peaks_test(path, episodes, reach=0)
    with pytest.raises(SpecError, match="Series by date or a fit"):
        correlation_peaks_test(path.to_numpy(), episodes)
    with pytest.raises(SpecError, match="p-value lies"):
        correlation_peaks_test(path, episodes, others={"a": 2.0})
    edge = np.zeros(600, bool)
    edge[:20] = True
    alone = correlation_peaks_test(path, series(edge), horizon=60)
    assert "no profile" in alone.reason
    assert list(alone.parts.index) == ["higher inside", "episodes with a peak", "highest date inside"]


def test_equal_heights_have_one_peak():
    flat = np.zeros(100)
    flat[40:43] = 1.0
    assert list(np.flatnonzero(local_peaks(flat, 5)))[:0] == []
    assert local_peaks(flat, 5)[40]
    assert not local_peaks(flat, 5)[41:43].any()
    pairs = itertools.pairwise(np.flatnonzero(local_peaks(flat, 5)))
    assert all(late - early > 5 for early, late in pairs)


def test_spells_of_a_re_rating_are_accepted():
    returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    state = pd.Series(chain(len(returns), 0.97, 2).astype(int), returns.index)
    found = concordance_test(state, ce.ReRating.press().spells)
    assert found.detail["episodes"] >= 1
