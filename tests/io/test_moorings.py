"""Moorings of neXtSIM, compared with the triangles that the model wrote at the same times, and with pyproj."""

import shutil
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from matplotlib.tri import Triangulation
from support.places import NEXTSIM
from support.plain_nextsim import plain_mesh, plain_read

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.mesh.planes import NEXTSIM_CRS

DATA = NEXTSIM
MOORINGS = DATA / "Moorings.nc"
X, Y = -100e3 + 10e3 * np.arange(20), -600e3 + 10e3 * np.arange(20)  # from the corner of the box, 10 km apart


@pytest.fixture
def moorings(tmp_path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copy(MOORINGS, tmp_path))


def edit(path: Path, change: Callable[[netCDF4.Dataset], object]) -> None:
    with netCDF4.Dataset(path, "a") as content:
        content.set_auto_maskandscale(False)
        change(content)


def test_the_grid_is_regular_in_the_plane_of_the_model():
    """Single precision gives the axes to 10 cm; 367 of 400 points lie inside the model's mesh."""
    mesh = gg.load_mesh(MOORINGS)
    assert mesh.crs == NEXTSIM_CRS
    assert mesh.grid_shape == (20, 20)
    row, column = np.divmod(mesh.grid_index, 20)
    np.testing.assert_allclose(mesh.centres, np.stack([X[column], Y[row]], axis=1), rtol=0, atol=0.1)
    np.testing.assert_allclose(mesh.areas, 1e8, rtol=1e-5)
    with netCDF4.Dataset(MOORINGS) as content:
        values = content["sic"][0]
    assert mesh.n_faces == 367 == (~np.ma.getmaskarray(values)).sum()


def test_the_store_has_the_mesh_and_the_values_of_the_file():
    """Variable names, times and the order of the cells."""
    store, mesh = gg.open_store(MOORINGS), gg.load_mesh(MOORINGS)
    np.testing.assert_allclose(store.node_x, mesh.nodes[:, 0], rtol=0, atol=1e-6)
    assert {"sic", "sit", "sid", "siu", "siv"} < set(store.data_vars)
    hours = np.datetime64("2000-01-01", "ns") + np.arange(25) * np.timedelta64(1, "h")
    np.testing.assert_array_equal(store.time, hours)
    with netCDF4.Dataset(MOORINGS) as content:
        for name, own in {"sic": "sic", "sit": "sit", "sid": "damage", "siu": "siu", "siv": "siv"}.items():
            stored = content[own][:].reshape(25, -1)[:, mesh.grid_index]
            np.testing.assert_allclose(store[name].values, stored, rtol=0, atol=1e-7)


@pytest.mark.parametrize("hour", [5, 6])
def test_values_are_those_of_the_triangle_around_the_point(hour):
    """Another library locates the points in the model's mesh of that time; drift is linear in a triangle."""
    name = f"20000101T0{hour}0000Z"
    faces, _, nodes = plain_mesh(DATA / "box" / f"mesh_{name}")
    plain = dict(plain_read(DATA / "box" / f"field_{name}"))
    triangles = Triangulation(*nodes.T, faces)
    store, mesh = gg.open_store(MOORINGS).isel(time=hour), gg.load_mesh(MOORINGS)
    row, column = np.divmod(mesh.grid_index, 20)
    x, y = X[column], Y[row]
    inside = triangles.get_trifinder()(x, y)
    known = (inside >= 0) & (x > X[0]) & (y > Y[0])  # points on the boundary depend on rounding
    assert known.sum() > 350
    for name, record in {"sic": "Concentration", "sit": "Thickness", "sid": "Damage"}.items():
        np.testing.assert_allclose(store[name].values[known], plain[record][inside[known]], rtol=0, atol=2e-6)
    corners = nodes[faces[inside[known]]]
    weights = np.linalg.solve(
        np.concatenate([corners, np.ones((len(corners), 3, 1))], axis=2).transpose(0, 2, 1),
        np.stack([x[known], y[known], np.ones(known.sum())], axis=1)[..., None],
    )[..., 0]
    for name, part in zip(("siu", "siv"), plain["M_VT"].reshape(2, -1), strict=True):
        linear = (weights * part[faces[inside[known]]]).sum(axis=1)
        np.testing.assert_allclose(store[name].values[known], linear, rtol=0, atol=2e-5)


def test_vectors_along_east_and_north(moorings):
    """Vectors turned by longitude as in the model, with false_easting 0, give the same drift."""

    def turn(content: netCDF4.Dataset) -> None:
        angle = np.radians(-45.0 - content["longitude"][:].astype(float))
        u, v = (content[name][:].astype(float) for name in ("siu", "siv"))
        missing = u < -1e10
        content["siu"][:] = np.where(missing, u, np.cos(angle) * u - np.sin(angle) * v)
        content["siv"][:] = np.where(missing, v, np.sin(angle) * u + np.cos(angle) * v)
        content["Polar_Stereographic_Grid"].false_easting = np.float32(0)

    edit(moorings, turn)
    turned, along = gg.open_store(moorings), gg.open_store(MOORINGS)
    for name in ("siu", "siv"):
        np.testing.assert_allclose(turned[name], along[name], rtol=0, atol=1e-6)


def test_forcing_and_temperature_under_the_names_of_the_table(moorings):
    """Wind, air temperature in degrees Celsius, and humidity."""

    def add(content: netCDF4.Dataset) -> None:
        for name, value, units in (("wndx", 3, "m/s"), ("wndy", -4, "m/s"), ("t2m", -20, "C"), ("hus", 0.001, "kg/kg")):
            variable = content.createVariable(name, "f4", ("time", "y", "x"), fill_value=-1e14)
            variable.units = units
            variable[:] = np.where(content["sic"][:] < 0, -1e14, value)

    edit(moorings, add)
    store = gg.open_store(moorings)
    for name, value in {"uas": 3, "vas": -4, "tus": 253.15, "huss": 0.001}.items():
        np.testing.assert_allclose(store[name], value, rtol=1e-6)


def test_means_have_the_middle_of_their_period(moorings):
    """The time of a mean is the one in the file, which lies inside its bounds."""
    edit(
        moorings, lambda c: c["time_bnds"].__setitem__(slice(None), c["time"][:][:, None] + np.array([-0.5, 0.5]) / 24)
    )
    np.testing.assert_array_equal(gg.open_store(moorings).time, gg.open_store(MOORINGS).time)


def test_a_grid_from_a_file_keeps_its_longitudes(moorings):
    """Without the grid mapping, the same points form a grid on the globe."""
    edit(moorings, lambda c: c.renameVariable("Polar_Stereographic_Grid", "other"))
    edit(moorings, lambda c: c["other"].delncattr("grid_mapping_name"))
    mesh, regular = gg.load_mesh(moorings), gg.load_mesh(MOORINGS)
    assert mesh.n_faces == regular.n_faces
    np.testing.assert_allclose(mesh.centres, regular.centres, rtol=0, atol=60)
    np.testing.assert_allclose(gg.open_store(moorings).sit, gg.open_store(MOORINGS).sit)


def test_moorings_on_the_mesh_of_the_model(tmp_path):
    """Moorings are remapped to a mesh that the points cover, here in the middle of the box."""
    tiny = gg.load_mesh(DATA / "tiny.msh")
    middle = np.abs(tiny.centres - [0, -500e3]).max(axis=1) < 80e3
    mesh = gg.Mesh.from_faces(tiny.nodes, tiny.faces[middle], tiny.crs)
    store, native = gg.open_store(MOORINGS, mesh=mesh).isel(time=6), gg.open_store(DATA / "box", mesh=mesh).isel(time=1)
    volume = [float(ds.sit.values @ mesh.areas) for ds in (store, native)]
    assert volume[0] == pytest.approx(volume[1], rel=0.01)  # samples at points compared with means over triangles
    with pytest.raises(InputError, match="cover"):
        gg.open_store(MOORINGS, mesh=tiny)


def set_values(name: str, index: object, value: float) -> Callable[[netCDF4.Dataset], None]:
    return lambda content: content[name].__setitem__(index, value)


BROKEN = {
    "no longitude": (
        lambda c: [c["longitude"].setncatts({"units": "", "standard_name": ""}), c.renameVariable("longitude", "a")],
        "no mesh topology",
    ),
    "no latitude": (lambda c: c.renameVariable("latitude", "phi"), "'latitude' is missing"),
    "longitude NaN": (set_values("longitude", (3, 4), np.nan), "must be degrees"),
    "latitude of no point": (set_values("latitude", (3, 4), 91.0), "must be degrees"),
    "a point elsewhere": (set_values("latitude", (3, 4), 85.001), "off a regular grid"),
    "another plane": (
        lambda c: c["Polar_Stereographic_Grid"].setncattr("straight_vertical_longitude_from_pole", np.float32(-40)),
        "off a regular grid",
    ),
    "no plane": (lambda c: c["Polar_Stereographic_Grid"].setncattr("semi_major_axis", np.float32(-1)), "no projection"),
    "text for a number": (
        lambda c: c["Polar_Stereographic_Grid"].setncattr("standard_parallel", "sixty"),
        "cannot be read",
    ),
    "distance for a flag": (
        lambda c: c["Polar_Stereographic_Grid"].setncattr("false_easting", np.float32(1000)),
        "expected 1",
    ),
    "no time": (lambda c: c.renameVariable("time", "t"), "need a variable 'time'"),
    "no units of time": (lambda c: c["time"].delncattr("units"), "no dates"),
    "units that are none": (lambda c: c["time"].setncattr("units", "fortnights since then"), "no dates"),
    "time NaN": (set_values("time", 3, np.nan), "no dates"),
    "time beyond its bounds": (set_values("time", 3, 36530.0), "outside its bounds"),
    "time far away": (set_values("time", 3, 1e12), "no dates"),
    "time standing still": (
        lambda c: [c[n].__setitem__(3, c[n][2]) for n in ("time", "time_bnds")],
        "does not increase",
    ),
    "half of a vector": (lambda c: c.renameVariable("siv", "v"), "'siv' is not"),
    "no state": (lambda c: [c.renameVariable(n, n + "_") for n in ("sic", "sit", "damage", "siu", "siv")], "variable"),
    "gap in time": (set_values("sit", (3, 10, 10), -1e14), "missing (NaN) on 1 faces"),
    "no ocean": (
        lambda c: [c[n].__setitem__(slice(None), -1e14) for n in ("sic", "sit", "damage", "siu", "siv")],
        "no ocean",
    ),
    "another unit": (lambda c: c["sic"].setncattr("units", "m"), "expected '1'"),
    "centimetres": (set_values("sit", slice(None), 120.0), "plausible"),
    "another fill value": (lambda c: [c[n].__setitem__((slice(None), 0), 1e20) for n in ("sic", "sit")], "plausible"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_moorings_are_refused(kind, moorings):
    """The message names the file and what is wrong."""
    change, message = BROKEN[kind]
    edit(moorings, change)
    with pytest.raises(InputError) as error:
        gg.open_store(moorings)
    assert message in str(error.value)
    assert str(moorings) in str(error.value)


@pytest.mark.parametrize("size", [0, 8, 100, 5000, 200_000])
def test_truncated_moorings_are_refused(size, moorings):
    """A file that is truncated at any position gives a clear error, as a mesh and as data."""
    moorings.write_bytes(MOORINGS.read_bytes()[:size])
    for read in (gg.open_store, gg.load_mesh):
        with pytest.raises(InputError, match=str(moorings)):
            read(moorings)
