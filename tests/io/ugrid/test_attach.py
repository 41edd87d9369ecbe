"""Fields without a mesh go with the mesh that the user gives: the right dimension is found, or the mistake is named."""

import numpy as np
import pytest
import xarray as xr
from support.examples import regular_grid, small_trajectory
from support.meshes import jittered_box

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.io import face_coordinates, mesh_from_dataset, mesh_to_dataset, open_store
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import east_north

NAMES = ["sit", "sic", "sid", "siu", "siv", "uas", "vas"]
AXIS = 1e6 + np.arange(6) * 40e3


@pytest.fixture
def full(small_mesh) -> xr.Dataset:
    return small_trajectory(small_mesh)


@pytest.fixture
def plain(full) -> xr.Dataset:
    """The same fields without the topology."""
    return full[NAMES]


@pytest.fixture
def polar() -> Mesh:
    return Mesh.from_grid(AXIS, -AXIS[::-1], crs="EPSG:3413")


def as_many() -> Mesh:
    """Seven triangles over seven nodes."""
    nodes = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2], [1, 1], [3, 1], [1, 4]]) * 1e4
    faces = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4], [1, 5, 2], [2, 6, 3], [5, 6, 2]])
    return Mesh.from_faces(nodes, faces)


@pytest.mark.parametrize("dim", ["face", "cell", "nCells", "elem", "x"])
def test_any_name_of_the_dimension(plain, full, small_mesh, dim):
    store = open_store(plain.rename(face=dim) if dim != "face" else plain, mesh=small_mesh)
    for name in NAMES:
        np.testing.assert_array_equal(store[name], full[name])
    assert mesh_from_dataset(store).hash == small_mesh.hash


def test_from_a_file(tmp_path, plain, full, small_mesh):
    plain.rename(face="cell").to_netcdf(tmp_path / "run.nc")
    store = open_store(tmp_path / "run.nc", mesh=small_mesh)
    np.testing.assert_array_equal(store["siu"], full["siu"])


def test_values_at_nodes_are_averaged(plain, small_mesh):
    """A linear field at the nodes: its mean over the corners of a triangle is its value at the centroid."""
    linear = 1.0 + 1e-6 * small_mesh.nodes[:, 0]
    ds = plain.rename(face="cell").drop_vars("sit").assign(sit=(("time", "vertex"), np.tile(linear, (4, 1))))
    store = open_store(ds, mesh=small_mesh)
    np.testing.assert_allclose(store["sit"][0], 1.0 + 1e-6 * small_mesh.centres[:, 0], rtol=1e-6)


def test_attached_once_it_needs_no_mesh_any_more(plain, full, small_mesh):
    attached = gg.attach(small_mesh, plain.rename(face="cell"))
    assert mesh_from_dataset(attached).hash == small_mesh.hash
    np.testing.assert_array_equal(open_store(attached)["sic"], full["sic"])
    assert gg.attach(small_mesh, attached) is attached


def test_names_of_other_programs(plain, full, small_mesh):
    ds = plain.rename(face="cell", sic="siconc", sit="sithick")
    ds["siconc"] = (100 * ds["siconc"]).assign_attrs(units="%")
    ds["sithick"].attrs.update(standard_name="sea_ice_thickness", cell_methods="area: mean")
    store = open_store(ds, mesh=small_mesh)
    np.testing.assert_allclose(store["sic"], full["sic"], atol=1e-6)


def test_a_topology_of_which_a_selection_has_left_the_name_only(full, small_mesh):
    """``ds[["sic"]]`` keeps the topology variable where it is a coordinate, and drops the nodes that it names."""
    selected = full.set_coords("mesh")[NAMES]
    assert "mesh" in selected.coords
    assert "node_x" not in selected
    np.testing.assert_array_equal(open_store(selected, mesh=small_mesh)["sit"], full["sit"])


def test_lazy_arrays_stay_lazy(plain, small_mesh):
    pytest.importorskip("dask")
    assert gg.attach(small_mesh, plain.chunk(time=1))["sit"].chunks is not None


def test_times_as_long_as_the_mesh_has_faces():
    """Nine times and nine faces: the times are not the cells."""
    mesh = regular_grid(3)
    ds = small_trajectory(mesh, hours=24)[NAMES].rename(face="cell")
    assert ds.sizes["time"] == ds.sizes["cell"] == 9
    assert open_store(ds, mesh=mesh)["sit"].dims == ("time", "face")


def test_vectors_that_point_east_are_turned(polar):
    """An east wind of 5 m/s is along the eastward axis of each cell, which the plane turns with longitude."""
    ones = np.ones((2, polar.n_faces))
    ds = xr.Dataset(
        {
            "sic": (("time", "cell"), 0.5 * ones),
            "siu": (("time", "cell"), 0.2 * ones),
            "siv": (("time", "cell"), 0 * ones),
        },
        coords={"time": np.array(["2000-01-01", "2000-01-02"], dtype="datetime64[ns]")},
    )
    ds["siu"].attrs["standard_name"] = "eastward_sea_ice_velocity"
    store = open_store(ds, mesh=polar)
    east = east_north(polar.centres, polar.crs).first
    np.testing.assert_allclose(np.stack([store["siu"][1], store["siv"][1]], axis=1), 0.2 * east, atol=1e-7)


# What is refused


@pytest.mark.parametrize("count", [-1, 1])
def test_another_number_of_cells(plain, small_mesh, count):
    ds = plain.rename(face="cell")
    wrong = ds.isel(cell=slice(0, -1)) if count < 0 else xr.concat([ds, ds.isel(cell=[0])], "cell")
    with pytest.raises(InputError, match=rf"faces \(200\) or nodes \(121\).*'cell' \({200 + count}\)"):
        open_store(wrong, mesh=small_mesh)


def test_as_many_faces_as_nodes():
    mesh = as_many()
    assert mesh.n_faces == mesh.n_nodes
    ds = xr.Dataset(
        {"sic": (("time", "cell"), np.ones((1, mesh.n_faces)))}, coords={"time": [np.datetime64("2000", "ns")]}
    )
    with pytest.raises(InputError, match=r"as many faces as nodes, 7.*'cell'.*rename"):
        open_store(ds, mesh=mesh)
    assert open_store(ds.rename(cell="face"), mesh=mesh)["sic"].dims == ("time", "face")
    assert gg.attach(mesh, ds.rename(cell="node"))["sic"].dims == ("time", "node")


def test_two_dimensions_of_the_same_length(plain, small_mesh):
    ds = plain.rename(face="cell").assign(other=("edge", np.zeros(small_mesh.n_faces)))
    with pytest.raises(InputError, match="'cell' and 'edge' are both as long"):
        gg.attach(small_mesh, ds)


def test_another_mesh_is_not_replaced(full):
    with pytest.raises(InputError, match=r"has another mesh.*open_store\(ds, mesh=mesh\) remaps"):
        gg.attach(jittered_box(7), full)


def test_cells_in_another_order(polar):
    """Longitude and latitude of the cells say that the values are not in the order of the faces."""
    where = {name: ("cell", column.values, column.attrs) for name, column in face_coordinates(polar).items()}
    ds = xr.Dataset({"sic": ("cell", np.ones(polar.n_faces))}, coords=where)
    assert gg.attach(polar, ds)["sic"].dims == ("face",)
    with pytest.raises(InputError, match=r"'lon' and 'lat' lie up to \d+ km from the faces.*in the order"):
        gg.attach(polar, ds.isel(cell=slice(None, None, -1)))


def test_no_mesh_at_all(plain):
    with pytest.raises(InputError, match=r"no mesh topology.*mesh=.*attach\(mesh, ds\)"):
        open_store(plain)


# Several topologies


@pytest.fixture
def two(small_mesh) -> xr.Dataset:
    """A fine and a coarse mesh in one dataset; the fields lie on the fine one and do not say so."""
    coarse = mesh_to_dataset(regular_grid(3), name="coarse")
    names = {name: f"coarse_{name}" for name in coarse.variables if name != "coarse"}
    coarse = coarse.rename(names).rename({dim: f"coarse_{dim}" for dim in coarse.dims})
    for key, text in coarse["coarse"].attrs.items():
        if isinstance(text, str) and key not in ("cf_role",):
            coarse["coarse"].attrs[key] = " ".join(f"coarse_{word}" for word in text.split())
    return small_trajectory(small_mesh).merge(coarse)


@pytest.mark.parametrize("where", ["memory", "run.nc", "run.zarr"])
def test_one_of_several_topologies(tmp_path, two, small_mesh, where):
    source = two
    if where != "memory":
        source = tmp_path / where
        two.to_netcdf(source) if source.suffix == ".nc" else two.to_zarr(source, consolidated=False)
    with pytest.raises(InputError, match=r"2 mesh topologies.*topology='(mesh|coarse)'.*--topology"):
        open_store(source)
    store = open_store(source, topology="mesh")
    assert mesh_from_dataset(store).hash == small_mesh.hash
    np.testing.assert_array_equal(store["sit"], two["sit"])
    with pytest.raises(InputError, match="no mesh topology 'fine'; it has"):
        open_store(source, topology="fine")


def test_fields_that_say_their_topology_need_no_choice(two, small_mesh):
    for name in NAMES:
        two[name].attrs["mesh"] = "mesh"
    assert mesh_from_dataset(open_store(two)).hash == small_mesh.hash


# Members and forecasts as trajectories


def test_members_are_trajectories(full):
    ensemble = xr.concat([full[NAMES], full[NAMES] * 0.5], "member").assign(full.drop_vars(NAMES).data_vars)
    store = open_store(ensemble)
    assert store["sit"].dims == ("trajectory", "time", "face")
    np.testing.assert_allclose(store["sit"][1], 0.5 * full["sit"], rtol=1e-6)
