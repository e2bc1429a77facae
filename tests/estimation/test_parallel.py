"""One map for every loop over draws: same numbers on any number of workers and any backend."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import cryptoequity as ce
from claim.worlds import fitted
from cryptoequity.estimation.parallel import FailedDraw, map_draws, recording, spawn


def numbers(seeds):
    return [np.random.default_rng(seed).random(3).tolist() for seed in seeds]


# --- seeds


def test_an_int_gives_the_same_seeds_at_every_call():
    assert numbers(spawn(5, 4)) == numbers(spawn(5, 4))
    assert numbers(spawn(5, 4)) != numbers(spawn(6, 4))


def test_more_draws_begin_with_the_same_draws():
    assert numbers(spawn(5, 8))[:4] == numbers(spawn(5, 4))


def test_a_generator_gives_new_seeds_at_every_call():
    rng = np.random.default_rng(5)
    first, second = numbers(spawn(rng, 4)), numbers(spawn(rng, 4))
    assert not set(map(tuple, first)) & set(map(tuple, second))
    assert first == numbers(spawn(np.random.default_rng(5), 4))


def test_a_seed_sequence_is_left_as_it_was():
    root = np.random.SeedSequence(7)
    assert numbers(spawn(root, 3)) == numbers(spawn(root, 3))
    assert root.n_children_spawned == 0
    child = spawn(root, 3)[1]
    assert numbers(spawn(child, 2)) != numbers(spawn(root, 2))


def test_no_two_draws_share_their_numbers():
    drawn = {tuple(one) for one in numbers(spawn(5, 2_000))}
    assert len(drawn) == 2_000


# --- the map


@pytest.mark.parametrize("chunk", [None, 1, 7, 1000])
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_order_is_kept(backend, chunk):
    with joblib.parallel_config(backend=backend):
        assert map_draws(lambda k: k * k, range(103), n_jobs=2, chunk=chunk) == [k * k for k in range(103)]


def test_nothing_to_do_is_done():
    assert map_draws(lambda k: k, [], n_jobs=2) == []


def test_tasks_may_be_an_iterator():
    assert map_draws(lambda k: -k, iter(range(5))) == [0, -1, -2, -3, -4]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_errors_reach_the_caller(backend, n_jobs):
    def fail(k):
        if k == 11:
            raise ValueError("draw 11 went wrong")
        return k

    with joblib.parallel_config(backend=backend), pytest.raises(ValueError, match="draw 11 went wrong"):
        map_draws(fail, range(40), n_jobs=n_jobs)


def test_progress_leaves_numbers_alone_and_standard_output_clean(capsys):
    assert map_draws(lambda k: k + 1, range(10), progress=True) == list(range(1, 11))
    assert capsys.readouterr().out == ""


# --- draws that fail


def odd(k):
    if k % 7 == 3:
        raise ValueError(f"draw {k} went wrong")
    return {"x": float(k), "rows": np.full((2, 2), k), "pair": (k, [True, 2.0])}


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_recorded_failures_leave_nan_in_the_shape_of_a_result(backend, n_jobs):
    failures = []
    with joblib.parallel_config(backend=backend):
        out = map_draws(odd, range(20), n_jobs=n_jobs, chunk=3, on_error="record", failures=failures)
    assert [one.error for one in failures] == [f"ValueError: draw {k} went wrong" for k in (3, 10, 17)]
    assert np.isnan(out[3]["x"])
    assert_array_equal(out[10]["rows"], np.full((2, 2), np.nan))
    assert np.isnan([out[17]["pair"][0], *out[17]["pair"][1]]).all()
    assert out[4]["pair"] == (4, [True, 2.0])


def test_failures_need_a_place():
    with pytest.raises(ce.SpecError, match=r"pass failures=\[\]"):
        map_draws(odd, range(20), on_error="record")
    with pytest.raises(ce.SpecError, match="on_error='ignore'"):
        map_draws(odd, range(20), on_error="ignore")


def test_when_every_draw_fails_there_is_no_result():
    with pytest.raises(ce.ConvergenceError, match=r"all 2 draws of 'draws' failed, the first with: ValueError: draw 3"):
        map_draws(odd, [3, 10], on_error="record", failures=[])


def test_results_nan_cannot_stand_for():
    with pytest.raises(ce.ConvergenceError, match=r"1 of 2 draws.*NaN cannot stand for a result of type str"):
        map_draws(lambda k: "text" if k else odd(3), [0, 1], on_error="record", failures=[])


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError, SystemExit])
def test_what_ends_a_run_is_no_failed_draw(stop):
    def end(k):
        raise stop

    with pytest.raises(stop):
        map_draws(end, [1], on_error="record", failures=[])


class Ledger:
    """Takes note of what it is told."""

    def __init__(self, known=()):
        self.known, self.kept, self.closed = dict(known), {}, []

    def recall(self, label, fn, tasks):
        return label, {k: v for k, v in self.known.items() if k < len(tasks)}

    def keep(self, handle, results):
        self.kept.update(results)

    def close(self, handle, count, failed):
        self.closed.append((handle, count, failed))


def test_a_ledger_gives_what_is_known_and_takes_the_rest():
    with recording(Ledger({1: -1, 2: -2})) as ledger:
        assert map_draws(lambda k: k, range(5), label="a") == [0, -1, -2, 3, 4]
    assert ledger.kept == {0: 0, 3: 3, 4: 4}
    assert ledger.closed == [("a", 5, {})]
    map_draws(lambda k: k, range(5))
    assert len(ledger.closed) == 1


def test_a_ledger_records_failures_unless_told_not_to():
    with recording(Ledger()) as ledger:
        assert np.isnan(map_draws(odd, range(5))[3]["x"])
        with pytest.raises(ValueError, match="draw 3"):
            map_draws(odd, range(5), on_error="raise")
    assert ledger.closed == [("draws", 5, {3: FailedDraw("ValueError: draw 3 went wrong")})]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_loops_within_a_draw_report_to_no_ledger(n_jobs):
    def outer(k):
        return sum(map_draws(lambda j: j * k, range(3)))

    with joblib.parallel_config(backend="threading"), recording(Ledger()) as ledger:
        assert map_draws(outer, range(4), n_jobs=n_jobs) == [0, 3, 6, 9]
    assert [count for _, count, _ in ledger.closed] == [4]


# --- the real pipeline


@pytest.fixture(scope="module")
def alone():
    """Six draws of the full pipeline in this process."""
    return map_draws(fitted(), spawn(3, 6), n_jobs=1)


def same(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert one.keys() == other.keys()
        assert_array_equal(list(one.values()), list(other.values()))


def test_draws_differ(alone):
    assert len({one["score"] for one in alone}) == len(alone)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_two_workers_give_the_same_numbers(alone, backend):
    with joblib.parallel_config(backend=backend):
        same(alone, map_draws(fitted(), spawn(3, 6), n_jobs=2, chunk=2))


def test_an_active_configuration_chooses_the_workers(alone):
    with joblib.parallel_config(backend="threading", n_jobs=2):
        same(alone, map_draws(fitted(), spawn(3, 6)))


def test_a_dask_cluster_gives_the_same_numbers(alone):
    distributed = pytest.importorskip("dask.distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        same(alone, map_draws(fitted(), spawn(3, 6)))
