"""Training samples: reproducible, conservative, stratified; statistics equal to numpy's."""

import dataclasses

import numpy as np
import pytest
import torch
from support.examples import regular_grid, relative_error, small_trajectory
from support.meshes import jittered_box

from gensim_graph.data import (
    Normaliser,
    SamplingConfig,
    Statistics,
    TrainingBatch,
    TrainingSamples,
    Trajectories,
    collate,
    statistics_of,
)
from gensim_graph.data.statistics import RunningMoments
from gensim_graph.errors import InputError
from gensim_graph.io import open_stores
from gensim_graph.mesh import Mesh
from gensim_graph.nn import rotate_vectors
from gensim_graph.typing import Tensor
from gensim_graph.variables import default_variables

TABLE = default_variables()
STATE = [variable.name for variable in TABLE.state]
LEAD = np.timedelta64(6, "h")
CONFIG = SamplingConfig(batch=4, clusters=3, core=1, levels=[1.0], partitions=2)
MESH = jittered_box(24)


def trajectories(*meshes: Mesh, hours: int = 9) -> list[Trajectories]:
    stores = open_stores([small_trajectory(mesh, hours=hours, seed=seed) for seed, mesh in enumerate(meshes)])
    return [Trajectories.from_dataset(store, TABLE, LEAD) for store in stores]


def samples(
    data: list[Trajectories], seed: int = 0, count: int = 100, deterministic: bool = False, **changes: object
) -> TrainingSamples:
    normaliser = Normaliser(TABLE, statistics_of(data, TABLE, 6.0))
    return TrainingSamples(data, normaliser, dataclasses.replace(CONFIG, **changes), seed, count, deterministic)


DATA = trajectories(MESH, MESH)


def same(first: TrainingBatch, second: TrainingBatch) -> bool:
    tensors = all(torch.equal(a, b) for a, b in zip(first[1:], second[1:], strict=True))
    return tensors and all(torch.equal(first.graph[name], second.graph[name]) for name in ("pos", "halo", "slot"))


# Randomness


@pytest.mark.parametrize("number", [0, 7, 42])
def test_a_sample_follows_from_seed_and_number(number):
    """It does not depend on the samples drawn before or on the length of the run."""
    fresh, used = samples(DATA, count=50), samples(DATA, count=10**6)
    for other in range(5):
        used[other]
    assert same(fresh[number], used[number])


def test_every_number_is_another_sample():
    drawn = samples(DATA)
    assert not torch.equal(drawn[0].noised[:9], drawn[4].noised[:9])


def test_every_seed_is_another_run():
    assert not torch.equal(samples(DATA, seed=0)[3].noised[:9], samples(DATA, seed=1)[3].noised[:9])


@pytest.mark.parametrize("first", [0, 8])
def test_flow_times_are_stratified_in_a_batch(first):
    drawn = samples(DATA)
    times = torch.stack([drawn[first + index].flow_time for index in range(4)])
    assert sorted((times * 4).floor().int().tolist()) == [0, 1, 2, 3]


# What is in a sample


def physical_state(drawn: TrainingSamples, item: TrainingBatch) -> Tensor:
    mean, std = (torch.from_numpy(part.copy()) for part in drawn.normaliser.statistics.of_values(TABLE.state))
    return item.conditions[:, : len(STATE)] * std + mean


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("mesh", [MESH, regular_grid(32)], ids=["triangles", "grid"])
def test_every_level_conserves_the_means(mesh, level):
    """With one pair of times and the whole mesh, area-weighted means are those of the data."""
    data = trajectories(mesh, hours=6)
    drawn = samples(data, levels=[float(index == level) for index in range(3)], clusters=99)
    item = drawn[3]
    assert len(item.noised) == mesh.n_faces // 4**level
    came = (item.graph.area[:, None] * physical_state(drawn, item)).sum(dim=0) / item.graph.area.sum()
    expected = np.average(data[0].state[0, 0], axis=0, weights=mesh.areas)
    np.testing.assert_allclose(came, expected, atol=2e-6)


def test_a_small_mesh_is_not_coarsened():
    item = samples(trajectories(jittered_box(5)), levels=[0.0, 0.0, 1.0])[0]
    assert len(item.noised) == 50


def test_the_path_leads_from_noise_to_the_residual():
    """z + (1 - tau) v is the residual of the data, at the cells of the subgraph."""
    data = trajectories(MESH, hours=6)
    drawn = samples(data, clusters=99)
    item = drawn[1]
    end = item.noised + (1 - item.flow_time) * item.velocity
    state, later = (torch.from_numpy(data[0].state[0, time]) for time in (0, 2))
    torch.testing.assert_close(end, drawn.normaliser.residual(state, later), rtol=1e-4, atol=1e-4)


def test_noise_is_standard_normal():
    drawn = samples(trajectories(MESH, hours=6), clusters=99)
    item = drawn[1]
    noise = item.noised - item.flow_time * item.velocity
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert noise.std().item() == pytest.approx(1, abs=0.05)


def test_the_deterministic_twin_sees_no_noise():
    item = samples(DATA, deterministic=True)[1]
    assert not item.noised.any()
    assert item.flow_time == 0


def test_values_at_a_bound_are_marked():
    """The marks are where the next state is open water or pack ice."""
    data = trajectories(MESH, hours=6)
    item = samples(data, clusters=99)[0]
    column = STATE.index("sic")
    target = data[0].state[0, 2, :, column]
    assert (item.at_lower[:, column].numpy() == (target <= 1e-6)).all()
    assert (item.at_upper[:, column].numpy() == (target >= 1 - 1e-6)).all()
    assert 0 < item.at_lower[:, column].sum() < len(target)


def test_velocities_are_never_at_a_bound():
    item = samples(DATA)[0]
    assert not item.at_lower[:, STATE.index("siu")].any()


def test_only_the_core_counts():
    drawn = samples(DATA)
    item = drawn[2]
    core = item.weight[:, STATE.index("sit")] > 0
    assert set(item.weight.unique().tolist()) == {0.0, 1.0}
    assert 0 < core.float().mean() < 0.5
    assert len((item.graph.slot[core] // 256).unique()) == 1


def test_absent_variables_do_not_count():
    assert not samples(DATA)[0].weight[:, STATE.index("snt")].any()


def test_stores_on_one_mesh_share_their_graphs():
    drawn = samples(trajectories(MESH, MESH), partitions=1)
    for number in range(12):
        drawn[number]
    assert drawn._prepared.cache_info().currsize == 1


def test_a_subgraph_has_a_fixed_number_of_clusters():
    drawn = samples(DATA)
    assert {drawn[number].graph.n_clusters for number in range(8)} == {3}


def test_partitions_vary_the_grouping():
    drawn = samples(DATA, partitions=8, clusters=99)
    assert len({tuple(drawn[number].graph.token_area[:4].tolist()) for number in range(12)}) > 3


def test_a_batch_is_the_union_of_its_samples():
    drawn = samples(DATA)
    items = [drawn[number] for number in range(4)]
    batch = collate(items)
    assert batch.graph.n_graphs == 4
    assert batch.flow_time.shape == (1, 4)
    torch.testing.assert_close(batch.velocity[0], torch.cat([item.velocity for item in items]))


def test_meshes_are_drawn_by_their_number_of_pairs():
    meshes = (jittered_box(5), jittered_box(5), jittered_box(5), regular_grid(6))
    drawn = samples(trajectories(*meshes))
    share = np.mean([len(drawn[number].noised) == 50 for number in range(400)])
    assert share == pytest.approx(0.75, abs=0.07)


@pytest.mark.parametrize("change", [{"rotate": True}, {"mirror": True}], ids=["rotate", "mirror"])
def test_augmentation_turns_vectors_and_graph_alike(change):
    """The drift along the direction to a neighbour does not change."""
    plain, augmented = samples(DATA), samples(DATA, **change)
    number = next(n for n in range(9) if not torch.equal(plain[n].graph.pos, augmented[n].graph.pos))
    u, v = STATE.index("siu"), STATE.index("siv")

    def along(sample: TrainingBatch) -> Tensor:
        receiver = sample.graph.edge_index[1]
        return (sample.conditions[receiver][:, [u, v]] * sample.graph.edge_attr[:, :2]).sum(dim=-1)

    assert relative_error(along(augmented[number]), along(plain[number])) < 1e-5


def test_augmentation_turns_the_frame():
    plain, turned = samples(DATA)[5], samples(DATA, rotate=True)[5]
    pair = [(STATE.index("siu"), STATE.index("siv"))]
    angle = torch.atan2(*turned.graph.pos[0].flip(0)) - torch.atan2(*plain.graph.pos[0].flip(0))
    assert relative_error(turned.velocity, rotate_vectors(plain.velocity, pair, float(angle))) < 1e-4


# Statistics


def pooled(data: list[Trajectories], residual: bool) -> np.ndarray:
    parts = []
    for part in data:
        values = part.state.astype(np.float64)
        chosen = values[:, part.lead_steps :] - values[:, : -part.lead_steps] if residual else values
        parts.append(chosen.reshape(-1, len(STATE)))
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def two_meshes() -> list[Trajectories]:
    return trajectories(jittered_box(7), jittered_box(7), regular_grid(9), hours=12)


@pytest.mark.parametrize("residual", [False, True], ids=["values", "residuals"])
@pytest.mark.parametrize("name", ["sit", "sic", "sid"])
def test_moments_of_scalars_are_numpys(two_meshes, name, residual):
    statistics = statistics_of(two_meshes, TABLE, 6.0)
    mean, std = (statistics.residuals if residual else statistics.values)[name]
    column = pooled(two_meshes, residual)[:, STATE.index(name)]
    assert (mean, std) == pytest.approx((column.mean(), column.std()), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("residual", [False, True], ids=["values", "residuals"])
def test_vectors_have_mean_zero_and_one_deviation(two_meshes, residual):
    statistics = statistics_of(two_meshes, TABLE, 6.0)
    moments = statistics.residuals if residual else statistics.values
    columns = pooled(two_meshes, residual)[:, [STATE.index("siu"), STATE.index("siv")]]
    expected = (0.0, np.sqrt((columns**2).mean()))
    assert moments["siu"] == pytest.approx(expected, rel=1e-6)
    assert moments["siv"] == pytest.approx(expected, rel=1e-6)


def test_moments_of_the_wind_are_numpys(two_meshes):
    winds = np.concatenate([part.forcing[..., 2:4].reshape(-1, 2) for part in two_meshes]).astype(np.float64)
    expected = (0.0, np.sqrt((winds**2).mean()))
    assert statistics_of(two_meshes, TABLE, 6.0).values["uas"] == pytest.approx(expected, rel=1e-6)


def test_absent_variables_have_no_statistics(two_meshes):
    statistics = statistics_of(two_meshes, TABLE, 6.0)
    assert "snt" not in statistics.values
    assert "tus" not in statistics.values


def test_statistics_survive_json(two_meshes):
    statistics = statistics_of(two_meshes, TABLE, 6.0)
    assert Statistics.from_dict(statistics.to_dict()) == statistics


def test_a_variable_in_some_of_the_data_only():
    """Its moments are those of the data that have it; samples of the others have flag 0, no value and no loss."""
    part = trajectories(jittered_box(5))[0]
    other = dataclasses.replace(
        trajectories(jittered_box(6))[0], present=part.present | {"sid": False}, state=_without_damage(jittered_box(6))
    )
    statistics = statistics_of([part, other], TABLE, 6.0)
    assert statistics.optional == ("sid",)
    assert statistics.values["sid"] == statistics_of([part], TABLE, 6.0).values["sid"]

    samples = TrainingSamples([part, other], Normaliser(TABLE, statistics), SamplingConfig(), seed=0, count=20)
    damage, flag = STATE.index("sid"), -len(TABLE.variables) + STATE.index("sid")
    seen = set()
    for sample in (samples[number] for number in range(20)):
        has_damage = bool((sample.conditions[:, flag] == 1).all())
        seen.add(has_damage)
        assert bool(sample.weight[:, damage].any()) == has_damage
        if not has_damage:
            assert not sample.conditions[:, flag].any()
            assert not sample.conditions[:, damage].any()
    assert seen == {True, False}


def _without_damage(mesh) -> np.ndarray:
    state = trajectories(mesh)[0].state.copy()
    state[..., STATE.index("sid")] = 0.0
    return state


def test_the_wind_in_some_of_the_data_only():
    part = trajectories(jittered_box(5))[0]
    other = dataclasses.replace(part, present=part.present | {"uas": False, "vas": False})
    with pytest.raises(InputError, match="forcing uas, vas is in some of the training data and not in others"):
        statistics_of([part, other], TABLE, 6.0)


def test_a_variable_that_never_changes():
    part = trajectories(jittered_box(5))[0]
    state = part.state.copy()
    state[..., STATE.index("sid")] = 0.25
    with pytest.raises(InputError, match="'sid' never changes"):
        statistics_of([dataclasses.replace(part, state=state)], TABLE, 6.0)


def one_column(*chunks: np.ndarray) -> RunningMoments:
    running = RunningMoments((TABLE["sit"],))
    for chunk in chunks:
        running.add(chunk.astype(np.float32)[:, None], np.array([True]))
    return running


@pytest.mark.parametrize("value", [0.0, 0.1, 271.35, -1e5])
def test_a_constant_has_deviation_one(value):
    mean, std = one_column(*np.full((3, 1001), value)).moments("state")["sit"]
    assert mean == pytest.approx(value, rel=1e-6)
    assert std == 1.0


@pytest.mark.parametrize("value", [0.0, 0.1, -1e5])
def test_a_constant_residual_is_refused(value):
    with pytest.raises(InputError, match="'sit' never changes"):
        one_column(*np.full((3, 1001), value)).moments("residual")


def test_a_small_deviation_of_a_large_mean_is_kept():
    """Deviation of 1 Pa around 101325 Pa: computed as E[x^2] - E[x]^2 it would be lost in rounding."""
    values = 101325 + np.random.default_rng(0).standard_normal((5, 2000)).astype(np.float32)
    _, std = one_column(*values).moments("state")["sit"]
    assert std == pytest.approx(values.astype(np.float32).astype(np.float64).std(), rel=1e-9)


# Normalisation


def test_a_residual_brings_the_state_forward():
    drawn = samples(DATA)
    state, later = (torch.from_numpy(DATA[0].state[0, time]) for time in (0, 2))
    normaliser = drawn.normaliser
    torch.testing.assert_close(normaliser.advance(state, normaliser.residual(state, later)), later, rtol=0, atol=1e-6)


def test_no_residual_leads_out_of_bounds():
    normaliser = samples(DATA).normaliser
    state = torch.from_numpy(DATA[0].state[0, 0])
    came = normaliser.advance(state, 100 * torch.randn(state.shape))
    assert (came >= normaliser.bounds.lower).all()
    assert (came <= normaliser.bounds.upper).all()


def test_normalised_conditions_have_unit_variance():
    drawn = samples(trajectories(MESH, hours=6), clusters=99)
    sit = torch.cat([drawn[number].conditions[:, STATE.index("sit")] for number in range(2)])
    assert sit.std().item() == pytest.approx(1, abs=0.2)


def test_flags_say_which_variables_are_there():
    flags = samples(DATA)[0].conditions[:, -len(TABLE.variables) :]
    named = [variable.name for variable in (*TABLE.state, *TABLE.forcing, *TABLE.slow)]
    present = {name for name, up in zip(named, flags[0].tolist(), strict=True) if up}
    assert present == {"sit", "sic", "sid", "siu", "siv", "uas", "vas"}


# What is drawn from


def test_every_cell_is_seen_about_as_often_as_every_other():
    """Two meshes of very different size: count over many samples how often a cell contributes to the loss."""
    meshes = jittered_box(14), regular_grid(40)
    drawn = samples(trajectories(*meshes), count=4000)
    losses = dict.fromkeys((mesh.hash for mesh in meshes), 0.0)
    rng = np.random.default_rng(0)
    for number in rng.choice(4000, 800, replace=False):
        item = drawn[int(number)]
        on_grid = item.graph.area.std() < 1e-3 * item.graph.area.mean()
        losses[meshes[int(on_grid)].hash] += float((item.weight[:, 0] > 0).sum())
    per_cell = np.array([losses[mesh.hash] / mesh.n_faces for mesh in meshes])
    assert per_cell.max() / per_cell.min() < 1.5, per_cell


def test_the_beginning_can_be_left_out():
    store = open_stores([small_trajectory(MESH, hours=24)])[0]
    part = Trajectories.from_dataset(store, TABLE, LEAD, np.timedelta64(12, "h"))
    later = store.sel(time=slice(store["time"].values[0] + np.timedelta64(12, "h"), None))
    np.testing.assert_array_equal(part.state[0, 0, :, 0], later["sit"].values[0])
    assert part.state.shape[1] == later.sizes["time"]
    with pytest.raises(InputError, match=r"nothing is left of 24 h after the first 30 h, data\.skip"):
        Trajectories.from_dataset(store, TABLE, LEAD, np.timedelta64(30, "h"))
