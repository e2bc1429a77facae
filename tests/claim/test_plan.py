"""The plan: frozen, hashed, written and read back, and everything it refuses."""

import dataclasses
import datetime as dt
import json
import re
import tomllib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cryptoequity as ce
from claim.worlds import prices_of, sample
from cryptoequity.claim.recipes import Recipe, episodes_record, read_episodes, recipe_of, rules
from cryptoequity.claim.toml import toml_text

PRESS = ce.ReRating.press()
LIST = ce.ReRating.from_dates([("2021-01-04", "2021-06-30", 1)], name="list")
_DAYS = pd.bdate_range("2019-01-01", periods=600)
_PATHS = np.exp(np.cumsum(np.random.default_rng(4).standard_normal((600, 2)) / 100.0, axis=0))
RULE = ce.ReRating.from_relative_strength(pd.Series(_PATHS[:, 0], _DAYS), pd.Series(_PATHS[:, 1], _DAYS))
# another value of every choice
OTHER = {
    "crypto": "ETH",
    "equity": "IWM",
    "episodes": LIST,
    "tech": "QQQ",
    "market": "VTI",
    "large": "MGK",
    "altcoins": ("SOL",),
    "placebos": ("GLD",),
    "sectors": ("XLF", "XLE"),
    "holders": ("MSTR",),
    "drivers": ("VIX", "OI"),
    "volatility": "VIX",
    "dose": RULE,
    "events": 10,
    "break_date": "2020-03-17",
    "published": "2025-01-30",
    "start": "2015-01-01",
    "end": "2025-06-30",
    "alternatives": (LIST,),
    "crypto_margin": ce.EGARCH(dist="t"),
    "equity_margin": ce.GARCH(dist="t"),
    "dist": "normal",
    "alpha": 0.1,
    "sesoi": 0.2,
    "draws": 199,
    "rng": 1,
    "guard": "31D",
    "weekend": "drop",
}


def plan(**options):
    return ce.Plan(**{"crypto": "BTC", "equity": "PSCT", "episodes": PRESS, **options})


@pytest.fixture(scope="module")
def dated():
    prices = prices_of(sample(500, 1))
    return ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"])


# --- frozen and hashed


def test_a_plan_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan().draws = 3


def test_the_hash_is_stable():
    # written down once: a change here means that old plans no longer match their hash
    own = ce.Plan(crypto="BTC", equity="PSCT", episodes=LIST)
    assert own.sha256 == plan(episodes=LIST).sha256
    assert re.fullmatch("[0-9a-f]{64}", own.sha256)
    assert own.sha256 == "85a2f2895514295c4c21c99de32fbceb95d95342e10cbae3d5c5051a4ff45a7a"


def test_every_choice_enters_the_hash():
    base = plan()
    assert set(OTHER) == {one.name for one in dataclasses.fields(ce.Plan)}
    # a volatility is one of the drivers, so it is changed beside them
    changed = [{name: value} for name, value in OTHER.items() if name != "volatility"]
    changed.append({"drivers": OTHER["drivers"], "volatility": OTHER["volatility"]})
    hashes = {plan(**options).sha256 for options in changed}
    assert len(hashes | {base.sha256}) == len(OTHER) + 1


def test_one_date_is_written_one_way():
    dates = ["2020-03-02", "2020-3-2", "2 March 2020", dt.date(2020, 3, 2), pd.Timestamp(2020, 3, 2)]
    dates += [dt.datetime(2020, 3, 2), np.datetime64("2020-03-02")]
    assert {plan(break_date=date).break_date for date in dates} == {"2020-03-02"}
    assert len({plan(break_date=date).sha256 for date in dates}) == 1


# --- JSON


@pytest.mark.parametrize("options", [{}, OTHER, {"break_date": None}, {"break_date": "estimate"}])
def test_json_round_trip(options):
    one = plan(**options)
    back = ce.Plan.from_json(one.to_json())
    assert back.sha256 == one.sha256
    assert back == one
    assert json.loads(one.to_json())["draws"] == one.draws


def test_json_round_trip_of_dated_episodes(dated):
    one = plan(episodes=dated, tech="TECH", market="MARKET")
    assert ce.Plan.from_json(one.to_json()).sha256 == one.sha256


@given(
    st.text(min_size=1), st.floats(0.01, 0.49), st.floats(0.01, 0.99), st.integers(99, 10**6), st.integers(0, 10**12)
)
@settings(max_examples=30, deadline=None)
def test_json_round_trip_of_any_values(name, alpha, sesoi, draws, rng):
    one = plan(placebos=(f"x{name}",), alpha=alpha, sesoi=sesoi, draws=draws, rng=rng)
    assert ce.Plan.from_json(one.to_json()) == one


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "this is not JSON"),
        ("[1]", "this JSON is not a plan"),
        ("{}", "must name 'crypto'"),
        ('{"crypto": "BTC", "equity": "PSCT", "episodes": {}, "colour": 1}', "no choice named 'colour'"),
    ],
)
def test_text_that_is_no_plan(text, words):
    with pytest.raises(ce.SpecError, match=words):
        ce.Plan.from_json(text)


def test_a_margin_with_an_unknown_choice():
    content = json.loads(plan().to_json())
    content["crypto_margin"]["power"] = 2
    with pytest.raises(ce.SpecError, match=r"crypto_margin.*'power'"):
        ce.Plan.from_dict(content)
    content["crypto_margin"] = {"model": "FIGARCH"}
    with pytest.raises(ce.SpecError, match=r"'FIGARCH'.*'GARCH', 'EGARCH'"):
        ce.Plan.from_dict(content)
    content["crypto_margin"] = "GARCH"
    with pytest.raises(ce.SpecError, match="write a table"):
        ce.Plan.from_dict(content)


def test_a_changed_episode_is_noticed():
    content = json.loads(plan().to_json())
    content["episodes"]["spells"][0]["end"] = "2021-12-31"
    with pytest.raises(ce.DataError, match="changed after it was written"):
        ce.Plan.from_dict(content)


# --- TOML

FULL = """
crypto = "ETH"
equity = "IWM"
tech = "QQQ"
market = "VTI"
large = "MGK"
altcoins = ["SOL"]
placebos = ["GLD"]
sectors = ["XLF", "XLE"]
holders = ["MSTR"]
drivers = ["VIX", "OI"]
volatility = "VIX"
events = 10
break_date = 2020-03-17
published = "2025-01-30"
start = 2015-01-01
end = 2025-06-30
dist = "normal"
alpha = 0.1
sesoi = 0.2
draws = 199
rng = 1
guard = "31D"
weekend = "drop"
crypto_margin = {model = "EGARCH", dist = "t"}
equity_margin = {model = "GARCH", dist = "t"}

[episodes]
spells = [["2021-01-04", "2021-06-30", 1]]
"""
SHORT = 'crypto = "BTC"\nequity = "PSCT"\n'


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "plan.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_file_and_arguments_make_the_same_plan(toml):
    episodes = ce.ReRating.from_dates([("2021-01-04", "2021-06-30", 1)], name="plan file")
    written = ce.Plan(**{**OTHER, "episodes": episodes, "alternatives": (), "dose": None})
    assert ce.Plan.from_toml(toml(FULL)).sha256 == written.sha256


def test_episodes_of_a_file(toml):
    assert ce.Plan.from_toml(toml(SHORT + "[episodes]\npress = true")) == plan()
    years = ce.Plan.from_toml(toml(SHORT + "[episodes]\nyears = [2020, 2022]"))
    assert years.episodes == ce.ReRating.press(years=(2020, 2022))
    dates = ce.Plan.from_toml(toml(SHORT + "[episodes]\nspells = [[2021-01-04, 2021-06-30, -1]]"))
    assert dates.episodes.spells["sign"].tolist() == [-1]


def test_arguments_win_over_the_file(toml):
    path = toml(FULL)
    made = ce.Plan.from_toml(path, draws=499, episodes=PRESS, alternatives=(LIST,), crypto_margin=ce.GARCH(), rng=None)
    assert (made.draws, made.episodes, made.alternatives, made.rng) == (499, PRESS, (LIST,), 1)
    assert made.crypto_margin == ce.GARCH()


def test_a_file_can_say_none(toml):
    assert ce.Plan.from_toml(toml(SHORT + 'break_date = "none"\n[episodes]\npress = true')).break_date is None


# --- recipes

RECIPES = """
tech = "TECH"
market = "MARKET"

[episodes]
rule = "relative-strength"
tech = "TECH"
market = "MARKET"
horizon = 63
min_history = 100

[dose]
rule = "relative-strength"
tech = "TECH"
market = "MARKET"
min_history = 100

[[alternatives]]
press = true

[[alternatives]]
years = [2020, 2024]

[[alternatives]]
spells = [[2021-01-04, 2021-06-30, 1], ["2022-01-03", "2022-06-30", 0]]
name = "own"
circularity = "low"

[[alternatives]]
rule = "relative-strength"
tech = "SMALL"
market = "MARKET"
min_history = 100
"""
PAIR = 'crypto = "COIN"\nequity = "SMALL"\n'


@pytest.fixture(scope="module")
def prices():
    return prices_of(sample(600, 1))


def test_a_file_with_recipes_is_dated_on_the_prices(toml, prices):
    made = ce.Plan.from_toml(toml(PAIR + RECIPES), prices=prices)
    options = {"horizon": 63, "min_history": 100}
    assert made.episodes == ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"], **options)
    assert made.dose.by_data
    assert [one.definition for one in made.alternatives] == ["press", "press", "dates", "relative-strength"]
    own = made.alternatives[2]
    assert (own.name, own.circularity, [spell.sign for spell in own.dated]) == ("own", "low", [1, 0])
    with pytest.raises(
        ce.SpecError, match=r"\[episodes\]: rule 'relative-strength' is dated from prices: pass prices="
    ):
        ce.Plan.from_toml(toml(PAIR + RECIPES))


def test_the_hash_is_of_the_recipe_not_of_the_prices(toml, prices):
    path = toml(PAIR + RECIPES)
    early, late = (ce.Plan.from_toml(path, prices=part) for part in (prices.iloc[:500], prices))
    assert early.episodes != late.episodes
    assert early.sha256 == late.sha256
    assert early.on(prices) == late
    other = toml(PAIR + RECIPES.replace("horizon = 63", "horizon = 64"))
    assert ce.Plan.from_toml(other, prices=prices).sha256 != late.sha256
    # a default written out is the same choice
    said = toml(PAIR + RECIPES.replace("horizon = 63", "horizon = 63\nlag = 1\nquantile = 0.70"))
    assert ce.Plan.from_toml(said, prices=prices).sha256 == late.sha256
    column = toml(PAIR + RECIPES.replace('tech = "SMALL"', 'tech = "TECH"'))
    assert ce.Plan.from_toml(column, prices=prices).sha256 != late.sha256


def test_a_plan_without_recipes_does_not_turn_on_prices(prices, dated):
    for one in (plan(), plan(episodes=dated, tech="TECH", market="MARKET")):
        assert one.on(prices) is one


def test_what_is_made_from_dated_episodes_has_no_recipe(prices):
    made = Recipe("relative-strength", "TECH", "MARKET").date(prices, "SMALL")
    assert recipe_of(made) == Recipe("relative-strength", "TECH", "MARKET", (("lag", 1),))
    moved = made.shift(made.index, 5)
    assert recipe_of(moved) is recipe_of(made.redate(prices["SMALL"], prices["MARKET"])) is None


def test_options_of_a_recipe_are_pairs_or_a_mapping():
    pairs = Recipe("relative-strength", "TECH", "MARKET", (("horizon", 63), ("quantile", 0.8)))
    assert Recipe("relative-strength", "TECH", "MARKET", {"quantile": 0.8, "horizon": 63}) == pairs
    assert isinstance(pairs.options, tuple)
    with pytest.raises(ce.SpecError, match="the option='horizn'"):
        Recipe("relative-strength", "TECH", "MARKET", {"horizn": 63})


def test_every_rule_of_the_library_has_recipes():
    assert {"relative-strength", "valuation"} <= set(rules())


def test_valuations_are_dated_from_multiples():
    prices, multiples = ce.load_sample("step"), ce.load_multiples("step")
    recipe = Recipe.from_dict(
        {"rule": "valuation", "tech": "TECH_PE", "market": "MARKET_PE", "prices": ["TECH", "MARKET"], "lag": "2W"}
    )
    made = recipe.date(prices, "SMALL_TECH", multiples)
    assert made == ce.ReRating.from_valuation(
        multiples["TECH_PE"], multiples["MARKET_PE"], prices=(prices["TECH"], prices["MARKET"]), lag="2W"
    )
    own = ce.Plan(crypto="COIN", equity="SMALL_TECH", tech="TECH", market="MARKET", episodes=made)
    assert own.on(prices) == own  # without multiples it stays as it was dated
    assert own.on(prices, multiples.iloc[:-300]).sha256 == own.sha256
    with pytest.raises(ce.DataError, match="reads multiples: pass multiples="):
        recipe.date(prices, "SMALL_TECH")
    with pytest.raises(ce.DataError, match="the multiples have no column 'TECH_PE'"):
        recipe.date(prices, "SMALL_TECH", multiples.rename(columns={"TECH_PE": "other"}))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"rule": "moon", "tech": "A", "market": "B"}, "rule='moon'"),
        ({"rule": "relative-strength"}, "name the column it reads"),
        ({"rule": "relative-strength", "tech": "A"}, "market=None must be the name of a column"),
        ({"rule": "relative-strength", "tech": 1, "market": "B"}, "tech=1 must be the name of a column"),
        ({"rule": "relative-strength", "tech": "A", "market": "B", "colour": 1}, "the option='colour'|'colour'"),
        ({"rule": "relative-strength", "tech": "A", "market": "B", "prices": ["A", "B"]}, "takes no prices"),
        ({"rule": "valuation", "tech": "A", "market": "B", "prices": ["A"]}, "must be two columns"),
        ({"rule": "relative-strength", "press": True}, "must hold one of"),
        ({"press": True, "name": "x"}, r"\[episodes\]='name'"),
        ({"record": 1}, "record must be the JSON text"),
        ({}, "it has nothing"),
    ],
)
def test_records_that_are_refused(record, words, prices):
    with pytest.raises(ce.SpecError, match=words):
        read_episodes(record, "[episodes]", prices=prices, sessions="SMALL")


def test_columns_that_cannot_be_dated(prices):
    recipe = Recipe("relative-strength", "TECH", "MARKET")
    with pytest.raises(ce.DataError, match="the prices have no column 'TECH'"):
        recipe.date(prices.drop(columns="TECH"), "SMALL")
    holed = prices.copy()
    holed.iloc[300, holed.columns.get_loc("TECH")] = np.nan
    with pytest.raises(ce.DataError, match="1 values that are missing"):
        recipe.date(holed, "SMALL")
    with pytest.raises(ce.DataError, match="have no common day"):
        recipe.date(prices.assign(TECH=np.nan), "SMALL")
    # a younger column shortens the history the rule sees, as it shortens the sample
    young = prices.copy()
    young.iloc[:100, young.columns.get_loc("TECH")] = np.nan
    assert recipe.date(young, "SMALL").index[0] == prices.index[100]


# --- writing TOML


def test_a_plan_is_written_and_read_back(toml, prices):
    made = ce.Plan.from_toml(toml(PAIR + RECIPES), prices=prices)
    for one in (made, plan(), plan(**OTHER), plan(break_date=None), plan(alternatives=(PRESS, LIST, RULE))):
        back = ce.Plan.from_toml(toml(one.to_toml()), prices=prices)
        assert back == one
        assert back.sha256 == one.sha256
    assert 'rule = "relative-strength"' in made.to_toml()
    assert "readings" not in made.to_toml()


def test_a_dated_plan_survives_json_with_its_recipes(toml, prices):
    made = ce.Plan.from_toml(toml(PAIR + RECIPES), prices=prices)
    back = ce.Plan.from_json(made.to_json())
    assert back == made
    assert back.sha256 == made.sha256
    assert back.on(prices) == made
    content = json.loads(made.to_json())
    content["episodes"]["recipe"]["rule"] = "valuation"
    with pytest.raises(ce.DataError, match="the record says rule 'valuation', its episodes are of 'relative-strength'"):
        ce.Plan.from_dict(content)


def test_episodes_are_written_in_the_plainest_way_that_reads_back():
    events = ce.ReRating.from_events(
        pd.DataFrame({"date": ["2021-02-01"]}), index=pd.bdate_range("2021-01-01", periods=99)
    )
    cases = {
        "press": PRESS,
        "years": ce.ReRating.press(years=(2022,)),
        "spells": LIST,
        "record": events,
    }
    for kind, one in cases.items():
        record = episodes_record(one)
        assert kind in record
        assert read_episodes(record, "[episodes]") == one
    assert "record" in episodes_record(RULE)


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
cells = texts | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.dictionaries(texts.filter(bool), cells | st.lists(cells, max_size=3), max_size=4),
    st.dictionaries(texts.filter(bool), cells, max_size=3),
    st.lists(st.dictionaries(texts.filter(bool), cells, max_size=3), min_size=1, max_size=2),
)
@settings(max_examples=120, deadline=None)
def test_toml_is_what_the_standard_library_reads(plain, table, tables):
    content = {**plain, "table of": table, "tables-of": tables}
    assert tomllib.loads(toml_text(content)) == content


@pytest.mark.parametrize("value", [None, float, "\ud800"])
def test_toml_has_no_form_for_it(value):
    with pytest.raises(ce.SpecError):
        toml_text({"a": value})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("crypto = ", "plan.toml is not TOML"),
        (SHORT, "must hold one of press = true"),
        (SHORT + "[episodes]\npress = true\nyears = [2020]", "must hold one of"),
        (SHORT + "[episodes]\npress = false", "press=False"),
        (SHORT + "[episodes]\nyears = 2020", "years=2020 must be a list"),
        (SHORT + "[episodes]\nmoon = true", "'moon'.*'press', 'years', 'spells'"),
        (SHORT + "colour = 1\n[episodes]\npress = true", "plan.toml: a plan has no choice named 'colour'"),
        (SHORT + 'alternatives = ["press"]\n[episodes]\npress = true', r"\[\[alternatives\]\] 1 must hold one of"),
        ('crypto = "BTC"\n[episodes]\npress = true', "must name 'equity'"),
        (SHORT + 'crypto_margin = "GARCH"\n[episodes]\npress = true', "write a table"),
    ],
)
def test_files_that_are_refused(toml, text, words):
    with pytest.raises(ce.SpecError, match=words):
        ce.Plan.from_toml(toml(text))


# --- columns


def test_columns_and_their_parts():
    one = plan(tech="XLK", market="SPY", large="XLK", altcoins=("ETH", "SOL"), placebos=("GLD",))
    assert one.columns == ("BTC", "PSCT", "ETH", "SOL", "GLD", "XLK", "SPY")
    assert one.core == ("BTC", "PSCT", "GLD", "XLK", "SPY")
    assert one.equities == ("PSCT", "GLD", "XLK", "SPY")
    assert one.margin("BTC") == one.margin("SOL") == one.crypto_margin
    assert one.margin("GLD") == one.margin("PSCT") == one.equity_margin


def test_a_column_may_play_two_parts_that_agree():
    assert plan(tech="PSCT", market="PSCT").columns == ("BTC", "PSCT")


def test_sectors_and_holders_are_read_and_may_be_younger_than_the_rest():
    one = plan(tech="XLK", market="SPY", sectors=("XLF", "XLE"), holders=("MSTR",), drivers=("VIX",), volatility="VIX")
    assert one.columns == ("BTC", "PSCT", "XLK", "SPY", "XLF", "XLE", "MSTR")
    assert one.core == ("BTC", "PSCT", "XLK", "SPY")
    assert one.equities == ("PSCT", "XLK", "SPY", "XLF", "XLE", "MSTR")
    assert one.margin("MSTR") == one.equity_margin
    # drivers are no prices
    assert "VIX" not in one.columns


@pytest.mark.parametrize(
    "options",
    [
        {"equity": "BTC"},
        {"altcoins": ("BTC",)},
        {"altcoins": ("ETH", "ETH")},
        {"altcoins": ("PSCT",)},
        {"placebos": ("PSCT",)},
        {"placebos": ("ETH",), "altcoins": ("ETH",)},
        {"tech": "BTC"},
        {"market": "ETH", "altcoins": ("ETH",)},
        {"large": "BTC"},
        {"large": "PSCT"},
        {"sectors": ("BTC",)},
        {"sectors": ("XLF", "XLF")},
        {"holders": ("PSCT",)},
        {"holders": ("MSTR",), "placebos": ("MSTR",)},
    ],
)
def test_parts_that_must_differ(options):
    with pytest.raises(ce.SpecError, match="has two parts in this plan that must differ"):
        plan(**options)


# --- refusals


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crypto": 1}, "crypto=1"),
        ({"crypto": None}, "crypto=None"),
        ({"tech": ""}, "tech=''"),
        ({"altcoins": (1,)}, "altcoins=1"),
        ({"placebos": (None,)}, "placebos="),
        ({"altcoins": "ETH"}, r"pass a tuple, e.g. \('ETH',\)"),
        ({"placebos": "GLD"}, "pass a tuple"),
        ({"alternatives": PRESS}, "pass a tuple"),
        ({"sectors": "XLF"}, "pass a tuple"),
        ({"holders": (1,)}, "holders="),
        ({"drivers": ("",)}, "drivers="),
        ({"volatility": "VIX"}, r"volatility='VIX' must be one of the drivers, \(\)"),
        ({"dose": PRESS}, "dose must be a ReRating with an intensity"),
        ({"events": 4}, "events=4: fewer moves have no p-value of 5 %; give an int of at least 5"),
        ({"alternatives": ("press",)}, "must be ReRating"),
        ({"episodes": "press"}, r"must be ReRating, e.g. ReRating.press\(\)"),
        ({"crypto_margin": "GARCH"}, "crypto_margin='GARCH'"),
        ({"dist": "skewt"}, "dist='skewt'.*'normal', 't'"),
        ({"weekend": "keep"}, "weekend='keep'.*'compound', 'drop'"),
        ({"alpha": 0.0}, "alpha=0.0"),
        ({"alpha": 5}, "alpha=5"),
        ({"alpha": "5 %"}, "alpha='5 %'"),
        ({"alpha": float("nan")}, "alpha=nan"),
        ({"alpha": 0.01, "draws": 50}, "draws=50: the smallest p-value is 0.0196.*draw at least 99"),
        ({"sesoi": 1.0}, "sesoi=1.0"),
        ({"sesoi": -0.1}, "sesoi=-0.1"),
        ({"draws": 18}, "draws=18.*at least 19"),
        ({"draws": 99.5}, "draws=99.5"),
        ({"draws": True}, "draws=True"),
        ({"rng": -1}, "rng=-1"),
        ({"rng": True}, "rng=True"),
        ({"rng": np.random.default_rng(1)}, "a plan holds its seed"),
        ({"rng": None}, "rng=None"),
        ({"start": "yesterday"}, "start='yesterday' is not a date"),
        ({"end": ""}, "end='' is not a date"),
        ({"break_date": "01.06.2020"}, "break_date='01.06.2020': is the day or the month first"),
        ({"published": "1-6-2020"}, "published='1-6-2020': is the day or the month first"),
        ({"end": 2024}, "end=2024 is not a date"),
        ({"published": "2024-13-01"}, "published='2024-13-01'"),
        ({"published": "2024-01-01T12:00"}, "without a clock time or zone"),
        ({"break_date": "2020-03-16T00:00Z"}, "without a clock time or zone"),
        ({"break_date": "guess"}, "break_date='guess'"),
        ({"start": "2024-01-01", "end": "2020-01-01"}, "start='2024-01-01' is not before end='2020-01-01'"),
        ({"published": "2024-01-01", "end": "2023-01-01"}, "published='2024-01-01' is not before"),
        ({"start": "2024-01-01", "published": "2023-01-01"}, "is not before published='2023-01-01'"),
        ({"guard": "a month"}, "guard='a month'"),
        ({"guard": "-5D"}, "guard='-5D' is negative"),
    ],
)
def test_choices_that_are_refused(options, words):
    with pytest.raises(ce.SpecError, match=words):
        plan(**options)


def test_a_rule_needs_the_columns_it_is_dated_from(dated):
    for absent in ("tech", "market"):
        with pytest.raises(ce.SpecError, match="name the tech and market columns"):
            plan(episodes=dated, **{"tech": "TECH", "market": "MARKET", absent: None})
    with pytest.raises(ce.SpecError, match="guard='5D' is for fixed episodes"):
        plan(episodes=dated, tech="TECH", market="MARKET", guard="5D")
