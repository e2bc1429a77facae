"""From a plan and its sample to the evidence on each hypothesis."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from ..data.returns import to_returns
from ..errors import LevelsWarning
from ..estimation.bootstrap import null_interval
from ..estimation.parallel import spawn
from ..estimation.results import TestResult
from .associations import Drivers, associations, lagged_drivers, volatility_detail
from .detectable import Detectable, detectable_effect, normal_mde
from .dose import Dose, dose_of, dose_response
from .dynamics import Constancy, varies
from .every import every_episode, spells_of
from .headline import MIN_SESSIONS, Headline, Sample, headline, headline_pair, sessions_of
from .holders import net_of_holders, small_net_of_holders
from .hypotheses import Evidence, not_testable
from .level import Level, LevelWorld, level_contrast, level_draws
from .multiplicity import romano_wolf_test
from .peaks_inside import PeaksInside, peaks_inside
from .pipeline import Extra
from .placement import placebo_test, shift_test
from .plan import Plan
from .sectors import best_sector_test
from .statistics import correlation
from .world import NullWorld

__all__ = ["collect"]

MIN_STATE = 60  # fewest sessions a level of correlation is taken from


def collect(
    plan: Plan,
    sample: Sample,
    prices: pd.DataFrame,
    drivers: pd.DataFrame | None = None,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> tuple[dict[str, Evidence], Headline, Headline | None, Detectable, dict[str, TestResult]]:
    """All hypotheses the plan allows, the bootstraps behind them, and the placement tests beside the headline."""
    seeds = spawn(plan.rng, 14)  # the fourth is the break's
    run: _Run = {"n_jobs": n_jobs, "progress": progress}
    extras = partial(_extras, plan, sample, prices, drivers)
    main = headline(plan, sample.window, prices, seed=seeds[0], extras_of=extras, **run)
    pair_plan = headline_pair(main)
    reach = detectable_effect(
        pair_plan, main.main, main.draws["score"], alpha=plan.alpha, rng=seeds[1], n_jobs=n_jobs, progress=progress
    )
    placement = _placement(plan, main, seeds[5])
    out: dict[str, Evidence] = {}
    out["H0m"] = varies(plan, sample, main, prices, seeds[7], **run)
    out["H1"] = _structural(plan, sample, main)
    out["H2"] = net_of_holders(plan, sample, prices, _peak("H2", main, reach.effect, placement), seeds[8], **run)
    out["H2p"] = peaks_inside(plan, sample, main, prices, seeds[6], **run)
    out["H2x"] = dose_response(plan, sample, main, prices, seeds[9], **run)
    link = _link(plan, main)
    volatility = volatility_detail(plan, sample, main, prices, drivers, seeds[10], **run)
    out["H3"] = replace(link, detail={**link.detail, **volatility})
    out["H4"] = _partial(plan, main)
    small = small_net_of_holders(plan, sample, prices, _small_over_large(plan, main), seeds[11], **run)
    out["H5"] = replace(small, detail={**small.detail, **_best_sector(plan, sample, prices, seeds[13], n_jobs)})
    out["H6"] = _altcoins(plan, sample, seeds[4], n_jobs, progress)
    out["H7"] = _sides(plan, main)
    out["H8"] = every_episode(plan, sample, main, prices, seeds[6], **run)
    out["H9"] = associations(plan, sample, main, prices, drivers, seeds[12], **run)
    out["H10"] = _specific(plan, main)
    later, out["H11"] = _after_publication(plan, sample, prices, seeds[2], n_jobs, progress)
    return out, main, later, reach, placement


class _Run(TypedDict):
    n_jobs: int | None
    progress: bool


def _extras(
    plan: Plan, sample: Sample, prices: pd.DataFrame, drivers: pd.DataFrame | None, seen: Headline
) -> tuple[Extra, ...]:
    """Statistics of the tested pair that hypotheses other than H2 need from the same draws."""
    extras: list[Extra] = [Constancy(plan.dist), PeaksInside()]
    intensity, _ = dose_of(plan, sample, seen, prices)
    if intensity is not None:
        extras.append(Dose(intensity))
    spells, _ = spells_of(plan, seen)
    if spells is not None:
        extras.append(spells)
    if drivers is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LevelsWarning)  # said once, where the drivers are judged
            lagged = lagged_drivers(plan, sample, prices, drivers)
        extras.append(Drivers(tuple(map(str, lagged.columns)), lagged.to_numpy()))
    return tuple(extras)


def _placement(plan: Plan, main: Headline, seed: np.random.SeedSequence) -> dict[str, TestResult]:
    signed = main.pipeline.signed
    dummy = np.abs(signed)
    valid = ~np.isnan(dummy)
    c, e = main.pipeline.crypto, main.pipeline.equity
    product = main.pipeline.world.z[:, c] * main.pipeline.world.z[:, e]
    series = {"score": main.main.score, "product": product}
    out = {
        f"{kind} shift, {what}": shift_test(values[valid], dummy[valid], kind=kind, what=what)
        for kind in ("circular", "linear")
        for what, values in series.items()
    }
    out["placebo episodes, score"] = placebo_test(
        main.main.score, plan.episodes, main.index, draws=plan.draws, rng=seed, guard=plan.guard, what="score"
    )
    out["level contrast, product (cosine t)"] = level_contrast(product[valid], dummy[valid], what="product")
    return out


def _bootstrap_evidence(
    key: str, main: Headline, statistic: str, estimate: str, mde: float, method: str, detail: dict[str, Any]
) -> Evidence:
    value, null = main.statistics[estimate], main.draws[estimate]
    lower, upper = null_interval(value, null)
    low90, high90 = null_interval(value, null, 0.90)
    p = main.pvalue(statistic)
    lost = int(np.sum(~np.isfinite(main.draws[statistic])))
    if lost:
        detail = {**detail, "draws without a statistic": lost}
    return Evidence(
        key,
        value,
        lower,
        upper,
        p,
        mde,
        len(main.index),
        method,
        main.coverage.share,
        main.coverage.spells,
        low90,
        high90,
        detail,
        "the statistic is not defined on this sample." if math.isnan(p) else "",
    )


def _method(main: Headline, what: str) -> str:
    dated = "episodes re-dated" if main.pipeline.redating is not None else "episodes fixed"
    return f"{what}; full-pipeline bootstrap, {len(main.draws)} draws, {dated}"


def _peak(key: str, main: Headline, mde: float, placement: dict[str, TestResult]) -> Evidence:
    detail: dict[str, Any] = {
        "score": main.statistics["score"],
        "product": main.statistics["product"],
        "raw": main.statistics.get("raw", math.nan),
        "bootstrap correlation pvalue": main.pvalue("correlation"),
        "bootstrap product pvalue": main.pvalue("product"),
    }
    detail.update({f"{name} pvalue": test.pvalue for name, test in placement.items()})
    return _bootstrap_evidence(key, main, "score", "correlation", mde, _method(main, "DCC score contrast"), detail)


def _link(plan: Plan, main: Headline) -> Evidence:
    """H3: what is left of the contrast of raw returns after Forbes and Rigobon's adjustment.

    The adjustment is exact where volatility alone rose and takes too much where anything else did: a contrast that
    survives it is not made by volatility. The change of slope asks the same with less power and stands beside it.
    """
    detail = {
        "raw contrast": main.statistics["raw"],
        "slope change": main.statistics["beta"],
        "slope t (HC0)": main.statistics["beta.t"],
        "slope pvalue": main.pvalue("beta.t"),
    }
    method = _method(main, "contrast of raw returns after the Forbes-Rigobon adjustment")
    mde = normal_mde(main.draws["bound"], plan.alpha)
    return _bootstrap_evidence("H3", main, "bound", "bound", mde, method, detail)


def _partial(plan: Plan, main: Headline) -> Evidence:
    if main.pipeline.market < 0:
        reason = (
            "the plan names no market."
            if plan.market is None
            else f"the market {plan.market!r} is itself the tested equity."
        )
        return not_testable("H4", reason, len(main.index))
    mde = normal_mde(main.draws["partial.correlation"], plan.alpha)
    method = _method(main, f"score contrast of the partial correlation given {plan.market}")
    return _bootstrap_evidence("H4", main, "partial.score", "partial.correlation", mde, method, {})


def _sides(plan: Plan, main: Headline) -> Evidence:
    signed = main.pipeline.signed
    unsigned = sum(spell.sign == 0 for spell in plan.episodes.dated)
    if unsigned:
        return not_testable(
            "H7", f"{unsigned} of the {len(plan.episodes.dated)} spells have no direction (sign 0).", len(main.index)
        )
    if not ((signed == 1.0).any() and (signed == -1.0).any()):
        side = "upward" if (signed == 1.0).any() else "downward"
        return not_testable("H7", f"all episodes in the sample are {side} re-ratings.", len(main.index))
    up, down = main.pvalue("up.score"), main.pvalue("down.score")
    detail = {
        "up": main.statistics["up.correlation"],
        "down": main.statistics["down.correlation"],
        "up.pvalue": up,
        "down.pvalue": down,
        "difference.pvalue": main.pvalue("sides.correlation", "two"),
    }
    null = main.draws["sides.correlation"]
    evidence = _bootstrap_evidence(
        "H7",
        main,
        "sides.correlation",
        "sides.correlation",
        normal_mde(null, plan.alpha / 2.0),
        _method(main, "both sides must rise (largest of two p-values); estimate is up minus down"),
        detail,
    )
    # unlike max(), NaN where either side has no p-value
    return replace(evidence, pvalue=float(np.maximum(up, down)))


def _specific(plan: Plan, main: Headline) -> Evidence:
    if not plan.placebos:
        return not_testable("H10", "the plan names no placebo asset.", len(main.index))
    places = main.pipeline.placebos
    detail: dict[str, Any] = {}
    for name, k in zip(plan.placebos, places, strict=True):
        detail[f"{name} contrast"] = main.statistics[f"placebo.{k}.correlation"]
        detail[f"{name} pvalue"] = main.pvalue(f"placebo.{k}.score")
    for what in ("score", "correlation"):
        keys = [f"placebo.{k}.{what}" for k in places]
        main.statistics[f"specific.{what}"] = main.statistics[what] - float(
            np.mean([main.statistics[key] for key in keys])
        )
        main.draws.values[f"specific.{what}"] = main.draws[what] - np.mean([main.draws[key] for key in keys], axis=0)
    mde = normal_mde(main.draws["specific.correlation"], plan.alpha)
    method = _method(main, "score contrast beyond the mean of the placebos")
    return _bootstrap_evidence("H10", main, "specific.score", "specific.correlation", mde, method, detail)


def _level_evidence(
    key: str, level: Level, p: float, nobs: int, method: str, alpha: float, detail: dict[str, Any]
) -> Evidence:
    lower, upper = level.interval()
    low90, high90 = level.interval(0.90)
    return Evidence(
        key,
        level.estimate,
        lower,
        upper,
        p,
        normal_mde(level.draws, alpha),
        nobs,
        method,
        low90=low90,
        high90=high90,
        detail=detail,
    )


def _level(main: Headline, name: str) -> Level:
    return Level(main.statistics[name], main.draws[name])


def _structural(plan: Plan, sample: Sample, main: Headline) -> Evidence:
    nobs = len(main.index)
    if sample.break_date is None or sample.step is None:
        why = "no break was found" if plan.break_date == "estimate" else "the plan has no break date"
        return not_testable("H1", f"{why}, so there is no level before and after to compare.", nobs)
    position = len(sample.full) - len(sample.window)
    if position < MIN_STATE:
        return not_testable("H1", f"only {position} sessions before the break; {MIN_STATE} are needed.", nobs)
    after = _level(main, "level")
    pieces = {"break": sample.step_pvalue, "after": after.upper_pvalue()}
    detail: dict[str, Any] = {"step": sample.step.estimate}
    detail["step lower"], detail["step upper"] = sample.step.interval()
    dummy = np.abs(main.pipeline.signed)
    spells = [name for name, state in (("inside", 1.0), ("outside", 0.0)) if (dummy == state).sum() >= MIN_STATE]
    for name in spells:
        level = _level(main, f"level.{name}")
        pieces[name], detail[name] = level.upper_pvalue(), level.estimate
    if sample.break_test is not None:
        detail["sup-F pvalue"] = sample.break_test.pvalue
        pieces["break"] = sample.break_test.pvalue
    detail.update({f"{name} pvalue": value for name, value in pieces.items()})
    parts = "".join(f", {name} the episodes" for name in spells)
    method = f"largest p of: step at the break, level after it{parts}; bootstrap, {len(main.draws)} draws"
    p = float(np.max(list(pieces.values())))  # NaN where a piece has none
    return _level_evidence("H1", after, p, nobs, method, plan.alpha, detail)


def _small_over_large(plan: Plan, main: Headline) -> Evidence:
    if plan.large is None:
        return not_testable("H5", "the plan names no large-cap technology column.", len(main.index))
    small, large = _level(main, "level"), _level(main, "level.large")
    gap = Level(small.estimate - large.estimate, small.draws - large.draws)
    detail = {plan.equity: small.estimate, plan.large: large.estimate}
    method = f"paired difference of correlations; bootstrap, {len(main.draws)} draws"
    return _level_evidence("H5", gap, gap.upper_pvalue(), len(main.index), method, plan.alpha, detail)


def _best_sector(
    plan: Plan, sample: Sample, prices: pd.DataFrame, seed: np.random.SeedSequence, n_jobs: int | None
) -> dict[str, Any]:
    """The set of sectors that holds the best, for H5's detail; JPMorgan's word is "highest" among sectors."""
    if not plan.sectors:
        return {}
    named = (plan.equity, plan.large, plan.tech, plan.market, *plan.sectors)
    sectors = list(dict.fromkeys(name for name in named if name is not None))
    returns = to_returns(
        prices[[plan.crypto, *sectors]], equities=sectors, sessions=plan.equity, weekend=plan.weekend, span="common"
    )
    returns = returns.loc[returns.index.isin(sample.window.index)]
    if len(returns) < MIN_SESSIONS:
        return {"sectors": f"they share {len(returns)} sessions of the window; {MIN_SESSIONS} are needed."}
    draws = max(plan.draws, 99)
    test = best_sector_test(
        returns, plan.crypto, sectors, alpha=plan.alpha, draws=draws, rng=np.random.default_rng(seed), n_jobs=n_jobs
    )
    table = test.frame
    return {
        "sectors": {str(name): float(value) for name, value in table["correlation"].items()},
        "highest sector": str(table.index[0]),
        "sectors that may be the highest": list(test.members),
        "sectors equal, pvalue": test.pvalue,
        "expected luck of the highest": test.curse,
        "rank of the tested equity": int(table["rank"].to_dict()[plan.equity]),
        "tested equity may be the highest": plan.equity in test.members,
    }


def _altcoins(plan: Plan, sample: Sample, seed: np.random.SeedSequence, n_jobs: int | None, progress: bool) -> Evidence:
    if not plan.altcoins:
        return not_testable("H6", "the plan names no altcoins.", len(sample.window))
    coins = sample.coins
    if coins is None or len(coins) < MIN_SESSIONS:
        nobs = 0 if coins is None else len(coins)
        return not_testable(
            "H6", f"the altcoins share fewer than {MIN_SESSIONS} sessions of the window with the pair.", nobs
        )
    names = [plan.crypto, plan.equity, *plan.altcoins]
    world = NullWorld.fit(coins[names], {name: plan.margin(name) for name in names}, plan.dist)
    pairs = ((0, 1), *((k, 1) for k in range(2, len(names))))
    task = LevelWorld(world, pairs, (None,) * len(pairs), len(coins), basket=tuple(range(2, len(names))))
    draws = level_draws(task, spawn(seed, plan.draws), n_jobs=n_jobs, progress=progress, label="altcoins")
    values = np.array([correlation(world.z[:, i], world.z[:, j]) for i, j in pairs])
    detail: dict[str, Any] = {}
    for k, name in enumerate(plan.altcoins, start=1):
        gap = Level(float(values[0] - values[k]), draws[:, 0] - draws[:, k])
        detail[f"main minus {name}"], detail[f"{name} pvalue"] = gap.estimate, gap.upper_pvalue()
    basket = correlation(world.z[:, 2:].mean(axis=1), world.z[:, 1])
    gap = Level(float(values[0]) - basket, draws[:, 0] - draws[:, -1])
    detail["main minus equal-weighted basket"], detail["basket pvalue"] = gap.estimate, gap.upper_pvalue()
    if len(plan.altcoins) > 1:
        gaps = {
            name: Level(float(values[0] - values[k]), draws[:, 0] - draws[:, k])
            for k, name in enumerate(plan.altcoins, 1)
        }
        family = romano_wolf_test(
            {name: one.estimate for name, one in gaps.items()}, {name: one.noise for name, one in gaps.items()}
        )
        for coin, p in family.frame["romano_wolf"].items():
            detail[f"{coin} pvalue, Romano-Wolf"] = float(p)
    # the claim is about the altcoins on average: the mean gap
    mean = Level(float(values[0] - values[1:].mean()), draws[:, 0] - draws[:, 1:-1].mean(axis=1))
    method = f"mean paired difference of correlations over the altcoins; bootstrap, {len(draws)} draws"
    return _level_evidence("H6", mean, mean.upper_pvalue(), len(coins), method, plan.alpha, detail)


def _after_publication(
    plan: Plan,
    sample: Sample,
    prices: pd.DataFrame,
    seed: np.random.SeedSequence,
    n_jobs: int | None,
    progress: bool,
) -> tuple[Headline | None, Evidence]:
    nobs = len(sample.after)
    if plan.published is None:
        return None, not_testable("H11", "the plan names no publication date.")
    if nobs < MIN_SESSIONS:
        return None, not_testable(
            "H11", f"only {nobs} sessions after {plan.published}; {MIN_SESSIONS} are needed.", nobs
        )
    share = plan.episodes.coverage(sessions_of(sample.after))
    if not 0.0 < share < 1.0:
        which = "none" if share == 0.0 else "all"
        return None, not_testable(
            "H11", f"the frozen episodes cover {which} of the {nobs} sessions after {plan.published}.", nobs
        )
    later = headline(plan, sample.after, prices, seed=seed, n_jobs=n_jobs, progress=progress, label="after publication")
    found = _peak("H11", later, normal_mde(later.draws["correlation"], plan.alpha), {})
    detail = {**found.detail, "bound pvalue": later.pvalue("bound")}
    if later.pipeline.market >= 0:
        detail["partial pvalue"] = later.pvalue("partial.score")
    return later, replace(found, detail=detail)
