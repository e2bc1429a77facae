r"""H8, "every major fluctuation in technology resonates in crypto": each episode on its own, and the largest moves.

"Every" is a conjunction. Two of its parts can be tested on prices and both must reject, so that no adjustment is due:

* each of the K episodes has a contrast of its own against the sessions outside all of them. Its p-value is the largest
  of the K from the full-pipeline bootstrap (intersection-union); the smallest upper bound, at :math:`1-\alpha/K`,
  may show an episode in which nothing happened;
* the largest weekly moves of tech find the coin moving the same way, more often than circular shifts of the coin do.

One clean counter-example refutes "every", however high the others are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..dependence.every_spell import EverySpellTest, every_spell_test
from ..dependence.moves import MoveConcordanceTest, move_concordance_test, period_moves
from ..estimation.bootstrap import null_interval
from ..estimation.params import Array
from .detectable import normal_mde
from .headline import Headline, Sample
from .hypotheses import Evidence, not_testable
from .pipeline import PairFit, attach
from .plan import Plan
from .statistics import correlation_contrast, score_contrast

__all__ = ["SHORTEST", "Spells", "every_episode", "judge_every", "spells_of"]

SHORTEST = 20  # sessions of an episode inside the window that can be tested
FEWEST_WEEKS = 30


@dataclass(frozen=True, eq=False)
class Spells:
    """Each episode against the sessions outside all of them; an extra of `Pipeline` for fixed episodes.

    Attributes
    ----------
    labels : of the episodes. masks : (K, T) bool, sessions inside each.
    """

    labels: tuple[str, ...]
    masks: Array = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the statistics."""
        return tuple(f"spell.{label}.{what}" for label in self.labels for what in ("score", "correlation"))

    def __call__(self, z: Array, returns: Array, signed: Array, fit: PairFit) -> dict[str, float]:
        """Score and correlation contrast of each episode; sessions of the others and guard bands count for neither."""
        del returns
        dummy = np.abs(signed)
        out: dict[str, float] = {}
        for label, mask in zip(self.labels, self.masks, strict=True):
            own = np.where(mask, dummy, np.where(dummy == 0.0, 0.0, np.nan))
            out[f"spell.{label}.score"] = score_contrast(fit.score, fit.information, own)
            out[f"spell.{label}.correlation"] = correlation_contrast(z[:, 0], z[:, 1], own)
        return out


def spells_of(plan: Plan, main: Headline) -> tuple[Spells | None, str]:
    """Return the fixed episodes of the tested window that are long enough, or None and why there are none."""
    if main.pipeline.redating is not None:
        return None, "episodes dated by a rule are others in every draw, and no law of each one exists."
    signed = main.pipeline.signed
    labels, masks, short = [], [], 0
    for spell in plan.episodes.dated:
        first, last = pd.Timestamp(spell.start), pd.Timestamp(spell.end)
        mask = np.asarray((main.index >= first) & (main.index <= last)) & (np.abs(signed) == 1.0)
        if mask.sum() >= SHORTEST:
            labels.append(str(max(first, main.index[0]).date()))
            masks.append(mask)
        elif mask.any():
            short += 1
    if short:
        return (
            None,
            f"{short} of the episodes have fewer than {SHORTEST} sessions in the window: 'every' cannot be said.",
        )
    if not masks or not (signed == 0.0).any():
        return None, "no episode lies in the window."
    return Spells(tuple(labels), np.array(masks)), ""


def largest_moves(plan: Plan, sample: Sample) -> tuple[MoveConcordanceTest | None, MoveConcordanceTest | None, str]:
    """Agreement of signs in the largest weekly moves of tech, and of tech less the market; or why there is none."""
    if plan.tech is None:
        return None, None, "the plan names no tech column."
    window = sample.window
    weeks = len(period_moves(window[[plan.tech]], "W")[0])
    events = min(plan.events, weeks // 4)
    if weeks < FEWEST_WEEKS or events < 5:
        return None, None, f"the window has {weeks} whole weeks, too few to call some of them large."
    coin, tech = window[plan.crypto], window[plan.tech]
    own = move_concordance_test(coin, tech, events=events)
    if plan.market is None or plan.market == plan.tech:
        return own, None, ""
    return own, move_concordance_test(coin, tech, window[plan.market], events=events), ""


def every_episode(
    plan: Plan,
    sample: Sample,
    main: Headline,
    prices: pd.DataFrame,
    seed: np.random.SeedSequence,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Evidence:
    """Evidence on H8; see the module.

    The estimate is the smallest contrast of an episode. Of the weekly moves the plan's ``events`` largest count, or a
    quarter of the weeks where those are fewer.

    Parameters
    ----------
    plan, sample, main, prices : of `test_claim`. seed : of the draws, where ``main`` lacks these statistics.
    n_jobs, progress : as in `test_claim`.

    Notes
    -----
    **Robustness.** GARCH, fat tails and a persistent correlation are in the draws; signs need no moments. Agreement in
    the largest moves of tech follows from any positive correlation: it is necessary for "every", never sufficient. Do
    not read a failure to reject as "not every": short episodes hardly ever reject on their own.
    """
    del prices
    nobs = len(main.index)
    spells, why = spells_of(plan, main)
    if spells is None:
        return not_testable("H8", why, nobs)
    own, relative, why = largest_moves(plan, sample)
    if own is None:
        return not_testable("H8", why, nobs)
    attach(main, (spells,), seed, n_jobs=n_jobs, progress=progress, label="each episode")
    tests: dict[str, EverySpellTest] = {}
    for what, smallest in (("score", 0.0), ("correlation", plan.sesoi)):
        keys = [f"spell.{label}.{what}" for label in spells.labels]
        tests[what] = every_spell_test(
            np.array([main.statistics[key] for key in keys]),
            np.stack([main.draws[key] for key in keys], axis=1),
            labels=spells.labels,
            smallest=smallest,
            alpha=plan.alpha,
        )
    contrasts = tests["correlation"].spells
    weakest = str(contrasts["estimate"].idxmin())
    null = main.draws[f"spell.{weakest}.correlation"]
    value = float(contrasts["estimate"].min())
    lower, upper = null_interval(value, null)
    low90, high90 = null_interval(value, null, 0.90)
    detail: dict[str, Any] = {
        "episodes": len(spells.labels),
        "weakest": weakest,
        "each episode pvalue": tests["score"].pvalue,
        "counter-examples": int(contrasts["counter-example"].sum()),
        "counter-example": str(contrasts.index[contrasts["counter-example"]][0])
        if contrasts["counter-example"].any()
        else "",
        "moves": own.detail["events"],
        "moves that agree": own.detail["agreements"],
        "moves pvalue": own.pvalue,
        "moves, 95 % upper share": own.detail["share, 95% upper"],
    }
    columns = zip(
        spells.labels, contrasts["estimate"], contrasts["upper bound"], tests["score"].spells["p-value"], strict=True
    )
    for label, estimate, bound, each in columns:
        detail[f"{label} contrast"], detail[f"{label} upper bound"] = float(estimate), float(bound)
        detail[f"{label} pvalue"] = float(each)
    if relative is not None:
        detail["moves against the market that agree"] = relative.detail["agreements"]
        detail["moves against the market pvalue"] = relative.pvalue
    p = float(np.maximum(tests["score"].pvalue, own.pvalue))
    return Evidence(
        "H8",
        value,
        lower,
        upper,
        p,
        normal_mde(null, plan.alpha),
        nobs,
        f"largest p of: each of {len(spells.labels)} episodes (full-pipeline bootstrap, {len(main.draws)} draws), "
        f"agreement of signs in the {own.detail['events']} largest weekly moves of {plan.tech}; estimate is that of "
        "the weakest episode",
        main.coverage.share,
        main.coverage.spells,
        low90,
        high90,
        detail,
    )


def judge_every(one: Evidence, adjusted: float, *, alpha: float, sesoi: float) -> tuple[str, str]:
    """Verdict on H8 and its reason.

    *supported*: every episode and the largest moves reject. *contradicted*: a counter-example, an episode whose
    simultaneous upper bound lies below the smallest effect of interest. *inconclusive*: anything else.
    """
    if math.isnan(one.pvalue):
        return "not testable", one.reason or "the statistic cannot be computed on this sample."
    d = one.detail
    moves = (
        f"{d['moves that agree']} of the {d['moves']} largest weekly moves agree in sign (p = {d['moves pvalue']:.3f})"
    )
    if d["counter-examples"]:
        which = d["counter-example"]
        return "contradicted", (
            f"not every episode: in that of {which} the contrast is {d[f'{which} contrast']:+.2f}, at most "
            f"{d[f'{which} upper bound']:+.2f}, below the smallest effect of interest of {sesoi:.2f}; {moves}."
        )
    weakest = f"the weakest of {d['episodes']} episodes, {d['weakest']}, has {one.estimate:+.2f}"
    if adjusted <= alpha:
        return "supported", f"all episodes stand out: {weakest}, p = {d['each episode pvalue']:.3f}; {moves}."
    return "inconclusive", f"{weakest}, p = {d['each episode pvalue']:.3f}; {moves}."
