"""Loading of a mesh from a file or folder of any format in :mod:`~gensim_graph.io.formats`."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path as FilePath

from pyproj import CRS

from gensim_graph.errors import InputError, naming
from gensim_graph.io.formats import find_mesh_reader, mesh_format_names, read_topology
from gensim_graph.io.safe import is_dataset, refuse_other_content
from gensim_graph.mesh import REPAIR_ADVICE, Defects, Mesh, as_crs
from gensim_graph.mesh.build import MeshArrays, problem_with_lengths
from gensim_graph.typing import Path

log = logging.getLogger(__name__)


def load_mesh(
    path: Path, crs: CRS | str | int | None = None, repair: bool = False, topology: str | None = None
) -> Mesh:
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
        topology: name of the UGRID topology to read, if the file has several of dimension 2.

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

    read = find_mesh_reader(file) if topology is None else partial(read_topology, name=topology)
    if read is None:
        with naming(file):
            refuse_other_content(file)
        what = "is a folder without a mesh" if file.is_dir() else f"unknown kind of mesh '{file.suffix}'"
        raise InputError(f"{file}: {what}; supported are {'; '.join(mesh_format_names())}")

    with naming(file), _silent("gensim_graph.mesh.build.lengths"):  # the warning below names the file
        mesh = _read(read, file, as_crs(crs), repair)

    # netCDF and zarr name the unit of their coordinates, and the readers convert it; other files leave it open.
    problem = "" if is_dataset(file) else problem_with_lengths(MeshArrays(mesh.nodes, mesh.faces, crs=mesh.crs))
    if problem:
        log.warning("%s: the mesh %s", file, problem)

    return mesh


def _read(read: Callable[[FilePath, CRS | None, Defects], Mesh], file: FilePath, crs: CRS | None, repair: bool) -> Mesh:
    """Read a mesh. If it is refused, the message advises a repair only where the repair gives a mesh."""
    try:
        return read(file, crs, "drop" if repair else "raise")
    except InputError as error:
        if REPAIR_ADVICE not in str(error) or (not repair and _can_be_repaired(read, file, crs)):
            raise
        plain = str(error).replace(f", or {REPAIR_ADVICE}", "").replace(f"; {REPAIR_ADVICE}", "")
        raise InputError(plain) from None


def _can_be_repaired(read: Callable[[FilePath, CRS | None, Defects], Mesh], file: FilePath, crs: CRS | None) -> bool:
    try:
        with _silent("gensim_graph"):  # the log of a trial would not be true of the mesh
            read(file, crs, "drop")
    except InputError:
        return False

    return True


@contextmanager
def _silent(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
