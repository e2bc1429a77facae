r"""Two simulated worlds with a known truth: ``step`` and ``peaks``.

Prices of two coins, three technology indices, the market and gold on 2,826 weekdays from 2015-01-02 to
2025-10-31. They are simulated, so they can ship with the library and every test can be held against the
truth; their margins and correlations are of the size seen in the markets, rounded. There are no weekends or
holidays in them.

**Margins.** Percent log returns :math:`r_t = \mu + d\,s_t + \sigma_t z_t` with GJR-GARCH(1,1) variance

.. math:: \sigma^2_t = \omega + (\alpha + \gamma 1\{z_{t-1}<0\})\,\sigma^2_{t-1} z^2_{t-1}
   + \beta \sigma^2_{t-1}, \qquad \omega = \sigma^2 (1 - \alpha - \gamma/2 - \beta),

where :math:`s_t \in \{-1, 0, 1\}` is the direction of the re-rating spell, if any.

============ ============ ===== ===== ===== ===== =====================
column       sd (% a day) α     γ     β     μ     d (% a day in spells)
============ ============ ===== ===== ===== ===== =====================
COIN         3.50         0.09  0     0.88  0.100 0
ALTCOIN      4.80         0.10  0     0.86  0.080 0
SMALL_TECH   1.70         0.03  0.10  0.89  0.035 0.18
LARGE_TECH   1.40         0.03  0.12  0.88  0.040 0.22
TECH         1.45         0.03  0.12  0.88  0.040 0.30
MARKET       1.10         0.03  0.14  0.87  0.030 0
GOLD         0.95         0.04  0     0.94  0.020 0
============ ============ ===== ===== ===== ===== =====================

**Innovations.** Jointly Student t with 6 degrees of freedom, scaled to unit variance, with correlation matrix
:math:`R_t` that is constant within a regime. Equity pairs never change: SMALL_TECH with LARGE_TECH and TECH
0.80, with MARKET 0.82; LARGE_TECH with TECH 0.97, with MARKET 0.93; TECH with MARKET 0.92. Gold: 0.05 with
equities, 0.10 with COIN, 0.08 with ALTCOIN. COIN with ALTCOIN 0.75. The crypto-equity pairs:

=========================== ============ ============ ===== ======
COIN (ALTCOIN) with         SMALL_TECH   LARGE_TECH   TECH  MARKET
=========================== ============ ============ ===== ======
both worlds, to 2020-03-15  0.03 (0.03)  0.03 (0.03)  0.03  0.02
``step``, from 2020-03-16   0.35 (0.29)  0.34 (0.28)  0.33  0.30
``peaks``, outside spells   0.25 (0.20)  0.22 (0.18)  0.20  0.20
``peaks``, inside spells    0.60 (0.50)  0.57 (0.48)  0.55  0.45
=========================== ============ ============ ===== ======

(ALTCOIN with TECH and MARKET: 0.03 and 0.02; 0.27 and 0.25; 0.16 and 0.16; 0.46 and 0.38.) So in ``peaks``
COIN's correlation with the technology columns rises by 0.35 inside a spell, ALTCOIN's by 0.30, with MARKET by
0.25 and 0.22; the partial correlation of COIN with SMALL_TECH given MARKET goes from 0.15 to 0.45. In
``step`` spells do nothing.

**Re-rating spells.** Eight, three before the break (60 to 75 sessions) and five after it (110 to 140
sessions, 43 % of the time), alternately up and down. Inside them TECH drifts by 0.30 % a day against MARKET.
Earnings grow smoothly at each index's mean rate, so the multiples ``TECH_PE`` and ``MARKET_PE`` of
`load_multiples` (price over earnings) carry that drift. Before the break a spell changes no correlation in
either world.

Both worlds use the same random numbers: every equity price, gold and the multiples are the same in both, and
only the coins differ, from 2020-03-16 on. The committed script ``tools/make_samples.py`` makes the files. Its
seed is the first one from 20261122 on whose draw shows its truth: every crypto correlation of standardized
returns lies within 0.06 of the true value in every regime, the contrast between spells and other days within
0.05, and a rule that looks back 126 days at the relative multiple flags most days of the spells.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import check_option

__all__ = ["load_multiples", "load_sample", "load_truth"]

Sample = Literal["step", "peaks"]
NAMES = ("step", "peaks")
PRICES = ("COIN", "ALTCOIN", "SMALL_TECH", "LARGE_TECH", "TECH", "MARKET", "GOLD")
MULTIPLES = ("TECH_PE", "MARKET_PE")


def load_sample(name: Sample = "step") -> pd.DataFrame:
    """Return the simulated daily prices of a world.

    Parameters
    ----------
    name : {"step", "peaks"}
        ``step``: crypto-equity correlations rise once, on 2020-03-16. ``peaks``: the same step, and a rise of
        0.35 inside technology re-ratings after it. See `cryptoequity.data.sample` for every true parameter.

    Returns
    -------
    DataFrame, shape (2826, 7)
        Columns COIN ALTCOIN SMALL_TECH LARGE_TECH TECH MARKET GOLD; ``attrs["truth"]`` holds the parameters
        (the same as `load_truth`, without the daily path).

    Examples
    --------
    >>> from cryptoequity.data import load_sample, to_returns
    >>> prices = load_sample("peaks")
    >>> prices.attrs["truth"]["break_date"]
    '2020-03-16'
    >>> to_returns(prices).shape
    (2825, 7)
    """
    frame = _read(name, PRICES)
    frame.attrs["truth"] = _read_truth(name)
    return frame


def load_multiples(name: Sample = "step") -> pd.DataFrame:
    """Return the simulated price-earnings multiples of a world.

    Parameters
    ----------
    name : {"step", "peaks"}
        The multiples are the same in both.

    Returns
    -------
    DataFrame, shape (2826, 2)
        Columns TECH_PE MARKET_PE, on the dates of `load_sample`.
    """
    return _read(name, MULTIPLES)


def load_truth(name: Sample = "step") -> dict[str, Any]:
    """Return what is true in a world, as plain JSON types.

    Returns
    -------
    dict
        ``margins`` (GJR-GARCH parameters by column), ``nu`` (degrees of freedom of the joint t),
        ``break_date``, ``assets`` and ``correlation`` (matrix by regime, in the order of ``assets``),
        ``path`` (regime by segment), ``spells`` (start, end, sessions, sign, after_break), ``spell_drift``,
        ``delta_rho`` (rise inside spells, by coin and equity), and per session ``dates``, ``regime``,
        ``sign`` and ``rho``: the true correlation of COIN with SMALL_TECH.
    """
    truth = _read_truth(name)
    dates = _read(name, MULTIPLES).index
    regime: list[str] = [part["regime"] for part in truth["path"] for _ in range(part["sessions"])]
    sign = pd.Series(0, index=dates)
    for spell in truth["spells"]:
        sign.loc[spell["start"] : spell["end"]] = spell["sign"]
    i, j = truth["assets"].index("COIN"), truth["assets"].index("SMALL_TECH")
    truth["dates"] = [str(date.date()) for date in pd.DatetimeIndex(dates)]
    truth["regime"] = regime
    truth["sign"] = [int(value) for value in sign]
    truth["rho"] = [truth["correlation"][name][i][j] for name in regime]
    return truth


def _read(name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    check_option("name", name, NAMES)
    with (files(__package__) / "samples" / f"{name}.npz").open("rb") as stream, np.load(stream) as stored:
        dates = pd.DatetimeIndex(stored["days"].astype("datetime64[D]").astype("datetime64[ns]"), name="date")
        values = {column: stored[column] / 10.0 ** int(stored[f"{column}.decimals"]) for column in columns}
    return pd.DataFrame(values, index=dates)


def _read_truth(name: str) -> dict[str, Any]:
    check_option("name", name, NAMES)
    text = (files(__package__) / "samples" / f"{name}.json").read_text(encoding="utf-8")
    truth: dict[str, Any] = json.loads(text)
    return truth
