"""Samples of several steps: true states in a row, windows of large meshes, growing length, gaps."""

import dataclasses

import numpy as np
import pytest
import torch
from support.examples import small_trajectory
from support.meshes import jittered_box

from gensim_graph.data import DataPart, Normaliser, SamplingConfig, Trajectories, statistics_of
from gensim_graph.data.rollouts import RolloutSamples, collate_rollouts, pad_rollout
from gensim_graph.graph import GraphSizes
from gensim_graph.io import open_store
from gensim_graph.variables import default_variables

TABLE = default_variables()
LEAD = np.timedelta64(3, "h")


def trajectories(cells: int = 6, hours: int = 24) -> Trajectories:
    return Trajectories.from_dataset(open_store(small_trajectory(jittered_box(cells), hours=hours)), TABLE, LEAD)


def samples_of(part, count: int = 40, growing: float = 0.0, transported: tuple = (), **settings) -> RolloutSamples:
    statistics = dataclasses.replace(statistics_of([part], TABLE, 3.0), transported=transported)
    config = SamplingConfig(batch=2, lead_time="3h", **{"rollout": 3, **settings})
    return RolloutSamples([part], Normaliser(TABLE, statistics), config, 0, count, growing)


def test_states_and_forcing_follow_each_other_one_lead_time_apart():
    data = trajectories()
    samples = samples_of(data)
    begins = set()
    for number in range(10):
        sample = samples[number]
        begin = next(n for n in range(data.state.shape[1]) if np.allclose(data.state[0, n], sample.state[0]))
        times = begin + data.lead_steps * np.arange(4)
        np.testing.assert_allclose(sample.state, data.state[0, times])
        np.testing.assert_allclose(sample.forcing, data.forcing[0, times])
        np.testing.assert_allclose(sample.slow, data.slow[0, times[:-1]])
        assert (sample.weight[..., :5] == 1).all()  # these data have no snow
        begins.add(begin)
    assert len(begins) > 3


def test_batches_of_a_chain_follow_each_other_on_the_same_cells():
    data = trajectories()
    samples = samples_of(data, rollout=2, chain=3, chains=1)  # batches of two samples
    for place in (0, 1):
        chain = [samples[2 * batch + place] for batch in range(3)]
        torch.testing.assert_close(chain[0].state[-1], chain[1].state[0])
        torch.testing.assert_close(chain[1].state[-1], chain[2].state[0])
        assert [one.parts[0].continues for one in chain] == [False, True, True]
        assert len({one.parts[0].number for one in chain}) == 3  # each has noise of its own
    assert not samples[6].parts[0].continues


def test_chain_longer_than_the_data_goes_on_with_another_time():
    data = trajectories()
    short = DataPart(data, [0], range(1 + data.lead_steps))  # two pairs in a row at most
    samples = samples_of(short, rollout=1, chain=5, chains=1)
    chain = [samples[2 * batch] for batch in range(5)]
    continues = [one.parts[0].continues for one in chain]
    assert continues.count(False) >= 3
    assert all(one.weight.sum() > 0 for one in chain)
    for one, other, goes_on in zip(chain, chain[1:], continues[1:], strict=False):
        assert goes_on == np.allclose(one.state[-1], other.state[0])


def test_chains_take_turns():
    samples = samples_of(trajectories(), rollout=1, chain=4, chains=3)  # batches of two samples
    for chain in range(3):
        own = [samples[2 * (3 * turn + chain)] for turn in range(9)]
        begins = [not one.parts[0].continues for one in own]
        first = (4 - chain * 4 // 3) % 4 or 4  # the first chains begin in their midst
        assert begins[0]
        assert [turn for turn, begin in enumerate(begins) if begin][1:3] == [first, first + 4][: sum(begins) - 1]
        for one, other, begin in zip(own, own[1:], begins[1:], strict=False):
            assert begin or torch.equal(one.state[-1], other.state[0])
    assert len({samples[number].state.sum().item() for number in (0, 2, 4)}) == 3


def test_rollouts_grow_between_chains_only():
    samples = samples_of(trajectories(), count=40, growing=0.5, chain=4, chains=1)
    lengths = [samples.steps_of(number) for number in range(0, 40, 2)]
    assert all(len(set(lengths[first : first + 4])) == 1 for first in range(0, 20, 4))


def test_sample_follows_from_its_number():
    one, other = samples_of(trajectories()), samples_of(trajectories())
    other[3]
    torch.testing.assert_close(one[7].state, other[7].state)


def test_rollouts_grow_over_the_first_part_of_the_run():
    samples = samples_of(trajectories(), count=40, growing=0.5)  # 20 batches of two
    lengths = [samples.steps_of(number) for number in range(40)]
    assert lengths[0] == 1
    assert lengths[20:] == [3] * 20
    assert lengths == sorted(lengths)
    assert all(lengths[number] == lengths[number + 1] for number in range(0, 40, 2))


def test_data_too_short_for_the_rollout_have_no_weight_after_their_end():
    data = trajectories()
    short = DataPart(data, [0], range(1 + data.lead_steps))  # two pairs in a row at most
    sample = samples_of(short)[0]
    assert sample.weight.sum(dim=(1, 2)).gt(0).tolist() == [True, True, False]


def test_no_rollout_goes_over_a_gap():
    class Gap(DataPart):
        """Between pairs 3 and 4 a month is missing."""

        def pair_times(self, trajectory, start):
            begin, end = super().pair_times(trajectory, start)
            return (begin, end) if start < 4 else (begin + np.timedelta64(30, "D"), end + np.timedelta64(30, "D"))

    data = trajectories()
    part = Gap(data, [0], range(data.n_starts))
    samples = samples_of(part)
    for number in range(20):
        sample = samples[number]
        begin = next(n for n in range(data.state.shape[1]) if np.allclose(data.state[0, n], sample.state[0]))
        steps = int(sample.weight.sum(dim=(1, 2)).gt(0).sum())
        starts = begin + data.lead_steps * np.arange(steps)
        assert (starts < 4).all() or (starts >= 4).all()


def test_window_of_a_large_mesh_holds_its_rim_and_not_its_core():
    data = trajectories(cells=24, hours=12)
    sample = samples_of(data, clusters=3, core=1, rollout=2, transported=("sit", "sic"))[0]
    assert len(sample.state[0]) < data.mesh.n_faces
    in_core = sample.weight[0, :, 0] > 0
    assert in_core.any()
    assert sample.is_held.any()
    assert not (in_core & sample.is_held).any()
    assert sample.parts[0].transport is not None
    assert len(sample.parts[0].transport.plan.fit.sides.areas) == len(in_core)


@pytest.mark.parametrize("more", [0, 40])
def test_batch_keeps_the_samples_apart(more):
    samples = samples_of(trajectories())
    first, second = samples[0], samples[1]
    batch = collate_rollouts([first, second])
    if more:
        sizes = GraphSizes.of(batch.graph)
        batch = pad_rollout(batch, sizes.holding(batch.graph)._replace(cells=sizes.cells + more))
    cells = first.parts[0].cells

    torch.testing.assert_close(batch.state[:, :cells], first.state)
    torch.testing.assert_close(batch.weight[:, cells : 2 * cells], second.weight)
    assert [part.number for part in batch.parts] == [0, 1]
    assert batch.weight[:, 2 * cells :].sum() == 0
