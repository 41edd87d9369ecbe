"""The files and datasets that a user gives, each opened as a dataset with a topology, names of the table, and times.

:func:`expand` lists them, :func:`open_source` opens one of them with the reader of its format. Three things may be
given besides: a mesh for data that have none, the name of a topology for files with several, and members, which become
trajectories.
"""

import glob
from collections.abc import Sequence
from pathlib import Path as FilePath

import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import is_foreign, on_faces, read_gridded, refuse_unsupported
from gensim_graph.io.coordinates import find_coordinates, with_trajectories
from gensim_graph.io.formats import find_format
from gensim_graph.io.mpas import is_mpas
from gensim_graph.io.names import known_names, list_known_names
from gensim_graph.io.plane_vectors import along_plane, points_east
from gensim_graph.io.safe import is_dataset, opened_dataset, refuse_other_content
from gensim_graph.io.times import with_own_time
from gensim_graph.io.ugrid import attach, has_topology, is_without_mesh, mesh_from_dataset, with_topology
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Path
from gensim_graph.variables import VariableTable

Source = Path | xr.Dataset
"""A file, a glob pattern, a folder, or a dataset with a UGRID topology or a grid and its coordinates."""


def expand(source: Source | Sequence[Source]) -> list[Source]:
    """List the single files and datasets of a source: of a list, a folder or a glob pattern.

    Raises:
        InputError: no such file, or a folder without data.
    """
    if isinstance(source, xr.Dataset):
        return [source]
    if isinstance(source, xr.DataArray) or not isinstance(source, str | FilePath | Sequence):
        raise InputError(f"data: expected a file, a dataset, or a list of them; came {type(source).__name__}")
    if not isinstance(source, str | FilePath):
        return [part for item in source for part in expand(item)]

    path = FilePath(source)
    if path.is_file() or (path.is_dir() and find_format(path) is not None):
        return [path]

    if path.is_dir() and not is_dataset(path):
        found = sorted(file for pattern in ("*.nc", "*.nc4", "*.zarr", "*.zarr.zip") for file in path.glob(pattern))
        if not found:
            raise InputError(f"{path}: no .nc or .zarr files in this folder")
        return list(found)

    if path.exists():
        return [path]

    matched = sorted(glob.glob(str(source)))
    if not matched:
        raise InputError(f"{source}: there is no such file; check the path (patterns such as 'runs/*.nc' work too)")

    return [FilePath(name) for name in matched]


def open_source(
    item: Source, mesh: Mesh | None, table: VariableTable, topology: str | None = None
) -> tuple[str, xr.Dataset]:
    """Open one file or dataset; its values are not checked yet.

    Args:
        item: one of the items of :func:`expand`.
        mesh: mesh of the result. Fields without a mesh of their own are taken as fields on it.
        table: the variable table.
        topology: name of the topology to read where there are several of dimension 2.

    Returns:
        Name of the source for messages, and the dataset; files of UGRID and grids are in memory.

    Raises:
        InputError: see :func:`~gensim_graph.open_store`.
    """
    if isinstance(item, xr.Dataset):
        name = str(item.encoding.get("source", item.attrs.get("origin", "dataset")))
        with naming(name):
            return name, _readable(item, mesh, table, topology)

    path = FilePath(item)
    known = find_format(path)
    if known is not None and known.read_fields is not None and not _needs_more(path, known.read_fields, mesh):
        return str(path), known.read_fields(path, mesh)

    if not is_dataset(path):
        with naming(path):
            refuse_other_content(path)
            raise InputError("cannot be read as netCDF or zarr, by its name or its content, nor in another format")

    with naming(path), opened_dataset(path) as stored:
        raw = _readable(stored, mesh, table, topology)
        names = {variable.name for variable in table.variables}
        return str(path), raw[[name for name in raw.variables if name in names or "time" not in raw[name].dims]].load()


def _needs_more(path: FilePath, read_fields: object, mesh: Mesh | None) -> bool:
    """Return True if a file holds bare cells, which belong to the given mesh."""
    if mesh is None or read_fields is not read_gridded:
        return False
    with naming(path), opened_dataset(path) as stored:
        return is_without_mesh(mesh, stored) and not is_mpas(stored)


def _readable(ds: xr.Dataset, mesh: Mesh | None, table: VariableTable, topology: str | None) -> xr.Dataset:
    """The dataset in the layout of this package: topology, names of the table, time, vectors along the axes."""
    ds = with_topology(ds, topology)
    is_bare = is_without_mesh(mesh, ds) and not is_mpas(ds)
    if not (is_bare and mesh is not None) and not has_topology(ds) and not is_mpas(ds):
        refuse_unsupported(ds)
    if is_bare and mesh is not None:
        ds = with_given_mesh(ds, mesh, table)
    elif is_bare:
        raise InputError(
            "the dataset has no mesh topology and no grid; if its values are those of the faces or nodes of a mesh, "
            "give the mesh too (mesh= or --mesh), or add it to the dataset, gensim_graph.attach(mesh, ds)"
        )

    has_other_names = not known_names(ds) <= {variable.name for variable in table.variables}
    if is_foreign(ds) or (is_bare and has_other_names):
        return on_faces(ds, mesh)

    _refuse_unknown_grid(ds)
    raw = as_trajectories(with_own_time(ds))

    return along_plane(raw, mesh_from_dataset(raw), table) if points_east(raw, table) else raw


def with_given_mesh(ds: xr.Dataset, mesh: Mesh, table: VariableTable) -> xr.Dataset:
    """Return a dataset with a mesh: its own, or the given one if it has none.

    Args:
        ds: the dataset; arrays that are not in memory stay where they are.
        mesh: the mesh for data without one; their vectors are turned to its axes if they point east and north.
        table: the variable table.

    Raises:
        InputError: the data have no mesh, and no dimension is as long as this one has faces or nodes.
    """
    if is_mpas(ds) or not is_without_mesh(mesh, ds):
        return ds

    return along_plane(attach(mesh, ds), mesh, table)


def as_trajectories(ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset with its members as trajectories, and the lead times of a forecast from one start as times."""
    is_forecast = "lead_time" in ds.dims and "time" not in ds.dims and "valid_time" in ds.variables
    if is_forecast and ds["valid_time"].dims == ("lead_time",):
        times = ds["valid_time"].values
        ds = ds.drop_vars(["lead_time", "valid_time", "time"], errors="ignore").rename_dims(lead_time="time")
        ds = ds.assign_coords(time=("time", times))

    ds = with_trajectories(ds)
    for dim in ("member", "realization"):  # a single one
        if dim in ds.dims and "trajectory" not in ds.dims:
            ds = ds.drop_vars(dim, errors="ignore").rename_dims({dim: "trajectory"})

    return ds


def _refuse_unknown_grid(ds: xr.Dataset) -> None:
    """Refuse a grid, or a mesh of MPAS, without a variable whose name is known: it is valid, but cannot be used."""
    if has_topology(ds):
        return
    if not is_mpas(ds):
        find_coordinates(ds)

    fields = [str(name) for name, column in ds.data_vars.items() if column.ndim >= 2]
    raise InputError(
        f"none of its variables has a known name or standard name; it has {', '.join(fields) or 'no fields'}; known "
        f"are {list_known_names()}. Rename its variables, or list their names in a file such as my_names.yaml "
        "(sic: {names: [my_concentration]}) and set GENSIM_GRAPH_NAMES=my_names.yaml"
    )
