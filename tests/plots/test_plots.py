"""Pictures: on the axes given, without global state, nothing cut, labels that do not collide."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import cryptoequity as ce
from cryptoequity import plots
from cryptoequity.errors import SpecError
from cryptoequity.estimation.results import TestResult
from cryptoequity.plots.paths import _density_quantiles
from cryptoequity.volatility import GARCH
from cryptoequity.volatility.density import quantile_shocks


@pytest.fixture(scope="module")
def fit(verdict):
    return verdict.dcc()


# name -> (picture of (verdict, fit), what its title must say)
SINGLE = {
    "correlation_path": (lambda v, f, **o: plots.correlation_path(f, draws=60, **o), "n = 1,470"),
    "correlation_path with episodes": (
        lambda v, f, **o: plots.correlation_path(f, "SMALL_TECH", "COIN", episodes=v.plan.episodes, draws=60, **o),
        "2020-03-16 to 2025-10-31",
    ),
    "correlation_path without band": (lambda v, f, **o: plots.correlation_path(f, band=False, **o), "COIN"),
    "pair_path": (lambda v, f, **o: plots.pair_path(v, f, **o), "n = 1,470"),
    "volatilities": (lambda v, f, **o: plots.volatilities(f.margins, **o), "n = 1,470"),
    "rerating, list": (lambda v, f, **o: plots.rerating(v.plan.episodes, **o), "8 spells"),
    "rerating, rule": (lambda v, f, **o: plots.rerating(v.plan.alternatives[0], **o), "9 spells"),
    "rerating, index": (lambda v, f, **o: plots.rerating(v.plan.episodes, index=v.main.index, **o), "5 spells"),
    "null_distribution": (lambda v, f, **o: plots.null_distribution(v, **o), "n = 1,470"),
    "null of a test": (
        lambda v, f, **o: plots.null_distribution(v.placement["circular shift, score"], **o),
        "rotations",
    ),
    "hypotheses": (lambda v, f, **o: plots.hypotheses(v, **o), "n = 1,470"),
    "specification_curve": (lambda v, f, **o: plots.specification_curve(v, **o), "n = 1,470"),
}
SEVERAL = {
    "margin": lambda v, f: plots.margin(f.margins.fits[0]),
    "prices": lambda v, f: plots.prices_and_relative_strength(v),
    "overview": lambda v, f: plots.overview(v),
}


def check_layout(figure):
    """Nothing leaves the paper; title, labels and legend of each panel keep apart."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = canvas.get_width_height()
    tight = figure.get_tightbbox(renderer)
    slack = 0.03  # inches
    assert tight.x0 >= -slack
    assert tight.y0 >= -slack
    assert tight.x1 <= width / figure.dpi + slack
    assert tight.y1 <= height / figure.dpi + slack
    for ax in figure.axes:
        boxes = [
            text.get_window_extent(renderer)
            for text in (ax.xaxis.label, ax._left_title, *ax.get_xticklabels())
            if text.get_text() and text.get_visible()
        ]
        legend = ax.get_legend()
        if legend is None:
            continue
        frame = legend.get_window_extent(renderer)
        inner = [text.get_window_extent(renderer) for text in legend.get_texts()]
        for box in boxes:
            assert not any(box.overlaps(one) for one in inner), ax._left_title.get_text()
        assert not frame.overlaps(ax.get_window_extent(renderer))


@pytest.mark.parametrize("name", SINGLE)
def test_own_figure_says_its_sample_and_keeps_its_labels(name, verdict, fit):
    draw, says = SINGLE[name]
    ax = draw(verdict, fit)
    assert says in ax.get_title(loc="left")
    assert len(ax.figure.axes) == 1
    check_layout(ax.figure)


@pytest.mark.parametrize("name", SINGLE)
def test_draws_on_the_axes_given(name, verdict, fit):
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert SINGLE[name][0](verdict, fit, ax=right) is right
    assert right.has_data() or right.patches
    assert not left.has_data()
    assert figure.axes == [left, right]


@pytest.mark.parametrize("name", SEVERAL)
def test_several_panels_are_a_figure(name, verdict, fit):
    figure = SEVERAL[name](verdict, fit)
    assert len(figure.axes) >= 2
    assert all(ax.has_data() for ax in figure.axes)
    check_layout(figure)


def test_panels_of_prices_on_axes_given(verdict):
    from matplotlib.figure import Figure

    axes = list(Figure().subplots(2, 1))
    assert plots.prices_and_relative_strength(verdict, ax=axes) is axes
    assert all(ax.has_data() for ax in axes)
    with pytest.raises(SpecError, match="take two axes"):
        plots.prices_and_relative_strength(verdict, ax=axes[0])


def test_draw_finds_the_picture_of_each_type(verdict, fit):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    assert isinstance(plots.draw(verdict, band=False), Figure)
    assert isinstance(plots.draw(fit.margins.fits[0]), Figure)
    assert isinstance(plots.draw(fit, pair=("SMALL_TECH", "COIN"), band=False), Axes)
    for thing in (fit.margins, verdict.plan.episodes, verdict.placement["linear shift, score"]):
        assert isinstance(plots.draw(thing), Axes)
    assert isinstance(fit.plot(band=False), Axes)
    assert isinstance(verdict.plot(band=False), Figure)
    with pytest.raises(SpecError, match="no picture of a int"):
        plots.draw(3)


def test_arch_results_have_a_picture_of_their_own():
    from arch import arch_model

    returns = ce.to_returns(ce.load_sample("step"))["MARKET"].iloc[:600]
    margins = ce.fit_margins([arch_model(returns, rescale=False).fit(disp="off")])
    assert len(plots.draw(margins.fits[0]).axes) == 2


def test_the_band_is_the_fits_own(fit):
    ax = plots.correlation_path(fit, draws=80, rng=4)
    band = fit.correlation_band("COIN", "SMALL_TECH", draws=80, rng=4)
    drawn = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert drawn.min() == pytest.approx(band["lower"].min())
    assert drawn.max() == pytest.approx(band["upper"].max())
    line = next(one for one in ax.lines if len(one.get_ydata()) > 2)
    np.testing.assert_array_equal(line.get_ydata(), fit.correlation("COIN", "SMALL_TECH"))


def test_null_picture_places_its_lines(verdict):
    ax = plots.null_distribution(verdict)
    at = {line.get_label().split(" ")[0]: line.get_xdata()[0] for line in ax.lines}
    assert at["data,"] == verdict.statistic
    assert at["5%"] == pytest.approx(np.quantile(verdict.null, 0.95))
    # where the statistic falls, on average, at the effect that is found with 80 % power: beyond the critical value
    assert at["mean"] > at["5%"]


def test_specification_curve_is_sorted_and_complete(verdict):
    ax = plots.specification_curve(verdict)
    frame = verdict.specifications
    small = int((frame["pvalue"] <= 0.05).sum())
    points = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert len(points["shift p ≤ 0.05"].get_xdata()) == small
    assert len(points["larger p"].get_xdata()) == len(frame) - small
    x = np.concatenate([points[name].get_xdata() for name in ("shift p ≤ 0.05", "larger p")])
    y = np.concatenate([points[name].get_ydata() for name in ("shift p ≤ 0.05", "larger p")])
    np.testing.assert_array_equal(y[np.argsort(x)], np.sort(frame["estimate"]))
    own = frame[(frame["definition"] == "sample list") & (frame["edges"] == 0) & (frame["equity"] == "SMALL_TECH")]
    assert points["the plan's own"].get_ydata()[0] == own["estimate"].iloc[0]


@pytest.mark.parametrize("spec", [GARCH(), GARCH(dist="t"), GARCH(dist="skewt")], ids=lambda spec: spec.dist)
def test_quantiles_of_the_density_match_its_draws(spec):
    returns = ce.to_returns(ce.load_sample("step"))["MARKET"].iloc[:800]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = spec.fit(returns)
    share = np.array([0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
    count = {"normal": 0, "t": 1, "skewt": 2}[spec.dist]
    shape = fit.estimate.theta[fit.estimate.theta.size - count :]
    draws = quantile_shocks(spec.dist, shape, np.random.default_rng(1), 400_000)
    np.testing.assert_allclose(_density_quantiles(fit, share)[0], np.quantile(draws, share), atol=0.02)


def test_refusals(verdict, fit):
    with pytest.raises(SpecError, match="name both columns"):
        plots.correlation_path(fit, "COIN")
    with pytest.raises(SpecError, match="keeps no draws"):
        plots.null_distribution(TestResult("t", "none", 1.0, 0.5, "t"))
    with pytest.raises(SpecError, match="has no distribution to draw: all inside"):
        plots.null_distribution(
            TestResult("t", "none", float("nan"), float("nan"), "", {"null": np.ones(3)}, reason="all inside")
        )
    with pytest.raises(SpecError, match="form='gif'"):
        plots.render(plots.hypotheses(verdict), "gif")
    plain = ce.GARCH().fit(pd.Series(np.random.default_rng(1).standard_normal(400), name="x"))
    assert plots.margin(plain).axes  # no dates, still a picture


def test_same_figure_same_bytes(verdict):
    for form in plots.FORMATS:
        first, second = (plots.render(plots.hypotheses(verdict), form) for _ in range(2))
        assert first == second


def test_figures_show_themselves_and_travel(verdict):
    import pickle

    figure = plots.hypotheses(verdict).figure
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert len(pickle.loads(pickle.dumps(figure)).axes) == 1


def test_settings_stay_as_they_were(verdict, fit):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.overview(verdict, band=False)
    plots.render(plots.volatilities(fit.margins), "svg")
    assert dict(mpl.rcParams) == before


def test_importing_plots_imports_no_matplotlib_and_drawing_no_pyplot():
    code = (
        "import sys, cryptoequity.plots as p; assert 'matplotlib' not in sys.modules; import cryptoequity as ce\n"
        "p.render(p.draw(ce.ReRating.press())); assert 'matplotlib' in sys.modules\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
