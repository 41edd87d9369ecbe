"""One function for every mesh file."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import read_grid
from gensim_graph.io.fesom import is_fesom, read_fesom
from gensim_graph.io.gmsh import MESHIO_SUFFIXES, read_gmsh
from gensim_graph.io.moorings import is_moorings, read_moorings_mesh
from gensim_graph.io.mpas import is_mpas, mpas_mesh
from gensim_graph.io.nextsim import is_pair, read_pair_mesh
from gensim_graph.io.nextsimdg import is_nextsimdg, mesh_of_geometry, read_geometry, read_smesh
from gensim_graph.io.safe import DATASET_SUFFIXES as DATASETS
from gensim_graph.io.safe import opened_dataset
from gensim_graph.io.ugrid import has_topology, mesh_from_dataset
from gensim_graph.mesh import Defects, Mesh, as_crs
from gensim_graph.typing import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MeshFormat:
    """A kind of mesh file or folder.

    Attributes:
        name: what it is, for the message about files that nothing reads.
        recognises: whether a path is one; it looks at names and the first bytes only, and never raises.
        read: path, plane (or None) and what to do about defects -> mesh; raises InputError.
    """

    name: str
    recognises: Callable[[FilePath], bool]
    read: Callable[[FilePath, CRS | None, Defects], Mesh]


def load_mesh(path: Path, crs: CRS | str | int | None = None, repair: bool = False) -> Mesh:
    """Read a mesh, whatever its format.

    ``.msh`` is gmsh 2.2 or 4.1, ascii or binary; neXtSIM's points on a sphere are projected to its plane. ``.nc`` and
    ``.zarr`` hold a UGRID topology, an MPAS mesh or a grid with coordinates and mask. ``.smesh`` is neXtSIM-DG's, a
    folder with ``nod2d.out`` and ``elem2d.out`` FESOM's, ``mesh_*.bin`` with its ``.dat`` output of neXtSIM. Other
    suffixes go to meshio (VTU, XDMF, ...).

    Longitude and latitude are projected, to a plane chosen from their extent unless ``crs`` says otherwise.

    Args:
        path: the file or folder.
        crs: plane of the coordinates where the file does not say, or the plane to project a sphere to.
        repair: merge duplicate nodes, turn clockwise faces and leave out faces without area instead of refusing them.

    Raises:
        InputError: missing, unknown, truncated or invalid file; the message names it and what to do.
    """
    file = FilePath(path)
    if not file.exists():
        raise InputError(f"{file}: there is no such file; check the path")

    known = next((one for one in MESH_FORMATS if one.recognises(file)), None)
    if known is None:
        what = "is a folder without a mesh" if file.is_dir() else f"unknown kind of mesh '{file.suffix}'"
        raise InputError(f"{file}: {what}; supported are {'; '.join(one.name for one in MESH_FORMATS)}")

    with naming(file):
        mesh = known.read(file, as_crs(crs), "drop" if repair else "raise")

    _warn_of_units(file, mesh)
    return mesh


def _with_suffix(*suffixes: str) -> Callable[[FilePath], bool]:
    """Whether a path is a file, or a zarr folder, with one of some suffixes."""
    return lambda file: file.suffix.lower() in suffixes and (file.is_file() or file.suffix.lower() == ".zarr")


def _read_dataset(file: FilePath, crs: CRS | None, defects: Defects) -> Mesh:
    with opened_dataset(file) as dataset:
        if has_topology(dataset):
            return mesh_from_dataset(dataset, crs=crs, defects=defects)
        return mpas_mesh(dataset, crs, defects) if is_mpas(dataset) else read_grid(dataset, crs).mesh


def _warn_of_units(file: FilePath, mesh: Mesh) -> None:
    extent = np.ptp(mesh.nodes, axis=0).max()
    if extent < 1000.0:
        log.warning("%s: the mesh is only %.3g m wide; coordinates must be metres, not km or degrees", file, extent)


_OTHERS = sorted(MESHIO_SUFFIXES - {".msh"})

MESH_FORMATS: list[MeshFormat] = [
    MeshFormat(".msh (gmsh, neXtSIM)", _with_suffix(".msh"), read_gmsh),
    MeshFormat("moorings (neXtSIM)", is_moorings, lambda file, crs, _: read_moorings_mesh(file, crs)),
    MeshFormat(".nc (neXtSIM-DG)", is_nextsimdg, lambda file, crs, _: mesh_of_geometry(read_geometry(file), crs)),
    MeshFormat(".nc, .nc4 and .zarr (UGRID, MPAS, grids)", _with_suffix(*DATASETS), _read_dataset),
    MeshFormat(".smesh (neXtSIM-DG)", _with_suffix(".smesh"), lambda file, crs, _: read_smesh(file, crs)),
    MeshFormat("mesh_*.bin with .dat (neXtSIM)", is_pair, lambda file, crs, _: read_pair_mesh(file, crs)),
    MeshFormat("FESOM folders (nod2d.out, elem2d.out)", is_fesom, read_fesom),
    MeshFormat(f"through meshio {', '.join(_OTHERS)}", _with_suffix(*_OTHERS), read_gmsh),
]
"""In the order in which they are tried; the first that recognises a path reads it."""
