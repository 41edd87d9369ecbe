"""Small files of every format that the package reads, for ``corruption.py``: how each is made, and how it is read.

Genuine files come from ``tests/data``; the others are written here, or by the makers of the tests.
"""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.dynamical import dynamical  # noqa: E402
from support.grids import gensim_store, plane_grid  # noqa: E402
from support.meshes import jittered_box  # noqa: E402
from support.smesh import SMESH  # noqa: E402
from support.surrogates import DATA, random_surrogate  # noqa: E402
from support.tripolar import tripolar  # noqa: E402

from gensim_graph import Mesh, Surrogate, default_variables, load_mesh, open_store  # noqa: E402
from gensim_graph.forecast import write_forecast  # noqa: E402
from gensim_graph.io import Fields, mesh_to_dataset, opened_fields, write_mesh  # noqa: E402
from gensim_graph.typing import Array  # noqa: E402

GENUINE = ROOT / "tests" / "data"
CLASSIC = "NETCDF3_64BIT"

Result = dict[str, Array]
Reader = Callable[[Path], Result]


@dataclass(frozen=True)
class Sample:
    """A format.

    Attributes:
        make: writes a file or folder into an empty folder, and returns its path.
        read: reads it into arrays; raises an AssertionError for a result that cannot be right.
    """

    make: Callable[[Path], Path]
    read: Reader


# Reading: what every result must fulfil


def read_mesh(path: Path) -> Result:
    """Nodes, faces and boundaries of a mesh."""
    return mesh_arrays(load_mesh(path))


def mesh_arrays(mesh: Mesh) -> Result:
    """Check a mesh: finite nodes within the size of the Earth, faces of existing nodes with an area."""
    assert mesh.n_faces > 0, "no faces"
    assert np.isfinite(mesh.nodes).all(), "nodes not finite"
    assert np.abs(mesh.nodes).max() <= 1e12, "nodes beyond the limit of a mesh"
    assert (mesh.areas > 0).all(), "areas not positive"
    assert mesh.faces.max() < mesh.n_nodes, "unknown nodes"

    return {"nodes": mesh.nodes, "faces": mesh.faces, "boundary": mesh.boundary_edges}


def read_store(path: Path) -> Result:
    """Fields of a trajectory on their mesh."""
    store = open_store(path)
    check_fields({name: store[name].values for name in store.data_vars if "time" in store[name].dims})
    assert (np.diff(store["time"].values) > np.timedelta64(0)).all(), "times do not increase"

    return {str(name): column.values for name, column in store.variables.items()}


def check_fields(fields: dict[str, Array]) -> None:
    """Check that values are finite and within the bounds of their variables."""
    for name, values in fields.items():
        variable = default_variables()[str(name)]
        assert np.isfinite(values).all(), f"{name} not finite"
        low, high = max(variable.lower, variable.range[0]), min(variable.upper, variable.range[1])
        assert ((low <= values) & (values <= high)).all(), f"{name} outside its bounds"


def read_forecast(path: Path) -> Result:
    """Fields of one of our forecasts."""
    with opened_fields(path) as dataset:
        fields = Fields.of(dataset)
        values = fields.read_all(slice(0, fields.n_records))
        check_fields(values)
        return mesh_arrays(fields.mesh) | values


def read_surrogate(path: Path) -> Result:
    """Weights and statistics of a model."""
    model = Surrogate.load(path)
    weights = {name: tensor.numpy() for name, tensor in model.operator.state_dict().items()}
    for name, values in weights.items():
        assert np.isfinite(values.astype(np.float64)).all(), f"weights {name} not finite"

    return weights


# Making


def copied(name: str) -> Callable[[Path], Path]:
    """Maker of a copy of a genuine file or folder of the tests."""

    def make(folder: Path) -> Path:
        source, target = GENUINE / name, folder / Path(name).name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        return target

    return make


def pair(folder: Path) -> Path:
    """A mesh and its fields at one time of neXtSIM, without further times."""
    for file in (GENUINE / "nextsim" / "box").glob("*_20000101T060000Z.*"):
        shutil.copy(file, folder)
    return folder / "mesh_20000101T060000Z.bin"


def pair_folder(folder: Path) -> Path:
    """The same, read as a run."""
    return pair(folder).parent


def smesh(folder: Path) -> Path:
    (folder / "box.smesh").write_text(SMESH)
    return folder / "box.smesh"


def fesom(folder: Path) -> Path:
    """A small box at the pole as FESOM writes it."""
    box = jittered_box(5, side=20.0)
    nodes = [f"{n + 1} {x:.6f} {y:.6f} 0" for n, (x, y) in enumerate(box.nodes + 60)]
    (folder / "nod2d.out").write_text("\n".join([str(box.n_nodes), *nodes]) + "\n")
    faces = [" ".join(map(str, face + 1)) for face in box.faces]
    (folder / "elem2d.out").write_text("\n".join([str(box.n_faces), *faces]) + "\n")
    return folder


def fesom_run(folder: Path) -> Path:
    """Ice at the nodes of that mesh, as FESOM 2 writes it."""
    fesom(folder)
    box, time = jittered_box(5, side=20.0), {"units": "days since 1948-01-01"}
    values = np.random.default_rng(0).uniform(0, 1, (2, box.n_nodes)).astype(np.float32)
    ds = xr.Dataset({"a_ice": (("time", "nod2"), values)}, coords={"time": ("time", [0.0, 1.0], time)})
    ds.to_netcdf(folder / "a_ice.fesom.1948.nc")
    return folder / "a_ice.fesom.1948.nc"


def mpas(folder: Path) -> Path:
    """Triangles in a plane with concentration."""
    mesh = jittered_box(4)
    columns = {
        "verticesOnCell": (("nCells", "maxEdges"), (mesh.faces + 1).astype(np.int32)),
        "nEdgesOnCell": ("nCells", np.full(mesh.n_faces, 3, dtype=np.int32)),
        "xVertex": ("nVertices", mesh.nodes[:, 0]),
        "yVertex": ("nVertices", mesh.nodes[:, 1]),
    }
    ds = xr.Dataset(columns, attrs={"on_a_sphere": "NO", "is_periodic": "NO"})
    ds.to_netcdf(folder / "mpas.nc", format=CLASSIC)
    return folder / "mpas.nc"


def regional_grid() -> xr.Dataset:
    """Ice and wind on longitudes and latitudes under the names of CMIP."""
    rng, names = np.random.default_rng(0), {"siconc": "%", "sivol": "m", "uas": "m s-1", "vas": "m s-1"}
    times = np.datetime64("2000-01-01", "ns") + np.arange(3) * np.timedelta64(6, "h")
    lon = ("lon", np.arange(8) * 2.0, {"units": "degrees_east", "standard_name": "longitude"})
    lat = ("lat", np.arange(6) + 70.5, {"units": "degrees_north", "standard_name": "latitude"})
    ds = xr.Dataset(coords={"time": times, "lat": lat, "lon": lon})
    for name, unit in names.items():
        values = rng.uniform(5, 95, (3, 6, 8)) if unit == "%" else rng.uniform(0, 1, (3, 6, 8))
        ds[name] = (("time", "lat", "lon"), values.astype(np.float32), {"units": unit, "cell_methods": "time: mean"})
    return ds


def dataset(ds: Callable[[], xr.Dataset], form: str) -> Callable[[Path], Path]:
    """Maker of a file of a dataset in ``zarr`` or a form of netCDF."""

    def make(folder: Path) -> Path:
        path = folder / ("file.zarr" if form == "zarr" else "file.nc")
        if form == "zarr":
            ds().to_zarr(path, consolidated=False)
        else:
            ds().to_netcdf(path, format=form)
        return path

    return make


def mesh_as(name: str) -> Callable[[Path], Path]:
    """Maker of a mesh that this package writes."""
    return lambda folder: write_mesh(jittered_box(4), folder / name)


def forecast(folder: Path) -> Path:
    """Two members and steps of a model that was never trained."""
    out = folder / "forecast.zarr"
    write_forecast(random_surrogate(), DATA.isel(time=0), DATA, out, steps=2, members=2, progress=False)
    return out


def forecast_netcdf(folder: Path) -> Path:
    """The same as netCDF-4."""
    with xr.open_zarr(forecast(folder)) as ds:
        ds.load().to_netcdf(folder / "forecast.nc")
    shutil.rmtree(folder / "forecast.zarr")
    return folder / "forecast.nc"


def surrogate(folder: Path) -> Path:
    random_surrogate().save(folder / "model")
    return folder / "model"


def box_dataset() -> xr.Dataset:
    return mesh_to_dataset(jittered_box(4))


SAMPLES = {
    "msh 2.2": Sample(copied("gmsh/neg_22.msh"), read_mesh),
    "msh 2.2 binary": Sample(copied("gmsh/neg_22b.msh"), read_mesh),
    "msh 4.0": Sample(copied("gmsh/neg_40.msh"), read_mesh),
    "msh 4.1": Sample(copied("gmsh/neg_41.msh"), read_mesh),
    "msh 4.1 binary": Sample(copied("gmsh/neg_41b.msh"), read_mesh),
    "msh of neXtSIM": Sample(copied("nextsim/tiny.msh"), read_mesh),
    "vtu": Sample(mesh_as("mesh.vtu"), read_mesh),
    "UGRID netCDF-4": Sample(dataset(box_dataset, "NETCDF4"), read_mesh),
    "UGRID netCDF-3": Sample(dataset(box_dataset, CLASSIC), read_mesh),
    "UGRID zarr": Sample(dataset(box_dataset, "zarr"), read_mesh),
    "trajectory netCDF-4": Sample(dataset(lambda: DATA, "NETCDF4"), read_store),
    "trajectory zarr": Sample(dataset(lambda: DATA, "zarr"), read_store),
    "neXtSIM pair, mesh": Sample(pair, read_mesh),
    "neXtSIM pair, fields": Sample(pair_folder, read_store),
    "neXtSIM restart": Sample(copied("nextsim/box/restart"), read_store),
    "neXtSIM moorings": Sample(copied("nextsim/Moorings.nc"), read_store),
    "neXtSIM-DG restart": Sample(dynamical, read_store),
    "neXtSIM-DG smesh": Sample(smesh, read_mesh),
    "FESOM mesh": Sample(fesom, read_mesh),
    "FESOM fields": Sample(fesom_run, read_store),
    "MPAS": Sample(mpas, read_mesh),
    "tripolar grid netCDF-3": Sample(dataset(lambda: tripolar(8, 32, "F", 1, 2), CLASSIC), read_mesh),
    "grid in degrees netCDF-4": Sample(dataset(regional_grid, "NETCDF4"), read_store),
    "grid in degrees netCDF-3": Sample(dataset(regional_grid, CLASSIC), read_store),
    "grid in degrees zarr": Sample(dataset(regional_grid, "zarr"), read_store),
    "grid in metres netCDF-3": Sample(dataset(lambda: plane_grid(6, 8), CLASSIC), read_store),
    "GenSIM's zarr": Sample(lambda folder: gensim_store(folder, packed=True)[1], read_store),
    "forecast zarr": Sample(forecast, read_forecast),
    "forecast netCDF-4": Sample(forecast_netcdf, read_forecast),
    "surrogate": Sample(surrogate, read_surrogate),
}
"""Name of a format -> how a small file of it is made and read."""
