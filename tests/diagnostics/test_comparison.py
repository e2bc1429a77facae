"""Tables of models: every cell against the fits it comes from, and the samples that may not share one."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.correlation import CCC, DCC
from cryptoequity.covariance.ewma import EWMA
from cryptoequity.diagnostics.comparison import check_same_sample, compare, inside_episodes
from cryptoequity.errors import DataError, SpecError
from cryptoequity.volatility import GARCH, fit_margins


@pytest.fixture(scope="module")
def data(sim_dcc3):
    return sim_dcc3.iloc[:800]


@pytest.fixture(scope="module")
def margins(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit_margins(data)


@pytest.fixture(scope="module")
def fits(data, margins):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "constant": CCC().fit(margins),
            "dynamic": DCC().fit(margins),
            "t": DCC(dist="t").fit(margins),
            "ewma": EWMA().fit(data),
        }


def test_cells_are_the_fits_own_numbers(fits):
    table = compare(fits, pair=("A", "C"))
    frame = table.to_frame()
    assert list(frame.columns) == list(fits)
    fit = fits["dynamic"]
    assert frame.loc["a", "dynamic"] == f"{fit.params['dcc.a']:.4f} ({fit.std_err['dcc.a']:.4f})"
    assert frame.loc["a", "constant"] == ""
    assert frame.loc["nu", "t"].startswith(f"{fits['t'].params['dcc.nu']:.4f} (")
    for label, one in fits.items():
        assert frame.loc["log-likelihood", label] == f"{one.loglikelihood:.2f}"
        assert frame.loc["AIC", label] == f"{one.aic:.2f}"
        assert frame.loc["BIC", label] == f"{one.bic:.2f}"
        assert frame.loc["parameters", label] == str(one.estimate.free_count)
        assert frame.loc["mean correlation A, C", label] == f"{one.correlation('A', 'C').mean():.3f}"
    best = min(fits, key=lambda label: fits[label].bic)
    assert f"smallest BIC: {best}" in table.notes[0]
    assert "not maximized jointly" in " ".join(table.notes)


def test_renders_in_every_form(fits):
    table = compare(fits)
    assert "mean correlation A, B" in table.to_text()
    assert r"\toprule" in table.to_latex()
    assert "<table>" in table.to_html()
    assert table.to_markdown().startswith("**Models of A, B, C**")
    assert compare(fits).to_text() == table.to_text()


def test_episodes_in_each_form_say_the_same(fits, data):
    index = data.index
    flags = pd.Series(0.0, index)
    flags.iloc[100:200] = 1.0
    spells = pd.DataFrame({"start": [index[100], index[150]], "end": [index[160], index[199]]})
    path = fits["dynamic"].correlation("A", "B")
    tables = [compare(fits, episodes=one).to_frame() for one in (flags, flags == 1.0, spells, index[100:200])]
    for frame in tables:
        assert frame.loc["  inside episodes", "dynamic"] == f"{path.iloc[100:200].mean():.3f}"
        assert frame.loc["  outside", "dynamic"] == f"{np.delete(path.to_numpy(), np.s_[100:200]).mean():.3f}"
    guard = flags.copy()
    guard.iloc[200:250] = np.nan
    inside, outside = inside_episodes(guard, index)
    assert inside.sum() == 100
    assert outside.sum() == 650
    assert "100 dates inside episodes, 650 outside." in compare(fits, episodes=guard).notes


def test_days_include_both_ends_whatever_the_hour_and_zone():
    index = pd.date_range("2020-01-01 16:00", periods=10, tz="America/New_York")
    spells = pd.DataFrame({"start": ["2020-01-03"], "end": ["2020-01-05"]})
    inside, _ = inside_episodes(spells, index)
    assert np.flatnonzero(inside).tolist() == [2, 3, 4]
    np.testing.assert_array_equal(inside_episodes(pd.DatetimeIndex(["2020-01-03"]), index)[0], np.arange(10) == 2)


def test_bounds_and_given_parameters_are_shown(data, margins):
    rng = np.random.default_rng(1)
    noise = pd.DataFrame(rng.standard_normal((800, 2)), data.index, ["A", "B"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = fit_margins(noise, GARCH(mean="zero"))
        fit = DCC().fit(plain)
    frame = compare({"DCC": fit, "CCC": CCC().fit(plain)}).to_frame()
    if "dcc.a" in fit.at_bound:
        assert "(bound)" in frame.loc["a", "DCC"]
        assert "dcc.a" in frame.loc["on the bound", "DCC"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dynamic = DCC().fit(margins)
        again = dynamic.filter(data)
    assert compare({"one": dynamic, "given": again}).to_frame().loc["converged", "given"] == "given"


def test_fits_on_other_samples_are_refused_with_the_reason(fits, data):
    def ccc(frame, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return CCC().fit(fit_margins(frame, GARCH(**options)))

    base = fits["constant"]
    with pytest.raises(DataError, match=r"'one' is a model of A, B, C, 'two' of A, B; fit both on the same columns"):
        compare({"one": base, "two": ccc(data[["A", "B"]])})
    with pytest.raises(DataError, match=r"'one' \(800 dates, 2010-01-04 .*'two' \(700 dates, .*different samples"):
        compare({"one": base, "two": ccc(data.iloc[100:])})
    with pytest.raises(DataError, match="799 dates"):
        compare({"one": base, "two": ccc(data, mean="ar", lags=1)})
    other = data.copy()
    other.iloc[7, 1] += 0.5
    with pytest.raises(DataError, match=r"saw different returns: 'B' differs by 0\.5 at 2010-01-13"):
        compare({"one": base, "two": ccc(other)})
    # the order of the columns is no difference
    assert check_same_sample({"one": base, "two": ccc(data[["C", "A", "B"]])}) == ()
    with pytest.raises(SpecError, match="there is no fit"):
        compare({})
    with pytest.raises(SpecError, match="'one' is a Margins, not a fitted"):
        compare({"one": base.margins})
    with pytest.raises(SpecError, match="no column 'Z'"):
        compare({"one": base}, pair=("A", "Z"))


def test_margins_of_the_arch_package_are_remarked(fits, data):
    from arch import arch_model

    results = {name: arch_model(data[name], rescale=False).fit(disp="off") for name in data.columns}
    theirs = CCC().fit(fit_margins(results))
    assert "arch package" in " ".join(compare({"ours": fits["constant"], "theirs": theirs}).notes)


def test_episodes_that_cannot_be_used_are_refused(fits, data):
    with pytest.raises(SpecError, match="columns 'start' and 'end'"):
        compare(fits, episodes=pd.DataFrame({"from": [1]}))
    with pytest.raises(DataError, match="ends before it starts"):
        compare(fits, episodes=pd.DataFrame({"start": ["2011-01-01"], "end": ["2010-01-01"]}))
    with pytest.raises(DataError, match="0 of 800 dates lie inside"):
        compare(fits, episodes=pd.DataFrame({"start": ["1999-01-01"], "end": ["1999-02-01"]}))
    with pytest.raises(DataError, match="lack 10 dates"):
        compare(fits, episodes=pd.Series(1.0, data.index[10:]))
    with pytest.raises(DataError, match="must be 0 or 1"):
        compare(fits, episodes=pd.Series(0.5, data.index))
    with pytest.raises(SpecError, match="pass spells"):
        compare(fits, episodes=[1, 2])
    with pytest.raises(SpecError, match="holds no dates"):
        inside_episodes(pd.DatetimeIndex(["2020-01-01"]), pd.RangeIndex(5))
