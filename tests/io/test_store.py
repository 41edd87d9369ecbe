"""Trajectories from files: which data are read, and which are refused with a message that says what to do."""

import numpy as np
import pytest
import xarray as xr
from support.examples import regular_grid, small_trajectory
from support.meshes import BOX, jittered_box

from gensim_graph.data import Trajectories, lead_steps
from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset, open_store, open_stores
from gensim_graph.mesh import Mesh
from gensim_graph.variables import default_variables


@pytest.fixture
def dataset(small_mesh) -> xr.Dataset:
    return small_trajectory(small_mesh)


def written(path, dataset: xr.Dataset):
    dataset.to_zarr(path) if path.suffix == ".zarr" else dataset.to_netcdf(path)
    return path


def changed(dataset: xr.Dataset, name: str, change) -> xr.Dataset:
    values = dataset[name].values.copy()
    return dataset.assign({name: (dataset[name].dims, change(values), dataset[name].attrs)})


# Data that are read


@pytest.mark.parametrize("name", ["run.nc", "run.zarr"])
def test_fields_come_back_as_written(tmp_path, dataset, name):
    store = open_store(written(tmp_path / name, dataset))
    for variable in ("sit", "sic", "sid", "siu", "siv", "uas", "vas"):
        np.testing.assert_array_equal(store[variable].transpose("time", "face"), dataset[variable])


def test_the_mesh_comes_back(tmp_path, dataset, small_mesh):
    assert mesh_from_dataset(open_store(written(tmp_path / "run.nc", dataset))).hash == small_mesh.hash


def test_absent_variables_stay_absent(dataset):
    assert "snt" not in open_store(dataset)


def test_other_variables_are_left_out(dataset):
    assert "salinity" not in open_store(dataset.assign(salinity=dataset["sit"]))


def test_node_velocities_are_averaged_to_faces(tmp_path, dataset, small_mesh):
    """A linear field: its mean over the corners of a triangle is its value at the centroid."""
    for name, column in (("siu", 0), ("siv", 1)):
        on_nodes = np.tile(1e-5 * small_mesh.nodes[:, column] - 0.5, (dataset.sizes["time"], 1))
        dataset = dataset.drop_vars(name).assign({name: (("time", "node"), on_nodes, {"units": "m s-1"})})
    store = open_store(written(tmp_path / "run.nc", dataset))
    for name, column in (("siu", 0), ("siv", 1)):
        expected = np.tile(1e-5 * small_mesh.centres[:, column] - 0.5, (dataset.sizes["time"], 1))
        np.testing.assert_allclose(store[name], expected, atol=1e-6)


@pytest.mark.parametrize(("name", "unit"), [("siu", "m/s"), ("sic", ""), ("sit", "metres")])
def test_other_spellings_of_a_unit_are_understood(dataset, name, unit):
    dataset[name].attrs["units"] = unit
    assert open_store(dataset)[name].attrs["units"] == default_variables()[name].units


def test_several_files_become_trajectories(tmp_path, small_mesh):
    runs = [small_trajectory(small_mesh, seed=seed) for seed in range(3)]
    for number, run in enumerate(runs):
        written(tmp_path / f"run_{number}.nc", run)
    store = open_store(str(tmp_path / "run_*.nc"))
    assert store["sit"].dims == ("trajectory", "time", "face")
    for number, run in enumerate(runs):
        np.testing.assert_array_equal(store["sit"][number], run["sit"])


def test_a_folder_is_all_its_files(tmp_path, small_mesh):
    for seed in range(2):
        written(tmp_path / f"run_{seed}.nc", small_trajectory(small_mesh, seed=seed))
    assert open_store(tmp_path).sizes["trajectory"] == 2


def test_a_list_keeps_its_order(small_mesh):
    runs = [small_trajectory(small_mesh, seed=seed) for seed in (1, 0)]
    np.testing.assert_array_equal(open_store(runs)["sit"][0], runs[0]["sit"])


def test_different_meshes_are_two_stores(small_mesh):
    stores = open_stores(
        [small_trajectory(small_mesh), small_trajectory(regular_grid(9)), small_trajectory(small_mesh)]
    )
    assert [store.sizes["face"] for store in stores] == [small_mesh.n_faces, 81]
    assert stores[0].sizes["trajectory"] == 2


def test_different_meshes_are_not_one_store(small_mesh):
    with pytest.raises(InputError, match=r"differ in mesh, times.*200 faces.*81 faces.*pass mesh="):
        open_store([small_trajectory(small_mesh), small_trajectory(regular_grid(9))])


def test_different_meshes_are_one_store_on_a_given_mesh(small_mesh):
    store = open_store([small_trajectory(small_mesh), small_trajectory(regular_grid(9))], mesh=small_mesh)
    assert store.sizes["trajectory"] == 2


def test_different_times_are_two_stores(small_mesh):
    assert len(open_stores([small_trajectory(small_mesh), small_trajectory(small_mesh, hours=12)])) == 2


# Remapping


@pytest.mark.parametrize("target", [jittered_box(7, seed=3), regular_grid(16), jittered_box(14, seed=2)])
@pytest.mark.parametrize("name", ["sit", "sic", "siu"])
def test_remapping_keeps_the_integral(dataset, small_mesh, target, name):
    store = open_store(dataset, mesh=target)
    expected = dataset[name].values.astype(np.float64) @ small_mesh.areas
    came = store[name].values.astype(np.float64) @ target.areas
    np.testing.assert_allclose(came, expected, rtol=0, atol=1e-6 * np.abs(dataset[name]).max().item() * BOX**2)


def test_remapping_stays_within_bounds(dataset):
    store = open_store(dataset, mesh=regular_grid(16))
    assert 0 <= store["sic"].values.min() <= store["sic"].values.max() <= 1


def test_remapped_fields_have_the_mesh_asked_for(dataset):
    target = regular_grid(16)
    assert mesh_from_dataset(open_store(dataset, mesh=target)).matches(target)


def test_the_same_mesh_is_not_remapped(dataset, small_mesh):
    np.testing.assert_array_equal(open_store(dataset, mesh=small_mesh)["sit"], dataset["sit"])


@pytest.mark.parametrize(("target", "warns"), [("other order", False), ("other cells", True)])
def test_the_same_cells_in_another_order_are_no_warning(dataset, small_mesh, caplog, target, warns):
    """Fields follow the order of the mesh; nothing is lost, so nothing is said."""
    order = np.random.default_rng(0).permutation(small_mesh.n_faces)
    same = Mesh.from_faces(small_mesh.nodes[::-1], small_mesh.n_nodes - 1 - small_mesh.faces[order], crs=small_mesh.crs)
    store = open_store(dataset, mesh=jittered_box(10, seed=4) if warns else same)
    assert ("remapping" in caplog.text) == warns
    if not warns:
        np.testing.assert_allclose(store["sit"].values, dataset["sit"].values[..., order], rtol=1e-6)


# Data that are refused


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"absent\.nc: there is no such file"):
        open_store(tmp_path / "absent.nc")


def test_a_pattern_that_matches_nothing(tmp_path):
    with pytest.raises(InputError, match=r"\*\.nc: there is no such file"):
        open_store(str(tmp_path / "*.nc"))


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match=r"no \.nc or \.zarr files"):
        open_store(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file(tmp_path, dataset, share):
    path = written(tmp_path / "run.nc", dataset)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"run\.nc: .*complete\?"):
        open_store(path)


def test_a_broken_zarr(tmp_path):
    (tmp_path / "run.zarr").mkdir()
    with pytest.raises(InputError, match=r"run\.zarr: cannot be read"):
        open_store(tmp_path / "run.zarr")


def test_a_file_without_a_mesh(tmp_path):
    path = tmp_path / "plain.nc"
    xr.Dataset({"sic": (("time", "face"), np.zeros((2, 3)))}).to_netcdf(path)
    with pytest.raises(InputError, match=r"plain\.nc: .*no mesh topology"):
        open_store(path)


def test_a_mesh_that_lies_elsewhere(tmp_path, dataset, small_mesh):
    elsewhere = Mesh.from_faces(small_mesh.nodes + 5 * BOX, small_mesh.faces)
    with pytest.raises(
        InputError, match=r"run\.nc: .*0\.0 % of the mesh.*x 0\.\.100 km.*x 500\.\.600 km.*--data.*sit, sic"
    ):
        open_store(written(tmp_path / "run.nc", dataset), mesh=elsewhere)


def test_a_mesh_that_sticks_out(dataset):
    with pytest.raises(InputError, match=r"cover 4\d\.\d % of the mesh"):
        open_store(dataset, mesh=jittered_box(10, side=1.5 * BOX))


def test_a_mesh_with_another_number_of_faces_than_the_fields(tmp_path, dataset):
    broken = dataset.drop_vars("sit").assign(sit=(("time", "cell"), np.ones((dataset.sizes["time"], 7))))
    with pytest.raises(InputError, match=r"'sit' has dimensions.*expected numbers on \(time, face\)"):
        open_store(written(tmp_path / "run.nc", broken))


def test_no_state_variable_at_all(tmp_path, dataset):
    with pytest.raises(InputError, match=r"run\.nc: none of the state variables \(sit, sic.*it has: .*uas"):
        open_store(written(tmp_path / "run.nc", dataset.drop_vars(["sit", "sic", "sid", "siu", "siv"])))


@pytest.mark.parametrize(("lost", "kept"), [("siv", "siu"), ("siu", "siv"), ("vas", "uas")])
def test_one_component_of_a_vector(tmp_path, dataset, lost, kept):
    with pytest.raises(InputError, match=f"'{kept}' is here but its other component '{lost}' is not"):
        open_store(written(tmp_path / "run.nc", dataset.drop_vars(lost)))


@pytest.mark.parametrize(("name", "unit"), [("siu", "cm s-1"), ("sit", "km"), ("sic", "%")])
def test_a_wrong_unit(tmp_path, dataset, name, unit):
    dataset[name].attrs["units"] = unit
    with pytest.raises(InputError, match=rf"run\.nc: '{name}' is in '{unit}', expected"):
        open_store(written(tmp_path / "run.nc", dataset))


def test_gaps(tmp_path, dataset):
    def gap(values):
        values[2, [5, 17]] = np.nan
        return values

    with pytest.raises(InputError, match=r"run\.nc: 'sit' is missing \(NaN\) on 2 faces.*\[5, 17\]"):
        open_store(written(tmp_path / "run.nc", changed(dataset, "sit", gap)))


@pytest.mark.parametrize(
    ("name", "change"), [("sic", lambda v: 100 * v), ("sit", lambda v: -v), ("siu", lambda v: 100 * v)]
)
def test_values_out_of_range(tmp_path, dataset, name, change):
    with pytest.raises(InputError, match=rf"run\.nc: '{name}' runs from .*another unit\?"):
        open_store(written(tmp_path / "run.nc", changed(dataset, name, change)))


def test_times_that_go_back(dataset):
    with pytest.raises(InputError, match="does not increase"):
        open_store(dataset.isel(time=[0, 2, 1, 3]))


def test_times_without_a_calendar(dataset):
    with pytest.raises(InputError, match="no calendar dates"):
        open_store(dataset.assign_coords(time=np.arange(dataset.sizes["time"])))


def test_no_time_at_all(dataset):
    with pytest.raises(InputError, match="no dimension 'time'"):
        open_store(dataset.isel(time=0))


# Times and the lead time


def hours(*numbers: int) -> np.ndarray:
    return np.datetime64("2000-01-01", "ns") + np.array(numbers) * np.timedelta64(1, "h")


def test_records_in_a_lead_time():
    assert lead_steps(hours(0, 3, 6, 9, 12, 15), np.timedelta64(12, "h")) == 4


@pytest.mark.parametrize(
    ("times", "lead", "message"),
    [
        ((0, 3, 6, 10), 6, r"irregular \(steps from 3 h to 4 h\)"),
        ((0, 3, 6, 9), 4, "lead time 4 h is no multiple of the data's step of 3 h.*data.lead_time="),
        ((0, 3, 6, 9), 12, "lead time 12 h is longer than the record of 9 h"),
        ((0, 3, 6, 9), 0, "lead time 0 h"),
        ((0,), 6, "single time"),
    ],
)
def test_times_that_do_not_contain_the_lead_time(times, lead, message):
    with pytest.raises(InputError, match=message):
        lead_steps(hours(*times), np.timedelta64(lead, "h"))


def test_trajectories_hold_every_pair(dataset):
    runs = open_store([dataset, small_trajectory(mesh_from_dataset(dataset), seed=1)])
    part = Trajectories.from_dataset(runs, default_variables(), np.timedelta64(6, "h"))
    assert part.n_pairs == 2 * (dataset.sizes["time"] - 2)


def test_trajectories_are_zero_where_a_variable_is_absent(dataset):
    part = Trajectories.from_dataset(open_store(dataset), default_variables(), np.timedelta64(6, "h"))
    names = [variable.name for variable in default_variables().state]
    assert not part.state[..., names.index("snt")].any()
    assert not part.present["snt"]


def test_faces_without_data_are_refused(dataset):
    """A thin column of faces outside the data: only 0.5 % of the area, but these faces would have no value."""
    x, y = np.append(np.linspace(0, BOX, 21), 1.005 * BOX), np.linspace(0, BOX, 21)
    nodes = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    corner = np.arange(len(nodes)).reshape(len(y), len(x))
    quads = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]], axis=-1).reshape(-1, 4)
    with pytest.raises(InputError, match="20 faces of the mesh lie outside these data"):
        open_store(dataset, Mesh.from_faces(nodes, quads))


@pytest.mark.parametrize("dims", [("face",), ("time", "level", "face")])
def test_a_variable_with_other_dimensions(dataset, dims):
    sizes = {"time": dataset.sizes["time"], "level": 2, "face": dataset.sizes["face"]}
    broken = dataset.drop_vars("sit").assign(sit=(dims, np.ones([sizes[dim] for dim in dims])))
    with pytest.raises(InputError, match="'sit' has dimensions"):
        open_store(broken)


def test_a_variable_of_text(dataset):
    text = np.full(dataset["sit"].shape, "thick")
    with pytest.raises(InputError, match=r"'sit' has dimensions.*expected numbers"):
        open_store(dataset.drop_vars("sit").assign(sit=(dataset["sit"].dims, text)))


def test_a_file_of_winds_is_opened_as_forcing(dataset):
    winds = dataset.drop_vars([name for name in ("sit", "sic", "sid", "siu", "siv", "snt") if name in dataset])
    with pytest.raises(InputError, match="none of the state variables"):
        open_store(winds)
    np.testing.assert_array_equal(open_store(winds, needs="forcing")["uas"], dataset["uas"])


def test_rounding_below_a_bound_is_clipped(dataset):
    store = open_store(changed(dataset, "sic", lambda values: values - 1e-5))
    assert float(store["sic"].min()) == 0.0
