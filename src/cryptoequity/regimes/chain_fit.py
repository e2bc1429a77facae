"""A fitted chain: probabilities of its regimes, how long they last, and their dates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import Estimate, FitMixin
from .chain import Chain
from .emission import Emission
from .likelihood import Inference, RegimeLikelihood, Start, replicated

if TYPE_CHECKING:
    from .spec import RegimeSpec

__all__ = ["KINDS", "ChainFit"]

KINDS = ("filtered", "predicted", "smoothed")


@dataclass(frozen=True, eq=False)
class ChainFit(FitMixin):
    """What a fit says of its regimes, whatever their densities; see `RegimeFit` for the attributes."""

    spec: RegimeSpec
    _estimate: Estimate = field(repr=False)
    theta: Array = field(repr=False)
    likelihood: RegimeLikelihood = field(repr=False)
    index: pd.Index = field(repr=False)
    names: tuple[str, ...]
    starts: tuple[Start, ...] = field(default=(), repr=False)
    drivers: pd.DataFrame | None = field(default=None, repr=False)
    _inference: list[Inference] = field(default_factory=list, repr=False)
    _inputs: dict[str, Any] = field(default_factory=dict, repr=False)

    # --- pieces

    @property
    def estimate(self) -> Estimate:
        """Named parameters and their covariance."""
        return self._estimate

    @property
    def k(self) -> int:
        """Regimes."""
        return self.chain.k

    @property
    def emission(self) -> Emission:
        """Densities by regime, on arrays."""
        return self.likelihood.emission

    @property
    def chain(self) -> Chain:
        """The hidden chain, on arrays."""
        return self.likelihood.chain

    @property
    def inference(self) -> Inference:
        """Filter at the estimates, run once."""
        if not self._inference:
            self._inference.append(self.likelihood.infer(self.theta))
        return self._inference[0]

    @property
    def loglik_obs(self) -> pd.Series:
        """Log-likelihood by date."""
        return pd.Series(self.inference.loglik, self.index, name="loglik")

    @property
    def hqc(self) -> float:
        """Hannan–Quinn criterion."""
        return float(2.0 * np.log(np.log(self.nobs)) * self.estimate.free_count - 2.0 * self.loglikelihood)

    @property
    def regime_names(self) -> list[str]:
        """Labels of the regimes."""
        return [f"regime {j + 1}" for j in range(self.k)]

    @property
    def n_degenerate(self) -> int:
        """Starts that ended in a degenerate solution."""
        return sum(bool(start.reason) for start in self.starts)

    @property
    def n_best_replicated(self) -> int:
        """Climbs from different starts that reached the best log-likelihood, within 1e-4; one alone proves little."""
        return replicated(self.starts)[0]

    @property
    def n_climbs(self) -> int:
        """Starts that were climbed to the end."""
        return replicated(self.starts)[1]

    # --- probabilities

    @property
    def predicted_probabilities(self) -> pd.DataFrame:
        """Pr(S_t = j | data to t - 1), (T, k)."""
        return pd.DataFrame(self.chain.marginal(self.inference.predicted), self.index, self.regime_names)

    @property
    def filtered_probabilities(self) -> pd.DataFrame:
        """Pr(S_t = j | data to t), (T, k)."""
        return pd.DataFrame(self.chain.marginal(self.inference.filtered), self.index, self.regime_names)

    @property
    def smoothed_probabilities(self) -> pd.DataFrame:
        """Pr(S_t = j | all data), (T, k)."""
        return pd.DataFrame(self.chain.marginal(self.inference.smooth()[0]), self.index, self.regime_names)

    def probabilities(self, kind: str = "smoothed") -> pd.DataFrame:
        """Probabilities of the regimes, "filtered", "predicted" or "smoothed", (T, k)."""
        check_option("kind", kind, KINDS)
        out: pd.DataFrame = getattr(self, f"{kind}_probabilities")
        return out

    def viterbi(self) -> pd.Series:
        """The most probable sequence of regimes, numbered from 1, (T,)."""
        return pd.Series(self.chain.now[self.inference.viterbi()[0]] + 1, self.index, name="regime")

    @property
    def transition_matrix(self) -> pd.DataFrame | Array:
        """``P[i, j]`` = Pr(S_t = j | S_{t-1} = i); rows sum to one. (k, k), or an array (T, k, k) with drivers."""
        p = self.chain.matrices(self.likelihood.split(self.theta)[1])
        if self.chain.driven:
            return p
        return pd.DataFrame(p[0], pd.Index(self.regime_names, name="from"), pd.Index(self.regime_names, name="to"))

    @property
    def ergodic_probabilities(self) -> pd.Series:
        """Long-run shares of the regimes; with drivers, at their mean."""
        chain = Chain(self.k, self.chain.z, self.chain.names, self.chain.driven)
        law, _ = chain.start(self.likelihood.split(self.theta)[1])
        return pd.Series(law, self.regime_names, name="ergodic")

    def expected_durations(self, level: float = 0.95) -> pd.DataFrame:
        """Expected dates a regime lasts, 1 / (1 - p_jj), with an interval on the log odds of staying.

        With drivers, at their mean. A regime that is never left has an infinite duration and no interval.
        """
        outer = self.likelihood.split(self.theta)[1]
        middle = self.chain.z.mean(axis=0)
        p = self.chain.at(outer, middle[None])[0]
        slope = self.chain.slope(outer, middle)
        cov = self.estimate.cov[-self.chain.size :, -self.chain.size :]
        half = float(stats.norm.isf((1.0 - level) / 2.0))
        rows = []
        for j in range(self.k):
            stay = p[j, j]
            used = np.abs(slope[j, j]) > 0
            variance = float(slope[j, j][used] @ cov[np.ix_(used, used)] @ slope[j, j][used])
            if stay >= 1.0 or not variance >= 0 or stay <= 0.0:
                rows.append((np.inf if stay >= 1.0 else 1.0 / (1.0 - stay), np.nan, np.nan))
                continue
            odds, error = np.log(stay / (1.0 - stay)), np.sqrt(variance) / (stay * (1.0 - stay))
            # a duration is one plus the odds of staying; an end beyond every number is infinite, which is what is meant
            with np.errstate(over="ignore"):
                ends = 1.0 + np.exp(odds + half * error * np.array([-1.0, 1.0]))
            rows.append((1.0 / (1.0 - stay), float(ends[0]), float(ends[1])))
        return pd.DataFrame(rows, self.regime_names, ["duration", "lower", "upper"])

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Intervals at level ``1 - alpha``: Wald; for probabilities on the logit, so that they stay within (0, 1)."""
        out = super().conf_int(alpha)
        if self.chain.driven:
            return out
        half = float(stats.norm.isf(alpha / 2.0))
        for name in self.estimate.names[-self.chain.size :]:
            p, error = float(self.params[name]), float(self.std_err[name])
            if not 0.0 < p < 1.0 or not np.isfinite(error):
                out.loc[name] = np.nan
                continue
            odds, wide = np.log(p / (1.0 - p)), half * error / (p * (1.0 - p))
            out.loc[name] = [1.0 / (1.0 + np.exp(-(odds - wide))), 1.0 / (1.0 + np.exp(-(odds + wide)))]
        return out

    def rcm(self) -> dict[str, float]:
        r"""Regime classification measures, 0 (every date is sure) to 100 (nothing is).

        ``"ang-bekaert"``: :math:`100k^kT^{-1}\sum_t\prod_jp_{jt}` of the smoothed probabilities, which for two regimes
        is Ang and Bekaert's (2002) :math:`400T^{-1}\sum p(1-p)` and for more is zero once one regime is ruled out;
        ``"baele"``: :math:`100[1-\frac k{k-1}T^{-1}\sum_t\sum_j(p_{jt}-1/k)^2]` (Baele 2005), which is not.
        """
        p = self.smoothed_probabilities.to_numpy()
        k = self.k
        spread = ((p - 1.0 / k) ** 2).sum(axis=1).mean()
        return {
            "ang-bekaert": float(100.0 * k**k * np.prod(p, axis=1).mean()),
            "baele": float(100.0 * (1.0 - k / (k - 1.0) * spread)),
        }

    def regime_dates(self, kind: str = "smoothed", *, min_length: int = 1) -> pd.DataFrame:
        """Spells of the most probable regime: regime, first, last, nobs.

        Parameters
        ----------
        min_length : spells shorter than this are given to the regime before them (to the one after, at the start).
        """
        if not isinstance(min_length, int) or isinstance(min_length, bool) or min_length < 1:
            raise SpecError(f"min_length={min_length!r}: a whole number of dates, at least 1.")
        state = np.asarray(self.probabilities(kind).to_numpy().argmax(axis=1))
        edges = np.flatnonzero(np.diff(state)) + 1
        spells = [[int(part[0]), int(part[-1]) + 1] for part in np.split(np.arange(state.size), edges)]
        kept: list[tuple[int, int, int]] = []
        for first, end in spells:
            number = int(state[first])
            if kept and (end - first < min_length or kept[-1][2] == number):
                kept[-1] = (kept[-1][0], end, kept[-1][2])
            else:
                kept.append((first, end, number))
        if len(kept) > 1 and kept[0][1] - kept[0][0] < min_length:
            kept[:2] = [(kept[0][0], kept[1][1], kept[1][2])]
        rows = [(number + 1, self.index[first], self.index[end - 1], end - first) for first, end, number in kept]
        return pd.DataFrame(rows, columns=["regime", "first", "last", "nobs"])
