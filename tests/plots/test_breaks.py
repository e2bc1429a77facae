"""Pictures of breaks: what they show is what the results hold, on the axes given, with nothing cut."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity import plots
from cryptoequity.breaks.bai_perron import BaiPerron
from cryptoequity.breaks.change_points import ChangePoints
from cryptoequity.breaks.explosive import gsadf_test
from cryptoequity.breaks.explosive_monitor import ExplosiveMonitor
from cryptoequity.breaks.fluctuation import cusum_test
from cryptoequity.breaks.galeano_wied import GaleanoWied
from cryptoequity.breaks.icss import ICSS
from cryptoequity.breaks.interdependence import corsetti_pericoli_sbracia
from cryptoequity.breaks.monitoring import Monitor
from cryptoequity.breaks.phases import LundeTimmermann
from cryptoequity.breaks.qu_perron import QuPerron
from cryptoequity.breaks.results import BreakTest
from cryptoequity.errors import SpecError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2019-01-01", periods=500, name="date")
    z = rng.standard_normal((500, 2))
    z[300:, 1] = 0.8 * z[300:, 0] + 0.6 * z[300:, 1]
    z[300:] *= 1.6
    frame = pd.DataFrame(z, index, ["COIN", "TECH"])
    level = [10.0]
    for t in range(199):
        if 100 < t < 130:
            level.append(level[-1] * 1.05 + 0.3 * rng.standard_normal())
        else:
            level.append(level[-1] - 4.0 * (130 <= t < 140) + 0.3 * rng.standard_normal())
    months = pd.date_range("2000-01-31", periods=200, freq="ME")
    price = pd.Series(np.exp(0.02 * rng.standard_normal(500).cumsum() + 3.0), index, name="price")
    return frame, pd.Series(level, months, name="log price"), price


@pytest.fixture(scope="module")
def results(data):
    frame, level, price = data
    coin = frame["COIN"]
    shifted = coin + 2.0 * (np.arange(500) >= 200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "bai perron": BaiPerron(max_breaks=2).fit(shifted),
            "bai perron, slope": BaiPerron(max_breaks=2).fit(frame["TECH"], coin),
            "qu perron, covariance": QuPerron(max_breaks=2, changes="covariance").fit(frame),
            "qu perron, mean": QuPerron(max_breaks=1, changes="mean").fit(frame),
            "galeano wied": GaleanoWied(filter=None).fit(frame),
            "icss": ICSS(calibration="asymptotic").fit(coin),
            "change points": ChangePoints("mean").fit(shifted),
            "change points, variance": ChangePoints("variance").fit(coin),
            "change points, correlation": ChangePoints("correlation").fit(frame),
            "change points, normal": ChangePoints("normal").fit(frame),
            "change points, regression": ChangePoints("regression").fit(frame["TECH"], coin),
            "cusum": cusum_test(shifted),
            "monitor": Monitor(period=4).fit(shifted[:125]).update(shifted[125:400]),
            "no alarm": Monitor(period=4).fit(coin[:125]).update(coin[125:200]),
            "gsadf": gsadf_test(level, draws=99),
            "watch": ExplosiveMonitor(draws=99, control=60).fit(level[:100]).update(level[100:150]),
            "phases": LundeTimmermann().fit(price),
            "interdependence": corsetti_pericoli_sbracia(
                coin, frame["TECH"], (frame.index[300], frame.index[450]), draws=99
            ),
        }


def check_layout(figure):
    """Nothing leaves the paper, and no legend covers axes or labels."""
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


NAMES = [
    "bai perron",
    "bai perron, slope",
    "qu perron, covariance",
    "qu perron, mean",
    "galeano wied",
    "icss",
    "change points",
    "change points, variance",
    "change points, correlation",
    "change points, normal",
    "change points, regression",
    "cusum",
    "monitor",
    "no alarm",
    "gsadf",
    "watch",
    "phases",
    "interdependence",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_result_has_a_picture_that_fits_on_its_paper(name, results):
    drawn = results[name].plot()
    figure = drawn if hasattr(drawn, "axes") and hasattr(drawn, "savefig") else drawn.figure
    assert all(ax.has_data() for ax in figure.axes)
    check_layout(figure)


@pytest.mark.parametrize("name", NAMES)
def test_draws_on_the_axes_given_and_leaves_settings_alone(name, results):
    import matplotlib as mpl
    from matplotlib.figure import Figure

    before = dict(mpl.rcParams)
    left, right = Figure().subplots(1, 2)
    assert results[name].plot(ax=right) is right
    assert right.has_data()
    assert not left.has_data()
    assert dict(mpl.rcParams) == before


def test_the_path_and_its_date_are_those_of_the_test(results):
    test = results["cusum"]
    drawn = lines(plots.fluctuation(test))
    np.testing.assert_array_equal(drawn["statistic"].get_ydata(), test.path)
    np.testing.assert_array_equal(drawn["boundary, 5%"].get_ydata(), test.boundary)
    mark = next(line for label, line in drawn.items() if label.startswith("new regime from"))
    assert mark.get_xdata()[0] == test.break_date.to_datetime64()


def test_dates_and_their_intervals_are_those_of_the_fit(results):
    fit = results["bai perron"]
    ax = plots.breaks(fit, level=0.9)
    rows = fit.conf_int(0.9)
    bar = lines(ax)["date, 90% interval"]
    ends = [fit.index[int(rows[name].iloc[0])] for name in ("lower_position", "upper_position")]
    assert [pd.Timestamp(end) for end in bar.get_xdata()] == ends
    means = [line.get_ydata()[0] for line in ax.lines if line.get_color() == plots.canvas.COLORS["blue"]]
    np.testing.assert_allclose(means, fit.params["const"])
    dotted = [pd.Timestamp(line.get_xdata()[0]) for line in ax.lines if line.get_linestyle() == ":"]
    assert dotted == list(fit.break_dates)


def test_panels_of_a_system_are_its_regimes(results):
    fit = results["qu perron, covariance"]
    figure = plots.breaks(fit)
    assert len(figure.axes) == 3
    first = [line for line in figure.axes[0].lines if line.get_color() == plots.canvas.COLORS["blue"]]
    np.testing.assert_allclose([line.get_ydata()[0] for line in first], fit.correlations.iloc[:, 0])
    single = plots.breaks(fit, panel=2)
    assert single.get_ylabel() == "TECH"


def test_a_perfectly_known_line_is_the_fitted_one(results):
    fit = results["change points, regression"]
    ax = plots.segments(fit)
    blue = [line for line in ax.lines if line.get_color() == plots.canvas.COLORS["blue"]]
    drawn = np.concatenate([line.get_ydata() for line in blue])
    expected = np.sum(fit.exog.to_numpy() * fit.levels.to_numpy(), axis=1)
    np.testing.assert_allclose(drawn, expected)
    assert len(ax.patches) == len(fit.positions) // 2 + len(fit.positions) % 2


def test_episodes_are_shaded_by_their_move(results):
    test = results["gsadf"]
    episodes = test.episodes()
    assert "up" in set(episodes["move"])
    figure = plots.explosive(test)
    upper, lower = figure.axes
    assert len(upper.patches) == len(lower.patches) == len(episodes)
    drawn = lines(lower)
    np.testing.assert_array_equal(drawn["BSADF"].get_ydata(), test.path)
    np.testing.assert_array_equal(drawn["pointwise, 5%"].get_ydata(), test.critical("pointwise"))
    family = plots.explosive(test, critical="family")
    assert len(family.axes[0].patches) == len(test.episodes(critical="family"))


def test_phases_are_shaded_and_turns_marked(results):
    fit = results["phases"]
    ax = plots.phases(fit)
    assert ax.get_yscale() == "log"
    assert len(ax.patches) == int(fit.phases["kind"].isin(["bull", "bear"]).sum())
    marked = sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() in ("v", "^"))
    assert marked == len(fit.rows)


def test_the_first_alarm_is_marked_where_there_is_one(results):
    assert any("first alarm" in name for name in lines(plots.monitoring(results["monitor"])))
    assert not any("first alarm" in name for name in lines(plots.monitoring(results["no alarm"])))
    assert any("first alarm" in name for name in lines(plots.monitoring(results["watch"])))


def test_periods_and_numbers_serve_as_dates():
    rng = np.random.default_rng(2)
    values = rng.standard_normal(80) + 3.0 * (np.arange(80) >= 40)
    quarters = pd.Series(values, pd.period_range("2000Q1", periods=80, freq="Q"), name="rate")
    check_layout(plots.breaks(BaiPerron(max_breaks=2).fit(quarters)).figure)
    plain = BaiPerron(max_breaks=2).fit(values)
    assert lines(plots.breaks(plain))["date, 95% interval"].get_xdata()[0] <= 40
    assert plots.fluctuation(cusum_test(quarters)).has_data()


def test_what_cannot_be_drawn_is_said(results):
    pathless = BreakTest("Chow test", "none", 1.0, 0.5, "F")
    with pytest.raises(SpecError, match="Chow test has no path to draw"):
        plots.fluctuation(pathless)
    with pytest.raises(SpecError, match="keeps no draws"):
        plots.draw(pathless)
    with pytest.raises(SpecError, match="level=95"):
        plots.breaks(results["bai perron"], level=95)
    with pytest.raises(SpecError, match="panels 0 to 2"):
        plots.breaks(results["qu perron, covariance"], panel=7)


def test_a_monitor_that_has_seen_nothing_is_not_drawn(data):
    with pytest.raises(SpecError, match="has seen nothing yet"):
        plots.monitoring(ExplosiveMonitor(draws=99).fit(data[1][:100]))
    with pytest.raises(SpecError, match="no path to draw"):
        plots.monitoring(Monitor(period=4).fit(data[0]["COIN"][:100]))
