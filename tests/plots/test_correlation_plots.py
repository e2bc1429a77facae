"""Pictures of models side by side, of news, hedges and risk: what they show is what was computed."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import cryptoequity as ce
from cryptoequity.diagnostics.impact import impact_surface, news_impact
from cryptoequity.errors import DataError, SpecError
from cryptoequity.plots.correlations import correlation_paths, hedge_path, news_impact_surface, risk_backtest
from cryptoequity.portfolio.backtests import exceedances
from cryptoequity.portfolio.hedging import hedge_ratio, portfolio_returns
from cryptoequity.portfolio.risk import expected_shortfall, value_at_risk

WEIGHTS = {"COIN": 0.2, "SMALL_TECH": 0.8}


@pytest.fixture(scope="module")
def fits():
    returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH", "GOLD"]].iloc[-700:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        margins = ce.fit_margins(returns)
        return {"CCC": ce.CCC().fit(margins), "DCC": ce.DCC().fit(margins), "DCC, t": ce.DCC(dist="t").fit(margins)}


@pytest.fixture(scope="module")
def risk(fits):
    fit = fits["DCC"]
    return portfolio_returns(fit, WEIGHTS), value_at_risk(fit, WEIGHTS), expected_shortfall(fit, WEIGHTS)


PICTURES = {
    "paths": (lambda fits, risk, **o: correlation_paths(fits, **o), "Correlation of COIN and SMALL_TECH"),
    "paths, episodes": (
        lambda fits, risk, **o: correlation_paths(fits, "GOLD", "COIN", episodes=ce.ReRating.press(), **o),
        "n = 700",
    ),
    "impact": (lambda fits, risk, **o: news_impact_surface(news_impact(fits["DCC"], "COIN", "GOLD"), **o), "between"),
    "impact, constant": (
        lambda fits, risk, **o: news_impact_surface(news_impact(fits["CCC"], "COIN", "GOLD"), **o),
        "Correlation after",
    ),
    "risk": (lambda fits, risk, **o: risk_backtest(*risk, **o), "exceedances"),
    "risk, no shortfall": (lambda fits, risk, **o: risk_backtest(*risk[:2], **o), "n = 700"),
    "hedge": (lambda fits, risk, **o: hedge_path(hedge_ratio(fits["DCC"], "COIN", "GOLD"), **o), "n = 700"),
    "hedges": (
        lambda fits, risk, **o: hedge_path(hedge_ratio(fits["DCC"], "COIN", ["GOLD", "SMALL_TECH"]), constant=0.5, **o),
        "Hedge ratio",
    ),
}


def check_layout(figure):
    """Nothing leaves the paper, and the legend stays clear of the axes and their labels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = canvas.get_width_height()
    tight = figure.get_tightbbox(renderer)
    assert min(tight.x0, tight.y0) >= -0.03
    assert tight.x1 <= width / figure.dpi + 0.03
    assert tight.y1 <= height / figure.dpi + 0.03
    (ax,) = figure.axes
    legend = ax.get_legend()
    if legend is None:
        return
    frame = legend.get_window_extent(renderer)
    assert not frame.overlaps(ax.get_window_extent(renderer))
    for text in (ax.xaxis.label, *ax.get_xticklabels()):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent(renderer)
            assert not any(box.overlaps(one.get_window_extent(renderer)) for one in legend.get_texts())


@pytest.mark.parametrize("name", PICTURES)
def test_own_figure_keeps_its_labels(name, fits, risk):
    draw, says = PICTURES[name]
    ax = draw(fits, risk)
    assert says in ax.get_title(loc="left").replace("\n", " ")
    check_layout(ax.figure)


@pytest.mark.parametrize("name", PICTURES)
def test_draws_on_the_axes_given_and_leaves_settings_alone(name, fits, risk):
    import matplotlib as mpl
    from matplotlib.figure import Figure

    before = dict(mpl.rcParams)
    left, right = Figure().subplots(1, 2)
    assert PICTURES[name][0](fits, risk, ax=right) is right
    assert right.has_data() or right.texts
    assert not left.has_data()
    assert dict(mpl.rcParams) == before


def lines(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def test_paths_are_those_of_the_fits_and_differ_in_style(fits):
    drawn = lines(correlation_paths(fits, "COIN", "GOLD"))
    assert list(drawn) == list(fits)
    for label, fit in fits.items():
        np.testing.assert_array_equal(drawn[label].get_ydata(), fit.correlation("COIN", "GOLD"))
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn.values()}) == len(fits)


def test_exceedances_are_marked_and_counted(risk):
    returns, var, es = risk
    ax = risk_backtest(returns, var, es)
    drawn = lines(ax)
    days = exceedances(returns, var)
    np.testing.assert_array_equal(drawn["exceedance"].get_ydata(), returns[days])
    np.testing.assert_array_equal(drawn["−VaR 1%"].get_ydata(), -var)
    np.testing.assert_array_equal(drawn["−ES 1%"].get_ydata(), -es)
    assert ax.get_title(loc="left").startswith(f"{int(days.sum())} exceedances")
    # a value at risk with a window behind it starts later, and so does its picture
    short = risk_backtest(returns, var.iloc[100:])
    assert len(lines(short)["return"].get_ydata()) == len(var) - 100


def test_surface_keeps_rows_up_and_columns_across():
    surface = impact_surface(lambda z: float(np.tanh(0.1 * z[0])), [-2.0, 0.0, 1.0], names=("COIN", "TECH"))
    ax = news_impact_surface(surface)
    assert ax.get_ylabel().startswith("shock to COIN")
    assert ax.get_xlabel().startswith("shock to TECH")
    assert ax.get_xlim() == (-2.0, 1.0)
    flat = news_impact_surface(impact_surface(lambda z: 0.25, [-1.0, 1.0]))
    assert flat.texts[0].get_text() == "0.250 everywhere"


def test_hedges_are_those_computed(fits):
    ratio = hedge_ratio(fits["DCC"], "COIN", ["GOLD", "SMALL_TECH"])
    drawn = lines(hedge_path(ratio, constant=0.5))
    for name in ratio.columns:
        np.testing.assert_array_equal(drawn[name].get_ydata(), ratio[name])
    assert set(drawn["constant, 0.50"].get_ydata()) == {0.5}


def test_refusals(fits, risk):
    with pytest.raises(SpecError, match="0 models"):
        correlation_paths({})
    with pytest.raises(SpecError, match="name both columns"):
        correlation_paths(fits, "COIN")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        short = ce.CCC().fit(fits["CCC"].returns.iloc[50:])
    with pytest.raises(DataError, match=r"'short' \(650 dates\) is on another sample than 'CCC' \(700 dates\)"):
        correlation_paths({**fits, "short": short})
    with pytest.raises(SpecError, match="has no contours"):
        news_impact_surface(pd.DataFrame([[0.1]]))
    returns, var, es = risk
    with pytest.raises(DataError, match="have other dates"):
        risk_backtest(returns, var, es.iloc[1:])
    with pytest.raises(SpecError, match="0 hedges"):
        hedge_path(pd.DataFrame(index=var.index))
