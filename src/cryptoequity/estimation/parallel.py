"""One map for every loop over draws: the numbers do not depend on workers or backend.

Inside `recording` every map reports to a ledger: draws that are already there are not made again, finished ones
are handed over as they come, and a draw whose fit fails is counted instead of ending the run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from ..errors import ConvergenceError, SpecError, check_option

__all__ = ["FailedDraw", "Ledger", "map_draws", "recording", "spawn"]

Task = TypeVar("Task")
Out = TypeVar("Out")

FLUSH = 5.0  # seconds after which a lone worker hands over what it has


@dataclass(frozen=True)
class FailedDraw:
    """A draw that gave no result.

    Attributes
    ----------
    error : what the draw raised, its type first.
    """

    error: str


class Ledger(Protocol):
    """Where a run keeps its draws; see `recording`."""

    def recall(self, label: str, fn: Callable[[Any], Any], tasks: Sequence[Any]) -> tuple[Any, dict[int, Any]]:
        """Return a handle for `keep`, and the results that are known, by position in ``tasks``."""

    def keep(self, handle: Any, results: Mapping[int, Any]) -> None:
        """Take finished results, by position in the tasks of the handle; failures are `FailedDraw`."""

    def close(self, handle: Any, count: int, failed: Mapping[int, FailedDraw]) -> None:
        """Take note that all ``count`` draws are done, and which of them failed."""


_LEDGER: ContextVar[Ledger | None] = ContextVar("ledger", default=None)


@contextmanager
def recording(ledger: Ledger) -> Iterator[Ledger]:
    """Context in which `map_draws` reports to ``ledger`` and records draws that fail."""
    token = _LEDGER.set(ledger)
    try:
        yield ledger
    finally:
        _LEDGER.reset(token)


def spawn(rng: int | np.random.Generator | np.random.SeedSequence, count: int) -> list[np.random.SeedSequence]:
    """Independent seeds, one a draw; handing one `Generator` to several workers would repeat its numbers.

    An int gives the same seeds at every call, and seed i is the same whatever the count; a `Generator` spawns new
    children each time.
    """
    if isinstance(rng, np.random.Generator):
        return [child.bit_generator.seed_seq for child in rng.spawn(count)]  # type: ignore[misc]
    root = rng if isinstance(rng, np.random.SeedSequence) else np.random.SeedSequence(rng)
    if isinstance(rng, np.random.SeedSequence):
        # spawn without touching the caller's counter: equal calls give equal seeds
        root = np.random.SeedSequence(rng.entropy, spawn_key=rng.spawn_key, pool_size=rng.pool_size)
    return root.spawn(count)


def _run(fn: Callable[[Any], Any], task: Any, record: bool) -> Any:
    # loops within a draw are the draw's own: they report to no ledger, in this process as in any other
    token = _LEDGER.set(None)
    try:
        return fn(task)
    except MemoryError:
        raise
    except Exception as error:
        if not record:
            raise
        return FailedDraw(f"{type(error).__name__}: {error}")
    finally:
        _LEDGER.reset(token)


def _run_chunk(
    fn: Callable[[Any], Any], places: Sequence[int], chunk: Sequence[Any], record: bool
) -> list[tuple[int, Any]]:
    return [(place, _run(fn, task, record)) for place, task in zip(places, chunk, strict=True)]


def map_draws(
    fn: Callable[[Task], Out],
    tasks: Iterable[Task],
    *,
    n_jobs: int | None = None,
    progress: bool = False,
    label: str = "draws",
    chunk: int | None = None,
    on_error: str | None = None,
    failures: list[FailedDraw] | None = None,
) -> list[Out]:
    """``[fn(task) for task in tasks]``, in order, through joblib.

    Parameters
    ----------
    fn : picklable function of one task that holds no random state; the task carries its own seed.
    tasks : one a draw, usually seeds of `spawn`.
    n_jobs : workers; None leaves the choice to an active ``joblib.parallel_config`` (one worker without),
        which is also how the work moves to threads, dask or ray.
    progress : show a bar on standard error once the work passes two seconds.
    label : what the bar and the ledger call these draws.
    chunk : tasks sent to a worker at a time.
    on_error : "raise" ends the map at the first draw that raises; "record" puts NaN, in the shape of the draws that
        succeed, in the place of one that fails and counts it. None records inside `recording` and raises elsewhere.
    failures : list that takes the failed draws, for "record" without a ledger.

    Raises
    ------
    SpecError : an ``n_jobs`` that is no number of workers; "record" with nowhere to count the failures.
    ConvergenceError : every draw failed, or draws that failed have results NaN cannot stand for.
    """
    from joblib import effective_n_jobs

    if n_jobs is not None and (not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or n_jobs == 0):
        raise SpecError(f"n_jobs={n_jobs!r}: give the number of workers, -1 for all cores, or None.")
    check_option("on_error", on_error, (None, "raise", "record"))
    ledger = _LEDGER.get()
    record = on_error == "record" or (on_error is None and ledger is not None)
    if record and ledger is None and failures is None:
        raise SpecError("on_error='record': pass failures=[], the list that takes the draws that fail.")
    items = list(tasks)
    if not items:
        return []
    handle, done = (None, {}) if ledger is None else ledger.recall(label, fn, items)
    todo = [place for place in range(len(items)) if place not in done]
    workers = max(1, effective_n_jobs(n_jobs)) if todo else 1
    size = chunk or max(1, min(50, len(items) // (4 * workers) or 1))

    def take(part: dict[int, Any]) -> None:
        done.update(part)
        if ledger is not None and part:
            ledger.keep(handle, part)

    shown = _Bar(len(items), len(items) - len(todo), label, progress)
    with shown:
        if workers == 1:
            _alone(fn, items, todo, size, record, take, shown)
        else:
            _together(fn, items, todo, size, record, n_jobs, take, shown)
    failed = {place: done[place] for place in range(len(items)) if isinstance(done[place], FailedDraw)}
    if failures is not None:
        failures.extend(failed.values())
    if ledger is not None:
        ledger.close(handle, len(items), failed)
    return _filled([done[place] for place in range(len(items))], label)


def _alone(
    fn: Callable[[Any], Any],
    items: Sequence[Any],
    todo: Sequence[int],
    size: int,
    record: bool,
    take: Callable[[dict[int, Any]], None],
    bar: _Bar,
) -> None:
    part: dict[int, Any] = {}
    since = time.monotonic()
    try:
        for place in todo:
            part[place] = _run(fn, items[place], record)
            bar.update(1)
            # the clock decides when draws are written, never what they are
            if len(part) >= size or time.monotonic() - since > FLUSH:
                take(part)
                part, since = {}, time.monotonic()
    finally:
        take(part)


def _together(
    fn: Callable[[Any], Any],
    items: Sequence[Any],
    todo: Sequence[int],
    size: int,
    record: bool,
    n_jobs: int | None,
    take: Callable[[dict[int, Any]], None],
    bar: _Bar,
) -> None:
    from joblib import Parallel, delayed

    chunks = [todo[i : i + size] for i in range(0, len(todo), size)]
    # chunks are kept as they finish; their places put them back in order
    runner = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    for part in runner(delayed(_run_chunk)(fn, one, [items[k] for k in one], record) for one in chunks):
        take(dict(part))
        bar.update(len(part))


class _Bar:
    """A bar on standard error, once the work passes two seconds."""

    def __init__(self, total: int, ready: int, label: str, progress: bool) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=total, initial=ready, desc=label, disable=not progress, delay=2.0, file=sys.stderr, leave=False
        )

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, count: int) -> None:
        self._bar.update(count)


def _filled(results: list[Any], label: str) -> list[Any]:
    """NaN, in the shape of the first result, in the place of every failed draw."""
    failed = [one for one in results if isinstance(one, FailedDraw)]
    if not failed:
        return results
    if len(failed) == len(results):
        raise ConvergenceError(f"all {len(results)} draws of '{label}' failed, the first with: {failed[0].error}")
    shape = next(one for one in results if not isinstance(one, FailedDraw))
    try:
        return [_blank(shape) if isinstance(one, FailedDraw) else one for one in results]
    except TypeError as error:
        raise ConvergenceError(
            f"{len(failed)} of {len(results)} draws of '{label}' failed, the first with: {failed[0].error}; {error}."
        ) from error


def _blank(value: Any) -> Any:
    """The same shape with NaN in every place."""
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return float("nan")
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return np.full(value.shape, np.nan)
    if isinstance(value, dict):
        return {key: _blank(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_blank(one) for one in value)
    raise TypeError(f"NaN cannot stand for a result of type {type(value).__name__}")
