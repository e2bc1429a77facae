"""One map for every loop over draws: same numbers on any number of workers and any backend."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from claim.worlds import fitted
from cryptoequity.estimation.parallel import map_draws, spawn


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
