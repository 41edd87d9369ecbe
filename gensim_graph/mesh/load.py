"""One function for every mesh file."""

import logging
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.gmsh import SUFFIXES, read_gmsh
from gensim_graph.mesh.mesh import Mesh, as_crs
from gensim_graph.mesh.ugrid import mesh_from_dataset
from gensim_graph.mesh.validity import Defects
from gensim_graph.typing import Path

log = logging.getLogger(__name__)

_UGRID: dict[str, dict[str, Any]] = {
    ".nc": {"engine": "netcdf4"},
    ".nc4": {"engine": "netcdf4"},
    ".zarr": {"engine": "zarr", "consolidated": False},
}


def load_mesh(path: Path, crs: CRS | str | int | None = None, repair: bool = False) -> Mesh:
    """Read a mesh; the suffix tells the format.

    ``.msh`` is gmsh 2.2 or 4.1, ascii or binary; neXtSIM's points on a sphere are projected to its plane. ``.nc`` and
    ``.zarr`` hold a UGRID topology. Other suffixes go to meshio (VTU, XDMF, ...).

    Args:
        path: the file.
        crs: plane of the coordinates where the file does not say, or the plane to project a sphere to.
        repair: merge duplicate nodes, turn clockwise faces and leave out faces without area instead of refusing them.

    Raises:
        InputError: missing, unknown, truncated or invalid file; the message names it and what to do.
    """
    file = FilePath(path)
    plane = as_crs(crs)
    suffix = file.suffix.lower()
    if not file.exists():
        raise InputError(f"{file}: there is no such file; check the path")
    if suffix not in _UGRID and suffix not in SUFFIXES:
        raise InputError(
            f"{file}: unknown kind of mesh '{suffix}'; supported are .msh (gmsh, neXtSIM), .nc and .zarr "
            f"(UGRID), and through meshio {', '.join(sorted(SUFFIXES - {'.msh'}))}"
        )
    if file.is_dir() and suffix != ".zarr":
        raise InputError(f"{file}: is a folder; give a mesh file (.msh, .nc, .vtu) or a .zarr store")
    defects: Defects = "drop" if repair else "raise"
    try:
        mesh = _read_ugrid(file, plane, defects) if suffix in _UGRID else read_gmsh(file, plane, defects)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    _warn_of_units(file, mesh)
    return mesh


def _read_ugrid(file: FilePath, crs: CRS | None, defects: Defects) -> Mesh:
    try:
        dataset = xr.open_dataset(file, **_UGRID[file.suffix.lower()])
    except Exception as error:  # the backends raise whatever their libraries do
        raise InputError(f"cannot be opened, it is damaged or of another format ({str(error)[:200]})") from None
    with dataset:
        return mesh_from_dataset(dataset, crs=crs, defects=defects)


def _warn_of_units(file: FilePath, mesh: Mesh) -> None:
    extent = np.ptp(mesh.nodes, axis=0).max()
    if extent < 1000.0:
        log.warning("%s: the mesh is only %.3g m wide; coordinates must be metres, not km or degrees", file, extent)
