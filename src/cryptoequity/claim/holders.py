r"""Index membership: what H2 and H5 are worth once stocks that hold crypto themselves are out of the equity.

An index that holds such a stock with weight w returns :math:`r_e = r_0 + w'h`, and correlates with the coin through h.
The weight shows in what the stock does on its own: in

.. math:: r_{e,t} = c + w'h_t + \beta_c r_{c,t} + \beta_m r_{m,t} + e_t

the coin and the market are held fixed, so that w is found from the stocks' own news, and a link of the equity with the
coin that has nothing to do with membership is left where it is. Slopes are those of the sessions before t alone;
:math:`r_{e,t}-\hat w_t'h_t` takes the equity's place. A stock whose own news moves small technology for other reasons
makes :math:`\hat w` too large, and too much is taken out: what survives is not membership, what vanishes may have been.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from ..data.returns import to_returns
from ..errors import DataError
from ..estimation.parallel import spawn
from .headline import MIN_SESSIONS, Sample, headline
from .hypotheses import Evidence
from .level import Level, LevelWorld, level_draws
from .paired import rolling_slopes
from .plan import Plan
from .statistics import correlation
from .world import NullWorld

__all__ = ["WINDOW", "membership_weights", "net_of_holders", "net_returns", "small_net_of_holders"]

WINDOW = 126  # sessions behind each slope


def membership_weights(
    returns: pd.DataFrame, equity: str, holders: tuple[str, ...], controls: tuple[str, ...], window: int = WINDOW
) -> pd.DataFrame:
    """Weights of the holders in the equity, (T, M), from the ``window`` sessions before each; NaN at first.

    Parameters
    ----------
    returns : percent returns (T, N). equity, holders, controls : columns; the coin belongs among the controls.

    Raises
    ------
    DataError : too few sessions, or holders and controls that are collinear in a window.
    """
    regressors = [*holders, *controls]
    if len(returns) < window + 2:
        raise DataError(f"{len(returns)} sessions are too few for weights from windows of {window}.")
    try:
        slopes = rolling_slopes(returns[equity].to_numpy(float), returns[regressors].to_numpy(float), window)
    except np.linalg.LinAlgError as error:
        raise DataError(
            f"the columns {regressors} are collinear within a window of {window} sessions; drop one."
        ) from error
    return pd.DataFrame(slopes[:, : len(holders)], returns.index, list(holders))


def net_returns(plan: Plan, prices: pd.DataFrame, equities: tuple[str, ...]) -> pd.DataFrame:
    """Returns of the coin and of ``equities`` less what their holdings of ``plan.holders`` earned, as far as these go.

    Parameters
    ----------
    plan : names the holders. prices : of `test_claim`. equities : to be cleaned.
    """
    controls = tuple(name for name in (plan.crypto, plan.market) if name is not None and name not in equities)
    names = list(dict.fromkeys([plan.crypto, *equities, *plan.holders, *controls]))
    shared = prices[names].dropna()
    if len(shared) < MIN_SESSIONS + WINDOW:
        raise DataError(
            f"{', '.join(plan.holders)} share {len(shared)} sessions with the pair; {MIN_SESSIONS + WINDOW} are needed "
            "to take index membership out."
        )
    stocks = [name for name in names if name != plan.crypto]
    returns = to_returns(prices[names], equities=stocks, sessions=plan.equity, weekend=plan.weekend, span="common")
    out = returns[[plan.crypto, *equities]].astype(float)
    held = returns[list(plan.holders)].to_numpy(float)
    for name in equities:
        weights = membership_weights(returns, name, plan.holders, controls)
        out[name] = returns[name].to_numpy(float) - (weights.to_numpy() * held).sum(axis=1)
    return out.iloc[WINDOW:]


def net_of_holders(
    plan: Plan,
    sample: Sample,
    prices: pd.DataFrame,
    evidence: Evidence,
    seed: np.random.SeedSequence,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Evidence:
    """H2's evidence with the same contrast and test net of the holders in its detail; unchanged without holders.

    Parameters
    ----------
    plan, sample, prices : of `test_claim`. evidence : on H2. seed : of the draws. n_jobs, progress : as there.
    """
    if not plan.holders:
        return evidence
    try:
        clean = net_returns(plan, prices, (plan.equity,))
    except DataError as error:
        return _without(evidence, str(error))
    window = sample.window.loc[sample.window.index.isin(clean.index)].copy()
    if len(window) < MIN_SESSIONS:
        return _without(evidence, f"{len(window)} sessions of the window have the holders; {MIN_SESSIONS} are needed.")
    window[plan.equity] = clean.loc[window.index, plan.equity]
    try:
        net = headline(
            plan, window, prices, seed=seed, minimal=True, n_jobs=n_jobs, progress=progress, label="net of holders"
        )
    except DataError as error:
        return _without(evidence, str(error))
    return replace(
        evidence,
        detail={
            **evidence.detail,
            "net of holders": net.statistics["correlation"],
            "net of holders pvalue": net.pvalue("score"),
            "net of holders, sessions": len(window),
        },
    )


def small_net_of_holders(
    plan: Plan,
    sample: Sample,
    prices: pd.DataFrame,
    evidence: Evidence,
    seed: np.random.SeedSequence,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Evidence:
    """H5's evidence with the same difference net of the holders in its detail; unchanged without holders.

    Parameters
    ----------
    plan, sample, prices : of `test_claim`. evidence : on H5. seed : of the draws. n_jobs, progress : as there.
    """
    if not plan.holders or plan.large is None:
        return evidence
    try:
        clean = net_returns(plan, prices, (plan.equity, plan.large))
    except DataError as error:
        return _without(evidence, str(error))
    clean = clean.loc[clean.index.isin(sample.window.index)]
    if len(clean) < MIN_SESSIONS:
        return _without(evidence, f"{len(clean)} sessions of the window have the holders; {MIN_SESSIONS} are needed.")
    world = NullWorld.fit(clean, {name: plan.margin(name) for name in clean.columns}, plan.dist)
    task = LevelWorld(world, ((0, 1), (0, 2)), (None, None), len(clean))
    draws = level_draws(task, spawn(seed, plan.draws), n_jobs=n_jobs, progress=progress, label="H5 net of holders")
    z = world.z
    gap = Level(correlation(z[:, 0], z[:, 1]) - correlation(z[:, 0], z[:, 2]), draws[:, 0] - draws[:, 1])
    return replace(
        evidence,
        detail={
            **evidence.detail,
            "net of holders": gap.estimate,
            "net of holders pvalue": gap.upper_pvalue(),
            "net of holders, sessions": len(clean),
        },
    )


def _without(evidence: Evidence, why: str) -> Evidence:
    detail = {**evidence.detail, "net of holders": math.nan, "net of holders pvalue": math.nan}
    return replace(evidence, detail={**detail, "net of holders, why not": why})
