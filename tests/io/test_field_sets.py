"""Files that belong together, of which one is old, broken or missing, and names of dimensions that changed.

FESOM: the mesh file in the forms that its versions have written, beside output and mesh folders. neXtSIM-DG: dimensions
x and y (before May 2024), xdim and ydim, and files without groups.
"""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset

LON, LAT = (part.ravel() for part in np.meshgrid([0.0, 10.0, 20.0], [70.0, 75.0, 80.0]))
CORNERS = [[1, 2, 5], [1, 5, 4], [2, 3, 6], [2, 6, 5], [4, 5, 8], [4, 8, 7], [5, 6, 9], [5, 9, 8]]
TRIANGLES = np.array(CORNERS)
N_NODES = len(LON)


def write_output(folder: Path, **times: str) -> None:
    attrs = {"units": "seconds since 1948-01-01 0:0:0"} | times
    for name, unit in {"a_ice": "%", "m_ice": "m"}.items():
        values = np.full((2, N_NODES), 0.5, dtype=np.float32)
        ds = xr.Dataset({name: (("time", "nod2"), values, {"units": unit})})
        ds.assign_coords(time=("time", [0.0, 86400.0], attrs)).to_netcdf(folder / f"{name}.fesom.1948.nc")


def write_folder(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    nodes = "\n".join(f"{n + 1} {LON[n]} {LAT[n]} 1" for n in range(N_NODES))
    rows = "\n".join(" ".join(map(str, row)) for row in TRIANGLES)
    (folder / "nod2d.out").write_text(f"{N_NODES}\n{nodes}\n")
    (folder / "elem2d.out").write_text(f"{len(TRIANGLES)}\n{rows}\n")


def old_mesh(folder: Path, variables: dict, name: str = "fesom.mesh.diag.nc", kind: str = "NETCDF4") -> Path:
    """A mesh file without topology, with the dimensions and some of the other variables of FESOM 2.0."""
    areas = {"nod_area": (("nz", "nod2"), np.ones((3, N_NODES))), "nz": ("nz", [0.0, -5.0, -10.0])}
    xr.Dataset(variables | areas).to_netcdf(folder / name, format=kind)
    return folder / name


DEGREES = {"lon": ("nod2", LON), "lat": ("nod2", LAT)}
RADIANS = {"nodes": (("n2", "nod2"), np.radians([LON, LAT]), {"long_name": "nodal geo. coordinates"})}
ACROSS = {"elements": (("n3", "elem"), TRIANGLES.T.astype(np.int32))}

OLD = {
    "lon, lat, elements": DEGREES | ACROSS,
    "nodes in radians": RADIANS | ACROSS,
    "nodes in radians, with units": {"nodes": (*RADIANS["nodes"][:2], {"units": "radians"})} | ACROSS,
    "nodes in degrees": {"nodes": (("n2", "nod2"), np.array([LON, LAT]))} | ACROSS,
    "nodes along the other dimension": {"nodes": (("nod2", "n2"), np.radians([LON, LAT]).T)} | ACROSS,
    "triangles in rows": DEGREES | {"elements": (("elem", "n3"), TRIANGLES.astype(np.int32))},
    "triangles called elem": DEGREES | {"elem": (("n3", "elem_n"), TRIANGLES.T.astype(np.int32))},
    "triangles counted from 0": DEGREES | {"elements": (("n3", "elem"), TRIANGLES.T - 1, {"start_index": 0})},
    "longitudes to 360": {"lon": ("nod2", LON % 360), "lat": ("nod2", LAT)} | ACROSS,
    "triangles as doubles": DEGREES | {"elements": (("n3", "elem"), TRIANGLES.T.astype(float))},
}


@pytest.mark.parametrize("kind", OLD)
def test_older_mesh_files_of_fesom(tmp_path, kind):
    """The mesh and the mesh under the output equal those of the mesh folder."""
    write_folder(tmp_path / "mesh")
    expected = gg.load_mesh(tmp_path / "mesh")
    write_output(tmp_path)
    read = gg.load_mesh(old_mesh(tmp_path, OLD[kind]))
    np.testing.assert_allclose(read.nodes, expected.nodes, atol=1e-3)
    np.testing.assert_array_equal(read.faces, expected.faces)
    store = gg.open_store(tmp_path / "a_ice.fesom.1948.nc")
    np.testing.assert_allclose(mesh_from_dataset(store).nodes, expected.nodes, atol=1e-3)
    np.testing.assert_allclose(store["sic"].values, 0.5)


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4_CLASSIC"])
def test_older_mesh_files_in_every_format(tmp_path, kind):
    assert gg.load_mesh(old_mesh(tmp_path, DEGREES | ACROSS, "run1.mesh.diag.nc", kind)).n_faces == len(TRIANGLES)


def damaged(folder: Path) -> None:
    file = old_mesh(folder, DEGREES | ACROSS)
    file.write_bytes(file.read_bytes()[:700])


def of_another_mesh(folder: Path) -> None:
    longer = {"lon": ("nod2", np.append(LON, 5.0)), "lat": ("nod2", np.append(LAT, 85.0))}
    xr.Dataset(longer | ACROSS).to_netcdf(folder / "fesom.mesh.diag.nc")


BROKEN: dict[str, Callable[[Path], object]] = {
    "without triangles": lambda folder: old_mesh(folder, DEGREES),
    "without coordinates": lambda folder: old_mesh(folder, ACROSS),
    "nodes that do not exist": lambda folder: old_mesh(
        folder, DEGREES | {"elements": (("n3", "elem"), TRIANGLES.T + 5)}
    ),
    "coordinates NaN": lambda folder: old_mesh(folder, {"lon": ("nod2", LON * np.nan), "lat": ("nod2", LAT)} | ACROSS),
    "beyond the Earth": lambda folder: old_mesh(folder, {"lon": ("nod2", LON), "lat": ("nod2", 2 * LAT)} | ACROSS),
    "damaged": damaged,
    "no netCDF": lambda folder: (folder / "fesom.mesh.diag.nc").write_text("no mesh"),
    "empty": lambda folder: (folder / "fesom.mesh.diag.nc").touch(),
    "of another mesh": of_another_mesh,
}


@pytest.mark.parametrize("where", ["beside", "above"])
@pytest.mark.parametrize("kind", BROKEN)
def test_another_file_of_the_set_replaces_a_broken_one(tmp_path, caplog, kind, where):
    """The mesh folder serves if the mesh file cannot, which is said; alone, the broken file is named."""
    folder = tmp_path / "run"
    folder.mkdir()
    write_output(folder)
    BROKEN[kind](folder)
    with pytest.raises(InputError, match=r"fesom\.mesh\.diag\.nc"):
        gg.open_store(folder / "a_ice.fesom.1948.nc")
    write_folder(folder if where == "beside" else tmp_path)
    assert gg.open_store(folder / "a_ice.fesom.1948.nc").sizes["face"] == len(TRIANGLES)
    assert "fesom.mesh.diag.nc" in caplog.text


@pytest.mark.parametrize("kind", ["without triangles", "without coordinates", "nodes that do not exist"])
def test_the_mesh_folder_beside_a_mesh_file_that_lacks_something(tmp_path, caplog, kind):
    BROKEN[kind](tmp_path)
    with pytest.raises(InputError, match=r"fesom\.mesh\.diag\.nc"):
        gg.load_mesh(tmp_path / "fesom.mesh.diag.nc")
    write_folder(tmp_path)
    assert gg.load_mesh(tmp_path / "fesom.mesh.diag.nc").n_faces == len(TRIANGLES)
    assert "nod2d.out beside it" in caplog.text


TOPOLOGY = {"cf_role": "mesh_topology", "topology_dimension": 2, "node_coordinates": "lon lat"}
NEWER = {"mesh": ((), 0, TOPOLOGY | {"face_node_connectivity": "elements"})} | {
    "lon": ("nod2", LON, {"units": "degrees_east"}),
    "lat": ("nod2", LAT, {"units": "degrees_north"}),
    "elements": (("n3", "elem"), TRIANGLES.T.astype(np.int32), {"start_index": 1}),
}
"""A mesh file of FESOM with a topology, under other names than those of today."""


def test_a_topology_of_fesom_under_other_names(tmp_path):
    write_output(tmp_path)
    xr.Dataset(NEWER).to_netcdf(tmp_path / "fesom.mesh.diag.nc")
    assert gg.open_store(tmp_path / "a_ice.fesom.1948.nc").sizes["face"] == len(TRIANGLES)


@pytest.mark.parametrize("kind", ["lat", "elements", "header"])
def test_a_topology_of_fesom_that_is_broken(tmp_path, caplog, kind):
    """The mesh folder around the file replaces it, also for the mesh alone; without one, the file is named."""
    path = tmp_path / "fesom.mesh.diag.nc"
    xr.Dataset(NEWER).drop_vars(kind, errors="ignore").to_netcdf(path)
    if kind == "header":
        path.write_bytes(b"CDF\x01 and no more")
    with pytest.raises(InputError, match=r"fesom\.mesh\.diag\.nc"):
        gg.load_mesh(path)
    write_folder(tmp_path)
    assert gg.load_mesh(path).n_faces == len(TRIANGLES)
    assert "nod2d.out beside it" in caplog.text


def test_output_of_fesom_with_a_further_dimension_of_one(tmp_path):
    write_output(tmp_path)
    write_folder(tmp_path)
    with xr.open_dataset(tmp_path / "a_ice.fesom.1948.nc", decode_times=False) as ds:
        wider = ds.load().expand_dims(nz=1)
    wider.to_netcdf(tmp_path / "a_ice.fesom.1948.nc")
    np.testing.assert_allclose(gg.open_store(tmp_path / "a_ice.fesom.1948.nc")["sic"].values, 0.5)


def test_a_mesh_from_the_caller_replaces_a_broken_one(tmp_path):
    write_folder(tmp_path / "elsewhere")
    write_output(tmp_path)
    old_mesh(tmp_path, DEGREES)
    store = gg.open_store(tmp_path / "a_ice.fesom.1948.nc", mesh=gg.load_mesh(tmp_path / "elsewhere"))
    assert store.sizes["face"] == len(TRIANGLES)


def test_output_of_a_calendar_without_leap_days(tmp_path):
    write_output(tmp_path, calendar="noleap")
    write_folder(tmp_path)
    times = gg.open_store(tmp_path / "a_ice.fesom.1948.nc")["time"].values
    np.testing.assert_array_equal(times, np.array(["1948-01-01", "1948-01-02"], dtype="datetime64[ns]"))


# neXtSIM-DG

NY, NX = 4, 6
MASK = np.ones((NY, NX))
MASK[0] = 0.0
GRID = np.stack(np.meshgrid(np.arange(NX + 1) * 4e3, np.arange(NY + 1) * 3e3), axis=-1)
N_CELLS = int(MASK.sum())
TIMES = [1_600_000_000, 1_600_003_600]

NAMES = {
    "xdim, ydim": {"y": "ydim", "x": "xdim", "z": "zdim", "yp": "y_cg", "xp": "x_cg"},
    "x, y": {"y": "y", "x": "x", "z": "z", "yp": "y_cg", "xp": "x_cg"},
    "x, y, points ycg and xcg": {"y": "y", "x": "x", "z": "z", "yp": "ycg", "xp": "xcg"},
    "x, y without layers": {"y": "y", "x": "x", "yp": "y_cg", "xp": "x_cg"},
}


def put(group, name: str, dims: tuple[str, ...], values: object) -> None:
    group.createVariable(name, "f8", dims)[:] = values


def write_dg(path: Path, names: dict[str, str], geometry: bool = True, records: int = 0, groups: bool = True) -> None:
    """An init file, a restart, or (with records) a diagnostic file."""
    with netCDF4.Dataset(path, "w") as content:
        if groups:
            content.createGroup("structure").type = "parametric_rectangular"
            clock = content.createGroup("metadata").createGroup("time")
            clock.createVariable("time", "i8")[:] = TIMES[0]
        data = content.createGroup("data") if groups else content
        sizes = {"y": NY, "x": NX, "z": 3, "yp": 2 * NY + 1, "xp": 2 * NX + 1}
        for key, name in names.items():
            data.createDimension(name, sizes[key])
        for name, size in {"yvertex": NY + 1, "xvertex": NX + 1, "ncoords": 2, "dg_comp": 3}.items():
            data.createDimension(name, size)
        y, x = names["y"], names["x"]
        time: tuple[str, ...] = ("time",) if records else ()
        if records:
            data.createDimension("time", None)
            put(data, "time", time, TIMES[:records])
        if geometry:
            put(data, "coords", ("yvertex", "xvertex", "ncoords"), GRID)
            put(data, "mask", (y, x), MASK)
        shape = (records,) * bool(records)
        put(data, "cice", (*time, y, x), np.full((*shape, NY, NX), 0.8))
        put(data, "hice", (*time, y, x, "dg_comp"), np.full((*shape, NY, NX, 3), 1.2))
        put(data, "u", (*time, names["yp"], names["xp"]), np.full((*shape, 2 * NY + 1, 2 * NX + 1), 0.1))
        put(data, "v", (*time, names["yp"], names["xp"]), np.full((*shape, 2 * NY + 1, 2 * NX + 1), 0.2))
        if "z" in names:
            put(data, "tice", (names["z"], y, x), -1.0)


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("groups", [True, False], ids=["groups", "flat"])
def test_names_of_the_dimensions_of_cells(tmp_path, names, groups):
    write_dg(tmp_path / "init.nc", names, groups=groups)
    mesh = gg.load_mesh(tmp_path / "init.nc")
    assert (mesh.n_faces, mesh.grid_shape) == (N_CELLS, (NY, NX))
    np.testing.assert_allclose(mesh.areas, 12e6)
    store = gg.open_store(tmp_path / "init.nc")
    for name, value in {"sic": 0.8, "sit": 1.2, "siu": 0.1, "siv": 0.2}.items():
        np.testing.assert_allclose(store[name].values, value, rtol=1e-6)


@pytest.mark.parametrize("diagnostics", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("init", [NAMES["xdim, ydim"], NAMES["x, y"]], ids=["new", "old"])
def test_old_and_new_files_belong_together(tmp_path, init, diagnostics):
    """Corners and mask of a file with one form of the names serve a file with the other."""
    write_dg(tmp_path / "init.nc", init)
    write_dg(tmp_path / "diag.nc", diagnostics, geometry=False, records=2)
    store = gg.open_store(tmp_path / "diag.nc")
    assert dict(store["sic"].sizes) == {"time": 2, "face": N_CELLS}
    np.testing.assert_array_equal(store["time"].values, np.array(TIMES, dtype="datetime64[s]"))


NEIGHBOURS: dict[str, Callable[[netCDF4.Group], object]] = {
    "another name of a dimension": lambda data: data.renameDimension("xdim", "rows"),
    "a mask of 7": lambda data: data["mask"].__setitem__(slice(None), 7.0),
    "no corners": lambda data: (data.renameVariable("coords", "old"), put(data, "coords", ("dg_comp",), 0.0)),
}


@pytest.mark.parametrize("kind", NEIGHBOURS)
def test_a_broken_file_beside_the_init_file(tmp_path, caplog, kind):
    """Diagnostics take corners and mask from the file that has them; a broken one beside it is named."""
    for name in ("a_broken.nc", "init.nc"):
        write_dg(tmp_path / name, NAMES["xdim, ydim"])
    write_dg(tmp_path / "diag.nc", NAMES["xdim, ydim"], geometry=False, records=2)
    with netCDF4.Dataset(tmp_path / "a_broken.nc", "a") as content:
        NEIGHBOURS[kind](content["data"])
    assert gg.open_store(tmp_path / "diag.nc").sizes["face"] == N_CELLS
    assert "a_broken.nc: its corners and mask are not used" in caplog.text


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_a_grid_without_corners_says_what_to_do(tmp_path, names):
    write_dg(tmp_path / "forcing.nc", names, geometry=False, records=1)
    for read in (gg.load_mesh, gg.open_store):
        with pytest.raises(
            InputError, match=r"no corners \(coords\).*the init file or a restart beside it, of the same 4 x 6"
        ):
            read(tmp_path / "forcing.nc")


def test_both_pairs_of_names(tmp_path):
    """The pair that the fields lie on counts, not one that is there as well."""
    write_dg(tmp_path / "init.nc", NAMES["x, y"])
    with netCDF4.Dataset(tmp_path / "init.nc", "a") as content:
        content["data"].createDimension("ydim", 2)
        content["data"].createDimension("xdim", 2)
    assert gg.load_mesh(tmp_path / "init.nc").n_faces == N_CELLS


@pytest.mark.parametrize("missing", ["ydim", "xdim"])
def test_cells_without_a_dimension(tmp_path, missing):
    write_dg(tmp_path / "init.nc", NAMES["xdim, ydim"])
    with netCDF4.Dataset(tmp_path / "init.nc", "a") as content:
        content["data"].renameDimension(missing, "rows")
    with pytest.raises(
        InputError, match=f"no dimension {missing}; expected ydim and xdim, or y and x as before May 2024"
    ):
        gg.load_mesh(tmp_path / "init.nc")
