"""Training data on the device: the samples are those that the workers make, and the processor never waits."""

import dataclasses

import numpy as np
import pytest
import torch
from support.examples import regular_grid, small_trajectory
from support.meshes import jittered_box
from support.waiting import NoWaiting

from gensim_graph.data import (
    Normaliser,
    SamplingConfig,
    TrainingBatch,
    TrainingData,
    TrainingSamples,
    Trajectories,
    hold_out,
    statistics_of,
    with_drift_response,
    with_transport,
)
from gensim_graph.data.on_device import (
    DeviceAssembly,
    DeviceRecords,
    DrawnSamples,
    RecordRows,
    belongs_on_device,
    collate_drawn,
)
from gensim_graph.errors import InputError
from gensim_graph.io import open_stores
from gensim_graph.train.batch_loader import BatchLoader, BatchPadding, Share
from gensim_graph.variables import default_variables

TABLE = default_variables()
LEAD = np.timedelta64(6, "h")
CONFIG = SamplingConfig(batch=6, clusters=3, core=1, levels=[0.4, 0.3, 0.3], partitions=2, lead_time="6h")
CPU = torch.device("cpu")
STATE = len(TABLE.state)


def trajectories(hours: int = 12) -> list[TrainingData]:
    """Two trajectories of a mesh of triangles that is cut into parts, and one of a whole grid."""
    meshes = (jittered_box(24), jittered_box(24), regular_grid(20))
    stores = open_stores([small_trajectory(mesh, hours=hours, seed=seed) for seed, mesh in enumerate(meshes)])
    return [Trajectories.from_dataset(store, TABLE, LEAD) for store in stores]


DATA = trajectories()


def samples(data=None, response: bool = False, deterministic: bool = False, **changes) -> TrainingSamples:
    data = DATA if data is None else data
    statistics = statistics_of(data, TABLE, 6.0)
    if response:
        statistics = with_drift_response(statistics, data, TABLE)
    config = dataclasses.replace(CONFIG, **changes)
    return TrainingSamples(data, Normaliser(TABLE, statistics), config, 7, 5 * config.batch, deterministic)


def both(drawn: TrainingSamples, **keywords) -> list[tuple[TrainingBatch, TrainingBatch]]:
    """Batches of the workers, and those that the device assembles."""
    assembly = DeviceAssembly(drawn, CPU)
    ours = BatchLoader(drawn, drawn.config.batch, assembly=assembly, **keywords)
    return list(zip(ours, BatchLoader(drawn, drawn.config.batch, **keywords), strict=True))


def check_same(came: TrainingBatch, expected: TrainingBatch, exact: bool) -> None:
    for name, value in expected.graph.to_dict().items():
        assert torch.equal(came.graph[name], value), name
    for name, one, other in zip(TrainingBatch._fields[1:], came[1:], expected[1:], strict=True):
        assert one.dtype == other.dtype, name
        assert one.shape == other.shape, name
        if exact or not one.is_floating_point():
            assert torch.equal(one, other), name
        else:
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


VARIANTS = {
    "plain": {},
    "rotate": {"rotate": True},
    "mirror": {"mirror": True},
    "rotate and mirror": {"rotate": True, "mirror": True},
    "response": {"response": True},
    "deterministic": {"deterministic": True, "rotate": True},
    "whole meshes": {"clusters": 99},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("level", [0, None], ids=["meshes", "levels"])
def test_samples_are_those_of_the_workers(variant, level):
    """Bit for bit on the meshes themselves; means over coarse cells may differ in the last digit."""
    levels = CONFIG.levels if level is None else [1.0]
    for came, expected in both(samples(levels=levels, **VARIANTS[variant])):
        check_same(came, expected, exact=level == 0)


@pytest.mark.parametrize("response", [False, True])
def test_the_base_is_transported(response):
    moved = with_transport(DATA, TABLE, ["sit", "sic", "sid"], seconds=21600.0)
    plain, transported = samples(levels=[1.0]), samples(moved, response, levels=[1.0])
    pairs = both(transported)
    for came, expected in pairs:
        check_same(came, expected, exact=True)
    assert not torch.equal(pairs[0][0].velocity, both(plain)[0][0].velocity)
    for came, expected in both(samples(moved, response)):
        check_same(came, expected, exact=False)


def test_parts_that_are_left_by_the_validation():
    """A part of the times and a part of the trajectories, with gaps between them."""
    split = hold_out(with_transport(trajectories(hours=72), TABLE, ["sit"], seconds=21600.0), 0.1)
    for part in (split.training, split.validation):
        for came, expected in both(samples(part)):
            check_same(came, expected, exact=False)


def test_data_of_which_some_lack_a_variable():
    column = [one.name for one in TABLE.state].index("sid")
    state = DATA[0].state.copy()
    state[..., column] = 0
    lacking = dataclasses.replace(DATA[0], state=state, present=DATA[0].present | {"sid": False})
    pairs = both(samples([lacking, *DATA[1:]], levels=[1.0]))
    for came, expected in pairs:
        check_same(came, expected, exact=True)
    counted = torch.cat([came.weight[0] for came, _ in pairs])
    counted = counted[counted[:, 0] > 0, column]
    assert 0 < counted.mean() < 1


@pytest.mark.parametrize("batch", [1, 6])
def test_padded_batches(batch):
    drawn = samples(batch=batch)
    padding = BatchPadding.of_run(drawn, batch, range(batch), with_lists=True)
    pairs = both(drawn, padding=padding)
    assert any(came.noised.shape[1] > len(came.weight[0].any(-1).nonzero()) for came, _ in pairs)
    for came, expected in pairs:
        check_same(came, expected, exact=False)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_draw_the_same_batches(workers):
    drawn = samples()
    assembly = DeviceAssembly(drawn, CPU)
    alone, helped = (list(BatchLoader(drawn, 6, workers=count, assembly=assembly)) for count in (0, workers))
    for came, expected in zip(helped, alone, strict=True):
        check_same(came, expected, exact=True)


def test_a_run_goes_on_and_processes_share_a_batch():
    drawn = samples(levels=[1.0])
    for came, expected in both(drawn, first_step=2, share=Share(1, 3)):
        check_same(came, expected, exact=True)


def test_the_processor_never_waits():
    drawn = samples(with_transport(DATA, TABLE, ["sit"], seconds=21600.0), response=True, rotate=True, mirror=True)
    assembly, draws = DeviceAssembly(drawn, CPU), DrawnSamples(drawn, RecordRows.of(drawn.data))
    batches = [collate_drawn(draws.__getitems__(range(first, first + 6))) for first in (0, 6)]
    assembly(batches[0])  # statistics and bounds become tensors at their first use
    with NoWaiting():
        batch = assembly(batches[1])
    assert torch.isfinite(batch.velocity).all()


def test_means_conserve_the_integral():
    """Of the gathered state, independent of the samples: area-weighted means of the whole mesh are those of numpy."""
    data = DATA[:1]
    drawn = samples(data, levels=[0.0, 0.0, 1.0], clusters=99)
    (came, *_), part = (one[0] for one in both(drawn)), data[0]
    mean, std = (torch.from_numpy(one.copy()) for one in drawn.normaliser.statistics.of_values(TABLE.state))
    graph = came.graph
    for number in range(6):
        chosen = graph.batch == number
        state = came.conditions[0, chosen, :STATE] * std + mean
        total = (graph.area[chosen, None] * state).sum(0) / graph.area[chosen].sum()
        means = np.average(part.state, axis=2, weights=part.mesh.areas).reshape(-1, STATE)
        assert np.abs(means - total.numpy()).max(axis=1).min() < 1e-5


def test_records_have_every_pair():
    moved = with_transport(DATA, TABLE, ["sit"], seconds=21600.0)
    records = DeviceRecords.of(moved, TABLE, CPU)
    state, forcing = records.widths[:2]
    for number, part in enumerate(moved):
        for trajectory in range(part.n_trajectories):
            for start in range(part.n_starts):
                pair = part.read(trajectory, start)
                first = records.rows.of_record(number, trajectory, start)
                now = records.values[first : first + part.mesh.n_faces].numpy()
                then = records.values[first + records.rows.later[number] :][: part.mesh.n_faces].numpy()
                expected = np.concatenate([pair.state, pair.forcing, pair.slow, pair.moved], axis=-1)
                np.testing.assert_array_equal(now, expected)
                np.testing.assert_array_equal(then[:, :state], pair.next_state)
                np.testing.assert_array_equal(then[:, state : state + forcing], pair.next_forcing)


# Where the data belong


class OnDisk(Trajectories):
    """Data that are not in memory."""

    is_in_memory = False


@pytest.mark.parametrize(("choice", "expected"), [("auto", False), ("false", False), ("true", True)])
def test_a_processor_keeps_data_where_they_are_unless_asked(choice, expected):
    assert belongs_on_device(choice, DATA, TABLE, CPU) is expected


def test_a_gpu_takes_what_fits(monkeypatch):
    """Two fifths of the free memory, which is that of all values in single precision."""
    gpu = torch.device("cuda")
    records = DeviceRecords.of(DATA, TABLE, CPU)
    needed = records.values.nbytes / 0.4
    for factor, fits in ((1.01, True), (0.99, False)):
        monkeypatch.setattr(
            "gensim_graph.data.on_device.device_records.free_memory", lambda _, room=factor * needed: room
        )
        assert belongs_on_device("auto", DATA, TABLE, gpu) is fits
    with pytest.raises(InputError, match=r"data.on_device=true: the training data take .*B, and .* of its free memory"):
        belongs_on_device("true", DATA, TABLE, gpu)


def test_data_on_the_disk_stay_there():
    part = OnDisk(**{one.name: getattr(DATA[0], one.name) for one in dataclasses.fields(DATA[0])})
    assert not belongs_on_device("auto", [part], TABLE, torch.device("cuda"))
    with pytest.raises(InputError, match=r"data.on_device=true: expected training data in memory"):
        belongs_on_device("true", [part], TABLE, CPU)


@pytest.mark.gpu
def test_a_gpu_makes_the_batches_of_the_processor():
    drawn = samples(with_transport(DATA, TABLE, ["sit"], seconds=21600.0), response=True, rotate=True, mirror=True)
    gpu = torch.device("cuda")
    assembly = DeviceAssembly(drawn, gpu)
    next(iter(BatchLoader(drawn, 6, assembly=assembly)))  # statistics and bounds become tensors at their first use
    loader = BatchLoader(drawn, 6, workers=1, pinned=True, assembly=assembly)
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = list(loader)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for came, expected in zip(batches, BatchLoader(drawn, 6), strict=True):
        assert came.noised.device.type == "cuda"
        check_same(TrainingBatch._make(part.to("cpu") for part in came), expected, exact=False)
