"""Whether definitions of a re-rating agree on when it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cryptoequity.claim.rerating import ReRating, Side
from cryptoequity.errors import SpecError
from cryptoequity.table import Table

__all__ = ["Overlap", "overlap_table"]


@dataclass(frozen=True, eq=False)
class Overlap:
    """Agreement of definitions, pair by pair; of `overlap_table`.

    Attributes
    ----------
    definitions : one row a definition: ``definition``, ``coverage``, ``spells``, ``silent`` (share of the sessions on
        which its rule says nothing, which count as outside), ``circularity``, ``real_time``.
    jaccard, kappa : by name and name; NaN where the ratio is 0/0.
    sessions : compared. side : which spells count.
    """

    definitions: pd.DataFrame = field(repr=False)
    jaccard: pd.DataFrame = field(repr=False)
    kappa: pd.DataFrame = field(repr=False)
    sessions: int
    side: str = "both"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a pair: ``jaccard`` and ``kappa``."""
        names = [str(name) for name in self.jaccard.index]
        first, second = np.triu_indices(len(names), 1)
        index = pd.MultiIndex.from_arrays(
            [[names[i] for i in first], [names[j] for j in second]], names=["first", "second"]
        )
        values = {"jaccard": self.jaccard.to_numpy()[first, second], "kappa": self.kappa.to_numpy()[first, second]}
        return pd.DataFrame(values, index)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        pairs = [
            {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
            for row in self.to_frame().reset_index().to_dict("records")
        ]
        rows = {str(name): row for name, row in self.definitions.to_dict("index").items()}
        return {"sessions": self.sessions, "side": self.side, "definitions": rows, "pairs": pairs}

    def summary(self) -> Table:
        """Return coverage, spells and the Jaccard index and kappa (below and above the diagonal) as a table."""
        names = list(self.jaccard.index)
        rows = []
        for i, name in enumerate(names):
            own = self.definitions.loc[name]
            cells = [
                _short(float((self.kappa if j > i else self.jaccard).to_numpy()[i, j])) if i != j else "·"
                for j in range(len(names))
            ]
            rows.append((f"{i + 1} {name}", f"{own['coverage']:.0%}", str(int(own["spells"])), *cells))
        head = ("definition", "coverage", "spells", *(str(i + 1) for i in range(len(names))))
        notes = [
            f"{self.sessions:,} sessions. Jaccard index below the diagonal, Cohen's kappa above; kappa is 0 by chance."
        ]
        for name, own in self.definitions.iterrows():
            if own["silent"] > 0:
                notes.append(f"'{name}' says nothing on {own['silent']:.0%} of the sessions; they count as outside.")
        return Table("Overlap of definitions", head, tuple(rows), tuple(notes))

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary().to_html()


def overlap_table(definitions: Iterable[ReRating], index: pd.DatetimeIndex, side: Side = "both") -> Overlap:
    r"""Compare definitions of a re-rating on the same sessions, pair by pair.

    Of the sets A and B of sessions inside, the Jaccard index is :math:`|A\cap B|/|A\cup B|`, and Cohen's kappa

    .. math:: \kappa=\frac{p_o-p_e}{1-p_e},\qquad p_e=ab+(1-a)(1-b)

    with :math:`p_o` the share of sessions on which they agree and a, b their coverages. Two definitions that cover much
    have a large Jaccard index by chance; kappa is 0 then. It describes and tests nothing: spells are long, and sessions
    are no independent observations.

    Parameters
    ----------
    definitions : two or more, with different names. index : the sessions, without time zone.
    side : "both", "up" or "down", which spells count.

    Returns
    -------
    Overlap

    Raises
    ------
    SpecError : fewer than two definitions, or two of one name.

    Examples
    --------
    >>> import pandas as pd
    >>> import cryptoequity as ce
    >>> sessions = pd.bdate_range("2020-03-23", "2024-12-31")
    >>> years = ce.ReRating.press(years=(2020, 2022, 2024))
    >>> ce.overlap_table([ce.ReRating.press(), years], sessions).to_frame().round(2).values.tolist()
    [[0.7, 0.5]]
    """
    chosen = list(definitions)
    if any(not isinstance(one, ReRating) for one in chosen):
        raise SpecError("definitions must be ReRating, e.g. [ReRating.press(), ReRating.from_dates(...)].")
    if len(chosen) < 2:
        raise SpecError(f"{len(chosen)} definition(s): an overlap needs two.")
    names = [one.name for one in chosen]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SpecError(f"two definitions are called {twice[0]!r}; give them names, name=….")
    inside = np.stack([one.dummy(index, side).to_numpy() for one in chosen])
    many = inside.shape[1]
    cover = inside.mean(axis=1)
    both = inside @ inside.T
    either = many - (1.0 - inside) @ (1.0 - inside).T
    agree = (both + many - either) / many
    chance = np.outer(cover, cover) + np.outer(1.0 - cover, 1.0 - cover)
    jaccard, kappa = np.full_like(both, np.nan), np.full_like(both, np.nan)
    np.divide(both, either, out=jaccard, where=either > 0.0)
    np.divide(agree - chance, 1.0 - chance, out=kappa, where=chance < 1.0)
    silent = [float(np.isnan(one.driver(index).to_numpy()).mean()) if one.by_data else 0.0 for one in chosen]
    rows = pd.DataFrame(
        {
            "definition": [one.definition for one in chosen],
            "coverage": cover,
            "spells": [one.n_spells(index, side) for one in chosen],
            "silent": silent,
            "circularity": [one.circularity for one in chosen],
            "real_time": [one.real_time for one in chosen],
        },
        index=names,
    )
    return Overlap(rows, pd.DataFrame(jaccard, names, names), pd.DataFrame(kappa, names, names), many, side)


def _short(value: float) -> str:
    """Two decimals, blank where undefined."""
    return "" if np.isnan(value) else f"{value:.2f}"
