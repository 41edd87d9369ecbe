"""Files of neXtSIM-DG.

No genuine file with groups is available. The tests build such files after the model's documentation and its writers,
some of them from genuine output that had been converted to plain (time, y, x), which another reader of the package
opens.
"""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.mesh.planes import east_north

NY, NX = 5, 7
MISSING = 1.7e38
TIMES = np.array([1_600_000_000, 1_600_003_600])
CORNERS = np.stack(np.meshgrid(np.arange(NX + 1) * 4e3, np.arange(NY + 1) * 3e3), axis=-1)
MASK = np.zeros((NY, NX))
MASK[1:-1, 1:-1] = 1.0
MASK[2, 3] = 0.0
OCEAN = np.flatnonzero(MASK)


def groups(path: Path, shape: tuple[int, int] = (NY, NX), time: int | None = None) -> netCDF4.Dataset:
    """A file with the groups and dimensions of the model, open for writing."""
    ny, nx = shape
    content = netCDF4.Dataset(path, "w")
    content.createGroup("structure").type = "parametric_rectangular"
    metadata, data = content.createGroup("metadata"), content.createGroup("data")
    metadata.createGroup("configuration")
    if time is not None:
        metadata.createGroup("time").createVariable("time", "i8")[:] = time
    sizes = {"ydim": ny, "xdim": nx, "zdim": 1, "yvertex": ny + 1, "xvertex": nx + 1}
    sizes |= {"y_cg": 2 * ny + 1, "x_cg": 2 * nx + 1, "dg_comp": 3, "dgstress_comp": 8, "ncoords": 2}
    for name, size in sizes.items():
        data.createDimension(name, size)
    return content


def put(content: netCDF4.Dataset, name: str, dims: tuple[str, ...], values: object) -> None:
    variable = content["data"].createVariable(name, "f8", dims)
    variable.missing_value = MISSING
    variable[:] = values


def fields(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A state on all cells, land included, as the model writes it."""
    area = rng.uniform(0.2, 1.0, (NY, NX))
    return {
        "cice": area,
        "hice": 1.5 * area,
        "hsnow": 0.1 * area,
        "damage": rng.uniform(0.1, 1.0, (NY, NX)),
        "u": rng.normal(0, 0.1, (NY, NX)),
        "v": rng.normal(0, 0.1, (NY, NX)),
    }


def write_init(path: Path, coords: np.ndarray = CORNERS, mask: np.ndarray = MASK, time: int | None = None) -> dict:
    state = fields(np.random.default_rng(1))
    with groups(path, time=time) as content:
        put(content, "coords", ("yvertex", "xvertex", "ncoords"), coords)
        put(content, "mask", ("ydim", "xdim"), mask)
        for name, axis in {"x": 1, "y": 0}.items():  # transposed, as the scripts of the model write them
            put(content, name, ("ydim", "xdim"), 0.5 * (coords[:-1, :-1, axis] + coords[1:, 1:, axis]))
        for name, values in state.items():
            put(content, name, ("ydim", "xdim"), values)
    return state


def write_diagnostics(path: Path, **extra: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    state = {name: np.stack([values, 0.5 * values]) for name, values in fields(rng).items()} | extra
    with groups(path, time=int(TIMES[0])) as content:
        content["data"].createDimension("time", None)
        content["data"].createVariable("time", "f8", ("time",))[:] = TIMES
        for name, values in state.items():
            put(content, name, ("time", "ydim", "xdim"), values)
    return state


def on_ocean(values: np.ndarray) -> np.ndarray:
    return values.reshape(*values.shape[:-2], -1)[..., OCEAN]


def test_cells_have_the_corners_of_the_file(tmp_path):
    """The corners come from coords, not from x and y; land is left out, the whole boundary is coast."""
    write_init(tmp_path / "init.nc")
    mesh = gg.load_mesh(tmp_path / "init.nc")
    assert (mesh.n_faces, mesh.grid_shape) == (len(OCEAN), (NY, NX))
    np.testing.assert_array_equal(mesh.grid_index, OCEAN)
    np.testing.assert_allclose(mesh.areas, 12e6)
    row, column = np.divmod(OCEAN, NX)
    np.testing.assert_allclose(mesh.centres, np.stack([4e3 * (column + 0.5), 3e3 * (row + 0.5)], axis=1))
    assert set(mesh.boundary_kind) == {"coast"}


def test_skewed_cells(tmp_path):
    """Areas of cells with any corners follow from the cross product of their diagonals."""
    corners = CORNERS + 300 * np.random.default_rng(0).uniform(-1, 1, CORNERS.shape)
    write_init(tmp_path / "init.nc", corners)
    a, b = corners[1:, 1:] - corners[:-1, :-1], corners[1:, :-1] - corners[:-1, 1:]
    areas = 0.5 * (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
    np.testing.assert_allclose(gg.load_mesh(tmp_path / "init.nc").areas, areas.ravel()[OCEAN])


def test_corners_of_land_alone_may_be_anywhere(tmp_path):
    """On land, corners may be missing or have impossible values."""
    corners = CORNERS.copy()
    corners[0, 0], corners[0, -1], corners[-1, 0, 1] = np.nan, 1e300, MISSING
    write_init(tmp_path / "init.nc", corners)
    assert gg.load_mesh(tmp_path / "init.nc").n_faces == len(OCEAN)


def test_a_restart_in_the_words_of_the_table(tmp_path):
    """The damage becomes 1 minus the stored one, because the model stores 1 for intact ice."""
    state = write_init(tmp_path / "init.nc", time=int(TIMES[0]))
    store = gg.open_store(tmp_path / "init.nc")
    assert store.time.values.tolist() == TIMES[:1].astype("M8[s]").astype("M8[ns]").tolist()
    for name, own in {"sic": "cice", "sit": "hice", "snt": "hsnow", "siu": "u", "siv": "v"}.items():
        np.testing.assert_allclose(store[name].values[0], on_ocean(state[own]), rtol=1e-6)
    np.testing.assert_allclose(store.sid.values[0], 1.0 - on_ocean(state["damage"]), atol=1e-7)


def test_components_of_the_discontinuous_elements(tmp_path):
    """The first component is the mean over the cell."""
    state = write_init(tmp_path / "init.nc", time=0)
    with netCDF4.Dataset(tmp_path / "init.nc", "a") as content:
        for name in ("cice", "hice", "damage"):
            content["data"].renameVariable(name, f"{name}0")
            values = np.random.default_rng(5).normal(size=(NY, NX, 3))
            values[..., 0] = state[name]
            put(content, name, ("ydim", "xdim", "dg_comp"), values)
    store = gg.open_store(tmp_path / "init.nc")
    np.testing.assert_allclose(store.sit.values[0], on_ocean(state["hice"]), rtol=1e-6)
    np.testing.assert_allclose(store.sid.values[0], 1.0 - on_ocean(state["damage"]), atol=1e-7)


@pytest.mark.parametrize("degree", [1, 2])
def test_velocities_on_points_of_continuous_elements(degree, tmp_path):
    """Cell means of u = a x + b x y and v = b x^2 in closed form; the mean of the square needs degree 2."""
    write_init(tmp_path / "init.nc", time=0)
    dims = {1: ("yvertex", "xvertex"), 2: ("y_cg", "x_cg")}[degree]
    x = np.arange(degree * NX + 1)[None, :] * 4e3 / degree
    y = np.arange(degree * NY + 1)[:, None] * 3e3 / degree
    with netCDF4.Dataset(tmp_path / "init.nc", "a") as content:
        for name, values in {"u": 1e-5 * x + 2e-10 * x * y, "v": 1e-10 * x**2 + 0 * y}.items():
            content["data"].renameVariable(name, f"{name}0")
            put(content, name, dims, values)
    store, mesh = gg.open_store(tmp_path / "init.nc"), gg.load_mesh(tmp_path / "init.nc")
    cx, cy = mesh.centres.T
    np.testing.assert_allclose(store.siu.values[0], 1e-5 * cx + 2e-10 * cx * cy, rtol=1e-5)
    square = {1: cx**2 + 2e3**2, 2: cx**2 + 2e3**2 / 3}[degree]  # by the trapezoidal rule, and exact
    np.testing.assert_allclose(store.siv.values[0], 1e-10 * square, rtol=1e-5)


def test_diagnostics_take_corners_and_mask_from_the_file_beside(tmp_path):
    """Times are Unix seconds without units; winds, temperature and humidity get the units of the table."""
    write_init(tmp_path / "init.nc")
    one = np.ones((2, NY, NX))
    state = write_diagnostics(tmp_path / "diag.nc", wind_u=3 * one, wind_v=-4 * one, tair=-20 * one, mixrat=0.001 * one)
    store = gg.open_store(tmp_path / "diag.nc")
    assert store.time.values.tolist() == TIMES.astype("M8[s]").astype("M8[ns]").tolist()
    np.testing.assert_allclose(store.sit.values, on_ocean(state["hice"]), rtol=1e-6)
    np.testing.assert_allclose(store.sid.values, 1.0 - on_ocean(state["damage"]), atol=1e-7)
    for name, value in {"uas": 3, "vas": -4, "tus": 253.15, "huss": 0.001 / 1.001}.items():
        np.testing.assert_allclose(store[name].values, value, rtol=1e-6)
    assert gg.load_mesh(tmp_path / "diag.nc").hash == gg.load_mesh(tmp_path / "init.nc").hash


def test_thickness_of_the_ice_itself(tmp_path):
    """Thickness times concentration is volume per area."""
    write_init(tmp_path / "init.nc")
    true = np.full((2, NY, NX), 2.0)
    state = write_diagnostics(tmp_path / "diag.nc", hice_true=true, hsnow_true=0.1 * true)
    with netCDF4.Dataset(tmp_path / "diag.nc", "a") as content:
        for name in ("hice", "hsnow"):
            content["data"].renameVariable(name, f"{name}0")
    store = gg.open_store(tmp_path / "diag.nc")
    np.testing.assert_allclose(store.sit.values, 2.0 * on_ocean(state["cice"]), rtol=1e-6)
    np.testing.assert_allclose(store.snt.values, 0.2 * on_ocean(state["cice"]), rtol=1e-6)


def test_damage_of_a_rheology_without(tmp_path, caplog):
    """mEVP writes damage 0, which would mean that all ice is broken."""
    write_init(tmp_path / "init.nc")
    write_diagnostics(tmp_path / "diag.nc", damage=np.zeros((2, NY, NX)))
    assert "sid" not in gg.open_store(tmp_path / "diag.nc")
    assert "mEVP" in caplog.text


def test_a_mask_in_diagnostics(tmp_path):
    """The names of the dimensions are in the reverse order of the values."""
    write_init(tmp_path / "init.nc", mask=np.ones((NY, NX)))
    write_diagnostics(tmp_path / "diag.nc")
    with netCDF4.Dataset(tmp_path / "diag.nc", "a") as content:
        put(content, "mask", ("xdim", "ydim"), MASK.reshape(NX, NY))
        put(content, "coords", ("yvertex", "xvertex", "ncoords"), CORNERS)
    np.testing.assert_array_equal(gg.load_mesh(tmp_path / "diag.nc").grid_index, OCEAN)


def test_vectors_on_the_globe(tmp_path):
    """The model turns a spherical mesh to a pole at 75 N 40 W: drift towards that pole has v > 0 everywhere."""
    lon, lat = np.meshgrid(np.linspace(-100, 20, NX + 1), np.linspace(60, 72, NY + 1))
    write_init(tmp_path / "init.nc", np.stack([lon, lat], axis=-1), time=0)
    with netCDF4.Dataset(tmp_path / "init.nc", "a") as content:
        for name, own in {"x": "longitude", "y": "latitude"}.items():
            content["data"].renameVariable(name, own)
        content["data"]["u"][:], content["data"]["v"][:] = 0.0, 0.1
    store, mesh = gg.open_store(tmp_path / "init.nc"), gg.load_mesh(tmp_path / "init.nc")
    from pyproj import Geod, Proj

    where = Proj(mesh.crs)(*mesh.centres.T, inverse=True)
    globe = Geod(a=6371e3, b=6371e3)
    azimuth = np.radians(globe.inv(*where, np.full(len(where[0]), -40.0), np.full(len(where[0]), 75.0))[0])
    towards = east_north(mesh.centres, mesh.crs).to_plane(0.1 * np.sin(azimuth), 0.1 * np.cos(azimuth))
    np.testing.assert_allclose(np.stack([store.siu.values[0], store.siv.values[0]]), np.stack(towards), atol=1e-6)


def test_genuine_output_put_back_into_groups(shared_data, tmp_path):
    """Fields of a genuine run, also on land, compared with the reader of plain grids."""
    plain = xr.open_dataset(shared_data / "nextsimdg" / "ens_bbm_16km_m01.nc")
    corners = np.stack(np.meshgrid(np.arange(33) * 16e3, np.arange(33) * 16e3), axis=-1)
    with groups(tmp_path / "init.nc", (32, 32)) as content:
        put(content, "coords", ("yvertex", "xvertex", "ncoords"), corners)
        put(content, "mask", ("ydim", "xdim"), plain.mask.values)
    with groups(tmp_path / "diag.nc", (32, 32), time=0) as content:
        content["data"].createDimension("time", None)
        content["data"].createVariable("time", "f8", ("time",))[:] = plain.time.values.astype("M8[s]").astype(float)
        own = {"cice": "sic", "hice": "sit", "hsnow": "snt", "u": "siu", "v": "siv", "wind_u": "uas", "wind_v": "vas"}
        for name, key in own.items():
            put(content, name, ("time", "ydim", "xdim"), plain[key].values)
        put(content, "damage", ("time", "ydim", "xdim"), 1.0 - plain.sid.values.astype(float))
    ours = gg.open_store(tmp_path / "diag.nc")
    theirs = gg.open_store(shared_data / "nextsimdg" / "ens_bbm_16km_m01.nc")
    np.testing.assert_array_equal(ours.time, theirs.time)
    np.testing.assert_allclose(ours.node_x, theirs.node_x, atol=1e-3)
    for name in ("sic", "sit", "snt", "sid", "siu", "siv", "uas", "vas"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-7)


def test_init_files_have_no_time(tmp_path, caplog):
    """Without a time, the log warns and 1970-01-01 is used."""
    write_init(tmp_path / "init.nc")
    assert gg.open_store(tmp_path / "init.nc").time.values == np.datetime64("1970-01-01")
    assert "has no time" in caplog.text


def data(change: Callable[[netCDF4.Group], object]) -> Callable[[netCDF4.Dataset], object]:
    return lambda content: change(content["data"])


def value(name: str, index: object, new: float) -> Callable[[netCDF4.Dataset], object]:
    return lambda content: content["data"][name].__setitem__(index, new)


BROKEN = {
    "no corners": (data(lambda d: d.renameVariable("coords", "corners")), "no corners (coords)"),
    "no mask": (data(lambda d: d.renameVariable("mask", "land")), "there is none"),
    "no cells": (data(lambda d: d.renameDimension("ydim", "rows")), "no dimension ydim"),
    "land everywhere": (value("mask", slice(None), 0), "no ocean cell"),
    "mask of other values": (value("mask", (1, 1), 2), "must be 1 (ocean) or 0 (land)"),
    "mask with a gap": (value("mask", (1, 1), MISSING), "must be 1 (ocean) or 0 (land)"),
    "corner NaN": (value("coords", (2, 2, 0), np.nan), "have no coordinates"),
    "corner beyond the Earth": (value("coords", (2, 2, 0), 1e200), "have no coordinates"),
    "corners in one place": (value("coords", (2, slice(None), 0), 5e3), "corners in one place"),
    "corner pulled away": (value("coords", (2, 2, 0), 26e3), "inverted"),
    "no state": (
        data(lambda d: [d.renameVariable(n, n + "0") for n in ("cice", "hice", "hsnow", "damage", "u", "v")]),
        "none of the state",
    ),
    "half of a vector": (data(lambda d: d.renameVariable("v", "v0")), "'siv' is not"),
    "concentration in percent": (value("cice", slice(None), 80), "plausible"),
    "negative volume": (value("hice", (1, 1), -0.5), "plausible"),
    "missing in the ocean": (value("hice", (1, 1), MISSING), "missing (NaN) on 1 faces"),
    "NaN in the ocean": (value("u", (1, 1), np.nan), "missing (NaN) on 1 faces"),
    "time far away": (lambda c: c["metadata"]["time"]["time"].__setitem__(..., 10**17), "seconds since 1970"),
    "another structure": (lambda c: c["structure"].setncattr("type", "devgrid"), "no mesh topology"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_refused(kind, tmp_path):
    """The message names the file and what is wrong."""
    change, message = BROKEN[kind]
    write_init(tmp_path / "init.nc", time=0)
    with netCDF4.Dataset(tmp_path / "init.nc", "a") as content:
        content.set_auto_maskandscale(False)
        change(content)
    with pytest.raises(InputError) as error:
        gg.open_store(tmp_path / "init.nc")
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)


SHAPES = {
    "corners of another grid": ("coords", ("ydim", "xdim", "ncoords"), "must be the corners"),
    "mask on the corners": ("mask", ("yvertex", "xvertex"), "must be 1 (ocean)"),
    "field on layers": ("cice", ("zdim", "ydim", "xdim"), "expected (time, ydim, xdim)"),
    "field of components alone": ("cice", ("dg_comp",), "expected (time, ydim, xdim)"),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_fields_in_other_places_are_refused(kind, tmp_path):
    """A field with other dimensions is refused."""
    name, dims, message = SHAPES[kind]
    write_init(tmp_path / "init.nc", time=0)
    with netCDF4.Dataset(tmp_path / "init.nc", "a") as content:
        content["data"].renameVariable(name, "old")
        put(content, name, dims, 1.0)
    with pytest.raises(InputError) as error:
        gg.open_store(tmp_path / "init.nc")
    assert message in str(error.value)


def test_files_beside_must_agree(tmp_path):
    """No file or two different files are refused; two copies of one file are accepted."""
    write_diagnostics(tmp_path / "diag.nc")
    with pytest.raises(InputError, match="there is none"):
        gg.open_store(tmp_path / "diag.nc")
    write_init(tmp_path / "init.nc")
    write_init(tmp_path / "restart.nc", time=1)
    assert gg.open_store(tmp_path / "diag.nc").sizes["face"] == len(OCEAN)
    write_init(tmp_path / "other.nc", 2 * CORNERS)
    with pytest.raises(InputError, match=r"init\.nc, other\.nc|restart\.nc, other\.nc|other\.nc"):
        gg.open_store(tmp_path / "diag.nc")


@pytest.mark.parametrize("size", [0, 8, 300, 3000, 20_000])
def test_truncated_files_are_refused(size, tmp_path):
    """A file that is truncated at any position gives a clear error."""
    path = tmp_path / "init.nc"
    write_init(path, time=0)
    path.write_bytes(path.read_bytes()[:size])
    for read in (gg.open_store, gg.load_mesh):
        with pytest.raises(InputError, match=str(path)):
            read(path)


def test_records_without_times(tmp_path):
    """Two states with one time are refused, and a time that is NaN."""
    write_init(tmp_path / "init.nc")
    write_diagnostics(tmp_path / "diag.nc")
    with netCDF4.Dataset(tmp_path / "diag.nc", "a") as content:
        content["data"]["time"][1] = np.nan
    with pytest.raises(InputError, match="seconds since 1970"):
        gg.open_store(tmp_path / "diag.nc")
    with netCDF4.Dataset(tmp_path / "diag.nc", "a") as content:
        content["data"].renameVariable("time", "t")
    with pytest.raises(InputError, match="2 records and the file 1 times"):
        gg.open_store(tmp_path / "diag.nc")
