"""Written fields, opened with other programs: xarray, meshio, pyproj and, if it is installed, xugrid."""

import xml.etree.ElementTree as ET
from pathlib import Path

import meshio
import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Proj, Transformer
from support.meshes import jittered_box

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, mesh_from_dataset, mesh_to_dataset, open_store
from gensim_graph.io.export import write_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import true_areas
from gensim_graph.mesh.planes import NEXTSIM_CRS

SIDE = 4e5
TIMES = np.array(["2000-01-01T00:00", "2000-01-01T06:30"], dtype="datetime64[ns]")


def polar(cells: int = 8) -> Mesh:
    """Triangles some distance from the pole."""
    box = jittered_box(cells, side=SIDE)
    return Mesh.from_faces(box.nodes + np.array([2e5, -6e5]), box.faces, NEXTSIM_CRS)


def trajectory(mesh: Mesh) -> xr.Dataset:
    """Smooth thickness, constant concentration, and a constant drift along the x axis on the nodes."""
    x, y = mesh.centres.T / SIDE
    sit = np.stack([1 + 0.5 * np.sin(4 * x) * np.cos(3 * y), 1.5 + 0.5 * np.sin(3 * x)]).astype(np.float32)
    drift = np.full((2, mesh.n_nodes), 0.1, dtype=np.float32)
    return mesh_to_dataset(mesh).assign(
        sit=(("time", "face"), sit, {"units": "m"}),
        sic=(("time", "face"), np.full_like(sit, 0.75), {"units": "1"}),
        siu=(("time", "node"), drift, {"units": "m s-1"}),
        siv=(("time", "node"), np.zeros_like(drift), {"units": "m s-1"}),
    ).assign_coords(time=TIMES)  # fmt: skip


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_values_units_and_times_in_xarray(suffix, tmp_path):
    mesh = polar()
    source = trajectory(mesh)
    path = write_dataset(source, tmp_path / f"out{suffix}")
    with xr.open_dataset(path, engine="zarr" if suffix == ".zarr" else "netcdf4") as ds:
        for name in ("sit", "sic", "siu", "siv"):
            np.testing.assert_array_equal(ds[name].values, source[name].values)
        np.testing.assert_array_equal(ds["time"].values, TIMES)
        assert ds["time"].attrs["standard_name"] == "time"
        found = {name: (ds[name].attrs["units"], ds[name].attrs["standard_name"]) for name in ("sit", "sic", "siu")}
        assert found == {"sit": ("m", "sea_ice_thickness"), "sic": ("1", "sea_ice_area_fraction"),
                         "siu": ("m s-1", "sea_ice_x_velocity")}  # fmt: skip
        assert (ds["sit"].attrs["mesh"], ds["sit"].attrs["location"], ds["siu"].attrs["location"]) == (
            "mesh", "face", "node"
        )  # fmt: skip
        points = [Proj(crs)([-45.0, 10.0], [80.0, 85.0]) for crs in (CRS.from_cf(ds["crs"].attrs), mesh.crs)]
        np.testing.assert_allclose(*points, atol=1e-3)
    assert mesh_from_dataset(xr.open_dataset(path, engine="zarr" if suffix == ".zarr" else "netcdf4")).matches(mesh)


@pytest.mark.parametrize("degrees", [False, True])
def test_xugrid(degrees, tmp_path):
    xugrid = pytest.importorskip("xugrid")
    mesh = polar()
    path = write_dataset(trajectory(mesh), tmp_path / "out.nc", degrees=degrees)
    ds = xugrid.open_dataset(path)
    grid = ds.ugrid.grids[0]
    assert (grid.n_face, grid.n_node) == (mesh.n_faces, mesh.n_nodes)
    assert ds["sit"].ugrid.grid.face_dimension in ds["sit"].dims
    if not degrees:
        np.testing.assert_allclose(grid.area, mesh.areas, rtol=1e-9)


def test_vectors_in_degrees_point_east_and_north(tmp_path):
    mesh = polar()
    path = write_dataset(trajectory(mesh), tmp_path / "out.nc", degrees=True)
    with xr.open_dataset(path) as ds:
        lon, lat = Proj(mesh.crs)(*mesh.nodes.T, inverse=True)
        np.testing.assert_allclose(ds["node_lon"], lon, atol=1e-9)
        np.testing.assert_allclose(ds["node_lat"], lat, atol=1e-9)
        # East of a polar stereographic plane turns with the longitude: x axis = cos east - sin north of lon + 45.
        angle = np.radians(lon + 45)
        np.testing.assert_allclose(ds["siu"][0], 0.1 * np.cos(angle), atol=1e-7)
        np.testing.assert_allclose(ds["siv"][0], -0.1 * np.sin(angle), atol=1e-7)
        assert ds["siu"].attrs["standard_name"] == "eastward_sea_ice_velocity"


def test_vtu_in_meshio(tmp_path):
    mesh, source = polar(), trajectory(polar())
    content = meshio.read(write_dataset(source.isel(time=1), tmp_path / "out.vtu"))
    np.testing.assert_array_equal(content.points[:, :2], mesh.nodes)
    np.testing.assert_array_equal(content.cells_dict["triangle"], mesh.faces)
    np.testing.assert_array_equal(content.cell_data["sit"][0], source["sit"].values[1])
    np.testing.assert_array_equal(content.point_data["siu_siv"][:, 0], source["siu"].values[1])
    array = next(one for one in ET.parse(tmp_path / "out.vtu").iter("DataArray") if one.get("Name") == "sit")
    assert array.findtext("InformationKey") == "m"


def test_a_collection_for_paraview(tmp_path):
    source = trajectory(polar())
    tree = ET.parse(write_dataset(source, tmp_path / "out.pvd"))
    steps = {float(one.attrib["timestep"]): one.attrib["file"] for one in tree.iter("DataSet")}
    assert list(steps) == [10957.0, 10957 + 6.5 / 24]  # days since 1970-01-01
    for number, file in enumerate(steps.values()):
        content = meshio.read(tmp_path / file)
        np.testing.assert_array_equal(content.cell_data["sit"][0], source["sit"].values[number])


@pytest.mark.parametrize("word", ["25km", "25km@EPSG:3413", "0.5deg"])
def test_grids_keep_integrals_and_constants(word, tmp_path):
    mesh = polar(16)
    source = trajectory(mesh)
    with xr.open_dataset(write_dataset(source, tmp_path / "out.nc", grid=word)) as ds:
        covered = ds["sea_area"].values
        inside = covered > 0
        # The tolerance is needed because straight sides in one plane are curved in another.
        assert covered.sum() == pytest.approx(true_areas(mesh).sum(), rel=1e-4)
        volume = (ds["sit"].fillna(0) * ds["sea_area"]).sum(ds["sea_area"].dims)
        np.testing.assert_allclose(volume / covered.sum(), np.average(source["sit"], axis=1, weights=true_areas(mesh)),
                                   rtol=2e-6 if "deg" not in word else 1e-4)  # fmt: skip
        np.testing.assert_allclose(ds["sic"].values[:, inside], 0.75, rtol=1e-6)
        assert np.isnan(ds["sic"].values[:, ~inside]).all()
        np.testing.assert_allclose(np.hypot(ds["siu"], ds["siv"]).values[:, inside], 0.1, rtol=2e-2)
        np.testing.assert_array_equal(ds["time"].values, TIMES)


def test_vectors_on_a_grid_of_another_plane(tmp_path):
    """The directions agree with a small step along the drift that PROJ projects to the other plane."""
    with xr.open_dataset(write_dataset(trajectory(polar(16)), tmp_path / "out.nc", grid="25km@EPSG:3575")) as ds:
        x, y = np.meshgrid(ds["x"], ds["y"])
        back = Transformer.from_crs(3575, NEXTSIM_CRS, always_xy=True)
        there = Transformer.from_crs(NEXTSIM_CRS, 3575, always_xy=True)
        here = np.stack(back.transform(x, y))
        ahead = np.stack(there.transform(here[0] + 10.0, here[1])) - [x, y]
        u, v = 0.1 * ahead / np.linalg.norm(ahead, axis=0)
        whole = ds["sea_area"] > 0.99 * ds["sea_area"].max()
        np.testing.assert_allclose(ds["siu"].values[0][whole], u[whole], atol=2e-4)
        np.testing.assert_allclose(ds["siv"].values[0][whole], v[whole], atol=2e-4)


def test_onto_another_mesh(tmp_path):
    fine, coarse = polar(12), polar(8)
    source = trajectory(fine)
    with xr.open_dataset(write_dataset(source, tmp_path / "out.nc", mesh=coarse)) as ds:
        assert mesh_from_dataset(ds).matches(coarse)
        np.testing.assert_allclose(ds["sit"].values @ coarse.areas, source["sit"].values @ fine.areas, rtol=1e-6)
        np.testing.assert_allclose(ds["siu"], 0.1, rtol=1e-6)


def test_a_forecast_keeps_members_and_times(tmp_path):
    mesh = polar()
    rng, lead = np.random.default_rng(0), np.arange(1, 4) * np.timedelta64(12, "h")
    values = rng.uniform(0, 1, (2, 3, mesh.n_faces)).astype(np.float32)
    forecast = mesh_to_dataset(mesh).assign(sic=(("member", "lead_time", "face"), values)).assign_coords(
        member=[0, 1], lead_time=lead.astype("timedelta64[ns]"), valid_time=("lead_time", TIMES[0] + lead)
    )  # fmt: skip
    with xr.open_dataset(write_dataset(forecast, tmp_path / "fc.nc"), decode_timedelta=True) as ds:
        np.testing.assert_array_equal(ds["sic"].values, values)
        np.testing.assert_array_equal(ds["lead_time"].values, lead)
        np.testing.assert_array_equal(ds["valid_time"].values, TIMES[0] + lead)
    with pytest.raises(InputError, match="holds one state, these are 2 along 'member'"):
        write_dataset(forecast, tmp_path / "fc.pvd")


def test_written_files_come_back(tmp_path):
    """A written file opens as a store, and a store can be written again."""
    first = open_store(write_dataset(trajectory(polar()), tmp_path / "one.nc"))
    second = open_store(write_dataset(first, tmp_path / "two.zarr"))
    for name in ("sit", "sic", "siu", "siv"):
        np.testing.assert_array_equal(first[name].values, second[name].values)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("out.txt", {}, "ends in .nc, .zarr, .vtu, .pvd"),
        ("out.vtu", {}, "or write a .pvd"),
        ("out.vtu", {"grid": "25km"}, "go to .nc or .zarr"),
        ("out.nc", {"grid": "25km", "degrees": True}, "one of grid, mesh and degrees"),
        ("out.nc", {"grid": "25 miles"}, "expected a spacing such as 0.25deg"),
        ("out.nc", {"grid": "0km"}, "expected a spacing above 0"),
        ("out.nc", {"grid": "1m"}, "choose a larger spacing"),
        ("taken.zarr", {}, "something else"),
    ],
)
def test_refused(name, options, message, tmp_path):
    (tmp_path / "taken.zarr").mkdir()
    (tmp_path / "taken.zarr" / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match=message):
        write_dataset(trajectory(polar()), tmp_path / name, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.zarr"]


def test_nothing_is_left_of_a_failure(tmp_path):
    source = trajectory(polar())
    source["sit"][1, 3] = np.nan
    for name in ("out.nc", "out.zarr", "out.pvd"):
        with pytest.raises(InputError, match="sit"):
            write_dataset(source, tmp_path / name)
    assert not list(Path(tmp_path).iterdir())


def test_a_genuine_trajectory(shared_data, tmp_path):
    source = shared_data / "cyclone" / "cyclone_16km_00.nc"
    store = open_store(source).isel(time=slice(8, 10))
    mesh = load_mesh(source)
    content = meshio.read(write_dataset(store.isel(time=0), tmp_path / "out.vtu"))
    with xr.open_dataset(source) as raw:
        np.testing.assert_array_equal(content.cells_dict["triangle"], raw["face_nodes"].values)
        np.testing.assert_array_equal(content.cell_data["sit"][0], np.clip(raw["sit"].values[8], 0, None))
    with xr.open_dataset(write_dataset(store, tmp_path / "grid.nc", grid="16km")) as ds:
        volume = (ds["sit"].fillna(0) * ds["sea_area"]).sum(("y", "x"))
        np.testing.assert_allclose(volume, store["sit"].values @ true_areas(mesh), rtol=1e-6)
