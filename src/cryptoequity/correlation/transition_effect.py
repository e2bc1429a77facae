r"""Does a driver move the correlation at all? The likelihood ratio of a smooth transition, with a bootstrap law.

Under a constant correlation :math:`\gamma` and :math:`c` are not identified, so twice the gain in log-likelihood,

.. math:: LR=2\{\max_{\gamma,c,R_1,R_2,\nu}\ell-\max_{R,\nu}\ell\}=\sup_{\gamma,c}LR(\gamma,c),

is the largest of many dependent :math:`\chi^2` statistics and no :math:`\chi^2` itself (Davies 1987; Hansen 1996). Its
law is taken from samples of the fitted null, every step repeated on each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..errors import SpecError, check_option
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array
from ..estimation.results import TestResult
from .bootstrap import draws_from
from .likelihood import CorrelationLikelihood
from .model import PathModel
from .stcc import TransitionFit
from .transition import TransitionLikelihood

__all__ = ["transition_effect_test", "transition_ratio"]

# climbs stop when another step promises less log-likelihood than this, in the data and in every draw
TOL = 1e-6


@dataclass(frozen=True, eq=False)
class _Ratio:
    """Likelihood ratio of residuals (T, N) and drivers (T, M); picklable. The models lend their layout and units."""

    full: TransitionLikelihood = field(repr=False)
    null: TransitionLikelihood = field(repr=False)
    kept: tuple[int, ...]

    def __call__(self, z: Array, driver: Array | None, warm: Any) -> dict[str, float]:
        del warm
        above, below = transition_ratio(self.full.fixed(z, driver), self.null.fixed(z, self.rest(driver)), self.kept)
        place = {f"c{m + 1}": float(c) for m, c in enumerate(self.full.split(above.theta)[2])}
        return {"statistic": 2.0 * (above.loglik - below.loglik), **place}

    def rest(self, driver: Array | None) -> Array | None:
        """The null's drivers."""
        return None if driver is None or not self.kept else np.ascontiguousarray(driver[:, list(self.kept)])


def transition_ratio(
    full: TransitionLikelihood, null: TransitionLikelihood, kept: tuple[int, ...] = ()
) -> tuple[Optimum, Optimum]:
    """Optima of a model and of the same without all transitions but ``kept``; the first is never the lower one."""
    below = maximize(null, list(null.starts()), polish=null.polish, tol=TOL)
    above = maximize(full, list(full.starts()), polish=full.polish, tol=TOL)
    if above.loglik < below.loglik:  # all climbs from the grid went astray: climb from the null itself
        above = maximize(full, [_embed(full, null, below.theta, kept)], tol=TOL)
    return above, below


def _embed(full: TransitionLikelihood, null: TransitionLikelihood, theta: Array, kept: tuple[int, ...]) -> Array:
    """Parameters of ``full`` that are the null's: its regimes repeated, the new transitions halfway and slow."""
    flat, gamma, c = null.split(theta)
    regimes = np.arange(1 << full.count)
    source: npt.NDArray[np.intp] = np.zeros(regimes.size, np.intp)
    if kept:
        source = (regimes >> (full.count - 1 - kept[0])) & 1
    speed = np.ones(full.count)
    place = np.median(full.states, axis=0)
    speed[list(kept)], place[list(kept)] = gamma, c
    return np.concatenate(
        [flat[source].ravel(), np.column_stack([speed, place]).ravel(), theta[null.head + 2 * null.count :]]
    )


def transition_effect_test(
    fit: TransitionFit,
    driver: str | None = None,
    *,
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
    shocks: str = "fhs",
    progress: bool = False,
    null: str | None = None,
) -> TestResult:
    r"""Bootstrap sup-LR test that a driver does not move the correlation.

    Samples are drawn from a fitted DCC(1,1), in which the correlation moves by itself and the driver has no part
    (``null="dcc"``), or from the model without the transition (``null="constant"``: a constant correlation; with two
    transitions and ``driver`` named, the other transition alone): shocks resampled from the data's own or drawn from
    the fitted density, through the fitted margins. On each the margins are fitted again from the parameters that drew
    it, and so are both correlation models with the whole search over :math:`\gamma` and :math:`c`; the p-value is
    (1 + draws at least as large) / (1 + draws).

    A correlation that wanders and a driver that wanders look related in any one history. Against a constant
    correlation that likeness counts as evidence; against the DCC it does not. Ask the first question only of a
    correlation that is known not to move otherwise.

    The drivers are the same in every draw. The test therefore asks whether a sample of returns *independent of this
    history of the driver* would look as driven as the data do. That is right for a driver from outside the
    returns (a valuation, an earnings index, time). For one computed from the returns themselves, such as
    their lagged volatility, the draws cut a link that the data have, and the p-value is not to be trusted.

    Parameters
    ----------
    fit : a fitted `STCC`, `DSTCC` or `BerbenJansen`.
    driver : of two transitions, the one to test given the other ("time" for time); None tests them together.
    draws : samples. rng : seed or generator; the result does not depend on ``n_jobs``.
    shocks : "fhs" (resampled) or "parametric". progress : show a bar.
    null : "dcc" or "constant"; by default "dcc" for the test of all transitions, and the other transition alone for
        that of one given another.

    Returns
    -------
    TestResult : ``detail`` holds the draws ("null"), where the transition was put in the data ("c1") and in the draws
    ("null c1"), and, as a warning, the p-value of a χ² that takes :math:`\gamma` and :math:`c` for known.

    Raises
    ------
    SpecError : another model, a fit that was filtered, an unknown driver, fewer than 19 draws.
    """
    if not isinstance(fit, TransitionFit):
        raise SpecError(f"{fit.spec.name} has no transition to test; fit STCC, DSTCC or BerbenJansen.")
    if fit.optimum is None:
        raise SpecError("this fit was filtered, not fitted, on these dates; test on its own sample.")
    if driver is not None and driver not in fit.drivers:
        raise SpecError(f"no driver {driver!r} in this fit; there are {', '.join(fit.drivers)}.")
    one_of_two = driver is not None and len(fit.drivers) > 1
    world = null or ("constant" if one_of_two else "dcc")
    check_option("null", world, ("dcc", "constant"))
    if one_of_two and world == "dcc":
        raise SpecError("given another transition the null moves with that one; leave null unset.")
    lik = fit.likelihood
    assert isinstance(lik, TransitionLikelihood)  # what the specifications of these fits build
    tested = tuple(range(lik.count)) if driver is None else (fit.drivers.index(driver),)
    kept = tuple(m for m in range(lik.count) if m not in tested)
    # time becomes a column like any other, so that dates held back as lags cannot shift it
    full = lik.explicit()
    base = full.alone(kept[0]) if kept else full.constant()
    ratio = _Ratio(full, base, kept)
    source: PathModel = base
    if world == "dcc":
        source = CorrelationLikelihood(lik.z, dynamic=True, dist="t" if lik.student else "normal", names=lik.names)
    drawn = source.climb(list(source.starts()))
    law = draws_from(
        fit.margins,
        source,
        drawn.theta,
        ratio,
        draws,
        rng,
        n_jobs,
        shocks,
        driver=full.states,
        progress=progress,
    )
    statistic = law.observed["statistic"]
    extra = base.pair_count * ((1 << full.count) - (1 << base.count))
    what = " and ".join(fit.drivers[m] for m in tested)
    given = f", given {fit.drivers[kept[0]]}" if kept else ""
    places = {f"c{m + 1}": law.observed[f"c{m + 1}"] for m in tested}
    return TestResult(
        name="Sup-LR test of a smooth transition in the correlation",
        null=f"{what} {'does' if len(tested) == 1 else 'do'} not move the correlation{given}"
        + ("; it moves as a DCC" if world == "dcc" else ""),
        statistic=statistic,
        pvalue=law.pvalue(),
        reference=f"{law.reference}; {'DCC(1,1)' if world == 'dcc' else 'the model without it'}; drivers held fixed",
        detail={
            **places,
            "critical value 5 %": law.quantile(0.95),
            "χ² p-value, gamma and c taken for known": float(stats.chi2.sf(max(statistic, 0.0), extra)),
            "draws": draws,
            "failed": law.failed["statistic"],
            "null": law.values["statistic"],
            **{f"null {name}": law.values[name] for name in places},
        },
    )
