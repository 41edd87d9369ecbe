"""Meshes from files that meshio reads: gmsh ``.msh`` 2.2 and 4.1, VTU, XDMF and others.

No other module uses meshio. On a broken file meshio prints, warns and sometimes ends the process; here each of these
becomes an :class:`~gensim_graph.errors.InputError`.
"""

import contextlib
import io
import logging
import warnings
from pathlib import Path as FilePath

import meshio
import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh import Defects, Mesh, first_few
from gensim_graph.mesh.planes import NEXTSIM_CRS, on_sphere, sphere_to_plane
from gensim_graph.typing import Array, Path

log = logging.getLogger(__name__)

MESHIO_SUFFIXES = frozenset(meshio.extension_to_filetypes)
"""Suffixes that meshio knows, with the dot."""

_CORNERS = {"triangle": 3, "triangle6": 3, "triangle7": 3, "quad": 4, "quad8": 4, "quad9": 4}


def read_gmsh(path: Path, crs: CRS | None = None, defects: Defects = "raise") -> Mesh:
    """Read triangles, quadrilaterals and polygons from a mesh file.

    Physical names of lines become boundaries (``coast``, ``open``). Nodes on a sphere, as in meshes of neXtSIM, are
    projected; others must lie in a plane, in metres.

    Args:
        path: the file; its suffix determines the format.
        crs: plane to project a sphere to (neXtSIM's by default), or the plane of flat coordinates.
        defects: see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.

    Raises:
        InputError: the file is truncated or unreadable, has no faces, or its faces are not a valid mesh.
    """
    content = _read(FilePath(path))
    faces = _faces(content)

    if len(faces) == 0:
        found = ", ".join(sorted({block.type for block in content.cells})) or "no elements at all"
        raise InputError(f"no faces (triangles, quadrilaterals or polygons) in it; it has {found}")

    points, faces, boundaries = _without_unused_nodes(
        np.asarray(content.points, dtype=np.float64), faces, _boundaries(content)
    )
    if on_sphere(points):
        crs = crs or NEXTSIM_CRS
        points = sphere_to_plane(points, crs)

    return Mesh.from_faces(points, faces, crs, boundaries, defects=defects)


def _read(path: FilePath) -> meshio.Mesh:
    is_gmsh = path.suffix.lower() == ".msh"
    if is_gmsh:
        _check_complete(path)

    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), warnings.catch_warnings():
            # numpy only gives this warning when a block of numbers ends early.
            warnings.simplefilter("error", DeprecationWarning)
            return meshio.read(path, file_format="gmsh" if is_gmsh else None)
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{printed.getvalue()} {error}".split())[:200]
        raise InputError(f"cannot be read as a mesh file, it is damaged or of another format ({reason})") from None


def _check_complete(path: FilePath) -> None:
    """Refuse a gmsh file that does not end with the end mark of a section."""
    with path.open("rb") as stream:
        head = stream.read(11)
        stream.seek(max(0, path.stat().st_size - 200))
        tail = stream.read().split()

    if head != b"$MeshFormat":
        raise InputError("not a gmsh mesh: it must begin with $MeshFormat (gmsh format 2.2 or 4.1)")
    if not tail[-1].startswith(b"$End"):
        raise InputError("the file is truncated: it must end with $EndElements or another end mark; copy it again")


def _faces(content: meshio.Mesh) -> Array:
    """All faces of the file, padded to the largest number of corners: (F, k)."""
    blocks = []
    for block in content.cells:
        if block.type in _CORNERS:
            blocks.append(np.asarray(block.data)[:, : _CORNERS[block.type]].astype(np.int64))
        elif block.type.startswith("polygon"):
            blocks.extend(np.asarray(cell, dtype=np.int64)[None] for cell in block.data)

    width = max((block.shape[1] for block in blocks), default=3)
    padded = [np.pad(block, ((0, 0), (0, width - block.shape[1])), constant_values=-1) for block in blocks]

    return np.concatenate(padded) if padded else np.empty((0, 3), dtype=np.int64)


def _boundaries(content: meshio.Mesh) -> dict[str, Array]:
    """Node pairs of the lines of each named physical group."""
    tags = content.cell_data.get("gmsh:physical")
    if tags is None:  # the field data of other formats are not names of groups
        return {}

    names = {int(number): name for name, (number, dimension) in content.field_data.items() if dimension == 1}
    lines = [(block.data[:, :2], tag) for block, tag in zip(content.cells, tags, strict=True) if block.type == "line"]
    if not lines:
        return {}

    pairs = np.concatenate([data for data, _ in lines]).astype(np.int64)
    tag = np.concatenate([tag for _, tag in lines])

    return {name: pairs[tag == number] for number, name in names.items() if (tag == number).any()}


def _without_unused_nodes(
    points: Array, faces: Array, boundaries: dict[str, Array]
) -> tuple[Array, Array, dict[str, Array]]:
    """Leave out nodes that belong to no face; some files keep the centre of the sphere, for instance.

    This must happen before the test if the nodes lie on a sphere.
    """
    corners = faces[faces >= 0]
    if corners.max() >= len(points):
        rows = np.flatnonzero((faces >= len(points)).any(axis=1))
        raise InputError(f"faces {first_few(rows)} refer to nodes that the file does not have ({len(points)} nodes)")

    used = np.zeros(len(points), dtype=bool)
    used[corners] = True
    if used.all():
        return points, faces, boundaries

    log.info("dropped %d of %d nodes that belong to no face", np.count_nonzero(~used), len(points))
    number = np.where(used, np.cumsum(used) - 1, -1)
    renumbered = {name: number[pairs] for name, pairs in boundaries.items()}
    kept = {name: pairs[(pairs >= 0).all(axis=1)] for name, pairs in renumbered.items()}

    return points[used], np.where(faces >= 0, number[faces], -1), kept
