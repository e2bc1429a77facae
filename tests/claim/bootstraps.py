"""Bootstraps of the two sample worlds that tests of evidence share; nothing here is a test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

import cryptoequity as ce
from cryptoequity.claim.headline import Headline, Sample, headline, prepare
from cryptoequity.claim.pipeline import Draws

DRAWS = 39


@dataclass(frozen=True, eq=False)
class Boot:
    """What evidence is made of."""

    plan: ce.Plan
    sample: Sample
    main: Headline
    prices: pd.DataFrame


@cache
def _boot(world: str, dated: bool) -> Boot:
    prices = ce.load_sample(world)
    if dated:
        own = prices[["TECH", "MARKET"]].dropna()
        episodes = ce.ReRating.from_relative_strength(own["TECH"], own["MARKET"])
    else:
        spells = ce.load_truth(world)["spells"]
        episodes = ce.ReRating.from_dates([(one["start"], one["end"], one["sign"]) for one in spells])
    plan = ce.Plan(
        crypto="COIN", equity="SMALL_TECH", tech="TECH", market="MARKET", episodes=episodes, draws=DRAWS, rng=1
    )
    returns = ce.to_returns(prices[list(plan.core)], equities=list(plan.equities), sessions=plan.equity, span="common")
    sample = prepare(returns, plan)
    main = headline(plan, sample.window, prices, seed=np.random.SeedSequence(1), minimal=False)
    return Boot(plan, sample, main, prices)


def bootstrap(world: str, dated: bool = False, fresh: bool = False) -> Boot:
    """Bootstrap of ``world``; ``fresh`` without anything attached to it by another test."""
    boot = _boot(world, dated)
    if not fresh:
        return boot
    kept = {name: values for name, values in boot.main.draws.values.items() if not _attached(name)}
    statistics = {name: boot.main.statistics[name] for name in kept}
    return replace(boot, main=replace(boot.main, draws=Draws(kept), statistics=statistics))


def _attached(name: str) -> bool:
    return name.startswith(("peaks.", "dose.", "driver.", "constancy.", "path."))
