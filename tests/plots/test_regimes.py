"""Pictures of regimes: what they show is what the fits hold, on the axes given, with nothing cut."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cryptoequity import plots
from cryptoequity.claim import ReRating
from cryptoequity.errors import SpecError
from cryptoequity.regimes import RSDC, MarkovCovariance
from cryptoequity.regimes.chain import Chain

EPISODES = ReRating.press()


@pytest.fixture(scope="module")
def data():
    """Two columns whose correlation jumps in 2020, back in 2022, and up again in 2023; a persistent driver."""
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2018-01-01", periods=1600, name="date")
    z = rng.standard_normal((1600, 2))
    high = ((index >= "2020-03-01") & (index < "2022-01-01")) | (index >= "2023-01-01")
    z[high, 1] = 0.8 * z[high, 0] + 0.6 * z[high, 1]
    volatility = np.exp(0.4 * np.sin(np.arange(1600) / 80.0))[:, None]
    wander = np.zeros(1600)
    for t in range(1, 1600):
        wander[t] = 0.97 * wander[t - 1] + rng.standard_normal()
    drivers = pd.DataFrame({"fear": wander, "press": EPISODES.dummy(index)}, index)
    return pd.DataFrame(volatility * z, index, ["COIN", "TECH"]), drivers


@pytest.fixture(scope="module")
def fits(data):
    frame, drivers = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "rsdc": RSDC(k=2).fit(frame),
            "driven": RSDC(k=2, penalty=2.0).fit(frame, drivers=drivers),
            "covariance": MarkovCovariance(k=2).fit(frame),
            "three": MarkovCovariance(k=3).fit(frame[["COIN"]]),
        }


def check_layout(figure):
    """Nothing leaves the paper, and no legend covers axes."""
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
        if legend is not None:
            assert not legend.get_window_extent(renderer).overlaps(ax.get_window_extent(renderer))


def lines(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize("name", ["rsdc", "driven", "covariance", "three"])
@pytest.mark.parametrize("episodes", [None, EPISODES])
def test_every_fit_draws_itself_within_its_paper(fits, name, episodes):
    figure = fits[name].plot(episodes=episodes)
    check_layout(figure)
    assert len(figure.axes) == (4 if name == "driven" else 2)


@pytest.mark.parametrize("kind", ["smoothed", "filtered", "predicted"])
@pytest.mark.parametrize("name", ["rsdc", "three"])
def test_stacked_areas_are_the_probabilities(fits, name, kind):
    fit = fits[name]
    ax = plots.regime_probabilities(fit, kind=kind)
    frame = fit.probabilities(kind)
    areas = {area.get_label(): area for area in ax.collections}
    assert list(areas) == [f"regime {j}" for j in range(fit.k, 1, -1)]
    tops = np.zeros(len(frame))
    for label, area in areas.items():
        tops = tops + frame[label].to_numpy()
        highest = area.get_paths()[0].vertices[:, 1].max()
        assert highest == pytest.approx(min(tops.max(), 1.0), abs=1e-12)
    # what is not filled is the first regime
    np.testing.assert_allclose(1.0 - tops, frame["regime 1"], atol=1e-9)
    assert ax.get_ylim() == (0.0, 1.0)


def test_darker_is_higher(fits):
    ax = plots.regime_probabilities(fits["three"])
    shade = {area.get_label(): area.get_facecolor()[0][:3].sum() for area in ax.collections}
    assert shade["regime 3"] < shade["regime 2"] < 3.0


def test_episodes_are_visible_above_a_full_stack(fits):
    ax = plots.regime_probabilities(fits["rsdc"], episodes=EPISODES)
    assert ax.get_ylim()[1] > 1.05
    assert "re-rated up" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_paths_and_levels_are_those_of_the_fit(fits):
    fit = fits["rsdc"]
    ax = plots.regime_correlation(fit, "COIN", "TECH")
    shown = lines(ax)
    for kind in ("filtered", "smoothed"):
        np.testing.assert_array_equal(shown[kind].get_ydata(), fit.correlation("COIN", "TECH", kind))
    levels = fit.correlations().to_numpy()[0]
    dashed = sorted(float(line.get_ydata()[0]) for line in ax.lines if line.get_linestyle() == "--")
    np.testing.assert_allclose(dashed, np.sort(levels))
    for regime in (1, 2):
        place, error = fit.params[f"corr[{regime}].COIN,TECH"], fit.std_err[f"corr[{regime}].COIN,TECH"]
        ends = place + np.array([-1.0, 1.0]) * 1.959963984540054 * error
        assert any(np.shape(one.get_ydata()) == (2,) and np.allclose(one.get_ydata(), ends) for one in ax.lines)
        # the whole interval is on the paper
        assert ax.get_ylim()[0] <= ends[0]
        assert ax.get_ylim()[1] >= ends[1]
    words = [text.get_text() for text in ax.texts]
    assert words == ["1: " + f"{levels[0]:.2f}".replace("0.", ".", 1), "2: " + f"{levels[1]:.2f}"[1:]]


def test_the_order_of_a_pair_does_not_matter(fits):
    one = plots.regime_correlation(fits["rsdc"], "COIN", "TECH", kind="filtered")
    other = plots.regime_correlation(fits["rsdc"], "TECH", "COIN", kind="filtered")
    np.testing.assert_allclose(lines(one)["filtered"].get_ydata(), lines(other)["filtered"].get_ydata())
    assert len(one.lines) == len(other.lines)


def test_levels_without_errors_have_no_intervals(fits):
    fit = fits["covariance"]
    bare = replace(fit, _estimate=replace(fit.estimate, cov=np.full_like(fit.estimate.cov, np.nan)))
    ax = plots.regime_correlation(bare)
    assert "intervals" not in ax.get_title(loc="left")
    assert len(ax.texts) == 2


def test_odds_are_one_less_the_chance_of_staying(fits):
    fit = fits["driven"]
    ax = plots.regime_odds(fit, "fear")
    outer = fit.likelihood.split(fit.theta)[1]
    x = lines(ax)["from regime 1"].get_xdata()
    z = np.repeat(fit.chain.z.mean(axis=0)[None], x.size, axis=0)
    z[:, 1] = x
    stay = fit.chain.at(outer, z)
    for regime in (1, 2):
        shown = lines(ax)[f"from regime {regime}"].get_ydata()
        np.testing.assert_allclose(shown, np.maximum(1.0 - stay[:, regime - 1, regime - 1], 1e-6), rtol=1e-6)
    assert ax.get_xlabel() == "fear, 1 before"


def test_intervals_of_the_odds_are_the_delta_method_for_two_and_three_regimes():
    from cryptoequity.plots.regimes import _leaving

    rng = np.random.default_rng(3)
    for k in (2, 3):
        z = np.column_stack([np.ones(40), rng.standard_normal(40)])
        chain = Chain(k, z, ("const", "x"), True)
        theta = rng.normal(-2.0, 1.0, chain.size)
        root = 0.2 * rng.standard_normal((chain.size, chain.size))
        cov = root @ root.T

        class Fit:
            pass

        fit = Fit()
        fit.chain, fit.k, fit.theta = chain, k, theta
        fit.likelihood = type("L", (), {"split": staticmethod(lambda t: (t[:0], t))})
        fit.estimate = type("E", (), {"cov": cov})
        leave, lower, upper = _leaving(fit, z[:3], 1.5)

        def odds(theta, row, i, chain=chain):
            p = chain.at(theta, row[None])[0]
            return np.log((1.0 - p[i, i]) / p[i, i])

        for m in range(3):
            for i in range(k):
                step = 1e-6 * np.eye(chain.size)
                slope = np.array([(odds(theta + s, z[m], i) - odds(theta - s, z[m], i)) / 2e-6 for s in step])
                half = 1.5 * np.sqrt(slope @ cov @ slope)
                eta = odds(theta, z[m], i)
                for got, want in ((leave, eta), (lower, eta - half), (upper, eta + half)):
                    assert got[m, i] == pytest.approx(1.0 / (1.0 + np.exp(-want)), rel=1e-5)


def test_a_dummy_is_points_with_intervals(fits):
    ax = plots.regime_odds(fits["driven"], "press")
    assert list(ax.get_xticks()) == [0.0, 1.0]
    assert len(ax.containers) == 2
    check_layout(ax.figure)


def test_odds_without_errors_have_no_band(fits):
    fit = fits["driven"]
    bare = replace(fit, _estimate=replace(fit.estimate, cov=np.full_like(fit.estimate.cov, np.nan)))
    band = plots.regime_odds(bare, "fear").collections[0].get_paths()[0].vertices[:, 1]
    line = lines(plots.regime_odds(bare, "fear"))["from regime 1"].get_ydata()
    assert set(np.round(band, 12)) == set(np.round(line, 12))


def test_the_axes_given_are_the_axes_drawn_on(fits):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert plots.regime_probabilities(fits["rsdc"], ax=ax) is ax
    assert plots.regime_correlation(fits["rsdc"], ax=ax) is ax
    assert plots.regime_odds(fits["driven"], ax=ax) is ax


def test_the_same_fit_gives_the_same_picture(fits):
    assert plots.render(fits["driven"].plot()) == plots.render(fits["driven"].plot())


def test_an_index_without_dates_draws_but_takes_no_episodes(data):
    frame = data[0].reset_index(drop=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = MarkovCovariance(k=2).fit(frame)
    check_layout(fit.plot())
    with pytest.raises(SpecError, match="index holds no dates"):
        plots.regime_probabilities(fit, episodes=EPISODES)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: plots.regime_odds(f["rsdc"]), "no driver moves the odds"),
        (lambda f: plots.regime_odds(f["driven"], "VIX"), "VIX"),
        (lambda f: plots.regime_odds(f["driven"], level=1.0), "level=1.0"),
        (lambda f: plots.regime_correlation(f["three"]), "two columns"),
        (lambda f: plots.regime_correlation(f["rsdc"], "COIN"), "both columns"),
        (lambda f: plots.regime_correlation(f["rsdc"], "COIN", "GOLD"), "GOLD"),
        (lambda f: plots.regime_correlation(f["rsdc"], "COIN", "COIN"), "itself"),
        (lambda f: plots.regime_correlation(f["rsdc"], kind="future"), "future"),
        (lambda f: plots.regime_correlation(f["rsdc"], kind=()), "at least one"),
        (lambda f: plots.regime_correlation(f["rsdc"], level=0.0), "level=0.0"),
        (lambda f: plots.regime_probabilities(f["rsdc"], kind="future"), "future"),
        (lambda f: plots.regime_probabilities(EPISODES), "ReRating"),
        (lambda f: plots.regime_overview(f["rsdc"], pair=("COIN",)), "two columns"),
    ],
)
def test_what_cannot_be_drawn_says_so(fits, call, message):
    with pytest.raises(SpecError, match=message):
        call(fits)
