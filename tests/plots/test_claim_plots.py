"""Forest plot, placebos, timeline and null laws: every row is there, numbers are the verdict's, text can be read."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

import cryptoequity as ce
from cryptoequity import plots
from cryptoequity.errors import SpecError
from cryptoequity.estimation.bootstrap import null_interval
from cryptoequity.plots.claims import null_panels
from cryptoequity.plots.forest import MARKS, forest, what_is_estimated
from cryptoequity.plots.placebos import placebo_contrasts, placebos
from cryptoequity.plots.timeline import timeline


@pytest.fixture(scope="module")
def fits(verdict):
    path = verdict.dcc_full()
    z = verdict.sample.residuals
    product = pd.Series(z[:, 0] * z[:, 1], verdict.sample.full.index, name="product")
    return path, ce.RSDC(k=2).fit(path.margins), ce.BaiPerron(cov_type="HAC").fit(product)


@pytest.fixture(scope="module")
def drawn(verdict, fits):
    return {
        "forest": forest(verdict).figure,
        "placebos": placebos(verdict).figure,
        "timeline": timeline(verdict, *fits),
        "timeline without fits": timeline(verdict, fits[0], "why " * 60, "no break fits"),
        "nulls": null_panels(verdict),
    }


NAMES = ("forest", "placebos", "timeline", "timeline without fits", "nulls")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_or_too_small_on_a_phone(drawn, name):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    figure = drawn[name]
    # a page 380 wide leaves 364 pixels of 1/96 inch
    shrink = min(1.0, 364.0 / 96.0 / figure.get_figwidth())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [one for one in figure.findobj(Text) if one.get_text().strip() and one.get_visible()]
    assert texts
    assert min(one.get_fontsize() for one in texts) * shrink >= 7.0
    tight = figure.get_tightbbox(renderer)
    assert tight.x0 >= -0.03
    assert tight.y0 >= -0.03
    assert tight.x1 <= figure.get_figwidth() + 0.03
    assert tight.y1 <= figure.get_figheight() + 0.03


def test_every_hypothesis_has_its_row(verdict):
    ax = forest(verdict)
    labels = [label.get_text().split(" ")[0] for label in ax.get_yticklabels()]
    assert labels == list(verdict.table.index)
    words = " ".join(text.get_text() for text in ax.texts)
    untested = verdict.table["verdict"] == "not testable"
    assert untested.any()
    assert len(ax.texts) == untested.sum()
    assert words.count("not testable") == untested.sum()
    at = dict(zip(labels, ax.get_yticks(), strict=True))
    points = {(float(line.get_xdata()[0]), float(line.get_ydata()[0])): line for line in ax.lines
              if len(line.get_xdata()) == 1}  # fmt: skip
    for key, row in verdict.table[~untested].iterrows():
        line = points[row["estimate"], at[key]]
        assert line.get_marker() == MARKS[row["verdict"]][0]
        if not math.isnan(row["mde"]):
            assert points[row["mde"], at[key]].get_marker() == "v"


def test_a_hypothesis_nobody_foresaw_is_drawn(verdict):
    table = verdict.table.copy()
    table.loc["H99"] = table.loc["H2"]
    table.loc["H99", "statement"] = "something that was thought of only after this library had been written"
    more = dataclasses.replace(verdict, table=table)
    ax = forest(more)
    label = ax.get_yticklabels()[-1].get_text()
    assert label.startswith("H99 something")
    assert len(label) < 32
    assert what_is_estimated("H2", "") == "inside − outside"


@pytest.mark.parametrize("kind", MARKS)
def test_all_verdicts_are_told_apart_by_their_marks(verdict, kind):
    table = verdict.table.copy()
    table["verdict"] = kind
    ax = forest(dataclasses.replace(verdict, table=table))
    labels = ax.get_legend_handles_labels()[1]
    assert (kind in labels) == (kind != "not testable")
    assert len({marker for marker, _ in MARKS.values()}) == len(MARKS)


def test_placebos_stand_beside_the_pair(verdict):
    frame = placebo_contrasts(verdict)
    assert list(frame.index) == ["SMALL_TECH", "GOLD"]
    main = verdict.main
    place = main.pipeline.placebos[0]
    assert frame.loc["GOLD", "estimate"] == main.statistics[f"placebo.{place}.correlation"]
    assert frame.loc["GOLD", "pvalue"] == main.pvalue(f"placebo.{place}.score")
    low, high = null_interval(main.statistics["correlation"], main.draws["correlation"])
    assert frame.loc["SMALL_TECH", ["lower", "upper"]].tolist() == [low, high]
    # by hand: the estimate minus the quantiles of its law under the null
    law = main.draws["correlation"]
    assert low == pytest.approx(main.statistics["correlation"] - np.quantile(law, 0.975))
    ax = placebos(verdict)
    spans = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
    assert (low, high) in spans
    bare = dataclasses.replace(verdict, plan=dataclasses.replace(verdict.plan, placebos=()))
    with pytest.raises(SpecError, match="names no placebo"):
        placebos(bare)


def test_timeline_shares_one_axis(verdict, fits, drawn):
    path, regimes, breaks = fits
    axes = drawn["timeline"].axes
    assert len(axes) == 3
    assert len({ax.get_xlim() for ax in axes}) == 1
    lines = {line.get_label(): line for ax in axes for line in ax.lines}
    np.testing.assert_array_equal(
        lines["correlation, DCC(1,1)-t"].get_ydata(), path.correlation("COIN", "SMALL_TECH").to_numpy()
    )
    np.testing.assert_array_equal(
        lines["high regime, smoothed probability"].get_ydata(), regimes.probabilities("smoothed").iloc[:, -1]
    )
    assert breaks.m == 1
    assert lines["break, 95 % interval"].get_xdata()[0] == breaks.break_dates[0]
    assert str(breaks.break_dates[0].date()) in axes[2].get_title(loc="left")
    ends = breaks.conf_int()[["lower", "upper"]].to_numpy()[0]
    spans = [list(line.get_xdata()) for line in axes[2].lines if len(line.get_xdata()) == 2]
    assert list(ends.astype("datetime64[ns]")) in [[pd.Timestamp(x) for x in span] for span in spans
                                                   if isinstance(span[0], np.datetime64)]  # fmt: skip


def test_timeline_says_what_could_not_be_fitted(drawn):
    axes = drawn["timeline without fits"].axes
    assert [ax.get_title(loc="left") for ax in axes[1:]] == ["Regimes: not fitted", "Breaks: not fitted"]
    assert axes[2].texts[0].get_text() == "no break fits"


def test_laws_are_those_of_the_bootstrap(verdict):
    figure = null_panels(verdict, ("H3", "H7"))
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.axison]
    main = verdict.main
    assert titles == [
        f"H3: adjusted contrast\np = {main.pvalue('bound'):.3f}",
        f"H7: up\np = {main.pvalue('up.score'):.3f}",
        f"H7: down\np = {main.pvalue('down.score'):.3f}",
    ]
    data = [line.get_xdata()[0] for ax in figure.axes for line in ax.lines if line.get_label() == "data"]
    assert data == [main.statistics[name] for name in ("bound", "up.score", "down.score")]
    whole = [ax.get_title(loc="left").split(":")[0] for ax in null_panels(verdict).axes]
    assert {"H2p", "H2x", "H3", "H4", "H7", "H10"} <= set(whole)
    with pytest.raises(SpecError, match="'H1' has no law over draws"):
        null_panels(verdict, ("H1",))
    with pytest.raises(SpecError, match="nothing has no law"):
        null_panels(verdict, ())
    with pytest.raises(SpecError, match="is one text"):
        null_panels(verdict, "H3")


def test_an_untested_law_says_why(verdict):
    table = verdict.table.copy()
    table.loc["H4", ["verdict", "reason"]] = ["not testable", "the plan names no market."]
    figure = null_panels(dataclasses.replace(verdict, table=table), ("H4", "H3"))
    assert figure.axes[0].get_title(loc="left") == "H4: not testable"
    assert "no market" in figure.axes[0].texts[0].get_text()


def test_axis_of_episodes_has_the_unit_of_their_rule(verdict):
    rule = verdict.plan.alternatives[0]
    assert plots.rerating(rule).get_ylabel() == rule.unit == "past standard deviations"
    prices = ce.load_sample("step")
    phases = ce.ReRating.from_cycle(prices["TECH"], prices["MARKET"])
    assert plots.rerating(phases).get_ylabel() == phases.unit == "log move of the phase"


def test_pictures_are_the_same_every_time(verdict, fits):
    for draw in (lambda: forest(verdict), lambda: timeline(verdict, *fits)):
        assert plots.render(draw(), "svg") == plots.render(draw(), "svg")
