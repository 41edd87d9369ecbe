"""MPAS: Voronoi cells as vertices around cells, on the sphere or in a plane."""

import logging

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.file_mesh import FileMesh, place_in_file
from gensim_graph.mesh import Defects, Mesh
from gensim_graph.mesh.build import Drawing, arrays_of_drawing, from_globe, on_plane
from gensim_graph.mesh.planes import unit_vectors
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_CONNECTIVITY = ("verticesOnCell", "nEdgesOnCell")


def is_mpas(ds: xr.Dataset) -> bool:
    """Whether a dataset has MPAS's connectivity."""
    return all(name in ds.variables for name in _CONNECTIVITY)


def mpas_mesh(ds: xr.Dataset, crs: CRS | None = None, defects: Defects = "raise") -> Mesh:
    """Mesh of an MPAS file.

    Raises:
        InputError: vertices or their coordinates are missing, or the mesh is periodic in a plane.
    """
    return Mesh.from_arrays(arrays_of_drawing(_drawing(ds, crs), defects))


def read_mpas(ds: xr.Dataset, crs: CRS | None = None) -> FileMesh:
    """Mesh of an MPAS file, and where it keeps what lies on cells and vertices.

    Raises:
        InputError: see :func:`mpas_mesh`.
    """
    drawing = _drawing(ds, crs)
    return place_in_file(Mesh.from_arrays(arrays_of_drawing(drawing)), drawing, ("nCells", "nVertices"))


def _drawing(ds: xr.Dataset, crs: CRS | None) -> Drawing:
    faces = _faces(ds)
    flat = _says(ds, "on_a_sphere", "NO")
    names = ("xVertex", "yVertex") if flat else ("lonVertex", "latVertex")
    missing = [name for name in names if name not in ds.variables]

    if missing:
        raise InputError(f"an MPAS mesh needs {', '.join(names)}; {', '.join(missing)} is missing")

    first, second = (ds[name].values.astype(np.float64) for name in names)
    if not flat:
        return from_globe(unit_vectors(np.degrees(first), np.degrees(second)), faces, crs)

    if _says(ds, "is_periodic", "YES"):
        raise InputError(
            "the mesh is periodic in a plane, which cannot close; make it with open sides "
            "(planar_hex --nonperiodic_x --nonperiodic_y)"
        )

    return on_plane(np.stack([first, second], axis=1), faces, crs)


def _faces(ds: xr.Dataset) -> Array:
    table, count = ds["verticesOnCell"].values, ds["nEdgesOnCell"].values
    if table.ndim != 2 or count.shape != table.shape[:1]:
        raise InputError(f"verticesOnCell {table.shape} and nEdgesOnCell {count.shape} do not belong together")
    return np.where(np.arange(table.shape[1]) < count[:, None], table.astype(np.int64), 0) - 1


def _says(ds: xr.Dataset, name: str, answer: str) -> bool:
    return str(ds.attrs.get(name, "")).strip().upper() == answer
