"""Training data whose residual is counted from the transport: values, statistics, parts, prepared stores."""

import numpy as np
import pytest
import torch
from support.examples import small_trajectory
from support.meshes import jittered_box
from support.surrogates import DATA, MESH, TABLE

from gensim_graph.data import (
    DataPart,
    Normaliser,
    PreparedTrajectories,
    SamplingConfig,
    TrainingSamples,
    Trajectories,
    TransportedTrajectories,
    prepare,
    statistics_of,
    with_transport,
)
from gensim_graph.data.prepared import moved_files
from gensim_graph.io import open_store
from gensim_graph.transport import plan_state_transport

LEAD = np.timedelta64(6, "h")
SECONDS = 6 * 3600.0
NAMES = ("sit", "sic", "sid")
CELLS = np.array([3, 17, 40])


@pytest.fixture(scope="module")
def plain():
    return Trajectories.from_dataset(DATA, TABLE, LEAD)


@pytest.fixture(scope="module")
def moved(plain):
    return with_transport([plain], TABLE, NAMES, SECONDS)[0]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    store = prepare(DATA, tmp_path_factory.mktemp("store") / "store.zarr", lead_times=[LEAD], progress=False)
    return PreparedTrajectories.open(store, TABLE, LEAD)


def test_base_is_the_moved_state(plain, moved):
    transport = plan_state_transport(MESH, TABLE.state, NAMES, SECONDS)
    for start in range(plain.n_starts):
        pair = plain.read(0, start)
        expected = transport.moved(torch.from_numpy(pair.state)[None], torch.from_numpy(pair.next_state)[None])[0]
        came = moved.read(0, start)
        np.testing.assert_allclose(came.base, expected.numpy(), rtol=0, atol=1e-6)
        for name in ("state", "next_state", "forcing", "next_forcing", "slow"):
            np.testing.assert_array_equal(getattr(came, name), getattr(pair, name))
        np.testing.assert_array_equal(moved.read(0, start, CELLS).base, came.base[CELLS])


def test_without_names_the_data_stay_as_they_are(plain):
    assert with_transport([plain], TABLE, (), SECONDS) == [plain]
    pair = plain.read(0, 1)
    assert pair.base is pair.state


def test_statistics_are_those_of_all_pairs(plain, moved):
    residual = np.stack([pair.next_state - pair.base for pair in moved.pairs()]).astype(np.float64)
    found, before = statistics_of([moved], TABLE, 6.0), statistics_of([plain], TABLE, 6.0)
    assert found.values == before.values

    for name in NAMES:
        column = residual[..., [one.name for one in TABLE.state].index(name)]
        assert found.residuals[name] == pytest.approx((column.mean(), column.std()), rel=1e-6)
    for name in ("siu", "siv"):
        assert found.residuals[name] == before.residuals[name]


def test_a_store_gives_what_memory_gives(moved, stored):
    (lazy,) = with_transport([stored], TABLE, NAMES, SECONDS)
    assert not lazy.is_in_memory
    for start in range(moved.n_starts):
        for one, other in zip(moved.read(0, start, CELLS), lazy.read(0, start, CELLS), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    assert statistics_of([lazy], TABLE, 6.0).residuals["sit"] == pytest.approx(
        statistics_of([moved], TABLE, 6.0).residuals["sit"], rel=1e-5
    )


def test_parts_keep_the_base(moved):
    part = DataPart(moved, [0], range(1, 3))
    np.testing.assert_array_equal(part.read(0, 0).base, moved.read(0, 1).base)
    *_, (_, residual, _, _) = part.statistics_chunks()
    pair = moved.read(0, 2)
    np.testing.assert_array_equal(residual[0], pair.next_state - pair.base)


def test_samples_learn_what_the_transport_leaves(moved):
    """At flow time 1 the sample is the residual itself; coarse samples have the means of the moved state."""
    normaliser = Normaliser(TABLE, statistics_of([moved], TABLE, 6.0))
    config = SamplingConfig(batch=1, levels=[1.0], partitions=1)
    sample = TrainingSamples([moved], normaliser, config, seed=0, count=4)[2]
    end = sample.noised + (1 - sample.flow_time) * sample.velocity

    residuals = [
        normaliser.residual(torch.from_numpy(pair.base), torch.from_numpy(pair.next_state)) for pair in moved.pairs()
    ]
    assert min(float((end - one).abs().max()) for one in residuals) < 1e-4


def test_coarse_samples_have_the_means_of_the_fine_transport():
    mesh = jittered_box(12)  # a smaller one has no coarser level
    whole = Trajectories.from_dataset(open_store(small_trajectory(mesh, hours=12)), TABLE, LEAD)
    (data,) = with_transport([whole], TABLE, NAMES, SECONDS)
    normaliser = Normaliser(TABLE, statistics_of([data], TABLE, 6.0))
    config = SamplingConfig(batch=1, levels=[0.0, 1.0], partitions=1)
    samples = TrainingSamples([data], normaliser, config, seed=0, count=4)

    draw, sample = samples.draw(1), samples[1]
    pair = data.read(draw.trajectory, draw.start, draw.cells)
    assert draw.means is not None
    base, later = (torch.from_numpy(draw.means @ one).float() for one in (pair.base, pair.next_state))
    end = sample.noised + (1 - sample.flow_time) * sample.velocity
    torch.testing.assert_close(end, normaliser.residual(base, later), rtol=1e-4, atol=1e-4)


def test_trajectories_say_what_they_are(moved):
    assert isinstance(moved, TransportedTrajectories)
    np.testing.assert_array_equal(moved.times(0), DATA["time"].values.astype("datetime64[ns]").ravel())


def opened(store):
    return PreparedTrajectories.open(store, TABLE, LEAD)


def files_of(store):
    (folder,) = store.glob("moved_*")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in (".npy", ".safetensors")}


def test_an_interrupted_computation_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(moved_files, "_FILE_BYTES", 2 * 4 * 3 * MESH.n_faces)  # two records a file
    store = prepare(DATA, tmp_path / "store.zarr", lead_times=[LEAD], progress=False)
    with_transport([opened(store)], TABLE, NAMES, SECONDS, progress=False)
    whole = files_of(store)
    assert len(whole) > 4

    (folder,) = store.glob("moved_*")
    first, *_, last = sorted(folder.glob("*.safetensors"))
    first.unlink()  # killed between the values and their moments
    last.unlink()
    last.with_suffix(".npy").unlink()
    with_transport([opened(store)], TABLE, NAMES, SECONDS, progress=False)
    assert files_of(store) == whole


def test_records_that_are_added_later_are_moved_too(tmp_path, moved, monkeypatch):
    monkeypatch.setattr(moved_files, "_FILE_BYTES", 3 * 4 * 3 * MESH.n_faces)
    half = DATA.isel(time=slice(0, 5))
    store = prepare(half, tmp_path / "store.zarr", lead_times=[LEAD], progress=False)
    with_transport([opened(store)], TABLE, NAMES, SECONDS, progress=False)

    prepare([half, DATA.isel(time=slice(5, None))], store, lead_times=[LEAD], progress=False)
    (longer,) = with_transport([opened(store)], TABLE, NAMES, SECONDS, progress=False)
    assert longer.n_starts == moved.n_starts
    for start in range(moved.n_starts):
        np.testing.assert_allclose(longer.read(0, start).base, moved.read(0, start).base, rtol=0, atol=1e-6)


def test_pairs_across_a_gap_are_left_out(tmp_path, moved):
    pieces = [DATA.isel(time=slice(0, 4)), DATA.isel(time=slice(5, None))]
    store = prepare(pieces, tmp_path / "store.zarr", lead_times=[LEAD], skip_gaps=True, progress=False)
    (data,) = with_transport([opened(store)], TABLE, NAMES, SECONDS, progress=False)
    times = DATA["time"].values.ravel().tolist()

    for start in range(data.n_starts):
        number = times.index(np.datetime64(data.pair_times(0, start)[0], "ns").astype(np.int64))
        np.testing.assert_allclose(data.read(0, start).base, moved.read(0, number).base, rtol=0, atol=1e-6)
