"""Pictures of dependence: each result has one, its numbers are the result's, nothing is cut."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import cryptoequity as ce
from cryptoequity import plots
from cryptoequity.claim.overlap import overlap_table
from cryptoequity.claim.specifications import SpecificationCurve
from cryptoequity.dependence import (
    aggregated_correlation,
    connectedness,
    exceedance_correlation,
    overlapping_correlation,
    rolling_connectedness,
    tail_dependence,
)
from cryptoequity.errors import SpecError
from cryptoequity.plots.dependence import connectedness_path, connectedness_table

COLUMNS = ["COIN", "SMALL_TECH", "MARKET", "GOLD"]


@pytest.fixture(scope="module")
def returns():
    return ce.to_returns(ce.load_sample("peaks"))


@pytest.fixture(scope="module")
def results(returns):
    x, y = returns["COIN"], returns["SMALL_TECH"]
    prices = ce.load_sample("peaks")
    definitions = [
        ce.ReRating.press(),
        ce.ReRating.press(years=(2020, 2022)),
        ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"]),
    ]
    return {
        "connectedness": connectedness(returns[COLUMNS]),
        "quantile": ce.quantile_connectedness(returns[COLUMNS], tau=0.1),
        "rolling": rolling_connectedness(returns[COLUMNS], window=250, step=100),
        "exceedance": exceedance_correlation(x, y, (0.0, 1.0, 2.5), draws=99),
        "tails": tail_dependence(x, y, (0.02, 0.1), draws=99),
        "aggregated": aggregated_correlation(x, y),
        "overlapping": overlapping_correlation(x, y, days=5),
        "overlap": overlap_table(definitions, returns.index[returns.index >= "2020-03-23"]),
    }


NAMES = ("connectedness", "quantile", "rolling", "exceedance", "tails", "aggregated", "overlapping", "overlap")


@pytest.mark.parametrize("name", NAMES)
def test_one_door_draws_it_and_nothing_is_cut(results, name):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    drawn = plots.draw(results[name])
    figure = getattr(drawn, "figure", drawn)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [one for one in figure.findobj(Text) if one.get_text().strip() and one.get_visible()]
    assert min(one.get_fontsize() for one in texts) * min(1.0, 364.0 / 96.0 / figure.get_figwidth()) >= 7.0
    tight = figure.get_tightbbox(canvas.get_renderer())
    assert min(tight.x0, tight.y0) >= -0.03
    assert tight.x1 <= figure.get_figwidth() + 0.03
    assert tight.y1 <= figure.get_figheight() + 0.03


@pytest.mark.parametrize("name", NAMES)
def test_draws_on_the_axes_given(results, name):
    from matplotlib.figure import Figure

    left, right = Figure().subplots(1, 2)
    assert plots.draw(results[name], ax=right) is right
    assert right.has_data()
    assert not left.has_data()


def test_cells_hold_the_shares(results):
    fit = results["connectedness"]
    ax = connectedness_table(fit)
    written = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
    for (i, j), value in np.ndenumerate(fit.table.to_numpy()):
        assert written[i, j] == f"{value:.0f}"
    assert f"{fit.total:.1f} %" in ax.get_title(loc="left")


def test_a_wide_matrix_has_a_bar_instead_of_numbers(results):
    import pandas as pd

    names = [f"column {k}" for k in range(12)]
    wide = dataclasses.replace(results["connectedness"], table=pd.DataFrame(np.full((12, 12), 100 / 12), names, names))
    ax = connectedness_table(wide)
    assert not ax.texts
    assert len(ax.figure.axes) == 2


def test_rolling_picture_adds_up_and_shades(results):
    fit = results["rolling"]
    figure = plots.draw(fit, episodes=ce.ReRating.press())
    upper, lower = figure.axes
    np.testing.assert_array_equal(upper.lines[0].get_ydata(), fit.total)
    net = np.array([line.get_ydata() for line in lower.lines if line.get_label() in COLUMNS])
    np.testing.assert_allclose(net.sum(axis=0), 0.0, atol=1e-9)
    assert upper.patches
    # told apart without color
    assert len({line.get_linestyle() for line in lower.lines[:4]}) == 4


def test_rolling_without_a_window_says_why(results):
    fit = results["rolling"]
    none = dataclasses.replace(fit, total=fit.total * np.nan, failed=len(fit.total), reason="collinear")
    with pytest.raises(SpecError, match="no window has a decomposition to draw: collinear"):
        connectedness_path(none)


@pytest.mark.parametrize(("name", "value", "at"), [("exceedance", "correlation", "threshold"), ("tails", "chi", "q")])
def test_both_tails_are_drawn_with_their_own_marks(results, name, value, at):
    table = results[name].table
    ax = plots.draw(results[name])
    lines = {line.get_label(): line for line in ax.lines}
    for tail in ("lower", "upper"):
        part = table[table["tail"] == tail].sort_values(at)
        np.testing.assert_array_equal(lines[f"{tail} tail"].get_ydata(), part[value])
    assert lines["lower tail"].get_marker() != lines["upper tail"].get_marker()


def test_lags_have_their_intervals(results):
    fit = results["aggregated"]
    ax = plots.draw(fit)
    by_lag = next(line for line in ax.lines if line.get_label() == "by lag")
    np.testing.assert_array_equal(by_lag.get_ydata(), fit.correlations["correlation"])
    low, high = fit.conf_int()
    box = ax.patches[0].get_bbox()
    assert (box.y0, box.y1) == pytest.approx((low, high))


def test_curve_of_specifications_has_a_door(verdict):
    curve = SpecificationCurve.fit(verdict.plan, verdict.sample)
    ax = plots.draw(curve)
    assert f"{len(curve.frame):,} specifications" in ax.get_xlabel()
    assert curve.plot().get_title(loc="left") == ax.get_title(loc="left")
