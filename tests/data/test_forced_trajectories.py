"""Training data with winds of other files: read in samples and loaders, against the fields they are made of."""

import logging
import pickle

import numpy as np
import pytest
import torch
import xarray as xr
from support.examples import small_trajectory
from support.lonlat_grids import arctic_mesh, degrees_of, forcing_on_grid
from torch.utils.data import DataLoader

from gensim_graph.config import compose_config
from gensim_graph.data import (
    Normaliser,
    PreparedTrajectories,
    SamplingConfig,
    TrainingData,
    TrainingSamples,
    Trajectories,
    collate,
    prepare,
    statistics_of,
    with_forcing,
)
from gensim_graph.errors import InputError
from gensim_graph.io import open_store
from gensim_graph.train import plan_training
from gensim_graph.variables import default_variables

TABLE = default_variables()
LEAD = np.timedelta64(6, "h")
FORCING = [variable.name for variable in TABLE.forcing]
MESH = arctic_mesh(10)
DATA = small_trajectory(MESH, hours=48)
LON, LAT = np.arange(0.0, 360.0, 2.0), np.arange(90.0, 60.0, -1.0)
NORTH = {"u10": lambda h, lat, lon: 0 * h * lat * lon, "v10": lambda h, lat, lon: h + 0 * lat * lon}


def warmth(hours, lat, lon):
    return 230 + 0.2 * lat + 0.3 * hours + 0 * lon


def trajectories() -> Trajectories:
    return Trajectories.from_dataset(open_store(DATA), TABLE, LEAD)


@pytest.fixture(scope="module")
def era5(tmp_path_factory) -> str:
    """Hourly winds in two files, six-hourly temperature in one; they begin a day before the data."""
    folder = tmp_path_factory.mktemp("era5")
    options = {"start": "1999-12-31"}
    winds = {name: {"zlib": True, "dtype": "int16", "scale_factor": 0.002, "_FillValue": -32767} for name in NORTH}
    for number, hours in enumerate((np.arange(0, 40), np.arange(40, 73))):
        ds = forcing_on_grid(LON, LAT, hours, **options, **NORTH)
        ds.to_netcdf(folder / f"winds{number}.nc", encoding=winds)
    forcing_on_grid(LON, LAT, np.arange(0, 73, 6), **options, t2m=warmth).to_netcdf(folder / "warmth.nc")
    return str(folder / "*.nc")


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENSIM_GRAPH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def forced(era5) -> TrainingData:
    return with_forcing([trajectories()], era5, TABLE)[0]


def column(values: np.ndarray, name: str) -> np.ndarray:
    return values[:, FORCING.index(name)]


def test_both_times_of_a_pair(forced):
    pair = forced.read(0, 5)  # from 15 h to 21 h of the data, 39 h and 45 h of the forcing
    lat = degrees_of(MESH)[1]
    for values, hours in ((pair.forcing, 39), (pair.next_forcing, 45)):
        speed = np.hypot(column(values, "uas"), column(values, "vas"))
        np.testing.assert_allclose(speed, hours, rtol=1e-3)
        np.testing.assert_allclose(column(values, "tus"), warmth(hours, lat, 0), atol=5e-3)
    assert (column(pair.forcing, "huss") == 0).all()


def test_the_state_is_that_of_the_data_and_cells_are_chosen(forced):
    cells = np.array([1, 30, 77])
    whole, some, own = forced.read(0, 3), forced.read(0, 3, cells), trajectories().read(0, 3, cells)
    for name in whole._fields[:5]:  # the last one is for data with transport
        np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[cells], err_msg=name)
    np.testing.assert_array_equal(some.state, own.state)
    np.testing.assert_array_equal(some.next_state, own.next_state)


def test_degree_days_are_added_from_the_temperature(forced):
    pair = forced.read(0, 8)  # 48 h after the beginning of the forcing
    lat = degrees_of(MESH)[1]
    cold = 2 * (273.15 - warmth(24, lat, 0))  # two days of which this is the mean
    slow = [variable.name for variable in TABLE.slow]
    np.testing.assert_allclose(pair.slow[:, slow.index("fdd_month")], cold, rtol=1e-4)
    np.testing.assert_array_equal(pair.slow[:, slow.index("fdd_year")], pair.slow[:, slow.index("fdd_month")])


def test_what_was_done_is_said(era5, caplog):
    with_forcing([trajectories()], era5, TABLE)
    assert sum("uas, vas of the data replaced by those of" in line for line in caplog.messages) == 1
    assert sum("pdd_month, fdd_month, pdd_year, fdd_year computed from tus" in line for line in caplog.messages) == 1


def test_statistics_of_all_times(forced):
    """Few times are all used: the statistics are those of the pairs."""
    data = forced
    came = statistics_of([data], TABLE, 6.0)
    pairs = list(data.pairs())
    own = statistics_of([trajectories()], TABLE, 6.0)
    for name in ("tus", "uas"):
        columns = [np.concatenate([column(pair.forcing, one) for pair in pairs]).astype(float)
                   for one in (("uas", "vas") if name == "uas" else (name,))]  # fmt: skip
        mean = 0.0 if name == "uas" else columns[0].mean()
        deviation = np.sqrt(np.mean([(one - mean) ** 2 for one in columns]))
        assert came.values[name] == (pytest.approx(mean), pytest.approx(deviation, rel=1e-4))
    for name, moments in own.residuals.items():
        assert came.residuals[name] == pytest.approx(moments)
    assert came.values["sit"] == pytest.approx(own.values["sit"])


def samples_of(data: TrainingData) -> TrainingSamples:
    config = SamplingConfig(batch=2, clusters=3, core=1, levels=[0.6, 0.4], partitions=2)
    return TrainingSamples([data], Normaliser(TABLE, statistics_of([data], TABLE, 6.0)), config, seed=3, count=8)


@pytest.mark.parametrize("is_open", [False, True])
def test_loaders_read_what_the_main_process_reads(forced, is_open):
    """Forked workers open the files themselves, whether the main process has them open or not."""
    data = forced
    samples = samples_of(data)
    if is_open:
        data.read(0, 0)
    loader = DataLoader(samples, batch_size=2, collate_fn=collate, num_workers=2, multiprocessing_context="fork")
    batches = list(loader)
    for number, batch in enumerate(batches):
        expected = collate([samples[2 * number], samples[2 * number + 1]])
        assert torch.equal(batch.conditions, expected.conditions)


def test_a_copy_for_another_process(forced):
    data = forced
    copy = pickle.loads(pickle.dumps(data))
    for one, other in zip(copy.read(0, 4), data.read(0, 4), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_plan_with_forcing(era5):
    bare = DATA.drop_vars(["uas", "vas"])
    config = compose_config("tiny", ["data.lead_time=6h"])
    plan = plan_training(data=bare, config=config, forcing=[era5])
    assert {"uas", "vas", "tus", "fdd_year"} <= plan.normaliser.statistics.values.keys()
    assert next(plan.pairs())[1].shape == (len(FORCING), MESH.n_faces)


@pytest.mark.parametrize(("hours", "message"), [
    (np.arange(0, 60), "no values at 2000-01-02T12:00 of uas, vas.*covers all times"),
    (np.arange(30, 73), "no values at 2000-01-01T00:00"),
    ([*range(0, 30), *range(70, 73)], "gap from 2000-01-01T05:00 to 2000-01-02T22:00"),
])  # fmt: skip
def test_times_that_are_not_covered(hours, message):
    winds = forcing_on_grid(LON, LAT, np.array(hours), start="1999-12-31", **NORTH)
    with pytest.raises(InputError, match=message):
        with_forcing([trajectories()], winds, TABLE)


def test_data_without_times():
    data = trajectories()
    bare = Trajectories(MESH, data.state, data.forcing, data.slow, data.present, data.lead_steps)
    with pytest.raises(InputError, match="without times"):
        with_forcing([bare], DATA, TABLE)


def test_forcing_on_a_curvilinear_grid_and_another_mesh():
    """A uniform wind, in two files of each: remapped, turned, and copied to another process."""
    lon, lat = np.meshgrid(np.arange(-34.0, -5.0, 1.5), np.arange(77.5, 83.0, 0.25))
    lon = lon + 0.1 * (lat - 80)
    dims = ("time", "y", "x")
    uniform = np.full((2, *lon.shape), 250.0)
    grids = [
        xr.Dataset(
            {"t2m": (dims, uniform, {"units": "K"})},
            coords={
                "time": DATA["time"].values[[first, last]],
                "lon": (dims[1:], lon, {"units": "degrees_east"}),
                "lat": (dims[1:], lat, {"units": "degrees_north"}),
            },
        )
        for first, last in ((0, 8), (9, 16))
    ]
    coarse = small_trajectory(arctic_mesh(4, side=340e3), hours=48)
    coarse["uas"][:], coarse["vas"][:] = 3.0, -4.0
    data = with_forcing([trajectories()], [*grids, coarse.drop_vars(["sit", "sic", "sid", "siu", "siv"])], TABLE)[0]
    for part in (data, pickle.loads(pickle.dumps(data))):
        pair = part.read(0, 6)
        for name, value in (("tus", 250.0), ("uas", 3.0), ("vas", -4.0)):
            np.testing.assert_allclose(column(pair.forcing, name), value, rtol=1e-4)


def test_forcing_on_the_same_mesh_is_taken_as_it_is(caplog):
    data = with_forcing([trajectories()], DATA, TABLE)[0]
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(data.read(0, 2).forcing, trajectories().read(0, 2).forcing)


def stored(data: xr.Dataset | list[xr.Dataset], path) -> PreparedTrajectories:
    """The data in a prepared store."""
    return PreparedTrajectories.open(
        prepare(data, path, lead_times=[LEAD], skip_gaps=True, progress=False), TABLE, LEAD
    )


def test_a_store_without_gaps_has_the_forcing_of_the_memory(forced, era5, tmp_path):
    of_store = with_forcing([stored(DATA, tmp_path / "store.zarr")], era5, TABLE)[0]
    for start in range(of_store.n_starts):
        assert of_store.pair_times(0, start) == forced.pair_times(0, start)
        for came, expected in zip(of_store.read(0, start)[:5], forced.read(0, start)[:5], strict=True):
            np.testing.assert_array_equal(came, expected)


@pytest.mark.parametrize("kind", ["gap in time", "missing values", "two lengths"])
def test_a_store_with_gaps(era5, tmp_path, forced, kind):
    """Records left out of a regular store: the pairs that are left have the forcing that they had, bit for bit."""
    data = DATA.copy(deep=True)
    if kind == "gap in time":
        lost = [5, 6, 7]
        data = data.isel(time=[number for number in range(17) if number not in lost])
    elif kind == "missing values":
        lost = [5, 12]
        data["sic"][lost] = np.nan
    else:
        lost = [4, 5]
        data = [data.isel(time=slice(0, 4)), data.isel(time=slice(6, 17))]
    kept = [start for start in range(15) if not {start, start + 2} & set(lost)]
    if kind == "two lengths":
        kept = [start for start in kept if start + 2 < 4 or start >= 6]

    store = stored(data, tmp_path / "store.zarr")
    found = with_forcing([store], era5, TABLE)[0]
    assert (found.n_trajectories, found.n_starts) == (1, len(kept))
    with pytest.raises(InputError, match="gaps or differ in length"):
        found.times(0)

    for number, start in enumerate(kept):
        assert found.pair_times(0, number) == forced.pair_times(0, start)
        for came, expected in zip(found.read(0, number)[:5], forced.read(0, start)[:5], strict=True):
            np.testing.assert_array_equal(came, expected)

    warm = np.stack([column(forced.read(0, start).forcing, "tus") for start in kept]).astype(np.float64)
    statistics = statistics_of([found], TABLE, 6.0)
    np.testing.assert_allclose(statistics.values["tus"], (warm.mean(), warm.std()), rtol=1e-6)


def test_forcing_that_ends_before_a_store_with_gaps(tmp_path):
    store = stored(DATA.isel(time=[0, 1, 2, 3, 10, 11, 12, 13]), tmp_path / "store.zarr")
    winds = forcing_on_grid(LON, LAT, np.arange(0, 31), start="2000-01-01", **NORTH)
    with pytest.raises(InputError, match="2000-01-02T09:00"):  # 33 h, the first time of a pair after the forcing
        with_forcing([store], winds, TABLE)


def test_a_plan_with_forcing_and_gaps(era5, tmp_path):
    """The training prepares and splits such a store like any other."""
    store = stored(DATA.isel(time=[0, 1, 2, 3, 4, 8, 9, 10, 11, 12]), tmp_path / "store.zarr")
    small = ["operator.width=16", "operator.heads=1", "operator.blocks=1", "data.lead_time=6h", "data.batch=1"]
    plan = plan_training(None, str(store.files.path), compose_config("tiny", small), forcing=era5)
    assert sum(part.n_pairs for part in plan.data) == 3 + 3
