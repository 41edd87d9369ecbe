"""Writing of meshes to files: UGRID, ParaView's VTU and the ``.msh`` of gmsh and neXtSIM."""

from collections.abc import Callable
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.errors import InputError, naming
from gensim_graph.io.export import VtuField, write_vtu
from gensim_graph.io.ugrid import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import unproject
from gensim_graph.system import check_space, write_atomically
from gensim_graph.typing import Array, Path

_RADIUS = 6378273.0  # m, sphere of neXtSIM's .msh; only the directions of its nodes matter
_ELEMENT_TYPES = {3: 2, 4: 3}  # number of corners -> number of the element type in gmsh


def write_mesh(mesh: Mesh, path: Path) -> FilePath:
    """Write a mesh to a file; the suffix determines the format.

    ``.nc`` and ``.zarr`` keep everything (UGRID). ``.vtu`` loses crs and boundaries. ``.msh`` (gmsh 2.2, as neXtSIM
    reads it) keeps triangles, quadrilaterals and the names of boundaries, with the nodes of the boundary first. The
    nodes of a mesh with a crs are written to ``.msh`` as points on a sphere; :func:`~gensim_graph.io.load_mesh`
    projects them to the plane of neXtSIM, unless it is given another crs.

    Args:
        mesh: the mesh.
        path: file, or zarr folder, with one of these suffixes; missing folders are made.

    Returns:
        The path.

    Raises:
        InputError: another suffix, a place that cannot be written, or faces with more than four corners for a ``.msh``.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.io import write_mesh
        >>> mesh = gg.Mesh.from_grid(np.arange(3) * 1e4, np.arange(2) * 1e4, crs=3413)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     gg.load_mesh(write_mesh(mesh, f"{folder}/box.nc"))
        Mesh(12 nodes, 6 faces, unnamed boundaries, WGS 84 / NSIDC Sea Ice Polar Stereographic North)
    """
    target = FilePath(path)
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        raise InputError(f"{target}: cannot be written as a mesh; expected a name that ends in {', '.join(_WRITERS)}")

    check_space(target, beside=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with naming(target):
        write_atomically(target, lambda part: writer(mesh, part))

    return target


def _write_netcdf(mesh: Mesh, path: FilePath) -> None:
    mesh_to_dataset(mesh).to_netcdf(path, engine="netcdf4")


def _write_zarr(mesh: Mesh, path: FilePath) -> None:
    mesh_to_dataset(mesh).to_zarr(path, consolidated=False)


def _write_vtu(mesh: Mesh, path: FilePath) -> None:
    write_vtu(path, mesh, {"area": VtuField(mesh.areas, "m2")})


def _write_msh(mesh: Mesh, path: FilePath) -> None:
    polygons = np.flatnonzero(mesh.corner_counts > 4)
    if len(polygons):
        raise InputError(
            f"gmsh has triangles and quadrilaterals; {len(polygons)} faces have more corners; write .nc, .zarr or .vtu"
        )

    order, number = _boundary_first(mesh)
    names = {str(name): row for row, name in enumerate(np.unique(mesh.boundary_kind), start=1)}
    water = len(names) + 1

    groups = [f"1 {row} {_quoted(name)}" for name, row in names.items()] + [f'2 {water} "water"']
    points = _points(mesh)[order].tolist()
    nodes = [f"{row} {x!r} {y!r} {z!r}" for row, (x, y, z) in enumerate(points, start=1)]
    rows = [*_boundary_elements(mesh, number, names), *_face_elements(mesh, number, water)]
    elements = [f"{row} {text}" for row, text in enumerate(rows, start=1)]

    with path.open("w", encoding="utf-8") as stream:
        stream.write("$MeshFormat\n2.2 0 8\n$EndMeshFormat\n")
        _write_section(stream.write, "PhysicalNames", groups)
        _write_section(stream.write, "Nodes", nodes)
        _write_section(stream.write, "Elements", elements)


def _boundary_first(mesh: Mesh) -> tuple[Array, Array]:
    """Order of the nodes in the file, as neXtSIM needs it, and the number of each node there, counted from 1."""
    on_boundary = np.zeros(mesh.n_nodes, dtype=bool)
    on_boundary[mesh.boundary_edges] = True

    order = np.argsort(~on_boundary, kind="stable")
    number = np.empty(mesh.n_nodes, dtype=np.int64)
    number[order] = np.arange(1, mesh.n_nodes + 1)

    return order, number


def _points(mesh: Mesh) -> Array:
    """Nodes (N, 3) m: on a sphere if the mesh has a crs, else in the plane z = 0."""
    if mesh.crs is None:
        return np.pad(mesh.nodes, ((0, 0), (0, 1)))
    return _RADIUS * unproject(mesh.nodes, mesh.crs)


def _quoted(name: str) -> str:
    return '"' + "_".join(name.split()).replace('"', "_") + '"'  # neXtSIM allows no blank in a name


def _boundary_elements(mesh: Mesh, number: Array, names: dict[str, int]) -> list[str]:
    """Boundary edges: element type 1, two tags (physical, elementary), two nodes."""
    edges = number[mesh.boundary_edges]
    return [f"1 2 {names[str(kind)]} {names[str(kind)]} {a} {b}"
            for kind, (a, b) in zip(mesh.boundary_kind, edges.tolist(), strict=True)]  # fmt: skip


def _face_elements(mesh: Mesh, number: Array, water: int) -> list[str]:
    """Faces: element type, two tags, the corners."""
    rows = []
    for face, count in zip(mesh.faces, mesh.corner_counts.tolist(), strict=True):
        corners = " ".join(map(str, number[face[:count]].tolist()))
        rows.append(f"{_ELEMENT_TYPES[count]} 2 {water} {water} {corners}")

    return rows


def _write_section(write: Callable[[str], object], name: str, rows: list[str]) -> None:
    write(f"${name}\n{len(rows)}\n" + "\n".join(rows) + f"\n$End{name}\n")


_WRITERS: dict[str, Callable[[Mesh, FilePath], None]] = {
    ".nc": _write_netcdf,
    ".zarr": _write_zarr,
    ".vtu": _write_vtu,
    ".msh": _write_msh,
}
