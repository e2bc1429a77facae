"""One map for every loop over draws: the numbers do not depend on workers or backend."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..errors import SpecError

__all__ = ["map_draws", "spawn"]

Task = TypeVar("Task")
Out = TypeVar("Out")


def spawn(rng: int | np.random.Generator | np.random.SeedSequence, count: int) -> list[np.random.SeedSequence]:
    """Independent seeds, one a draw; handing one `Generator` to several workers would repeat its numbers.

    An int gives the same seeds at every call; a `Generator` spawns new children each time.
    """
    if isinstance(rng, np.random.Generator):
        return [child.bit_generator.seed_seq for child in rng.spawn(count)]  # type: ignore[misc]
    root = rng if isinstance(rng, np.random.SeedSequence) else np.random.SeedSequence(rng)
    if isinstance(rng, np.random.SeedSequence):
        # spawn without touching the caller's counter: equal calls give equal seeds
        root = np.random.SeedSequence(rng.entropy, spawn_key=rng.spawn_key, pool_size=rng.pool_size)
    return root.spawn(count)


def _run_chunk(fn: Callable[[Any], Any], chunk: Sequence[Any]) -> list[Any]:
    return [fn(task) for task in chunk]


def map_draws(
    fn: Callable[[Task], Out],
    tasks: Iterable[Task],
    *,
    n_jobs: int | None = None,
    progress: bool = False,
    label: str = "draws",
    chunk: int | None = None,
) -> list[Out]:
    """``[fn(task) for task in tasks]``, in order, through joblib.

    Parameters
    ----------
    fn : picklable function of one task that holds no random state; the task carries its own seed.
    n_jobs : workers; None leaves the choice to an active ``joblib.parallel_config`` (one worker without),
        which is also how the work moves to threads, dask or ray.
    progress : show a bar on standard error once the work passes two seconds.
    chunk : tasks sent to a worker at a time.
    """
    from joblib import Parallel, delayed, effective_n_jobs
    from tqdm import tqdm

    if n_jobs is not None and (not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or n_jobs == 0):
        raise SpecError(f"n_jobs={n_jobs!r}: give the number of workers, -1 for all cores, or None.")
    items = list(tasks)
    if not items:
        return []
    workers = max(1, effective_n_jobs(n_jobs))
    size = chunk or max(1, min(50, len(items) // (4 * workers) or 1))
    chunks = [items[i : i + size] for i in range(0, len(items), size)]
    out: list[Out] = []
    with tqdm(total=len(items), desc=label, disable=not progress, delay=2.0, file=sys.stderr, leave=False) as bar:
        if workers == 1:
            for task in items:
                out.append(fn(task))
                bar.update()
            return out
        runner = Parallel(n_jobs=n_jobs, return_as="generator")
        for part in runner(delayed(_run_chunk)(fn, one) for one in chunks):
            out.extend(part)
            bar.update(len(part))
    return out
