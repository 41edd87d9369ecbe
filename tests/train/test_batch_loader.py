"""Worker processes: the same batches as without them, and clear words when one fails."""

import dataclasses
import os
import signal

import pytest
import torch
from support.examples import small_trajectory
from support.meshes import jittered_box

import gensim_graph as gg
from gensim_graph.data import Normaliser, SamplingConfig, TrainingSamples, Trajectories, statistics_of
from gensim_graph.errors import InputError
from gensim_graph.train.batch_loader import BatchLoader, Share, spare_cores

TABLE = gg.default_variables()
CONFIG = SamplingConfig(batch=4, clusters=3, core=1, partitions=2, lead_time="6h")
BATCHES = 3


class BrokenSamples(TrainingSamples):
    """Samples of which one cannot be made."""

    failure = staticmethod(lambda: None)

    def __getitems__(self, numbers):
        if 5 in numbers:
            self.failure()
        return super().__getitems__(numbers)


def samples(kind=TrainingSamples, **changes):
    store = gg.open_store(small_trajectory(jittered_box(24), hours=12, seed=0))
    data = [Trajectories.from_dataset(store, TABLE, CONFIG.lead)]
    config = dataclasses.replace(CONFIG, **changes)
    return kind(data, Normaliser(TABLE, statistics_of(data, TABLE, 6.0)), config, 0, BATCHES * CONFIG.batch)


def same(first, second):
    fields = all(torch.equal(a, b) for a, b in zip(first[1:], second[1:], strict=True))
    return fields and all(torch.equal(first.graph[name], second.graph[name]) for name in ("pos", "halo", "edge_attr"))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_the_same_batches(workers):
    expected, came = (list(BatchLoader(samples(), 4, workers=count)) for count in (0, workers))
    assert len(came) == BATCHES
    assert all(same(*pair) for pair in zip(came, expected, strict=True))


def test_a_batch_has_the_samples_of_its_numbers():
    one_by_one = [samples()[number] for number in (4, 5, 6, 7)]
    together = samples().__getitems__([4, 5, 6, 7])
    assert all(same(*pair) for pair in zip(together, one_by_one, strict=True))


def test_a_run_goes_on_with_the_next_batch():
    every = list(BatchLoader(samples(), 4))
    assert all(same(*pair) for pair in zip(BatchLoader(samples(), 4, first_step=1), every[1:], strict=True))


def test_processes_share_the_samples_of_a_batch():
    whole = next(iter(BatchLoader(samples(), 4)))
    halves = [next(iter(BatchLoader(samples(), 4, share=Share(rank, 2)))) for rank in range(2)]
    joined = torch.cat([half.noised for half in halves], dim=1)
    assert torch.equal(joined, whole.noised)


def test_a_batch_that_cannot_be_shared():
    with pytest.raises(InputError, match=r"data.batch=4 cannot be shared equally by 3 processes"):
        BatchLoader(samples(), 4, share=Share(0, 3))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_cannot_be_read(workers):
    """The message is the one of the reader, with and without workers."""

    def fail():
        raise InputError("wind.nc: cannot be read")

    broken = samples(BrokenSamples)
    broken.failure = fail
    with pytest.raises(InputError, match=r"^wind.nc: cannot be read$"):
        list(BatchLoader(broken, 4, workers=workers))


def test_a_worker_that_is_killed():
    broken = samples(BrokenSamples)
    broken.failure = lambda: os.kill(os.getpid(), signal.SIGKILL)
    with pytest.raises(InputError, match=r"a process that makes training samples ended .* data\.workers"):
        list(BatchLoader(broken, 4, workers=1))


def test_one_core_has_no_workers(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert spare_cores() == 0


def test_small_meshes_in_memory_need_no_workers():
    """A sample of a whole mesh in memory costs less than handing it over."""
    assert samples().default_workers(3) == 3
    assert samples(clusters=99).default_workers(3) == 0


def test_a_gpu_has_some_workers_also_for_small_meshes():
    """The process that steers the GPU shall not make samples; but a machine of 128 cores need not all of them."""
    small = samples(clusters=99)
    assert [small.default_workers(cores, beside_gpu=True) for cores in (0, 1, 127)] == [0, 1, 4]
    assert samples().default_workers(127, beside_gpu=True) == 127
