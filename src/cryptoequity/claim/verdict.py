"""The verdict: evidence weighed by rules written down before the data were seen."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..correlation import DCC, CorrelationFit
from ..data.returns import to_returns
from ..errors import BoundaryWarning, DataError, SpecError
from ..estimation.parallel import recording
from ..estimation.params import Array
from ..estimation.results import Drawn, TestResult, citation
from ..table import Table
from ..volatility.margins import fit_margins
from .detectable import Detectable
from .evidence import collect
from .fingerprint import fingerprint
from .headline import MIN_SESSIONS, Headline, Sample, prepare, sessions_of
from .hypotheses import FAMILY, STATEMENTS, Evidence
from .lost_draws import refuse_lost
from .naive import measured_rates, naive_pvalues
from .plan import Plan
from .registration import Registration, check_registration, compare_verdicts
from .rules import weigh
from .specifications import specification_curve
from .store import DrawStore, RunLedger

__all__ = ["Verdict", "test_claim"]

_PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "arch", "numba", "cryptoequity")


@dataclass(frozen=True, eq=False)
class Verdict(Drawn):
    """What the data say of the claim, with everything needed to check it.

    Attributes
    ----------
    plan : the choices. table : one row a hypothesis. evidence : what each row was made of.
    naive : the usual tests' p-values, on the tested window and on the full sample, with measured error rates.
    specifications : the specification curve. placement : shift tests of the headline contrast.
    detectable : the simulated power of the headline test. sample : returns used.
    main, later : bootstraps of the tested window and of the data after publication (None when not tested).
    returns : percent returns with their policy in ``attrs``. versions, data_sha256 : for the record.
    failures : draws that failed, one row a loop: draws, failed, share, first error.
    store : the draws, so that `extend` need not make them again. extended_from : numbers of draws it was extended from.
    registration : the registered plan and its amendments; None without. drivers : as passed, or None.
    """

    plan: Plan
    table: pd.DataFrame
    evidence: dict[str, Evidence] = field(repr=False)
    naive: pd.DataFrame = field(repr=False)
    specifications: pd.DataFrame = field(repr=False)
    placement: dict[str, TestResult] = field(repr=False)
    detectable: Detectable = field(repr=False)
    sample: Sample = field(repr=False)
    main: Headline = field(repr=False)
    later: Headline | None = field(repr=False)
    prices: pd.DataFrame = field(repr=False)
    returns: pd.DataFrame = field(repr=False)
    versions: dict[str, str]
    data_sha256: str
    failures: pd.DataFrame = field(repr=False)
    store: DrawStore = field(repr=False)
    registration: Registration | None = None
    extended_from: tuple[int, ...] = ()
    drivers: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def null(self) -> Array:
        """Bootstrap draws of the headline statistic, (B,)."""
        return self.main.draws["score"]

    @property
    def statistic(self) -> float:
        """The headline statistic of the data."""
        return self.main.statistics["score"]

    def verdict_of(self, key: str) -> str:
        """Return the verdict on one hypothesis."""
        return str(self.table["verdict"].loc[key])

    @property
    def sentence(self) -> str:
        """The overall answer in one sentence, naming sample, definition and coverage."""
        row = self.table.loc["H2"]
        index = self.main.index
        amended = self.registration is not None and self.registration.changes
        return (
            f"H2, {STATEMENTS['H2']}: {self.verdict_of('H2').upper()} for {self.plan.crypto} and {self.plan.equity}, "
            f"{index[0].date()} to {index[-1].date()} ({len(index)} sessions), episodes '{self.plan.episodes.name}' "
            f"covering {row['coverage']:.0%} in {row['spells']:.0f} spells: {row['reason']}"
            f"{f' {self.registration.sentence}' if self.registration is not None and amended else ''}"
        )

    def summary(self) -> Table:
        """Return the verdict as a table."""
        frame = self.table.drop(columns=["reason", "statement", "nobs"])
        notes = [f"{key}: {row['statement']}. {row['reason']}" for key, row in self.table.iterrows()]
        notes.append(
            f"Estimates are differences of correlations with 95 % intervals; Holm over {', '.join(FAMILY)}; "
            f"mde is the smallest effect found with 80 % power; {self.plan.draws} draws, seed {self.plan.rng}."
        )
        covers = measured_rates().get("interval covers")
        if covers is not None:
            notes.append(
                f"The 95 % intervals of H2 covered the truth in {covers['low']:.0%} to {covers['high']:.0%} of "
                f"simulated worlds."
            )
        family = sum(not math.isnan(self.evidence[key].pvalue) for key in FAMILY)
        alpha, least = self.plan.alpha, 1.0 / (1 + self.plan.draws)
        if family * least > alpha:
            notes.append(
                f"With {self.plan.draws} draws no bootstrap p-value lies below {least:.3f}, which Holm over {family} "
                f"hypotheses can raise to {family * least:.3f}, above {alpha}: take at least "
                f"{math.ceil(family / alpha - 1e-9) - 1} draws."
            )
        notes += self._record()
        notes.append(f"plan {self.plan.sha256[:12]}, data {self.data_sha256[:12]}")
        digits = {"estimate": 2, "lower": 2, "upper": 2, "pvalue": 3, "pvalue_adjusted": 3, "mde": 2}
        digits |= {"coverage": 2, "spells": 0}
        return Table.of(self.sentence, frame, digits=digits, notes=notes)

    def _record(self) -> list[str]:
        """Notes on draws that failed, on draws added later, and on the registration."""
        notes = [
            f"{row['failed']} of {row['draws']} draws of '{label}' failed ({row['share']:.1%}), the first with: "
            f"{row['first error']}"
            for label, row in self.failures.iterrows()
            if row["failed"]
        ]
        if self.extended_from:
            notes.append(f"Extended to {self.plan.draws} draws from {', then '.join(map(str, self.extended_from))}.")
        return notes + ([] if self.registration is None else [self.registration.sentence])

    def extend(self, draws: int, *, n_jobs: int | None = None, progress: bool = False) -> Verdict:
        """The verdict with ``draws`` bootstrap draws in all, of which those it has are not made again.

        Draw i depends on the plan's seed and on i alone: the numbers are those of a plan with ``draws`` from the
        start, bit for bit. Outputs say what was extended. More draws sharpen a p-value; extending until it falls
        below the level is another test, which nothing here corrects for.

        Raises
        ------
        SpecError : ``draws`` not above the number there is.
        """
        if not isinstance(draws, int) or isinstance(draws, bool) or draws <= self.plan.draws:
            raise SpecError(f"draws={draws!r}: give the number in all, an int above the {self.plan.draws} there are.")
        plan = replace(self.plan, draws=draws)
        more = test_claim(self.prices, plan, n_jobs=n_jobs, progress=progress, drivers=self.drivers, store=self.store)
        registration = self.registration
        if registration is not None:
            registration = registration.amended(plan, f"extended from {self.plan.draws} to {draws} draws")
        return replace(more, registration=registration, extended_from=(*self.extended_from, self.plan.draws))

    def compare(self, other: Verdict) -> pd.DataFrame:
        """What differs from another verdict, one row a difference: part, what, first, second.

        Parts are the plan's choices, the hash of the data, versions, the registration, and for each hypothesis its
        numbers, verdict and reason. No rows: all of these are the same, to the last bit.
        """
        if not isinstance(other, Verdict):
            raise SpecError(f"a verdict is compared with a verdict, not with a {type(other).__name__}.")
        return compare_verdicts(self, other)

    def naive_table(self) -> Table:
        """Return the usual tests as a table headed by how often they reject a true null."""
        rates = [
            _range(low, high)
            for low, high in zip(self.naive["false positives low"], self.naive["false positives high"], strict=True)
        ]
        frame = pd.DataFrame({"p-value": self.naive["pvalue"], "rejects a true null (nominal 5 %)": rates})
        return Table.of(
            "Not evidence: the usual tests of H2, and how often each rejects when nothing happens",
            frame,
            digits={"p-value": 4},
            notes=[
                "The full sample contains the step in correlation that the episodes all come after: its p-values "
                "answer another question.",
                "Rates: benchmarks/size_power.py, at nominal 5 %, over worlds in which the episodes have no effect.",
            ],
        )

    def dcc(self) -> CorrelationFit:
        """DCC of the tested pair on the tested window, with standard errors."""
        return self._fit(self.sample.window)

    def dcc_full(self) -> CorrelationFit:
        """DCC of the tested pair on the full sample, for the picture; its target mixes both sides of a break."""
        return self._fit(self.sample.full)

    def _fit(self, returns: pd.DataFrame) -> CorrelationFit:
        import warnings

        pair = [self.plan.crypto, self.plan.equity]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BoundaryWarning)  # the fit says it again, in its summary
            margins = fit_margins(returns[pair], {name: self.plan.margin(name) for name in pair})
            return DCC(dist=self.plan.dist).fit(margins)

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(
            "engle2002",
            "englesheppard2001",
            "bollerslev1986",
            "glosten1993",
            "bollerslev1987",
            "forbesrigobon2002",
            "lazarus2018",
            "harris2020",
            "holm1979",
            *(["andrews1993"] if self.sample.break_test is not None else []),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content: plan, rows, evidence, draws of the headline statistic, versions and hashes.

        No prices are in it: of episodes dated by a rule the spells and the hash are kept, not the series.
        """
        return {
            "sentence": self.sentence,
            "plan": _public_plan(self.plan),
            "plan_sha256": self.plan.sha256,
            "data_sha256": self.data_sha256,
            "returns_policy": _clean(self.returns.attrs.get("cryptoequity", {})),
            "versions": self.versions,
            "registration": None if self.registration is None else self.registration.to_dict(),
            "extended_from": list(self.extended_from),
            "failures": _clean(self.failures.to_dict(orient="index")),
            "table": _clean(self.table.to_dict(orient="index")),
            "evidence": {
                key: {"method": one.method, "nobs": one.nobs, "detail": _clean(dict(one.detail))}
                for key, one in self.evidence.items()
            },
            "naive": _clean(self.naive.to_dict(orient="index")),
            "placement": {name: _clean(test.to_dict()) for name, test in self.placement.items()},
            "detectable": _clean(self.detectable.__dict__),
            "statistic": _clean(self.statistic),
            "null": _clean(self.null.tolist()),
            "specifications": _clean(self.specifications.to_dict(orient="records")),
        }

    def to_json(self, indent: int | None = 1) -> str:
        """JSON text with seed, versions and data hash; missing numbers are null."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


def test_claim(
    prices: pd.DataFrame,
    plan: Plan,
    *,
    n_jobs: int | None = None,  # noqa: PT028
    progress: bool = False,  # noqa: PT028
    drivers: pd.DataFrame | None = None,  # noqa: PT028
    store: str | Path | DrawStore | None = None,  # noqa: PT028
    registration: str | Path | None = None,  # noqa: PT028
    amendment: str | None = None,  # noqa: PT028
) -> Verdict:
    """Test the claim on prices, by a plan frozen beforehand.

    Parameters
    ----------
    prices : daily closes, one column an asset; crypto may trade on more days than equities.
    plan : every choice. n_jobs : workers (None: one, or an active ``joblib.parallel_config``); the numbers
        do not depend on it. progress : bars for what takes longer than two seconds.
    drivers : by date, for H9 and for the volatility beside H3; row t known at the close of t, used a session later.
    store : folder in which draws are kept as they finish; a run of the same plan, but for the number of its draws, on
        the same data goes on from those that are there. None keeps them in memory, for `Verdict.extend`.
    registration : file that `Plan.register` wrote; a plan with another hash is refused unless ``amendment`` says why
        it was changed, which every output then shows.

    Returns
    -------
    Verdict

    Raises
    ------
    DataError : prices that cannot be used, too short a sample, episodes that cover none or all of it; a store with
        draws of another run or damaged ones; a registration that was changed.
    PlanChangedError : the plan is not the registered one, and no amendment is given.

    Notes
    -----
    Prices become percent returns on the equities' sessions; the sample is cut at the break; a null world
    (margins and a joint DCC without episodes) is fitted; and the headline statistic, the contrast of the DCC
    score between sessions inside and outside the episodes, is compared with its law over ``plan.draws``
    samples of that world in each of which episodes dated by a rule are dated again and everything is estimated
    again. See the theory page on the claim for each hypothesis, its null and its measured size.

    When not to use it: fewer than three or four spells in the sample, or episodes chosen by looking at the
    correlation itself; then no p-value means what it says.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> prices = ce.load_sample("step")
    >>> episodes = ce.ReRating.from_dates([(s["start"], s["end"], s["sign"]) for s in ce.load_truth("step")["spells"]])
    >>> plan = ce.Plan(crypto="COIN", equity="SMALL_TECH", market="MARKET", episodes=episodes, draws=19)
    >>> verdict = ce.test_claim(prices, plan)
    >>> str(verdict.table.at["H2", "verdict"]) != "supported"
    True
    """
    _check_inputs(prices, plan)
    registered = check_registration(plan, registration, amendment)
    plan = plan.on(prices)  # recipes are dated on the prices they are tested with
    missing = [name for name in plan.columns if name not in prices.columns]
    if missing:
        raise DataError(
            f"the plan names column {missing[0]!r}, which the prices do not have; they have "
            f"{', '.join(map(str, prices))}."
        )
    core = prices[list(plan.core)]
    listed = [name for name in plan.equities if name in core]  # sectors and holders may be younger: they stand apart
    returns = to_returns(core, equities=listed, sessions=plan.equity, weekend=plan.weekend, span="common")
    coins = None
    if plan.altcoins:
        pair = prices[[plan.crypto, plan.equity, *plan.altcoins]]
        if len(pair.dropna()) > MIN_SESSIONS:  # otherwise too young: H6 says so, the other tests go on
            coins = to_returns(pair, equities=[plan.equity], sessions=plan.equity, weekend=plan.weekend, span="common")
    data_sha256 = _hash_beside(_hash(returns, coins), plan, prices, drivers)
    kept = DrawStore.of(store, plan, data_sha256)
    ledger = RunLedger(kept)
    with recording(ledger):
        sample = prepare(returns, plan, coins, n_jobs=n_jobs, progress=progress)
        evidence, main, later, reach, placement = collect(
            plan, sample, prices, drivers, n_jobs=n_jobs, progress=progress
        )
    failures = ledger.failures()
    evidence = refuse_lost(evidence, failures, main, later)
    return Verdict(
        plan=plan,
        table=weigh(evidence, plan),
        evidence=evidence,
        naive=_naive(plan, sample),
        specifications=specification_curve(plan, sample),
        placement=placement,
        detectable=reach,
        sample=sample,
        main=main,
        later=later,
        prices=prices,
        returns=returns,
        versions=_versions(),
        data_sha256=data_sha256,
        failures=failures,
        store=kept,
        registration=registered,
        drivers=drivers,
    )


test_claim.__test__ = False  # type: ignore[attr-defined]  # its name is the field's, not a unit test's


def _naive(plan: Plan, sample: Sample) -> pd.DataFrame:
    rates = measured_rates()
    rows = []
    for where, returns, prefix in (
        ("tested window", sample.window, "naive: "),
        ("full sample", sample.full, "naive, full sample: "),
    ):
        if where == "full sample" and sample.break_date is None:
            continue
        dummy = plan.episodes.dummy(sessions_of(returns))
        if not 0 < dummy.sum() < len(dummy):
            continue
        for name, value in naive_pvalues(returns[plan.crypto], returns[plan.equity], dummy).items():
            rate = rates.get(prefix + name, {})
            rows.append((f"{name}, {where}", value, rate.get("low", math.nan), rate.get("high", math.nan)))
    frame = pd.DataFrame(rows, columns=["test", "pvalue", "false positives low", "false positives high"])
    return frame.set_index("test")


def _check_inputs(prices: object, plan: object) -> None:
    """Refuse what is no plan, and prices whose rows are not days."""
    if not isinstance(plan, Plan):
        raise SpecError(f"the plan is a {type(plan).__name__}; build one with cryptoequity.Plan(...).")
    if not isinstance(prices, pd.DataFrame):
        raise DataError(
            f"prices must be a DataFrame with one named column per asset, not {type(prices).__name__}; "
            "wrap them: pd.DataFrame(prices, index=dates, columns=names)."
        )
    index = prices.index
    if not isinstance(index, pd.DatetimeIndex):
        return  # to_returns says what is wrong
    if index.tz is not None:
        raise DataError(
            f"prices: the dates carry the time zone {index.tz}; episodes are days: pass prices.tz_localize(None), "
            "which keeps the local date."
        )
    clock = np.flatnonzero(index != index.normalize())
    if clock.size:
        raise DataError(
            f"prices: {clock.size} dates carry a clock time, the first is {index[clock[0]]}; episodes are days: "
            "pass prices.set_axis(prices.index.normalize())."
        )


def _hash(*frames: pd.DataFrame | None) -> str:
    digest = hashlib.sha256()
    for returns in frames:
        if returns is None:
            continue
        digest.update("|".join(map(str, returns.columns)).encode())
        digest.update("|".join(str(stamp.date()) for stamp in returns.index).encode())
        # the last bits of a logarithm differ between processors; nine decimals of a percent do not
        digest.update((np.round(returns.to_numpy("<f8"), 9) + 0.0).tobytes())
    return digest.hexdigest()


def _hash_beside(data_sha256: str, plan: Plan, prices: pd.DataFrame, drivers: pd.DataFrame | None) -> str:
    """Hash of the returns and, where the plan reads them, of sectors, holders and drivers as they were given."""
    frames = [prices[list(names)] for names in (plan.sectors, plan.holders) if names]
    if isinstance(drivers, pd.DataFrame) and plan.drivers:
        frames.append(drivers[[name for name in plan.drivers if name in drivers]])
    if not frames:
        return data_sha256
    return hashlib.sha256("|".join([data_sha256, *(str(fingerprint(one)) for one in frames)]).encode()).hexdigest()


def _range(low: float, high: float) -> str:
    if math.isnan(low):
        return "not measured"
    return f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%}–{high:.0%}"


def _public_plan(plan: Plan) -> dict[str, Any]:
    """Return the plan without the readings of episodes dated by a rule: they are the user's price data."""
    content = plan.to_dict()
    for episodes in (content["episodes"], *content["alternatives"]):
        episodes["readings"] = None if episodes["readings"] is None else "left out; see the hash"
    return content


def _versions() -> dict[str, str]:
    out = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:  # running from a source tree that was never installed
            out[name] = "unknown"
    return out


def _clean(value: Any) -> Any:
    """JSON-able copy: numpy scalars to Python, NaN to None."""
    if isinstance(value, dict):
        return {str(key): _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    if isinstance(value, np.ndarray):
        return _clean(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
