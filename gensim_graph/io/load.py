"""Loading of a mesh from a file or folder of any format in :mod:`~gensim_graph.io.formats`."""

import logging
from pathlib import Path as FilePath

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError, naming
from gensim_graph.io.formats import find_mesh_reader, mesh_format_names
from gensim_graph.mesh import Mesh, as_crs
from gensim_graph.typing import Path

log = logging.getLogger(__name__)


def load_mesh(path: Path, crs: CRS | str | int | None = None, repair: bool = False) -> Mesh:
    """Read a mesh from a file or folder of any known format.

    ``.msh`` is gmsh 2.2 or 4.1, ascii or binary; neXtSIM's points on a sphere are projected to its plane. ``.nc`` and
    ``.zarr`` hold a UGRID topology, an MPAS mesh or a grid with coordinates and mask. ``.smesh`` is neXtSIM-DG's, a
    folder with ``nod2d.out`` and ``elem2d.out`` FESOM's, ``mesh_*.bin`` with its ``.dat`` output of neXtSIM. Other
    suffixes go to meshio (VTU, XDMF, ...).

    Longitude and latitude are projected, to a plane chosen from their extent unless ``crs`` is given.

    Args:
        path: the file or folder.
        crs: plane of the coordinates if the file does not say, or the plane to project a sphere to.
        repair: merge duplicate nodes, turn clockwise faces and leave out faces without area instead of refusing them.

    Raises:
        InputError: missing, unknown, truncated or invalid file; the message names it and what to do.

    Example:
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_meshes
        >>> gg.load_mesh(cyclone_meshes()["box_16km_a"])
        Mesh(1261 nodes, 2392 faces, 128 coast, NpsNextsim)
    """
    file = FilePath(path)
    if not file.exists():
        raise InputError(f"{file}: there is no such file; check the path")

    read = find_mesh_reader(file)
    if read is None:
        what = "is a folder without a mesh" if file.is_dir() else f"unknown kind of mesh '{file.suffix}'"
        raise InputError(f"{file}: {what}; supported are {'; '.join(mesh_format_names())}")

    with naming(file):
        mesh = read(file, as_crs(crs), "drop" if repair else "raise")

    _warn_if_tiny(file, mesh)
    return mesh


def _warn_if_tiny(file: FilePath, mesh: Mesh) -> None:
    extent = np.ptp(mesh.nodes, axis=0).max()
    if extent < 1000.0:
        log.warning("%s: the mesh is only %.3g m wide; coordinates must be metres, not km or degrees", file, extent)
