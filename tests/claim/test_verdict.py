"""The whole way from prices to a verdict, on worlds whose truth is known."""

import json
import math
import pickle
import re

import joblib
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from statsmodels.stats.multitest import multipletests

import cryptoequity as ce
from cryptoequity.claim.hypotheses import FAMILY, STATEMENTS
from cryptoequity.claim.naive import NAIVE, measured_rates, naive_pvalues, rolling_correlation

# enough draws for Holm over six hypotheses: 6 / 150 < .05
PEAK_DRAWS = 149


def spells(name="step"):
    rows = [(s["start"], s["end"], s["sign"]) for s in ce.load_truth(name)["spells"]]
    return ce.ReRating.from_dates(rows, name="sample list")


def plan(**options):
    base = {"crypto": "COIN", "equity": "SMALL_TECH", "episodes": spells(), "draws": 19}
    return ce.Plan(**{**base, **options})


@pytest.fixture(scope="module")
def step():
    own = plan(tech="TECH", market="MARKET", large="LARGE_TECH", altcoins=("ALTCOIN",), placebos=("GOLD",), draws=59)
    return ce.test_claim(ce.load_sample("step"), own)


@pytest.fixture(scope="module")
def peaks():
    own = plan(market="MARKET", altcoins=("ALTCOIN",), placebos=("GOLD",), draws=PEAK_DRAWS)
    return ce.test_claim(ce.load_sample("peaks"), own)


@pytest.fixture(scope="module")
def bare():
    """Nothing but the pair, no break, a short sample."""
    return ce.test_claim(ce.load_sample("peaks"), plan(start="2021-01-01", break_date=None))


# --- one step, no peaks


def test_a_step_is_no_peak(step):
    assert step.verdict_of("H2") in ("contradicted", "inconclusive")
    assert step.table.loc["H2", "pvalue"] > 0.1
    # the step itself is as clear as 59 draws can say; Holm over six needs 119
    assert step.table.loc["H1", "pvalue"] == 1 / 60


def test_the_usual_tests_see_a_peak_in_the_step(step):
    full = step.naive[step.naive.index.str.endswith("full sample")]["pvalue"]
    fooled = full[~full.index.str.startswith("Fisher")]
    assert len(fooled) == 4
    assert (fooled < 0.001).all()
    window = step.naive[step.naive.index.str.endswith("tested window")]["pvalue"]
    assert set(window.index.str.replace(", tested window", "")) == set(NAIVE)


def test_h1_is_its_weakest_piece(step, peaks):
    for one in (step, peaks):
        detail = one.evidence["H1"].detail
        pieces = [detail[f"{name} pvalue"] for name in ("break", "after", "inside", "outside")]
        assert one.table.loc["H1", "pvalue"] == max(pieces)
        assert detail["step lower"] < detail["step"] < detail["step upper"]
        assert one.sample.step_pvalue == detail["break pvalue"]


def test_levels_and_differences_are_judged_by_their_draws(step):
    small, large = step.main.draws["level"], step.main.draws["level.large"]
    estimate = step.main.statistics["level"] - step.main.statistics["level.large"]
    assert step.evidence["H5"].estimate == estimate
    gap = small - large
    assert step.evidence["H5"].pvalue == (1 + int(((gap - gap.mean()) >= estimate).sum())) / 60
    for key in ("H1", "H5", "H6"):
        assert step.evidence[key].method.endswith("bootstrap, 59 draws")
    # one altcoin: it is the mean over the altcoins, and the basket
    detail = step.evidence["H6"].detail
    for name in ("ALTCOIN", "equal-weighted basket"):
        assert detail[f"main minus {name}"] == pytest.approx(step.evidence["H6"].estimate, rel=1e-12)
    assert detail["ALTCOIN pvalue"] == detail["basket pvalue"] == step.evidence["H6"].pvalue == 1 / 60


def test_the_levels_are_the_samples(step):
    truth = ce.load_truth("step")["correlation"]
    assert step.evidence["H1"].lower < 0.35 < step.evidence["H1"].upper + 0.02
    assert abs(step.evidence["H1"].detail["step"] - 0.32) < 0.08
    assert step.evidence["H1"].detail["step lower"] < 0.32 < step.evidence["H1"].detail["step upper"]
    assert len(truth) == 2
    # altcoins correlate .06 less; small and large technology alike
    assert step.evidence["H6"].lower < 0.06 < step.evidence["H6"].upper
    assert step.evidence["H5"].lower < 0.01 < step.evidence["H5"].upper
    assert step.verdict_of("H5") != "supported"


# --- peaks


def test_a_peak_is_found_and_its_size_covered(peaks):
    row = peaks.table.loc["H2"]
    assert row["verdict"] == "supported"
    assert row["lower"] < 0.35 < row["upper"]
    assert row["pvalue"] == 1.0 / (1 + PEAK_DRAWS)
    assert row["coverage"] == pytest.approx(0.43, abs=0.01)
    assert row["spells"] == 5
    assert 0.05 < row["mde"] < 0.35


def test_the_peak_is_more_than_volatility_and_market_and_on_both_sides(peaks):
    for key in ("H3", "H4", "H7"):
        assert peaks.verdict_of(key) == "supported", peaks.table.loc[key, "reason"]
    assert peaks.verdict_of("H10") == "supported"
    assert peaks.table.loc["H4", "lower"] < 0.30 < peaks.table.loc["H4", "upper"]


def test_the_placement_tests_agree(peaks, step):
    names = {f"{kind} shift, {what}" for kind in ("circular", "linear") for what in ("score", "product")}
    names |= {"placebo episodes, score", "level contrast, product (cosine t)"}
    assert set(peaks.placement) == set(step.placement) == names
    for name in ("circular shift, product", "level contrast, product (cosine t)"):
        assert peaks.placement[name].pvalue < 0.05
        assert step.placement[name].pvalue > 0.1


# --- what a verdict holds


def test_one_row_a_hypothesis(step):
    assert step.table.index.tolist() == list(STATEMENTS)
    assert step.table["statement"].to_dict() == STATEMENTS
    assert step.table["verdict"].isin(["supported", "contradicted", "mechanical", "inconclusive", "not testable"]).all()
    tested = step.table[step.table["verdict"] != "not testable"]
    assert (tested["lower"] <= tested["upper"]).all()
    assert (tested["pvalue"] > 0).all()
    assert (tested["pvalue_adjusted"] >= tested["pvalue"]).all()


def test_holm_by_hand_and_by_statsmodels(peaks):
    family = [key for key in FAMILY if not math.isnan(peaks.evidence[key].pvalue)]
    raw = np.array([peaks.evidence[key].pvalue for key in family])
    order = np.argsort(raw)
    stepped = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)).clip(max=1.0)
    by_hand = dict(zip(np.array(family)[order].tolist(), stepped.tolist(), strict=True))
    theirs = dict(zip(family, multipletests(raw, method="holm")[1], strict=True))
    for key in family:
        assert peaks.table.loc[key, "pvalue_adjusted"] == pytest.approx(by_hand[key])
        assert peaks.table.loc[key, "pvalue_adjusted"] == pytest.approx(theirs[key])
    for key in ("H3", "H10"):  # outside the family: their own level
        assert peaks.table.loc[key, "pvalue_adjusted"] == peaks.table.loc[key, "pvalue"]


def test_the_null_and_the_statistic(step):
    assert step.null.shape == (59,)
    larger = int((step.null >= step.statistic).sum())
    assert step.table.loc["H2", "pvalue"] == (1 + larger) / 60


def test_the_sentence_names_sample_definition_and_coverage(step):
    assert re.match(
        r"H2, .*: [A-Z]+ for COIN and SMALL_TECH, 2020-03-16 to 2025-10-31 \(1470 sessions\)", step.sentence
    )
    assert "episodes 'sample list' covering 43% in 5 spells" in step.sentence


def test_the_summary_says_when_draws_are_too_few(step, peaks):
    assert "take at least 119 draws" in step.summary().to_text()
    assert "take at least" not in peaks.summary().to_text()
    text = step.summary().to_text()
    assert step.plan.sha256[:12] in text
    assert "nan" not in text.lower().replace("finance", "")


def test_the_naive_table_shows_measured_rates(step):
    text = step.naive_table().to_text()
    assert "Not evidence" in text
    assert "%" in text
    rates = measured_rates()
    assert {f"naive: {name}" for name in NAIVE} <= set(rates)
    covers = rates["interval covers"]
    assert f"covered the truth in {covers['low']:.0%} to {covers['high']:.0%}" in step.summary().to_text()
    assert all(0.0 <= one["low"] <= one["high"] <= 1.0 for one in rates.values())


def test_json_holds_everything_and_no_nan(step, bare):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    for one in (step, bare):
        content = json.loads(one.to_json(), parse_constant=refuse)
        assert content["plan_sha256"] == one.plan.sha256
        assert ce.Plan.from_dict(content["plan"]) == one.plan
        assert content["data_sha256"] == one.data_sha256
        assert content["null"] == one.null.tolist()
        assert set(content["table"]) == set(STATEMENTS)
        assert content["table"]["H11"]["pvalue"] is None
        assert {"python", "numpy", "cryptoequity"} <= set(content["versions"])
    assert json.loads(step.to_json())["returns_policy"]["weekend"] == "compound"


def test_the_papers_are_cited(step):
    assert "@article{engle2002" in step.cite()
    assert "andrews1993" not in step.cite()


def test_the_window_has_a_dcc(step):
    fit = step.dcc()
    assert len(fit.std_resid) == 1470
    assert len(step.dcc_full().std_resid) == 2825


def test_the_specification_curve(step):
    curve = step.specifications
    assert set(curve["equity"]) == {"SMALL_TECH", "TECH", "LARGE_TECH", "MARKET"}
    assert sorted(set(curve["edges"])) == [-21, -10, 0, 10, 21]
    own = curve[(curve["equity"] == "SMALL_TECH") & (curve["edges"] == 0)].iloc[0]
    assert own["coverage"] == pytest.approx(step.table.loc["H2", "coverage"])
    assert own["estimate"] == pytest.approx(step.table.loc["H2", "estimate"], abs=1e-3)


def test_a_verdict_survives_pickling(bare):
    assert_frame_equal(pickle.loads(pickle.dumps(bare)).table, bare.table)


# --- the same plan, the same numbers


def test_workers_do_not_change_the_numbers(bare):
    with joblib.parallel_config(backend="threading"):
        again = ce.test_claim(ce.load_sample("peaks"), bare.plan, n_jobs=2)
    assert again.to_json() == bare.to_json()


def test_another_seed_draws_other_numbers(bare):
    other = ce.test_claim(ce.load_sample("peaks"), plan(start="2021-01-01", break_date=None, rng=7))
    assert other.statistic == bare.statistic
    assert other.data_sha256 == bare.data_sha256
    assert not np.array_equal(other.null, bare.null)


def test_other_data_have_another_hash(bare):
    prices = ce.load_sample("peaks")
    prices.loc["2023-05-02", "COIN"] *= 1.001
    assert ce.test_claim(prices, bare.plan).data_sha256 != bare.data_sha256


def test_columns_the_plan_does_not_name_do_not_matter(bare):
    pair = ce.load_sample("peaks")[["SMALL_TECH", "COIN"]]
    assert ce.test_claim(pair, bare.plan).to_dict()["table"] == bare.to_dict()["table"]


# --- what cannot be tested says why


def test_a_bare_plan_tests_the_peak_and_explains_the_rest(bare):
    reasons = bare.table["reason"][bare.table["verdict"] == "not testable"].to_dict()
    assert set(reasons) >= {"H1", "H2x", "H4", "H5", "H6", "H8", "H9", "H10", "H11"}
    assert set(reasons) <= {"H2p", "H1", "H2x", "H4", "H5", "H6", "H8", "H9", "H10", "H11"}
    assert "names no tech column" in reasons["H2x"]
    assert reasons["H8"] == "the plan names no tech column."
    assert "no driver was given" in reasons["H9"]
    assert reasons["H1"] == "the plan has no break date, so there is no level before and after to compare."
    assert reasons["H4"] == "the plan names no market."
    assert reasons["H5"] == "the plan names no large-cap technology column."
    assert reasons["H6"] == "the plan names no altcoins."
    assert reasons["H10"] == "the plan names no placebo asset."
    assert reasons["H11"] == "the plan names no publication date."
    assert not np.isnan(bare.table.loc["H2", "pvalue"])


def quick(**options):
    """A verdict on two years."""
    return ce.test_claim(ce.load_sample("peaks"), plan(**{"start": "2023-06-01", "break_date": None, **options}))


def test_the_market_as_the_tested_equity():
    one = quick(equity="MARKET", market="MARKET")
    assert one.table.loc["H4", "reason"] == "the market 'MARKET' is itself the tested equity."


def test_spells_of_one_direction():
    one = quick(episodes=ce.ReRating.from_dates([("2024-01-02", "2024-06-28", 1)]))
    assert one.table.loc["H7", "reason"] == "all episodes in the sample are upward re-ratings."
    assert one.table.loc["H2", "spells"] == 1


def test_spells_without_direction():
    one = quick(episodes=ce.ReRating.from_dates([("2024-01-02", "2024-06-28"), ("2025-01-02", "2025-03-31")]))
    assert one.table.loc["H7", "reason"] == "2 of the 2 spells have no direction (sign 0)."
    assert not np.isnan(one.table.loc["H2", "pvalue"])


def test_a_young_altcoin_costs_its_own_hypothesis_alone():
    prices = ce.load_sample("peaks")
    prices.loc[:"2025-06-30", "ALTCOIN"] = np.nan
    own = plan(start="2023-06-01", break_date=None, altcoins=("ALTCOIN",))
    one = ce.test_claim(prices, own)
    assert one.table.loc["H6", "reason"].startswith("the altcoins share fewer than 250 sessions")
    assert one.table.loc["H2", "nobs"] > 600
    middle = ce.load_sample("peaks")
    middle.loc[:"2024-01-31", "ALTCOIN"] = np.nan
    other = ce.test_claim(middle, own)
    assert 250 < other.table.loc["H6", "nobs"] < other.table.loc["H2", "nobs"]


def test_a_break_with_hardly_anything_before_it():
    one = quick(break_date="2023-07-03")
    assert re.match("only 2[0-9] sessions before the break; 60 are needed", one.table.loc["H1", "reason"])


def test_guard_bands_leave_days_out():
    one, wide = quick(), quick(guard="31D")
    assert np.isnan(wide.main.pipeline.signed).sum() > 20
    assert one.statistic != wide.statistic
    assert not np.isnan(wide.table.loc["H2", "pvalue"])


# --- a break at an unknown date


def test_an_estimated_break_is_near_the_true_one():
    prices = ce.load_sample("step")
    one = ce.test_claim(prices, plan(break_date="estimate"))
    assert abs((one.sample.break_date - pd.Timestamp("2020-03-16")).days) < 60
    assert one.evidence["H1"].detail["sup-F pvalue"] == one.sample.break_test.pvalue == 1 / 20
    # the date was looked for: its p-value replaces that of a step at a date known beforehand
    assert one.evidence["H1"].detail["break pvalue"] == one.sample.break_test.pvalue
    assert "andrews1993" in one.cite()


def test_without_a_break_there_is_none():
    one = quick(break_date="estimate", start="2021-01-01")
    if one.sample.break_date is None:
        assert one.table.loc["H1", "reason"].startswith("no break was found")
    else:
        assert one.sample.break_test.pvalue <= 0.05


# --- after publication


def test_a_fixed_list_says_nothing_of_the_time_after_it():
    ended = ce.ReRating.from_dates([("2021-01-04", "2021-06-30", 1), ("2022-01-03", "2022-10-14", -1)])
    one = quick(episodes=ended, start="2020-06-01", published="2023-06-30")
    assert one.later is None
    assert one.table.loc["H11", "verdict"] == "not testable"
    assert re.match("the frozen episodes cover none of the 6[0-9][0-9] sessions", one.table.loc["H11", "reason"])
    assert one.main.index[-1] <= pd.Timestamp("2023-06-30")


def test_too_little_time_since_publication():
    one = quick(published="2025-06-30")
    assert re.match("only [0-9]+ sessions after 2025-06-30; 250 are needed", one.table.loc["H11", "reason"])


@pytest.fixture(scope="module")
def dated():
    """Episodes dated by a rule from the sample's own columns, the claim published in mid-2023."""
    prices = ce.load_sample("peaks")
    episodes = ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"])
    own = plan(episodes=episodes, tech="TECH", market="MARKET", published="2023-06-30")
    return ce.test_claim(prices, own)


def test_episodes_by_rule_are_dated_again(dated):
    for key in ("H2", "H3", "H4", "H11"):
        assert dated.evidence[key].method.endswith("19 draws, episodes re-dated")
    for part in (dated.main, dated.later):
        pipeline = part.pipeline
        assert np.array_equal(pipeline.redating.signed(pipeline.world.returns), pipeline.signed)
        # and these are the plan's episodes, but for the last days, which later data may still move
        assert np.array_equal(np.abs(pipeline.signed)[:-40], dated.plan.episodes.dummy(part.index).to_numpy()[:-40])


def test_a_rule_goes_on_after_publication(dated):
    assert dated.later is not None
    assert dated.later.index[0] > pd.Timestamp("2023-06-30")
    row = dated.table.loc["H11"]
    assert row["verdict"] != "not testable"
    assert 0 < row["coverage"] < 1
    assert row["nobs"] == len(dated.later.index)


def test_fixed_lists_are_not_dated_again(step):
    assert step.evidence["H2"].method.endswith("59 draws, episodes fixed")


def test_a_valuation_rule_without_prices_is_told_what_to_do():
    multiples = ce.load_multiples("peaks")
    prices = ce.load_sample("peaks")
    weekly = multiples.iloc[::5]
    own = {"tech": "TECH", "market": "MARKET"}
    bare = ce.ReRating.from_valuation(weekly["TECH_PE"], weekly["MARKET_PE"])
    with pytest.raises(ce.DataError, match=r"from_valuation\(..., prices=\(tech, market\)\)"):
        ce.test_claim(prices, plan(episodes=bare, **own))
    full = ce.ReRating.from_valuation(weekly["TECH_PE"], weekly["MARKET_PE"], prices=(prices["TECH"], prices["MARKET"]))
    one = ce.test_claim(prices, plan(episodes=full, **own))
    assert one.evidence["H2"].method.endswith("episodes re-dated")


# --- the naive tests


def test_naive_pvalues_against_plain_statistics():
    returns = ce.to_returns(ce.load_sample("peaks"))[["COIN", "SMALL_TECH"]].iloc[-800:]
    dummy = spells("peaks").dummy(returns.index)
    naive = naive_pvalues(returns["COIN"], returns["SMALL_TECH"], dummy)
    assert set(naive) == set(NAIVE)
    inside = dummy == 1
    r1, r0 = (returns[part].corr().iloc[0, 1] for part in (inside, ~inside))
    se = math.sqrt(1 / (inside.sum() - 3) + 1 / ((~inside).sum() - 3))
    z = (math.atanh(r1) - math.atanh(r0)) / se
    assert naive["Fisher z of two raw correlations"] == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))


def test_naive_regression_is_that_of_statsmodels():
    import statsmodels.api as sm

    from cryptoequity.claim.naive import _dummy_regression

    rng = np.random.default_rng(1)
    dummy = (np.arange(300) % 100 < 40).astype(float)
    series = rng.standard_normal(300).cumsum() * 0.1 + 0.2 * dummy
    for lags, options in ((0, {"cov_type": "HC0"}), (8, {"cov_type": "HAC", "cov_kwds": {"maxlags": 8}})):
        fit = sm.OLS(series, sm.add_constant(dummy)).fit(**options)
        assert _dummy_regression(series, dummy, lags) == pytest.approx(fit.pvalues[1], rel=1e-6)
        assert _dummy_regression(-series, dummy, lags) == pytest.approx(fit.pvalues[1], rel=1e-6)


def test_rolling_correlation_is_trailing():
    x, y = (pd.Series(np.random.default_rng(k).standard_normal(100)) for k in (1, 2))
    rolling = rolling_correlation(x, y, 20)
    assert rolling.isna().sum() == 19
    assert rolling.iloc[50] == pytest.approx(np.corrcoef(x[31:51], y[31:51])[0, 1])
