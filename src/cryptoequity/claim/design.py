"""`power`: what a plan says in samples of a world, how often, and how far off."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import CryptoEquityError, SpecError
from ..estimation.parallel import map_draws, spawn
from ..table import Table
from .hypotheses import VERDICTS
from .plan import Plan
from .rerating import ReRating
from .verdict import test_claim
from .world_effects import COLUMNS
from .worlds import World

__all__ = ["OneSample", "Power", "power"]

_NUMBERS = ("estimate", "lower", "upper", "pvalue", "pvalue_adjusted", "mde")


@dataclass(frozen=True, eq=False)
class OneSample:
    """The plan carried out on one sample of the world: a picklable function of a seed.

    Attributes
    ----------
    plan, world : as in `power`.
    """

    plan: Plan
    world: World

    def __post_init__(self) -> None:
        if not isinstance(self.plan, Plan):
            raise SpecError(f"the plan is a {type(self.plan).__name__}; build one with cryptoequity.Plan(...).")
        if not isinstance(self.world, World):
            raise SpecError(f"the world is a {type(self.world).__name__}; build one with cryptoequity.World.")
        columns = self.world.columns
        missing = [name for name in self.plan.columns if name not in columns]
        if missing:
            raise SpecError(
                f"the plan names column {missing[0]!r}, which the world does not have; it has {', '.join(columns)}."
            )
        if self.plan.drivers:
            raise SpecError(
                f"the plan reads drivers {self.plan.drivers!r}, which a world does not simulate; "
                "ask with dataclasses.replace(plan, drivers=(), volatility=None)."
            )
        for one in self._lists():
            if one.by_data and one.definition != "relative-strength":
                raise SpecError(
                    f"episodes '{one.name}' are dated from a {one.definition}, which a world does not simulate; date "
                    "them by relative strength, or give a fixed list."
                )
            if one.by_data and (self.plan.tech is None or self.plan.market is None):
                raise SpecError(f"episodes '{one.name}' are dated by a rule: name the plan's tech and market columns.")

    def _lists(self) -> list[ReRating]:
        plan = self.plan
        return [plan.episodes, *plan.alternatives, *([] if plan.dose is None else [plan.dose])]

    def planned(self, prices: pd.DataFrame, seed: int) -> Plan:
        """Return the plan for one sample: its own seed, and rules applied to its own prices."""
        plan = self.plan

        def again(one: ReRating) -> ReRating:
            return one.redate(prices[str(plan.tech)], prices[str(plan.market)]) if one.by_data else one

        return replace(
            plan,
            rng=seed,
            episodes=again(plan.episodes),
            alternatives=tuple(again(one) for one in plan.alternatives),
            dose=None if plan.dose is None else again(plan.dose),
        )

    def __call__(self, seed: np.random.SeedSequence) -> list[dict[str, Any]]:
        """Return one record a hypothesis, JSON-able; one with ``failure`` where the plan could not be run."""
        draw, boot = spawn(seed, 2)
        prices = self.world.simulate(np.random.default_rng(draw))
        try:
            verdict = test_claim(prices, self.planned(prices, int(boot.generate_state(1)[0])), n_jobs=1)
        except (CryptoEquityError, np.linalg.LinAlgError) as error:
            return [{"failure": f"{type(error).__name__}: {error}"}]
        records = []
        for key, row in verdict.table.iterrows():
            numbers = {name: float(row[name]) for name in _NUMBERS}
            records.append(
                {
                    "hypothesis": str(key),
                    "verdict": str(row["verdict"]),
                    **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
                    "break_date": None if verdict.sample.break_date is None else str(verdict.sample.break_date.date()),
                }
            )
        return records


@dataclass(frozen=True, eq=False)
class Power:
    """What a plan said in samples of a world.

    Attributes
    ----------
    plan, world : what was asked.
    truth : of each hypothesis on the plan's columns, see `World.truth_for`.
    records : one row a sample and hypothesis: verdict, estimate, interval, p-values, printed mde.
    samples : asked for.
    failures : why the plan could not be run, one text a failed sample.
    """

    plan: Plan
    world: World
    truth: Mapping[str, Mapping[str, Any]]
    records: pd.DataFrame = field(repr=False)
    samples: int
    failures: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan, world: World, results: Sequence[Sequence[Mapping[str, Any]]]) -> Power:
        """Gather what `OneSample` returned, one sequence of records a sample."""
        rows = [
            {"sample": k, **record} for k, sample in enumerate(results) for record in sample if "failure" not in record
        ]
        failures = tuple(
            str(record["failure"]) for sample in results for record in sample if record.get("failure") is not None
        )
        columns = ["sample", "hypothesis", "verdict", *_NUMBERS, "break_date"]
        frame = pd.DataFrame(rows, columns=columns)
        frame[list(_NUMBERS)] = frame[list(_NUMBERS)].astype(float)
        return cls(plan, world, _truth(plan, world), frame, len(results), failures)

    @property
    def false_confirmations(self) -> dict[str, int]:
        """Samples that supported a hypothesis, for each that does not hold."""
        supported = self.records[self.records["verdict"] == "supported"]["hypothesis"].value_counts()
        return {
            key: int(supported.get(key, 0))
            for key in self.records["hypothesis"].unique()
            if self.truth.get(key, {}).get("holds") in (False, "mechanical")
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a hypothesis.

        ``holds``, ``effect``, ``contrast`` : the truth. ``n`` : samples with a verdict. One column a verdict with its
        share, ``se`` the Monte-Carlo error of the share supported. ``rejects`` : share of samples with an unadjusted
        p-value at most alpha. ``estimate`` : mean. ``bias`` : of the mean from the contrast, ``bias se`` its
        Monte-Carlo error. ``covers`` : share of 95 % intervals that hold the contrast. ``mde printed`` : median of what
        the verdicts print; ``mde simulated`` : the effect at which the test would have power .8, from how often it
        rejects at the contrast (NaN where that is never, always, or no more than the level).
        """
        rows = {str(key): self._row(str(key), group) for key, group in self.records.groupby("hypothesis", sort=False)}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("hypothesis")

    def _row(self, key: str, group: pd.DataFrame) -> dict[str, Any]:
        truth = self.truth.get(key, {})
        contrast = truth.get("contrast")
        n = len(group)
        shares = {name: float((group["verdict"] == name).mean()) for name in VERDICTS}
        estimates = group["estimate"].dropna()
        sd = float(estimates.std(ddof=1)) if len(estimates) > 1 else math.nan
        known = contrast is not None and len(estimates) > 0
        held = group.dropna(subset=["lower", "upper"])
        inside = (held["lower"] <= contrast) & (contrast <= held["upper"]) if contrast is not None else None
        pvalues = group["pvalue"].dropna()
        rejects = float((pvalues <= self.plan.alpha).mean()) if len(pvalues) else math.nan
        mean = float(estimates.mean()) if len(estimates) else math.nan
        printed = group["mde"].dropna()
        return {
            "holds": str(truth.get("holds")) if truth.get("holds") is not None else "",
            "effect": _nan(truth.get("effect")),
            "contrast": _nan(contrast),
            "n": n,
            **shares,
            "se": math.sqrt(shares["supported"] * (1.0 - shares["supported"]) / n),
            "rejects": rejects,
            "estimate": mean,
            "bias": mean - float(contrast) if known and contrast is not None else math.nan,
            "bias se": sd / math.sqrt(len(estimates)) if known else math.nan,
            "covers": float(inside.mean()) if inside is not None and len(inside) else math.nan,
            "mde printed": float(printed.median()) if len(printed) else math.nan,
            "mde simulated": simulated_mde(_nan(contrast), rejects, self.plan.alpha) if key != "H7" else math.nan,
        }

    def summary(self) -> Table:
        """Return `to_frame` as a table with what was asked."""
        frame = self.to_frame()
        wrong = {key: count for key, count in self.false_confirmations.items() if count}
        total = ", ".join(f"{key} in {count}" for key, count in wrong.items()) or "none"
        notes = [
            f"{self.samples} samples, {self.plan.draws} draws each; errors are one Monte-Carlo standard error.",
            f"Supported although it does not hold: {total}.",
        ]
        if self.failures:
            notes.append(f"{len(self.failures)} samples could not be tested; the first: {self.failures[0]}")
        shown = [name for name in VERDICTS if len(frame) and frame[name].any()]
        kept = ["holds", "contrast", *shown, "se", "rejects", "estimate", "bias", "covers"]
        columns = [*kept, "mde printed", "mde simulated"]
        return Table.of(
            f"{self.plan.crypto} and {self.plan.equity} in the world {self.world}",
            frame[columns] if len(frame) else pd.DataFrame(columns=columns),
            digits=dict.fromkeys(columns, 2),
            notes=notes,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content: plan, world, truth, the table, failures and every record."""

        def plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
            return list(json.loads(frame.to_json(orient="records", double_precision=12)))

        return {
            "plan": self.plan.to_dict(),
            "plan_sha256": self.plan.sha256,
            "world": self.world.to_dict(),
            "truth": {key: dict(value) for key, value in self.truth.items()},
            "samples": self.samples,
            "failures": list(self.failures),
            "table": plain(self.to_frame().reset_index()) if len(self.records) else [],
            "records": plain(self.records),
        }


def _nan(value: object) -> float:
    return math.nan if value is None else float(value)  # type: ignore[arg-type]


def _truth(plan: Plan, world: World) -> dict[str, dict[str, Any]]:
    """Return the truth about the plan's columns; the extra column of an index holding has none of its own."""
    own = [plan.crypto, plan.equity, plan.large, plan.market, *plan.altcoins, *plan.placebos]
    if any(name is not None and name not in COLUMNS for name in own):
        return {}
    # an estimated break is looked for around the world's own
    found = world.break_date if plan.break_date == "estimate" else plan.break_date
    first = max(filter(None, (found, plan.start)), default=world.start)
    last = min(filter(None, (plan.published, plan.end)), default=None)
    return world.truth_for(
        plan.crypto,
        plan.equity,
        large=plan.large,
        market=plan.market,
        altcoins=plan.altcoins,
        placebos=plan.placebos,
        episodes=plan.episodes,
        first=first,
        last=last,
    )


def simulated_mde(effect: float, rejects: float, alpha: float, power: float = 0.8) -> float:
    r"""Effect found with ``power``, from how often a one-sided test of level ``alpha`` finds ``effect``.

    With a normal statistic whose mean is proportional to the effect,
    :math:`\delta_{mde}=\delta\,(z_{1-\alpha}+z_{power})/(z_{1-\alpha}+\Phi^{-1}(r))`. NaN where the effect is not
    positive or the rate ``rejects`` is 0, 1, or no larger than ``alpha``.
    """
    if not effect > 0.0 or not alpha < rejects < 1.0:
        return math.nan
    critical = float(stats.norm.isf(alpha))
    return effect * (critical + float(stats.norm.ppf(power))) / (critical + float(stats.norm.ppf(rejects)))


def power(
    plan: Plan,
    world: World,
    *,
    samples: int = 200,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Power:
    """Carry out a plan on samples of a world whose truth is known.

    Parameters
    ----------
    plan : as for `test_claim`, on columns of the world; its ``draws`` are those of every sample, its seed is replaced.
        Episodes dated by relative strength are dated from each sample's own prices.
    world : what is true.
    samples : how many. rng : their seed. n_jobs : workers; the numbers do not depend on it. progress : show a bar.

    Returns
    -------
    Power

    Raises
    ------
    SpecError : the plan names a column the world does not have, drivers, or episodes dated from valuations.

    Notes
    -----
    It answers two questions before any real price is looked at: would this plan see an effect of the size I
    have in mind, and what does it say in worlds that only look like the claim? A share p of N samples has the error
    sqrt(p(1 − p)/N): 200 samples tell .05 from .10, not .05 from .07. Size and power hold for the world that was
    simulated; take several, with persistent correlation and fat tails among them. A sample on which the plan cannot be
    run (too few sessions inside the episodes, say) is counted in ``failures`` and is in no share.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> plan = ce.Plan(crypto="COIN", equity="SMALL_TECH", episodes=ce.ReRating.press(), break_date=None, draws=19)
    >>> world = ce.World.peaks(0.5).on(start="2021-06-01", end="2023-06-01", break_date=None)
    >>> ce.power(plan, world, samples=1).to_frame().at["H2", "holds"]
    'True'
    """
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise SpecError(f"samples={samples!r}: give a whole number of at least 1.")
    task = OneSample(plan, world)
    results = map_draws(task, spawn(rng, samples), n_jobs=n_jobs, progress=progress, label="samples", chunk=1)
    return Power.of(plan, world, results)
