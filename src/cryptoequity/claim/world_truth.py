r"""What is true in a simulated world, hypothesis by hypothesis, from the covariance its effects imply.

Two numbers are kept apart. The *contrast* is what an estimator of the plan would converge to; the *effect* is what is
left of it when the effects that only imitate the claim are taken out (volatility, market beta, co-crashes, index
holdings, drifts of the correlation), over the same world without the claim.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..estimation.params import Array
from .world_effects import (
    AltcoinsWeaker,
    Clusters,
    CoCrashes,
    Contamination,
    DoseResponse,
    Effect,
    MarketBeta,
    Peaks,
    Persistent,
    SmallOverLarge,
    Step,
    Trend,
    Unrelated,
    Volatility,
    position,
)
from .world_path import Stage, held, implied_covariance

__all__ = ["truths"]

_IMITATE = (Volatility, Clusters, MarketBeta, CoCrashes, Contamination)
_UNCLAIMED = (*_IMITATE, Trend, Unrelated)
_CLAIMED = (Peaks, DoseResponse, SmallOverLarge, AltcoinsWeaker)
_NOTHING = 0.005  # correlations closer than this count as equal
Mask = npt.NDArray[np.bool_]


def _correlations(cov: Array) -> Array:
    sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
    out: Array = cov / (sd[:, :, None] * sd[:, None, :])
    return out


def _gap(series: Array, inside: Mask, outside: Mask) -> float | None:
    if not inside.any() or not outside.any():
        return None
    return float(series[inside].mean() - series[outside].mean())


def _partial(rho: Array, c: int, e: int, m: int) -> Array:
    given = np.sqrt((1.0 - rho[:, c, m] ** 2) * (1.0 - rho[:, e, m] ** 2))
    out: Array = (rho[:, c, e] - rho[:, c, m] * rho[:, e, m]) / given
    return out


def _bound(cov: Array, rho: Array, c: int, e: int, inside: Mask, outside: Mask) -> float | None:
    """Return Forbes and Rigobon's adjusted contrast, the variances in units of the GARCH ones."""
    if not inside.any() or not outside.any():
        return None
    excess = float(cov[inside, e, e].mean() / cov[outside, e, e].mean()) - 1.0
    high, low = float(rho[inside, c, e].mean()), float(rho[outside, c, e].mean())
    return high / float(np.sqrt(1.0 + excess * (1.0 - high**2))) - low


def _contrasts(
    effects: tuple[Effect, ...], stage: Stage, view: Stage, roles: dict[str, Any]
) -> dict[str, float | None]:
    cov = implied_covariance(effects, stage)
    rho = _correlations(cov)
    late, inside = view.late, view.inside
    outside = late & ~inside
    c, e = position(roles["crypto"]), position(roles["equity"])
    pair = rho[:, c, e]
    out: dict[str, float | None] = {"H1": float(pair[late].mean()) if late.any() else None}
    out["H2"] = _gap(pair, inside, outside)
    out["H3"] = _bound(cov, rho, c, e, inside, outside)
    market = roles["market"]
    if market is not None and market != roles["equity"]:
        out["H4"] = _gap(_partial(rho, c, e, position(market)), inside, outside)
    if roles["large"] is not None:
        out["H5"] = float((pair - rho[:, c, position(roles["large"])])[late].mean()) if late.any() else None
    if roles["altcoins"]:
        others = np.mean([rho[:, position(name), e] for name in roles["altcoins"]], axis=0)
        out["H6"] = float((pair - others)[late].mean()) if late.any() else None
    up, down = (_gap(pair, view.side(side), outside) for side in ("up", "down"))
    out["H7"] = None if up is None or down is None else up - down
    if roles["placebos"] and out["H2"] is not None:
        gaps = [_gap(rho[:, c, position(name)], inside, outside) or 0.0 for name in roles["placebos"]]
        out["H10"] = out["H2"] - float(np.mean(gaps))
    return out


def _rises(value: float | None) -> bool:
    return value is not None and value > _NOTHING


def truths(
    effects: tuple[Effect, ...], stage: Stage, view: Stage, roles: dict[str, Any], *, by_rule: bool = False
) -> dict[str, dict[str, Any]]:
    """Hypothesis to ``{"holds", "effect", "contrast"}``.

    ``holds`` is True, False, or "mechanical" where the contrast is real and something other than the claim makes it.
    Numbers are None where they differ from sample to sample, and with them ``holds`` where the claim's spells and those
    a rule finds overlap by chance.

    Parameters
    ----------
    stage : where the effects lie. view : the sessions and episodes a plan looks at, on the same calendar.
    roles : columns. by_rule : whether the plan dates its episodes from each sample; then those of ``view`` are ignored.
    """
    kept = tuple(one for one in effects if not isinstance(one, _UNCLAIMED))
    bare = tuple(one for one in kept if not isinstance(one, _CLAIMED))
    seen, own, without = (_contrasts(some, stage, view, roles) for some in (effects, kept, bare))
    for key, value in own.items():
        base = without[key]
        own[key] = None if value is None or base is None else value - base
    pair = _correlations(implied_covariance(effects, stage))[:, position(roles["crypto"]), position(roles["equity"])]
    moving = any(isinstance(one, Clusters | Unrelated | DoseResponse) for one in effects)
    # episodes a rule finds lie anywhere: a contrast is known only where the correlation never moves
    moving = moving or (by_rule and bool(np.ptp(pair[view.late]) > _NOTHING))
    clusters = held(effects, Clusters) is not None
    imitated = any(isinstance(one, _IMITATE) for one in effects)
    peaks, dose = held(effects, Peaks), held(effects, DoseResponse)
    peak = isinstance(peaks, Peaks) and _rises(own["H2"])
    answers = by_rule and isinstance(dose, DoseResponse) and dose.size > 0.0
    chance = by_rule and not answers and isinstance(peaks, Peaks) and peaks.size > 0.0
    link = peak or answers or held(effects, MarketBeta) is not None

    def row(key: str, holds: object, known: bool = True) -> dict[str, Any]:
        vague = (answers or chance) and key not in ("H5", "H6")
        return {
            "holds": holds,
            "effect": None if vague else own[key],
            "contrast": seen[key] if known else None,
        }

    def claimed(key: str) -> object:
        if chance:
            return None
        if answers or (peak and _rises(own[key])):
            return True
        fooled = _rises(seen[key]) or (clusters and key in ("H2", "H4", "H10"))
        return "mechanical" if imitated and fooled else False

    out: dict[str, dict[str, Any]] = {}
    early, outside = ~stage.late, stage.late & ~stage.inside
    step = float(pair[stage.late].mean() - pair[early].mean()) if early.any() and stage.late.any() else 0.0
    states = [float(pair[mask].mean()) for mask in (stage.inside, outside) if mask.any()]
    structural = _rises(step) and all(value > _NOTHING for value in states)
    changed = held(effects, Step) is not None or held(effects, Trend) is not None
    tested = pair[stage.late] if stage.late.any() else pair
    out["H0m"] = {
        "holds": bool(np.ptp(tested) > _NOTHING) or moving or held(effects, Persistent) is not None,
        "effect": None,
        "contrast": None,
    }
    out["H1"] = {"holds": structural and changed, "effect": seen["H1"], "contrast": seen["H1"]}
    if structural and not changed:  # a rise only because episodes or holdings begin at the break
        out["H1"]["holds"] = "mechanical" if imitated else True
    out["H2"] = row("H2", claimed("H2"), not moving)
    out["H2x"] = {
        "holds": isinstance(dose, DoseResponse) and dose.size > 0.0,
        "effect": dose.size if isinstance(dose, DoseResponse) else 0.0,
        "contrast": dose.size if isinstance(dose, DoseResponse) else None,
    }
    fooled = imitated and not link and _rises(seen["H3"])
    out["H3"] = row("H3", None if chance else True if link else "mechanical" if fooled else False, not moving)
    if "H4" in seen:
        out["H4"] = row("H4", claimed("H4"), not moving)
    for key, kind in (("H5", SmallOverLarge), ("H6", AltcoinsWeaker)):
        if key in seen:
            true = held(effects, kind) is not None and _rises(own[key])
            fooled = imitated and _rises(seen[key])
            out[key] = row(key, True if true else "mechanical" if fooled else False)
    alike = answers or chance or (seen["H7"] is not None and abs(seen["H7"]) <= _NOTHING)
    if seen["H7"] is None:
        out["H7"] = {"holds": None, "effect": None, "contrast": None}
    else:
        out["H7"] = row("H7", claimed("H2") if alike else False, not moving)
    out["H8"] = {"holds": claimed("H2") if alike else False, "effect": None, "contrast": None}
    if "H10" in seen:
        out["H10"] = row("H10", claimed("H10"), not moving)
    for one in out.values():
        for name in ("effect", "contrast"):
            if one[name] is not None:
                one[name] = round(one[name], 10) + 0.0  # rounding errors of a product are no effect
    return out
