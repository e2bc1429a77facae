"""What cannot be used is refused at every public door: the message names the column, the number and the cure."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import cryptoequity as ce

NOBS = 400
EPISODES = ce.ReRating.from_dates([("2024-07-01", "2024-12-31", 1)], name="list")
PLAN = ce.Plan(crypto="COIN", equity="SMALL_TECH", market="MARKET", episodes=EPISODES, draws=19, break_date=None)


def good():
    """Prices of four columns, (400, 4)."""
    return ce.load_sample("step")[["COIN", "SMALL_TECH", "TECH", "MARKET"]].iloc[-NOBS:]


GOOD = good()
RETURNS = ce.to_returns(GOOD)
ROW = 300
WHEN = str(GOOD.index[ROW].date())


def with_value(frame, column, value, row=ROW):
    out = frame.copy()
    out.iloc[row, out.columns.get_loc(column)] = value
    return out


def mixed_zones(frame):
    out = frame.copy()
    zones = ["UTC" if i % 2 else "America/New_York" for i in range(len(frame))]
    out.index = pd.Index([day.tz_localize(zone) for day, zone in zip(frame.index, zones, strict=True)], dtype=object)
    return out


def filled(frame):
    holes = frame["MARKET"].where(np.arange(len(frame)) % 5 > 0)
    return frame.assign(MARKET=holes.ffill().bfill())


def apart(frame):
    out = frame.copy()
    out.iloc[200:, 0] = np.nan
    out.iloc[:200, 1] = np.nan
    return out


# --- prices: at to_returns and at test_claim

BAD_PRICES = {
    "NaN": (lambda p: with_value(p, "COIN", np.nan), ["'COIN'", WHEN, "1 sessions", "do not fill forward"]),
    "NaN in the market": (lambda p: with_value(p, "MARKET", np.nan), ["'MARKET'", WHEN, "complete it"]),
    "inf": (lambda p: with_value(p, "COIN", np.inf), ["'COIN'", WHEN, "infinite", "correct it at the source"]),
    "negative": (lambda p: with_value(p, "MARKET", -3.0), ["'MARKET'", WHEN, "-3", "must be positive"]),
    "zero": (lambda p: with_value(p, "MARKET", 0.0), ["'MARKET'", WHEN, "is 0", "a missing price is NaN"]),
    "duplicate dates": (
        lambda p: pd.concat([p, p.iloc[[5]]]).sort_index(),
        [str(GOOD.index[5].date()), "1 duplicate rows", "keep one row per date"],
    ),
    "duplicate columns": (lambda p: pd.concat([p, p[["COIN"]]], axis=1), ["'COIN'", "twice", "rename or drop one"]),
    "constant": (lambda p: p.assign(MARKET=50.0), ["'MARKET'", "constant at 50", "400 observations", "leave it out"]),
    "forward-filled": (filled, ["'MARKET'", "80 of 400", "20.1 %", "forward-filled", "do not ffill"]),
    "unsorted": (lambda p: p.iloc[::-1], ["not sorted", "row 1", "sort_index()"]),
    "mixed zones": (mixed_zones, ["America/New_York, UTC", "row 1", "pd.to_datetime(prices.index, utc=True)"]),
    "no overlap": (apart, ["'COIN'", "'SMALL_TECH'", "no session in common", "leave one of them out"]),
    "too short": (lambda p: p.iloc[:200], ["199 returns", "at least 250", "use a longer sample"]),
    "empty": (lambda p: p.iloc[:0], ["'COIN'", "no observation", "leave it out"]),
    "collinear": (
        lambda p: p.assign(MARKET=2.0 * p["SMALL_TECH"]),
        ["'SMALL_TECH'", "'MARKET'", "perfectly collinear", "1.0000000000", "keep one of them"],
    ),
    "text": (lambda p: p.astype(object).assign(COIN="x"), ["'COIN'", "'x'", "pd.to_numeric"]),
    "no dates": (lambda p: p.reset_index(drop=True), ["RangeIndex", "first entry 0", "pd.to_datetime"]),
    "array": (lambda p: p.to_numpy(), ["must be a DataFrame", "ndarray", "pd.DataFrame("]),
    "nothing": (lambda p: None, ["must be a DataFrame", "NoneType"]),
}


@pytest.mark.parametrize("door", [ce.to_returns, lambda prices: ce.test_claim(prices, PLAN)], ids=["returns", "claim"])
@pytest.mark.parametrize("case", BAD_PRICES)
def test_prices(case, door):
    spoil, words = BAD_PRICES[case]
    bad = spoil(good())
    with pytest.raises(ce.DataError) as refusal:
        door(bad)
    for word in words:
        assert word in str(refusal.value)


def test_prices_are_not_repaired_in_place():
    bad = with_value(good(), "COIN", np.nan)
    before = bad.copy(deep=True)
    with pytest.raises(ce.DataError):
        ce.test_claim(bad, PLAN)
    pd.testing.assert_frame_equal(bad, before)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p.tz_localize("UTC"), ["time zone UTC", "prices.tz_localize(None)"]),
        (
            lambda p: p.set_axis(p.index + pd.Timedelta(hours=16)),
            ["400 dates carry a clock time", "16:00:00", "prices.index.normalize()"],
        ),
        (lambda p: p.drop(columns="COIN"), ["'COIN'", "they have SMALL_TECH, TECH, MARKET"]),
        (lambda p: p["COIN"], ["must be a DataFrame", "Series"]),
    ],
    ids=["zone", "clock", "missing column", "series"],
)
def test_prices_only_the_claim_refuses(spoil, words):
    with pytest.raises(ce.DataError) as refusal:
        ce.test_claim(spoil(good()), PLAN)
    for word in words:
        assert word in str(refusal.value)


# --- returns: at the fits

BAD_RETURNS = {
    "NaN": (lambda r: with_value(r, "COIN", np.nan), ["'COIN'", "NaN at", "1 such rows of 399", "to_returns(prices)"]),
    "inf": (lambda r: with_value(r, "COIN", -np.inf), ["'COIN'", "infinite at", "1 such rows of 399"]),
    "constant": (lambda r: r.assign(COIN=0.3), ["'COIN'", "constant at 0.3", "leave it out"]),
    "decimal": (lambda r: r / 100.0, ["'COIN'", "looks like decimal returns", "multiply by 100"]),
    "one decimal": (lambda r: r.assign(COIN=r["COIN"] / 100.0), ["'COIN'", "standard deviation 0.0", "in percent"]),
    "too short": (lambda r: r.iloc[:249], ["249 rows", "at least 250", "use a longer sample"]),
    "duplicate dates": (lambda r: pd.concat([r, r.iloc[[3]]]).sort_index(), ["1 duplicate rows", "keep one row per"]),
    "unsorted": (lambda r: r.iloc[::-1], ["not sorted", "row 1", "sort_index()"]),
    "mixed zones": (mixed_zones, ["America/New_York, UTC", "row 1"]),
    "text": (lambda r: r.astype(object).assign(COIN="x"), ["'COIN'", "'x'", "pd.to_numeric"]),
}
FITS = {
    "DCC": lambda r: ce.DCC().fit(r),
    "CCC": lambda r: ce.CCC().fit(r),
    "fit_margins": ce.fit_margins,
    "GARCH": lambda r: ce.GARCH().fit(r["COIN"]),
    "EGARCH": lambda r: ce.EGARCH().fit(r["COIN"]),
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("case", BAD_RETURNS)
def test_returns(case, fit):
    spoil, words = BAD_RETURNS[case]
    with pytest.raises(ce.DataError) as refusal:
        FITS[fit](spoil(RETURNS))
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize("fit", ["DCC", "CCC", "fit_margins"])
def test_collinear_columns(fit):
    with pytest.raises(ce.DataError, match=r"'COIN' and 'X' are perfectly collinear \(correlation -1.0.*keep one"):
        FITS[fit](RETURNS.assign(X=-2.0 * RETURNS["COIN"]))
    three = RETURNS.assign(X=RETURNS["COIN"] + RETURNS["MARKET"])
    with pytest.raises(ce.DataError, match=r"rank below 5 .*'X', 'COIN', 'MARKET'.*leave one of them out"):
        FITS[fit](three)


@pytest.mark.parametrize("fit", FITS)
def test_price_levels_are_warned_of(fit):
    long = ce.load_sample("step")[["COIN", "MARKET"]]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        FITS[fit](long)
    (first, *_) = [str(one.message) for one in caught if one.category is ce.LevelsWarning]
    assert "'COIN' has first-order autocorrelation 0.9" in first
    assert "to_returns(prices)" in first


def test_one_column_has_no_correlation():
    with pytest.raises(ce.DataError, match="needs two columns; there is only 'COIN'"):
        ce.DCC().fit(RETURNS[["COIN"]])


def test_several_columns_are_not_one_margin():
    with pytest.raises(ce.SpecError, match="not 4; use fit_margins"):
        ce.GARCH().fit(RETURNS)


# --- episodes


@pytest.mark.parametrize(
    ("spell", "words"),
    [
        (("2010-01-04", "2010-06-30"), ["'dates' cover 0 %", "399 sessions", "lengthen the sample"]),
        (("2010-01-04", "2030-06-30"), ["'dates' cover 100 %", "399 sessions", "choose a narrower definition"]),
    ],
    ids=["none", "all"],
)
def test_episodes_that_leave_nothing_to_compare(spell, words):
    episodes = ce.ReRating.from_dates([(*spell, 1)])
    own = ce.Plan(crypto="COIN", equity="SMALL_TECH", episodes=episodes, draws=19, break_date=None)
    for refused in (lambda: ce.test_claim(GOOD, own), lambda: ce.check_coverage(episodes, RETURNS.index)):
        with pytest.raises(ce.DataError) as refusal:
            refused()
        for word in words:
            assert word in str(refusal.value)


def test_episodes_dated_from_other_prices():
    long = ce.load_sample("step")
    episodes = ce.ReRating.from_relative_strength(long["TECH"], long["MARKET"])
    own = ce.Plan(
        crypto="COIN", equity="SMALL_TECH", tech="TECH", market="MARKET", episodes=episodes, draws=19, break_date=None
    )
    with pytest.raises(ce.DataError, match=r"dated on 2015-01-02, where 'TECH' has no price.*prices passed here"):
        ce.test_claim(GOOD, own)
    weekly = long.iloc[::5]
    other = ce.ReRating.from_relative_strength(weekly["TECH"], weekly["MARKET"], horizon=26, min_history=52)
    with pytest.raises(ce.DataError, match="sessions of the returns and of the episodes differ"):
        ce.test_claim(long, ce.Plan.from_dict({**own.to_dict(), "episodes": json.loads(other.to_json())}))


# --- the plan against the sample


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"break_date": "2010-01-01"}, ce.SpecError, ["break_date='2010-01-01'", "outside the sample", "use None"]),
        ({"break_date": "2025-03-17"}, ce.DataError, ["only 165 sessions", "at least 250", "bring a longer one"]),
        ({"start": "2025-06-30"}, ce.DataError, ["90 sessions", "at least 250", "move start, end or published"]),
        ({"end": "2020-03-16"}, ce.DataError, ["0 sessions", "at least 250"]),
        ({"published": "2024-06-28"}, ce.DataError, ["sessions from", "2024-06-28", "at least 250"]),
    ],
)
def test_dates_that_leave_too_little(options, kind, words):
    base = {"crypto": "COIN", "equity": "SMALL_TECH", "episodes": EPISODES, "break_date": None}
    own = ce.Plan(**{**base, **options})
    with pytest.raises(kind) as refusal:
        ce.test_claim(GOOD, own)
    for word in words:
        assert word in str(refusal.value)


def test_a_plan_is_a_plan():
    with pytest.raises(ce.SpecError, match=r"the plan is a dict; build one with cryptoequity.Plan\(...\)"):
        ce.test_claim(GOOD, {"crypto": "COIN"})


@pytest.mark.parametrize("n_jobs", [0, 1.5, True, "all"])
def test_workers_are_counted(n_jobs):
    with pytest.raises(ce.SpecError, match="n_jobs="):
        ce.test_claim(GOOD, PLAN, n_jobs=n_jobs)


# --- unknown options, everywhere alike

CHOICES = {
    "DCC dist": lambda x: ce.DCC(dist=x),
    "DCC presample": lambda x: ce.DCC(presample=x),
    "CCC dist": lambda x: ce.CCC(dist=x),
    "GARCH dist": lambda x: ce.GARCH(dist=x),
    "GARCH mean": lambda x: ce.GARCH(mean=x),
    "GARCH presample": lambda x: ce.GARCH(presample=x),
    "EGARCH dist": lambda x: ce.EGARCH(dist=x),
    "DCC cov_type": lambda x: ce.DCC().fit(RETURNS, cov_type=x),
    "DCC target_noise": lambda x: ce.DCC().fit(RETURNS, target_noise=x),
    "margins cov_type": lambda x: ce.fit_margins(RETURNS, cov_type=x),
    "GARCH cov_type": lambda x: ce.GARCH().fit(RETURNS["COIN"], cov_type=x),
    "returns weekend": lambda x: ce.to_returns(GOOD, weekend=x),
    "returns span": lambda x: ce.to_returns(GOOD, span=x),
    "sample name": lambda x: ce.load_sample(x),
    "truth name": lambda x: ce.load_truth(x),
    "multiples name": lambda x: ce.load_multiples(x),
    "press published": lambda x: ce.ReRating.press(x),
    "episodes side": lambda x: EPISODES.dummy(RETURNS.index, side=x),
    "shift kind": lambda x: ce.shift_test(np.zeros(10), np.zeros(10), kind=x),
    "plan dist": lambda x: ce.Plan(crypto="A", equity="B", episodes=EPISODES, dist=x),
    "plan weekend": lambda x: ce.Plan(crypto="A", equity="B", episodes=EPISODES, weekend=x),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_unknown_options_name_the_known_ones(choice):
    with pytest.raises(ce.SpecError, match=r"='sideways' is not known here; choose one of '"):
        CHOICES[choice]("sideways")


def test_unknown_columns_are_named():
    with pytest.raises(ce.SpecError, match=r"equities=\['SPX'\] are not columns.*'COIN'"):
        ce.to_returns(GOOD, equities=["SPX"])
    with pytest.raises(ce.SpecError, match=r"missing \['SMALL_TECH', 'TECH', 'MARKET'\]"):
        ce.fit_margins(RETURNS, {"COIN": ce.GARCH()})


def test_one_class_catches_every_refusal():
    for kind in (ce.DataError, ce.SpecError, ce.ConvergenceError):
        assert issubclass(kind, ce.CryptoEquityError)
    assert issubclass(ce.DataError, ValueError)
    assert issubclass(ce.SpecError, ValueError)
