r"""Is there an effect in *every* episode? An intersection-union test, and the counter-example that refutes it.

"Every" is the intersection of K statements :math:`\delta_k>0`; its opposite is the union of :math:`\delta_k\le0`. Each
must be rejected on its own, so that the p-value is the largest of the K (Berger 1982), without correction. To refute
"every" one episode is enough, but it is chosen among K: its upper bound holds simultaneously at
:math:`1-\alpha/K` each (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from ..estimation.bibliography import citation
from ..estimation.bootstrap import pvalue as drawn_pvalue
from ..estimation.params import Array
from ..estimation.results import TestResult
from .pairs import check_share

__all__ = ["EverySpellTest", "every_spell_test"]


@dataclass(frozen=True, eq=False)
class EverySpellTest(TestResult):
    """Outcome of `every_spell_test`.

    Attributes
    ----------
    spells : by episode the estimate, its p-value, its simultaneous upper bound, and whether it is a counter-example.
    """

    spells: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row an episode."""
        return self.spells

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation("berger1982")


def every_spell_test(
    estimates: Any,
    null: Any,
    *,
    labels: Sequence[object] | None = None,
    smallest: float = 0.0,
    alpha: float = 0.05,
) -> EverySpellTest:
    r"""Test that some episode has no effect, against an effect in every one: the largest of K one-sided p-values.

    Parameters
    ----------
    estimates : (K,) contrasts by episode, such as the level inside it minus the level outside all.
    null : (B, K) the same contrasts of draws in which episodes have no effect; rows are draws.
    labels : (K,) names of the episodes; by default those of the Series, or numbers from 1.
    smallest : an episode is a counter-example when its upper bound lies below this effect. Zero asks for a correlation
        that fell; the smallest effect of interest asks for one that did not rise to speak of.
    alpha : joint level of the upper bounds.

    Returns
    -------
    EverySpellTest : the statistic is the smallest estimate in standard deviations of its draws, the p-value is the
        largest of the K. ``detail`` counts the counter-examples.

    Notes
    -----
    The upper bound inverts the law of the draws, :math:`\hat\delta_k-q_{\alpha/K}(\delta_k^*)`, as if that law only
    moved with the effect. The bound needs :math:`B\ge K/\alpha-1` draws and is NaN, with the reason, below that.

    **Robustness.** It is as good as the draws: GARCH, fat tails and persistent correlation belong in the world that
    makes them. The test is conservative, more so with many episodes, and short ones hardly ever reject: not rejecting
    does not refute "every"; only a counter-example does. Not for estimates whose draws have another law of scale, such
    as contrasts of episodes dated from the series without dating the draws again.

    Raises
    ------
    DataError : shapes that do not match, missing estimates, more than a tenth of the draws missing.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> null = np.random.default_rng(1).standard_normal((999, 3)) * 0.1
    >>> test = ce.every_spell_test([0.4, 0.5, -0.4], null, labels=["2020", "2022", "2024"])
    >>> test.pvalue > 0.5, test.detail["counter-examples"]
    (True, 1)
    """
    names: list[object] | None = list(estimates.index) if isinstance(estimates, pd.Series) else None
    try:
        values = np.asarray(estimates, dtype=np.float64)
        law: Array = np.asarray(null, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"estimates and null must be numbers ({error}).") from error
    if values.ndim != 1 or not values.size:
        raise DataError(f"estimates: one number an episode is wanted, not shape {values.shape}.")
    if law.ndim != 2 or law.shape[1] != values.size:
        raise DataError(
            f"null has shape {law.shape}: it must have one row a draw and one column for each of the {values.size} "
            "episodes."
        )
    if labels is not None:
        names = list(labels)
    names = [str(k) for k in range(1, values.size + 1)] if names is None else [str(one) for one in names]
    if len(names) != values.size or len(set(names)) != len(names):
        raise SpecError(f"labels={names!r}: one name for each of the {values.size} episodes, each once.")
    check_share("alpha", alpha)
    if not np.isfinite(smallest):
        raise SpecError(f"smallest={smallest!r}: a finite effect, such as 0.0.")
    missing = np.flatnonzero(~np.isfinite(values))
    if missing.size:
        raise DataError(f"the estimate of episode {names[missing[0]]!r} is missing; leave it out and say so.")
    usable = np.isfinite(law)
    for k, name in enumerate(names):
        if law.shape[0] - usable[:, k].sum() > 0.1 * law.shape[0]:
            raise DataError(
                f"episode {name!r}: {int(law.shape[0] - usable[:, k].sum())} of {law.shape[0]} draws are missing; its "
                "p-value would be of the draws that happened to work."
            )
    rows, scaled = [], []
    short = False
    for k, value in enumerate(values):
        draws = law[usable[:, k], k]
        spread = float(draws.std()) if draws.size else float("nan")
        if not spread > 0.0:
            raise DataError(f"episode {names[k]!r}: its draws do not vary; they are no law of the contrast.")
        share = alpha / values.size
        enough = share * (draws.size + 1) >= 1.0
        short = short or not enough
        # the order statistic that leaves at most `share` below it: no interpolation beyond the draws
        order = np.sort(draws)
        low = float(order[int(np.floor(share * (draws.size + 1))) - 1]) if enough else float("nan")
        upper = float(value) - low
        rows.append((float(value), drawn_pvalue(float(value), draws), upper, bool(enough and upper < smallest)))
        scaled.append(float(value) / spread)
    table = pd.DataFrame(
        rows, index=pd.Index(names, name="episode"), columns=["estimate", "p-value", "upper bound", "counter-example"]
    )
    weakest = int(np.argmax(table["p-value"].to_numpy()))
    detail: dict[str, Any] = {
        "episodes": int(values.size),
        "weakest episode": names[weakest],
        "its estimate": float(values[weakest]),
        "smallest estimate": float(values.min()),
        "counter-examples": int(table["counter-example"].sum()),
        "smallest effect": float(smallest),
        "level of each bound": 1.0 - alpha / values.size,
        "draws": int(law.shape[0]),
        "draws that failed": int((~usable).any(axis=1).sum()),
    }
    reason = ""
    if short:
        reason = f"upper bounds at {1 - alpha / values.size:.3f} need {int(np.ceil(values.size / alpha)) - 1} draws"
    return EverySpellTest(
        "Effect in every episode (intersection-union)",
        "at least one episode has no effect",
        float(np.min(scaled)),
        float(table["p-value"].max()),
        f"largest of {values.size} one-sided p-values from {law.shape[0]} draws",
        detail,
        reason,
        table,
    )
