"""Draw the figure of the README from the embedded samples.

python docs/figures.py        writes docs/_static/two-worlds.png
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

import cryptoequity as ce

OUT = Path(__file__).parent / "_static" / "two-worlds.png"
WORLDS = {
    "step": "step: the correlation rises once; re-ratings do nothing",
    "peaks": "peaks: the correlation rises once, and by another 0.35 inside each re-rating after that",
}


def draw(axes: Axes, world: str) -> None:
    """Estimated and true correlation of COIN and SMALL_TECH, re-rating spells shaded."""
    returns = ce.to_returns(ce.load_sample(world))
    fit = ce.DCC(dist="t").fit(returns[["COIN", "SMALL_TECH"]], margins=ce.GARCH(asymmetric=True, dist="t"))
    path = fit.correlation("COIN", "SMALL_TECH")
    truth = ce.load_truth(world)
    for spell in truth["spells"]:
        axes.axvspan(pd.Timestamp(spell["start"]), pd.Timestamp(spell["end"]), color="0.88", lw=0)
    axes.plot(pd.to_datetime(truth["dates"]), truth["rho"], color="0.35", lw=1.1, label="truth")
    axes.plot(path.index, path, color="#b2182b", lw=1.0, label="DCC-t estimate")
    axes.axhline(0.0, color="0.6", lw=0.6)
    axes.set_ylim(-0.25, 0.85)
    axes.set_title(WORLDS[world], fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    figure, panels = plt.subplots(2, 1, figsize=(9, 5.2), sharex=True, layout="constrained")
    for axes, world in zip(panels, WORLDS, strict=True):
        draw(axes, world)
    panels[0].legend(loc="upper left", frameon=False, fontsize=9, ncols=2)
    figure.supylabel("conditional correlation, COIN and SMALL_TECH", fontsize=9)
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=110, metadata={"Software": None})
    print(f"{OUT.name}: {OUT.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
