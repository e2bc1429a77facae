"""Dates of explosive episodes: runs of a statistic above its critical sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import SpecError
from ..estimation.params import Array

__all__ = ["Episode", "date_episodes", "episode_frame", "shortest_episode"]

Episode = tuple[int, int, int]  # first, peak and last element of a run

COLUMNS = ("start", "peak", "last", "end", "duration", "move", "change", "open")


def shortest_episode(min_duration: str | int, nobs: int) -> float:
    """Fewest dates of an episode: "log" is log T (Phillips, Shi and Yu 2015), a whole number is itself."""
    if isinstance(min_duration, str):
        if min_duration != "log":
            raise SpecError(f"min_duration={min_duration!r}: 'log' or a whole number of dates.")
        return math.log(nobs)
    if not isinstance(min_duration, int | np.integer) or isinstance(min_duration, bool) or min_duration < 1:
        raise SpecError(f"min_duration={min_duration!r}: 'log' or a whole number of dates, at least 1.")
    return float(min_duration)


def date_episodes(statistic: Array, critical: Array, shortest: float = 1.0) -> list[Episode]:
    """Runs of at least ``shortest`` elements with ``statistic`` above ``critical``, both (M,).

    Returns
    -------
    first, peak (where the statistic is largest) and last element of each run.
    """
    above: npt.NDArray[np.bool_] = np.asarray(statistic > critical)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(np.int8)))
    return [
        (int(first), int(first + np.argmax(statistic[first:end])), int(end - 1))
        for first, end in zip(edges[::2], edges[1::2], strict=True)
        if end - first >= shortest
    ]


def episode_frame(episodes: Sequence[Episode], levels: Array, index: pd.Index) -> pd.DataFrame:
    """Episodes with their labels and the move of the series.

    The statistic is the same for y and -y: a collapse is explosive too. The move is therefore read from the series,
    from the last observation before the episode to its peak.

    Parameters
    ----------
    levels : (M + 1,) the series, from the observation before the first date of the statistic.
    index : (M,) labels of the statistic.
    """
    many = len(index)
    rows = []
    for first, peak, last in episodes:
        change = float(levels[peak + 1] - levels[first])
        rows.append(
            {
                "start": index[first],
                "peak": index[peak],
                "last": index[last],
                "end": index[last + 1] if last + 1 < many else None,
                "duration": last - first + 1,
                "move": "up" if change > 0 else "down" if change < 0 else "none",
                "change": change,
                "open": last + 1 == many,
            }
        )
    frame = pd.DataFrame(rows, columns=list(COLUMNS), index=pd.RangeIndex(1, len(rows) + 1, name="episode"))
    if isinstance(index, pd.DatetimeIndex):
        for column in ("start", "peak", "last", "end"):
            frame[column] = pd.DatetimeIndex(frame[column], dtype=index.dtype)
    else:
        frame["end"] = pd.Series([row["end"] for row in rows], frame.index, dtype=object)  # whole numbers stay whole
    return frame
