"""Vectors along east and north in data whose mesh is given separately, turned to the axes of the plane of the mesh.

Data of this package have their vectors along the axes already. Fields that a user attaches to a mesh may come from
elsewhere; their standard names (``eastward_...``) say so, as in :mod:`~gensim_graph.io.cf`.
"""

import xarray as xr

from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import east_north
from gensim_graph.variables import VariableTable, vector_pairs


def points_east(ds: xr.Dataset, table: VariableTable) -> bool:
    """Return True if a vector of a dataset is given along east and north.

    Args:
        ds: the dataset, with the names of the variable table.
        table: the variable table.
    """
    return bool(_eastward_pairs(ds, table))


def along_plane(ds: xr.Dataset, mesh: Mesh, table: VariableTable) -> xr.Dataset:
    """Return a dataset with the vectors that point east and north turned to the axes of the plane.

    Args:
        ds: fields (..., face) or (..., node).
        mesh: their mesh.
        table: the variable table.

    Raises:
        InputError: a vector points east, and the mesh has no crs.
    """
    for first, second in _eastward_pairs(ds, table):
        location = "node" if "node" in ds[first].dims else "face"
        frame = east_north(mesh.nodes if location == "node" else mesh.centres, mesh.crs)
        u, v = (ds[name].transpose(..., location) for name in (first, second))
        turned = frame.to_plane(u.data, v.data)

        columns = {
            name: column.copy(data=values.astype(column.dtype)).assign_attrs(standard_name=table[name].standard_name)
            for name, column, values in zip((first, second), (u, v), turned, strict=True)
        }
        ds = ds.assign(columns)

    return ds


def _eastward_pairs(ds: xr.Dataset, table: VariableTable) -> list[tuple[str, str]]:
    rows = table.variables
    pairs = [(rows[x].name, rows[y].name) for x, y in vector_pairs(rows)]
    here = [pair for pair in pairs if all(name in ds.variables for name in pair)]

    return [pair for pair in here if str(ds[pair[0]].attrs.get("standard_name", "")).startswith("eastward")]
