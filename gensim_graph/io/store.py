"""Trajectories from files as xarray datasets on the faces of a mesh, checked before anything expensive starts.

``open_store`` reads any format of :mod:`~gensim_graph.io.formats`, and netCDF or zarr with a UGRID topology. It
averages variables on nodes to the faces, checks units, ranges and missing values against the variable table, and remaps
to another mesh of the same domain if the caller gives one.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, check_type, naming
from gensim_graph.io.checks import check_cover, check_field_values, check_unit, log_remapping
from gensim_graph.io.names import reading
from gensim_graph.io.sources import Source, expand, open_source
from gensim_graph.io.times import times_of
from gensim_graph.io.ugrid import MESH_ADVICE, keep_mesh, mesh_from_dataset, mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import conservative_weights, remap_faces, rotation
from gensim_graph.typing import Array
from gensim_graph.variables import TABLE_ADVICE, Role, Variable, VariableTable, default_variables, vector_pairs


def open_store(
    source: Source | Sequence[Source],
    mesh: Mesh | None = None,
    variables: VariableTable | None = None,
    needs: Role = "state",
    topology: str | None = None,
) -> xr.Dataset:
    """Read trajectories on one mesh.

    Args:
        source: file, glob pattern, folder of files or of a neXtSIM run, dataset, or a list of them; several become a
            ``trajectory`` dimension, and so do the members of an ensemble.
        mesh: mesh of the result. Fields on another mesh of the same domain are remapped, area-weighted, and vectors are
            turned to its plane. Data without a mesh are taken as fields on it, if they are as long as it has faces or
            nodes (:func:`~gensim_graph.attach`). By default the mesh of the files, which must be the same in all; for a
            neXtSIM run, whose mesh moves, the first mesh of the run.
        variables: the variable table; the default table by default.
        needs: role of which each file must have a variable; ``forcing`` opens files of wind.
        topology: name of the UGRID topology, for files with several of dimension 2.

    Returns:
        Dataset ((trajectory,) time, face) in float32 with its topology.

    Raises:
        InputError: a missing or unreadable file, no topology, no state variable, a wrong unit, values out of range or
            missing, another domain, several meshes, or times that differ between trajectories.

    Example:
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> store = gg.open_store(cyclone_trajectories("test"))
        >>> dict(store["sit"].sizes)
        {'time': 33, 'face': 2640}
    """
    stores = open_stores(source, mesh, variables, needs, topology)
    if len(stores) > 1:
        groups = "; ".join(f"{store.sizes['face']} faces, {_period(store)}" for store in stores)
        raise InputError(
            f"the files do not fit together: they differ in mesh, times or variables ({groups}); pass mesh= to have "
            "them on one mesh, or open them separately"
        )

    return stores[0]


def _period(store: xr.Dataset) -> str:
    first, last = (np.datetime_as_string(store["time"].values[index], "m") for index in (0, -1))
    return f"{store.sizes['time']} times from {first} to {last}"


def open_stores(
    source: Source | Sequence[Source],
    mesh: Mesh | None = None,
    variables: VariableTable | None = None,
    needs: Role = "state",
    topology: str | None = None,
) -> list[xr.Dataset]:
    """Read trajectories on several meshes: as :func:`open_store`, one dataset for each mesh and each set of times.

    Args:
        source: see :func:`open_store`.
        mesh: see :func:`open_store`; with a mesh, all trajectories are brought to it.
        variables: the variable table; the default table by default.
        needs: role of which each file must have a variable.
        topology: see :func:`open_store`.

    Raises:
        InputError: see :func:`open_store`, except for several meshes or times.
    """
    if mesh is not None:
        check_type("mesh", mesh, Mesh, MESH_ADVICE)
    if variables is not None:
        check_type("variables", variables, VariableTable, TABLE_ADVICE)

    table = variables or default_variables()
    groups: dict[tuple, list[xr.Dataset]] = {}

    for item in expand(source):
        with reading(table):
            name, raw = open_source(item, mesh, table, topology)
        store = _on_faces(name, raw, table, needs)
        if mesh is not None:
            store = _on_mesh(name, store, mesh, table)

        names = tuple(sorted(map(str, store.data_vars)))
        key = (mesh_from_dataset(store).hash, store["time"].values.tobytes(), names)
        groups.setdefault(key, []).append(store)

    return [_concatenate(group) for group in groups.values()]


def _on_faces(name: str, raw: xr.Dataset, table: VariableTable, needs: Role) -> xr.Dataset:
    with naming(name):
        mesh = mesh_from_dataset(raw)

    if "time" not in raw.dims:
        raise InputError(f"{name}: no dimension 'time' (dimensions: {', '.join(map(str, raw.dims))})")
    if raw.sizes["time"] == 0:
        raise InputError(f"{name}: the time dimension is empty; is the file complete?")

    found = [variable for variable in table.variables if variable.name in raw]
    if not any(variable.role == needs for variable in found):
        expected = ", ".join(variable.name for variable in table.select(needs))
        raise InputError(
            f"{name}: none of the {needs} variables ({expected}); it has: {', '.join(map(str, raw.data_vars))}"
        )

    columns = {variable.name: _column(name, raw[variable.name], variable, mesh) for variable in found}
    for variable in found:
        if variable.vector is not None and variable.vector not in columns:
            raise InputError(f"{name}: '{variable.name}' is here but its other component '{variable.vector}' is not")

    store = mesh_to_dataset(mesh).assign_coords(time=_times(name, raw))
    keep_mesh(store, mesh)
    remapping = {key: value for key, value in raw.attrs.items() if str(key).startswith("remap_")}

    return store.assign(dict(columns)).assign_attrs(remapping, origin=name)


def _column(name: str, values: xr.DataArray, variable: Variable, mesh: Mesh) -> xr.DataArray:
    """Values of one variable on the faces, checked, float32."""
    check_unit(name, values, variable)
    leading = [dim for dim in ("trajectory", "time") if dim in values.dims]
    location = "node" if "node" in values.dims else "face"
    expected = {"node": mesh.n_nodes, "face": mesh.n_faces}[location]

    if set(values.dims) != {*leading, "time", location} or not np.issubdtype(values.dtype, np.number):
        raise InputError(
            f"{name}: '{variable.name}' has dimensions {values.dims} and type {values.dtype}; expected numbers on "
            "(time, face) or (time, node)"
        )
    if values.sizes[location] != expected:
        raise InputError(
            f"{name}: '{variable.name}' has {values.sizes[location]} {location}s, the mesh in the file uses "
            f"{expected}; nodes without a face must be left out of both"
        )

    array = values.transpose(*leading, location).values
    if location == "node":
        array = mesh.to_faces(array)

    check_field_values(name, array, variable)
    # The check allows values slightly outside the bounds of the variable, which come from rounding.
    inside = np.clip(array.astype(np.float32), variable.lower, variable.upper)

    return xr.DataArray(inside, dims=(*leading, "face"), attrs=variable.attrs)


def _times(name: str, raw: xr.Dataset) -> Array:
    with naming(name):
        times = times_of(raw)

    if len(times) > 1 and not (np.diff(times) > np.timedelta64(0)).all():
        raise InputError(f"{name}: 'time' does not increase from record to record")

    return times


def _on_mesh(name: str, store: xr.Dataset, mesh: Mesh, table: VariableTable) -> xr.Dataset:
    """The same fields on another mesh of the same domain, vectors along its axes."""
    source = mesh_from_dataset(store)
    fields = {key: column for key, column in store.data_vars.items() if "time" in column.dims}
    frame = mesh_to_dataset(mesh).assign_coords(time=store["time"]).assign_attrs(store.attrs)

    if source.matches(mesh):
        return frame.assign(fields)

    weights = conservative_weights(source, mesh, reproject=True)
    check_cover(name, source, mesh, weights)
    log_remapping(name, source, mesh)
    mapped = {key: remap_faces(column.values, weights) for key, column in fields.items()}
    turn = rotation(source, mesh)

    for first, second in vector_pairs(table.variables):
        x, y = table.variables[first].name, table.variables[second].name
        if x in mapped:
            turned = turn.to_plane(mapped[x], mapped[y])
            mapped[x], mapped[y] = (part.astype(mapped[x].dtype) for part in turned)

    return frame.assign({key: (fields[key].dims, values, fields[key].attrs) for key, values in mapped.items()})


def _concatenate(group: Iterable[xr.Dataset]) -> xr.Dataset:
    """Join trajectories along a new dimension ``trajectory``; a single one stays without it."""
    stores = list(group)
    if len(stores) == 1:
        return stores[0]

    fields = [name for name, column in stores[0].data_vars.items() if "time" in column.dims]
    parts = [store[fields] for store in stores]
    if any("trajectory" in part.dims for part in parts):  # members of an ensemble
        parts = [part if "trajectory" in part.dims else part.expand_dims("trajectory") for part in parts]

    joined = xr.concat(parts, dim="trajectory")
    origin = "; ".join(store.attrs["origin"] for store in stores)

    return stores[0].drop_vars(fields).merge(joined).assign_attrs(origin=origin)
