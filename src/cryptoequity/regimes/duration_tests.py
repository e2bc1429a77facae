"""Test that the chance that a regime ends does not depend on how long it has lasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import ConvergenceError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import pvalue as drawn_pvalue
from ..estimation.optimize import maximize
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import Drawn, TestResult
from .duration import DurationDependence, DurationFit
from .duration_chain import DurationChain, DurationLikelihood, climb_durations, plain_chain
from .effects import Held
from .emission import Emission
from .fit import draw_states
from .likelihood import RegimeLikelihood, climb_regimes
from .nested_chains import rebuild

__all__ = ["DurationTest", "duration_dependence_test"]

METHODS = ("lr", "wald", "bootstrap")


@dataclass(frozen=True, eq=False)
class DurationTest(TestResult, Drawn):
    """Outcome of `duration_dependence_test`.

    Attributes
    ----------
    fit : the model with durations. coefficients : estimate, std_err, z and pvalue of each slope. draws : statistics
        under the null, bootstrap only.
    """

    fit: DurationFit | None = field(default=None, repr=False)
    coefficients: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    draws: Array = field(default_factory=lambda: np.empty(0), repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The slopes."""
        return self.coefficients

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation("durlandmccurdy1994")


def slopes_of(lik: RegimeLikelihood) -> list[int]:
    """Positions of the slopes in duration."""
    return [n for n, name in enumerate(lik.layout.names) if n >= lik.inside and name.endswith(".duration")]


@dataclass(frozen=True, eq=False)
class DurationDraw:
    """One draw from the plain chain, both models fitted, their ratio (NaN where a fit fails)."""

    emission: Emission
    chain: DurationChain
    theta: Array
    starts: int

    def __call__(self, seed: np.random.SeedSequence) -> float:
        """Ratio of the draw of ``seed``."""
        rng = np.random.default_rng(seed)
        plain = plain_chain(self.chain)
        inner = self.theta[: -plain.size]
        outer = self.theta[-plain.size :]
        states = draw_states(plain.matrices(outer), plain.start(outer)[0], plain.nobs, rng)
        fresh = rebuild(self.emission, self.emission.simulate(inner, states, rng))
        try:
            return likelihood_ratio(fresh, self.chain, self.starts, rng, self.theta)
        except (ConvergenceError, np.linalg.LinAlgError):
            return float("nan")


def likelihood_ratio(
    emission: Emission, chain: DurationChain, starts: int, rng: np.random.Generator, warm: Array | None = None
) -> float:
    """Twice the gain from durations; each model is climbed from the other's optimum too."""
    lik = DurationLikelihood(emission, chain)
    plain = RegimeLikelihood(emission, plain_chain(chain))
    small, _ = climb_regimes(plain, starts, rng, warm=warm)
    large, _ = climb_durations(lik, starts, rng, warm=lik.embed(small.theta))
    zeroed = large.theta.copy()
    zeroed[slopes_of(lik)] = 0.0
    null, _ = Held(lik, dict.fromkeys(slopes_of(lik), 0.0)).climb([zeroed, lik.embed(small.theta)])
    return 2.0 * (max(large.loglik, null) - null)


def duration_dependence_test(
    data: Any,
    spec: DurationDependence,
    *,
    method: str = "lr",
    transitions: Sequence[tuple[int, int]] | None = None,
    draws: int = 199,
    starts: int = 20,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
    **options: Any,
) -> DurationTest:
    r"""Test whether the chance that a regime ends does not depend on how long it has lasted, :math:`\delta_{ij,1}=0`.

    Parameters
    ----------
    data, spec : what ``spec.fit`` takes.
    method : "lr" and "wald" on :math:`\chi^2`; "bootstrap" draws from the fitted chain without durations and fits both
        models to every draw.
    transitions : (from, to), numbered from 1, whose slopes are tested; all by default, and always with "bootstrap".
    draws, starts, rng, n_jobs : of the bootstrap; of every search; seed; workers. options : passed on to ``spec.fit``.

    Notes
    -----
    **Robustness.** Regular, since the regimes exist under the null; but every spell of a regime is one observation, and
    ten of them say little. Volatility that decays after a jump, as under GARCH, looks like regimes with an age when
    variances switch: use ``densities="correlation"`` then, on residuals. Margins are taken as known by the ratio.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> ce.duration_dependence_test(returns, ce.DurationDependence(longest=10), starts=4).reference
    'chi2(2)'
    """
    check_option("method", method, METHODS)
    if not isinstance(spec, DurationDependence):
        raise SpecError(f"spec must be a DurationDependence, not {type(spec).__name__}.")
    if method == "bootstrap" and (not isinstance(draws, int) or isinstance(draws, bool) or draws < 19):
        raise SpecError(f"draws={draws!r}: at least 19, the fewest that can reach 5 %.")
    pairs = [(i, j) for i in range(1, spec.k + 1) for j in range(1, spec.k + 1) if i != j]
    wanted = pairs if transitions is None else [(int(i), int(j)) for i, j in transitions]
    if not wanted or any(pair not in pairs for pair in wanted) or (method == "bootstrap" and len(wanted) < len(pairs)):
        raise SpecError(
            f"transitions={transitions!r}: a list of (from, to) among {pairs}; all of them for a bootstrap."
        )
    generator = np.random.default_rng(rng)
    options.setdefault("cov_type", "classic")  # sandwiches are too small with few transitions
    fit = spec.fit(data, starts=starts, rng=generator, **options)
    lik = fit.likelihood
    assert isinstance(lik, DurationLikelihood)
    names = [f"delta[{i},{j}].duration" for i, j in wanted]
    table = pd.DataFrame({"estimate": fit.params[names], "std_err": fit.std_err[names]})
    table["z"] = table["estimate"] / table["std_err"]
    table["pvalue"] = 2.0 * stats.norm.sf(table["z"].abs())
    moves = fit.inference.smooth()[1].sum(axis=0)
    detail: dict[str, Any] = {
        "df": len(names),
        "longest": spec.longest,
        "expected transitions": float(moves.sum() - np.trace(moves)),
    }
    base = DurationTest(
        f"Test of duration dependence, {'likelihood ratio' if method == 'lr' else method}",
        "the chance that a regime ends does not depend on how long it has lasted.",
        float("nan"),
        float("nan"),
        f"chi2({len(names)})",
        detail,
        "",
        fit,
        table,
    )
    if method == "wald":
        cov = fit.cov.loc[names, names].to_numpy(float)
        if not np.isfinite(cov).all():
            return replace(base, reason="a slope is on its bound and has no standard error; use method='lr'")
        estimate = table["estimate"].to_numpy()
        value = float(estimate @ np.linalg.solve(cov, estimate))
        return replace(base, statistic=value, pvalue=float(stats.chi2.sf(value, len(names))))
    held = {lik.layout.names.index(name): 0.0 for name in names}
    zeroed = fit.theta.copy()
    zeroed[list(held)] = 0.0
    plain = RegimeLikelihood(fit.emission, plain_chain(lik.chain))
    small, _ = climb_regimes(plain, starts, generator)
    null, _ = Held(lik, held).climb([zeroed, lik.embed(small.theta)])
    top = maximize(lik, [fit.theta]).loglik
    value = 2.0 * (max(top, null) - null)
    detail |= {"loglik, null": null, "loglik, alternative": max(top, null)}
    chance = float(stats.chi2.sf(value, len(names)))
    if method == "lr":
        return replace(base, statistic=value, pvalue=chance, detail=detail)
    one = DurationDraw(fit.emission, lik.chain, small.theta, max(2, starts // 4))
    law = np.array(map_draws(one, spawn(generator, draws), n_jobs=n_jobs))
    good = law[np.isfinite(law)]
    if good.size < 0.9 * draws:
        raise ConvergenceError(f"{draws - good.size} of {draws} draws have no fit; use fewer regimes.")
    detail |= {"chi-squared p-value": chance}
    return replace(
        base,
        statistic=value,
        pvalue=drawn_pvalue(value, law),
        reference=f"{good.size} draws from the null",
        detail=detail,
        draws=law,
    )
