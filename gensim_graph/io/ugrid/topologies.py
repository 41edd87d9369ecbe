"""The topology of a dataset, and the variables that it names: which one is meant, which way its tables lie.

Programs write several topologies into one file (rivers of dimension 1 beside a mesh of dimension 2), and tables with
faces first or corners first.
"""

import logging

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.names import known_names
from gensim_graph.mesh import edge_table, signed_areas
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_MOST_CORNERS = 16  # of a face; a table that is longer along its first dimension does not have its corners there


def mesh_topologies(ds: xr.Dataset) -> list[str]:
    """Return the names of the topologies of dimension 2 of a dataset; those of lines and solids are left out.

    A topology whose nodes or faces are not in the dataset counts only if there is no other.
    """
    names = [str(name) for name, column in ds.variables.items() if _is_mesh(column)]
    return [name for name in names if _is_complete(ds, ds.variables[name])] or names


def find_topology(ds: xr.Dataset, name: str | None = None) -> xr.DataArray:
    """Return the topology variable of a dataset.

    Args:
        ds: the dataset.
        name: name of the topology; needed if there are several of dimension 2.

    Raises:
        InputError: there is no topology of dimension 2 (of this name), or there are several.
    """
    known = mesh_topologies(ds)
    found = known if name is None else [one for one in known if one == name]

    if len(found) == 1:
        return ds[found[0]]
    if len(found) > 1:
        raise InputError(
            f"the dataset has {len(found)} mesh topologies of dimension 2, {_listed(found)}; name one with "
            f"topology='{found[0]}' (load_mesh, open_store) or --topology {found[0]}"
        )
    if name is not None:
        raise InputError(f"the dataset has no mesh topology '{name}'; it has {_listed(known) or 'none'}")

    others = [str(key) for key, column in ds.variables.items() if column.attrs.get("cf_role") == "mesh_topology"]
    having = f" of dimension 2; {_listed(others)} has another dimension" if others else ""
    raise InputError(f"the dataset has no mesh topology{having}; UGRID needs a variable with cf_role = 'mesh_topology'")


def with_topology(ds: xr.Dataset, name: str | None = None) -> xr.Dataset:
    """Return a dataset with one of its topologies of dimension 2, and without the fields of the others.

    Args:
        ds: the dataset. If it has one topology or none, it is returned as it is.
        name: name of the topology. None takes the one on which all its known fields lie, if their attributes say so.

    Raises:
        InputError: there are several topologies, and none of this name.
    """
    found = mesh_topologies(ds)
    if len(found) < 2:
        return ds

    if name is None:
        said = {str(ds[one].attrs.get("mesh")) for one in known_names(ds)}
        name = next(iter(said)) if len(said) == 1 and said <= set(found) else None
    if name is None:
        return ds  # refused by all who look for its topology

    kept = find_topology(ds, name).name
    others = {one for one in found if one != kept}
    return ds.drop_vars([key for key, column in ds.variables.items() if column.attrs.get("mesh") in others] + [*others])


def referenced(ds: xr.Dataset, topology: xr.DataArray, attribute: str) -> list[xr.DataArray]:
    """Return the variables that an attribute of the topology names.

    Args:
        ds: the dataset.
        topology: the topology variable.
        attribute: ``node_coordinates``, ``face_node_connectivity``, ...

    Raises:
        InputError: the attribute is missing, or it names a variable that is not there.
    """
    names = str(topology.attrs.get(attribute, "")).split()
    missing = [name for name in names if name not in ds.variables]

    if not names or missing:
        raise InputError(
            f"mesh topology '{topology.name}': {attribute} names {missing or 'nothing'} that is not in the dataset"
        )

    return [ds[name] for name in names]


def face_table(ds: xr.Dataset, topology: xr.DataArray) -> xr.DataArray:
    """Return the node numbers of the faces, (face, corner), whichever way the file has them.

    The dimension of the faces is ``face_dimension`` of the topology, else that of ``face_coordinates`` or of a variable
    on faces. If none of them is there, the sizes and the node numbers themselves decide.

    Args:
        ds: the dataset.
        topology: the topology variable.

    Raises:
        InputError: there is no table of two dimensions.
    """
    (table,) = referenced(ds, topology, "face_node_connectivity")[:1]
    if table.ndim != 2:
        return table  # refused with the other checks of faces

    dimension = _face_dimension(ds, topology, table)
    if dimension is None and _lies_across(table, *referenced(ds, topology, "node_coordinates")[:2]):
        dimension = str(table.dims[1])
        log.warning("the table of faces '%s' %s has its corners first: read with '%s' as the faces",
                    table.name, table.shape, dimension)  # fmt: skip

    return table.T if dimension == table.dims[1] else table


def edge_pairs_table(table: xr.DataArray) -> xr.DataArray:
    """Return the node numbers of boundary edges, (edge, 2), whichever way the file has them."""
    across = table.ndim == 2 and table.shape[0] == 2 and table.shape[1] != 2
    return table.T if across else table


def node_numbers(variable: xr.DataArray, n_nodes: int) -> Array:
    """Return node numbers counted from 0, -1 where there is none, for any fill value and start index of the file.

    Args:
        variable: numbers as in the file, with its attributes.
        n_nodes: number of nodes of the mesh.

    Raises:
        InputError: a number is below the start index or above the last node.
    """
    values = np.asarray(variable.values)
    start = _start_index(variable)
    absent = ~_known(variable)
    known = values[~absent]
    if "start_index" not in variable.attrs and known.size and known.min() >= 1 and known.max() == n_nodes:
        log.warning(
            "'%s' has no start_index, its node numbers run from 1 to %d: counted from 1", variable.name, n_nodes
        )
        start = 1

    if known.size and known.min() < start:
        raise InputError(f"'{variable.name}': node number {known.min():g} is below start_index {start}")

    return np.where(absent, -1, np.where(absent, 0, values).astype(np.int64) - start)


def _is_mesh(column: xr.Variable) -> bool:
    if column.attrs.get("cf_role") != "mesh_topology":
        return False
    try:
        return int(column.attrs.get("topology_dimension", 2)) == 2
    except (TypeError, ValueError):
        return "face_node_connectivity" in column.attrs


def _is_complete(ds: xr.Dataset, topology: xr.Variable) -> bool:
    """Return True if the coordinates of the nodes and the table of the faces are in the dataset."""
    named = [str(topology.attrs.get(key, "")).split() for key in ("node_coordinates", "face_node_connectivity")]
    return all(names and set(names) <= set(map(str, ds.variables)) for names in named)


def _face_dimension(ds: xr.Dataset, topology: xr.DataArray, table: xr.DataArray) -> str | None:
    """Name of the dimension of the faces, if the dataset says it."""
    said = topology.attrs.get("face_dimension")
    if said in table.dims:
        return str(said)

    names = str(topology.attrs.get("face_coordinates", "")).split()
    columns = [ds.variables[name] for name in names if name in ds.variables]
    columns += [
        column
        for column in ds.variables.values()
        if column.attrs.get("location") == "face" and column.attrs.get("mesh") == topology.name
    ]
    dims = [str(dim) for column in columns for dim in column.dims if dim in table.dims]

    return dims[0] if len(set(dims)) == 1 else None


def _lies_across(table: xr.DataArray, x: xr.DataArray, y: xr.DataArray) -> bool:
    """Return True if a table (n, m) has its faces along the second dimension, by its sizes, numbers and nodes."""
    n_rows, n_columns = table.shape
    if min(n_rows, n_columns) < 3:
        return n_columns < 3 <= n_rows
    if (n_rows <= _MOST_CORNERS) != (n_columns <= _MOST_CORNERS):
        return n_rows <= _MOST_CORNERS

    as_it_is, across = _are_faces(table), _are_faces(table.T)
    if not (as_it_is and across) or x.size != y.size:
        return across and not as_it_is

    points = np.stack([x.values.ravel(), y.values.ravel()], axis=1).astype(np.float64)
    return _roundness(table.T, points) > _roundness(table, points)


def _roundness(table: xr.DataArray, points: Array) -> float:
    """Median area of the faces of a table, in units of their squared perimeter; tiny if the table is transposed."""
    faces = np.where(_known(table), np.nan_to_num(table.values) - _start_index(table), -1).astype(np.int64)
    faces = np.minimum(faces, len(points) - 1)
    edges = edge_table(faces, len(points))
    lengths = np.linalg.norm(points[edges.nodes[:, 1]] - points[edges.nodes[:, 0]], axis=1)
    perimeters = np.bincount(edges.faces, lengths, minlength=len(faces))

    return float(np.median(np.abs(signed_areas(points, faces)) / np.maximum(perimeters, 1e-300) ** 2))


def _are_faces(table: xr.DataArray) -> bool:
    """Return True if every row has three different nodes or more, none of them twice, and fill values at its end."""
    known = _known(table)
    ordered = np.sort(np.where(known, table.values.astype(np.float64), np.nan), axis=1)
    has_twice = (ordered[:, 1:] == ordered[:, :-1]).any()
    has_gap = (known[:, 1:] & ~known[:, :-1]).any()

    return bool(not has_twice and not has_gap and (known.sum(axis=1) >= 3).all())


def _known(table: xr.DataArray) -> Array:
    """True where a table has a node number, False where it is filled."""
    values = np.asarray(table.values)
    fills = _fill_values(table)
    absent = np.isin(values, fills) if fills else values < _start_index(table)
    return ~(absent | np.isnan(values.astype(np.float64)))


def _start_index(variable: xr.DataArray) -> int:
    said = variable.attrs.get("start_index", 0)
    try:
        start = float(np.asarray(said).ravel()[0])
    except (TypeError, ValueError, IndexError):
        start = float("nan")

    if start not in (0.0, 1.0):
        raise InputError(f"'{variable.name}': start_index is {str(said)[:40]}; expected 0 or 1")

    return int(start)


def _fill_values(variable: xr.DataArray) -> list:
    """Values that stand for no node."""
    said = [
        place.get(name) for place in (variable.attrs, variable.encoding) for name in ("_FillValue", "missing_value")
    ]
    return [value for one in said if one is not None for value in np.asarray(one).ravel().tolist()]


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
