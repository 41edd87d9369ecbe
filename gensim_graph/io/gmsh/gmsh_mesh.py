"""Meshes from gmsh files (``.msh`` 2.2, 4.0 and 4.1) and from other files that meshio reads: VTU, XDMF and others.

No other module uses meshio. On a broken file meshio prints, warns and sometimes ends the process; here each of these
becomes an :class:`~gensim_graph.errors.InputError`. Format 4 is read by :mod:`~gensim_graph.io.gmsh.msh_file`.
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
from gensim_graph.io.gmsh.gmsh_boundaries import named_lines, warn_of_unnamed_edges
from gensim_graph.io.gmsh.msh_file import (
    ELEMENTS,
    OLD_VERSIONS,
    ElementBlock,
    MshContent,
    format_version,
    physical_names,
    read_msh4,
)
from gensim_graph.mesh import Defects, Mesh, first_few
from gensim_graph.mesh.build import arrays_of_drawing, from_globe
from gensim_graph.mesh.planes import NEXTSIM_CRS, on_sphere, sphere_to_plane
from gensim_graph.typing import Array, Path

log = logging.getLogger(__name__)

MESHIO_SUFFIXES = frozenset(meshio.extension_to_filetypes)
"""Suffixes that meshio knows, with the dot."""

_CORNERS = {"line": 2, "triangle": 3, "quad": 4, "vtk_lagrange_triangle": 3, "vtk_lagrange_quadrilateral": 4}


def read_gmsh(path: Path, crs: CRS | None = None, defects: Defects = "raise") -> Mesh:
    """Read triangles, quadrilaterals and polygons from a mesh file.

    Physical names of lines become boundaries (``coast``, ``open``); of curved lines and faces only the corners are
    used. Nodes on a sphere, as in meshes of neXtSIM, are projected; others must lie in a plane, in metres.

    Args:
        path: the file; its suffix determines the format.
        crs: plane to project a sphere to, or the plane of flat coordinates. By default a sphere is projected to
            neXtSIM's plane if all nodes are on the northern hemisphere, else to a plane chosen from their extent.
        defects: see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.

    Raises:
        InputError: the file is truncated or unreadable, has no faces, or its faces are not a valid mesh.
    """
    content = _read(FilePath(path))
    faces = _faces(content)

    if len(faces) == 0:
        raise InputError(_no_faces(content))

    points, faces, boundaries = _without_unused_nodes(
        np.asarray(content.points, dtype=np.float64), faces, named_lines(content)
    )
    mesh = _build(points, faces, crs, boundaries, defects)
    warn_of_unnamed_edges(mesh, boundaries)

    return mesh


def _build(points: Array, faces: Array, crs: CRS | None, boundaries: dict[str, Array], defects: Defects) -> Mesh:
    """Build the mesh; points on a sphere are projected."""
    if not on_sphere(points):
        return Mesh.from_faces(points, faces, crs, boundaries, defects=defects)

    if crs is None and points[:, 2].min() < -1e-6 * np.linalg.norm(points[0]):  # 6 m south of the equator
        drawing = from_globe(points / np.linalg.norm(points, axis=1, keepdims=True), faces, None)
        return Mesh.from_arrays(arrays_of_drawing(drawing, defects, boundaries or None))

    crs = crs or NEXTSIM_CRS
    return Mesh.from_faces(sphere_to_plane(points, crs), faces, crs, boundaries, defects=defects)


def _read(path: FilePath) -> MshContent:
    if path.suffix.lower() != ".msh":
        return _as_content(_read_with_meshio(path, None), {})

    _check_complete(path)
    content = path.read_bytes()
    version = format_version(content)
    if version == "4.1" or (version in OLD_VERSIONS and content.split(maxsplit=3)[2] == b"0"):
        return read_msh4(content)

    if b"$ParametricNodes" in content and b"$Nodes" not in content:
        raise InputError("its nodes are parametric ($ParametricNodes); save it without Mesh.SaveParametric, or as 4.1")

    return _as_content(_read_with_meshio(path, "gmsh"), physical_names(content))


def _read_with_meshio(path: FilePath, file_format: str | None) -> meshio.Mesh:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), warnings.catch_warnings():
            # numpy only gives this warning when a block of numbers ends early.
            warnings.simplefilter("error", DeprecationWarning)
            return meshio.read(path, file_format=file_format)
    except KeyError as error:
        code = str(error.args[0])
        if code.isdigit() and int(code) in ELEMENTS:
            raise InputError(f"elements of gmsh's type {code} are read from format 4.1 only; save it as 4.1") from None
        raise InputError(f"cannot be read as a mesh file, it is damaged or of another format ({error})") from None
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


def _as_content(mesh: meshio.Mesh, names: dict[tuple[int, int], str]) -> MshContent:
    """What meshio has read, in the form of :mod:`~gensim_graph.io.gmsh.msh_file`."""
    tags = mesh.cell_data.get("gmsh:physical")
    if not names and tags is not None:
        names = {(int(dimension), abs(int(number))): name for name, (number, dimension) in mesh.field_data.items()}

    blocks = []
    for row, block in enumerate(mesh.cells):
        groups = np.zeros(len(block.data), dtype=np.int64)
        if tags is not None and len(tags[row]) == len(groups):
            groups = np.abs(np.asarray(tags[row], dtype=np.int64))

        kind = block.type.lower().rstrip("0123456789")
        if kind == "polygon":
            blocks += [ElementBlock(kind, np.asarray(cell, dtype=np.int64)[None], groups[:1]) for cell in block.data]
            continue

        corners = np.asarray(block.data)[:, : _CORNERS.get(kind)].astype(np.int64)
        kind = {2: "line", 3: "triangle", 4: "quad"}[_CORNERS[kind]] if kind in _CORNERS else block.type
        blocks.append(ElementBlock(kind, corners, groups))

    return MshContent(mesh.points, blocks, names, has_groups=tags is not None)


def _faces(content: MshContent) -> Array:
    """All faces of the file, padded to the largest number of corners: (F, k)."""
    blocks = [block for block in content.blocks if block.kind in ("triangle", "quad", "polygon") and len(block.corners)]
    if not blocks:
        return np.empty((0, 3), dtype=np.int64)

    width = max(block.corners.shape[1] for block in blocks)
    padded = [
        np.pad(block.corners, ((0, 0), (0, width - block.corners.shape[1])), constant_values=-1) for block in blocks
    ]

    return _written_once(np.concatenate(padded), np.concatenate([block.groups for block in blocks]))


def _written_once(faces: Array, groups: Array) -> Array:
    """Keep one of the copies of a face; format 2.2 writes a face once for each physical group that it belongs to.

    Copies in the same group stay: they are a defect of the mesh.
    """
    _, first, which = np.unique(faces, axis=0, return_index=True, return_inverse=True)
    which = which.ravel()
    repeated = first[which] != np.arange(len(faces))
    is_copy = repeated & (groups != groups[first[which]])

    return faces[~is_copy]


def _no_faces(content: MshContent) -> str:
    kinds = ", ".join(sorted({block.kind for block in content.blocks})) or "no elements at all"
    message = f"no faces (triangles, quadrilaterals or polygons) in it; it has {kinds}"

    if any((block.groups > 0).any() for block in content.blocks if block.kind == "line"):
        message += "; gmsh saves only what is in physical groups: put the surface into one too, or set Mesh.SaveAll = 1"

    return message


def _without_unused_nodes(
    points: Array, faces: Array, boundaries: dict[str, Array]
) -> tuple[Array, Array, dict[str, Array]]:
    """Leave out nodes that belong to no face; some files keep the centre of the sphere, for instance.

    This must happen before the test if the nodes lie on a sphere.
    """
    corners = faces[faces >= 0]
    if not len(corners):
        raise InputError("has no triangles or other faces; is the file complete?")
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
