"""The specification curve: the same contrast under other definitions, edges and equities."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .headline import Sample, sessions_of, window_residuals
from .placement import shift_test
from .plan import Plan
from .statistics import correlation_contrast

__all__ = ["specification_curve"]


def specification_curve(plan: Plan, sample: Sample) -> pd.DataFrame:
    """In/out contrasts under other definitions, edges and equities, with circular-shift p-values.

    Columns: definition, equity, edges, estimate, pvalue, coverage. The p-values of definitions dated from the
    tested sample are too small; they are for orientation and never mined.
    """
    equities = [plan.equity, *[n for n in (plan.tech, plan.large, plan.market) if n is not None and n != plan.equity]]
    equities = list(dict.fromkeys(equities))
    z = window_residuals(plan, sample.window, [plan.crypto, *equities])
    index = sessions_of(sample.window)
    rows = []
    for episodes in (plan.episodes, *plan.alternatives):
        base = episodes.dummy(index).to_numpy(float)
        for moved in (-21, -10, 0, 10, 21):
            dummy = np.zeros_like(base)
            if moved >= 0:
                dummy[moved:] = base[: base.size - moved]
            else:
                dummy[:moved] = base[-moved:]
            if not 30 <= dummy.sum() <= dummy.size - 30:
                continue
            for equity in equities:
                x, y = z[plan.crypto], z[equity]
                rows.append(
                    {
                        "definition": episodes.name,
                        "equity": equity,
                        "edges": moved,
                        "estimate": correlation_contrast(x, y, dummy),
                        "pvalue": shift_test(x * y, dummy).pvalue,
                        "coverage": float(dummy.mean()),
                    }
                )
    columns = ["definition", "equity", "edges", "estimate", "pvalue", "coverage"]
    return pd.DataFrame(rows, columns=columns)
