"""Pictures of smooth transitions: what they show is what was fitted, nothing is cut, settings stay as they were."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import cryptoequity as ce
from cryptoequity.correlation.stcc import DSTCC, STCC, BerbenJansen
from cryptoequity.errors import SpecError
from cryptoequity.plots.transitions import transition, transition_curve, transition_path


@pytest.fixture(scope="module")
def fits():
    returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH", "GOLD"]].iloc[-900:]
    rng = np.random.default_rng(0)
    driver = pd.Series(rng.standard_normal(900).cumsum(), returns.index, name="relative multiple")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        margins = ce.fit_margins(returns)
        return {
            "stcc": STCC().fit(margins, driver=driver),
            "dstcc": DSTCC(second="time").fit(margins, driver=driver),
            "bj": BerbenJansen().fit(margins),
            "dcc": ce.DCC().fit(margins),
        }


PICTURES = {
    "curve": (lambda f, **o: transition_curve(f["stcc"], **o), "95% band"),
    "curve of two": (lambda f, **o: transition_curve(f["dstcc"], "GOLD", "COIN", level=0.9, **o), "90% band"),
    "curve of two, second": (lambda f, **o: transition_curve(f["dstcc"], driver="time", **o), "COIN and SMALL_TECH"),
    "curve in time": (lambda f, **o: transition_curve(f["bj"], **o), "rug"),
    "path": (lambda f, **o: transition_path(f["stcc"], **o), "STCC-normal"),
    "path of two": (
        lambda f, **o: transition_path(f["dstcc"], "COIN", "GOLD", episodes=ce.ReRating.press(), **o),
        "n = 900",
    ),
}


def check_layout(figure):
    """Nothing leaves the paper, and no legend covers its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = canvas.get_width_height()
    tight = figure.get_tightbbox(renderer)
    assert min(tight.x0, tight.y0) >= -0.03
    assert tight.x1 <= width / figure.dpi + 0.03
    assert tight.y1 <= height / figure.dpi + 0.03
    for ax in figure.axes:
        legend = ax.get_legend()
        if legend is None:
            continue
        assert not legend.get_window_extent(renderer).overlaps(ax.get_window_extent(renderer))
        for text in (ax.xaxis.label, *ax.get_xticklabels()):
            if text.get_text() and text.get_visible():
                box = text.get_window_extent(renderer)
                assert not any(box.overlaps(one.get_window_extent(renderer)) for one in legend.get_texts())


def lines(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize("name", PICTURES)
def test_own_figure_keeps_its_labels(name, fits):
    draw, says = PICTURES[name]
    ax = draw(fits)
    assert says in ax.get_title(loc="left").replace("\n", " ")
    check_layout(ax.figure)


@pytest.mark.parametrize("name", PICTURES)
def test_draws_on_the_axes_given_and_leaves_settings_alone(name, fits):
    import matplotlib as mpl
    from matplotlib.figure import Figure

    before = dict(mpl.rcParams)
    left, right = Figure().subplots(1, 2)
    assert PICTURES[name][0](fits, ax=right) is right
    assert right.has_data()
    assert not left.has_data()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("kind", ["stcc", "dstcc", "bj"])
def test_both_panels_fit_on_the_paper(kind, fits):
    figure = transition(fits[kind])
    assert len(figure.axes) == 2
    check_layout(figure)


def test_the_curve_is_that_of_the_fit(fits):
    fit = fits["stcc"]
    ax = transition_curve(fit, "GOLD", "COIN")
    curve = fit.curve("GOLD", "COIN")
    drawn = lines(ax)["STCC-normal"]
    np.testing.assert_array_equal(drawn.get_xdata(), curve.index)
    np.testing.assert_array_equal(drawn.get_ydata(), curve["estimate"])
    # the rug holds quantiles of what the driver was, and no more
    rug = next(line for line in ax.lines if line.get_marker() == "|")
    marks = rug.get_xdata()
    values = fit.states["relative multiple"]
    assert len(marks) == 400
    assert values.min() <= min(marks)
    assert max(marks) <= values.max()
    np.testing.assert_allclose(np.median(marks), values.median(), rtol=1e-2, atol=0.2)
    assert any(np.allclose(line.get_xdata(), fit.center.iloc[0]) for line in ax.lines)


def test_two_transitions_give_two_curves(fits):
    fit = fits["dstcc"]
    drawn = lines(transition_curve(fit))
    assert [label.split(" = ")[0] for label in drawn] == ["time", "time"]
    low = fit.curve("COIN", "SMALL_TECH", other=float(fit.states["time"].quantile(0.1)))
    np.testing.assert_allclose(next(iter(drawn.values())).get_ydata(), low["estimate"], rtol=1e-10)


def test_the_path_is_that_of_the_fit(fits):
    fit = fits["dstcc"]
    drawn = lines(transition_path(fit, "COIN", "GOLD"))
    np.testing.assert_array_equal(drawn["correlation"].get_ydata(), fit.correlation("COIN", "GOLD"))
    np.testing.assert_array_equal(drawn["G(time)"].get_ydata(), fit.transition["time"])
    np.testing.assert_array_equal(drawn["G(relative multiple)"].get_ydata(), fit.transition["relative multiple"])


def test_what_cannot_be_drawn_is_said(fits):
    with pytest.raises(SpecError, match="draw a fitted STCC, DSTCC or BerbenJansen"):
        transition_curve(fits["dcc"])
    with pytest.raises(SpecError, match="name both columns of the pair, or neither"):
        transition_path(fits["stcc"], "COIN")
    with pytest.raises(SpecError, match="level=95"):
        transition_curve(fits["stcc"], level=95)
    with pytest.raises(SpecError, match="no driver 'oil'"):
        transition_curve(fits["stcc"], driver="oil")
