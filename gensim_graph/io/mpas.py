"""Meshes of MPAS, whose files list the vertices around each Voronoi cell, on the sphere or in a plane."""

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.file_mesh import FileMesh, locate_in_file
from gensim_graph.mesh import Defects, Mesh
from gensim_graph.mesh.build import Drawing, arrays_of_drawing, from_globe, on_plane
from gensim_graph.mesh.planes import unit_vectors
from gensim_graph.typing import Array

_CONNECTIVITY = ("verticesOnCell", "nEdgesOnCell")


def is_mpas(ds: xr.Dataset) -> bool:
    """Return True if a dataset has the connectivity tables of MPAS."""
    return all(name in ds.variables for name in _CONNECTIVITY)


def mpas_mesh(ds: xr.Dataset, crs: CRS | None = None, defects: Defects = "raise") -> Mesh:
    """Return the mesh of an MPAS file; its cells are the faces.

    Args:
        ds: the dataset.
        crs: plane to project a sphere to, chosen from the extent by default; for a flat mesh, the plane that it is in.
        defects: see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.

    Raises:
        InputError: vertices or their coordinates are missing, or the mesh is periodic in a plane.
    """
    return Mesh.from_arrays(arrays_of_drawing(_drawing(ds, crs), defects))


def read_mpas(ds: xr.Dataset, crs: CRS | None = None) -> FileMesh:
    """Return the mesh of an MPAS file, and the positions of its faces and nodes in the arrays of the file.

    Args:
        ds: the dataset.
        crs: see :func:`mpas_mesh`.

    Raises:
        InputError: see :func:`mpas_mesh`.
    """
    drawing = _drawing(ds, crs)
    return locate_in_file(Mesh.from_arrays(arrays_of_drawing(drawing, "refuse")), drawing, "nCells", "nVertices")


def _drawing(ds: xr.Dataset, crs: CRS | None) -> Drawing:
    """Vertices and cells in a plane."""
    faces = _faces(ds)
    is_flat = _has_attribute(ds, "on_a_sphere", "NO")
    names = ("xVertex", "yVertex") if is_flat else ("lonVertex", "latVertex")
    missing = [name for name in names if name not in ds.variables]

    if missing:
        raise InputError(f"an MPAS mesh needs {', '.join(names)}; {', '.join(missing)} is missing")

    first, second = (ds[name].values.astype(np.float64) for name in names)
    if not is_flat:
        return from_globe(unit_vectors(np.degrees(first), np.degrees(second)), faces, crs)

    if _has_attribute(ds, "is_periodic", "YES"):
        raise InputError(
            "the mesh is periodic in a plane, which cannot close; make it with open sides "
            "(planar_hex --nonperiodic_x --nonperiodic_y)"
        )

    return on_plane(np.stack([first, second], axis=1), faces, crs)


def _faces(ds: xr.Dataset) -> Array:
    """Vertices of each cell counted from 0, padded with -1."""
    table, count = ds["verticesOnCell"].values, ds["nEdgesOnCell"].values
    if table.ndim != 2 or count.shape != table.shape[:1]:
        raise InputError(f"verticesOnCell {table.shape} and nEdgesOnCell {count.shape} do not belong together")

    is_corner = np.arange(table.shape[1]) < count[:, None]
    return np.where(is_corner, table.astype(np.int64), 0) - 1


def _has_attribute(ds: xr.Dataset, name: str, value: str) -> bool:
    return str(ds.attrs.get(name, "")).strip().upper() == value
