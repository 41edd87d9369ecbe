"""Meshes to files: UGRID, ParaView's VTU and the ``.msh`` of gmsh and neXtSIM."""

from collections.abc import Callable
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.errors import InputError, naming
from gensim_graph.io.export import VtuField, write_vtu
from gensim_graph.io.ugrid import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import unproject
from gensim_graph.system import write_atomically
from gensim_graph.typing import Array, Path

_RADIUS = 6378273.0  # m; of the sphere of neXtSIM's .msh, which takes directions only
_TYPES = {3: 2, 4: 3}  # corners -> gmsh's number of triangles and quadrilaterals


def write_mesh(mesh: Mesh, path: Path) -> FilePath:
    """Write a mesh; the suffix says as what.

    ``.nc`` and ``.zarr`` keep everything (UGRID). ``.vtu`` loses crs and boundaries. ``.msh`` (gmsh 2.2, as neXtSIM
    reads it) keeps triangles, quadrilaterals and the names of boundaries; nodes on the boundary come first, and with a
    crs nodes are directions on a sphere, which a reader must project again: neXtSIM's plane comes back by itself.

    Raises:
        InputError: another suffix, or polygons for a ``.msh``.
    """
    target = FilePath(path)
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        raise InputError(f"{target}: cannot be written as a mesh; expected a name that ends in {', '.join(_WRITERS)}")

    target.parent.mkdir(parents=True, exist_ok=True)
    with naming(target):
        write_atomically(target, lambda place: writer(mesh, place))

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

    on_rim = np.zeros(mesh.n_nodes, dtype=bool)
    on_rim[mesh.boundary_edges] = True
    order = np.argsort(~on_rim, kind="stable")
    number = np.empty(mesh.n_nodes, dtype=np.int64)
    number[order] = np.arange(1, mesh.n_nodes + 1)
    flat = np.pad(mesh.nodes, ((0, 0), (0, 1)))
    places = (flat if mesh.crs is None else _RADIUS * unproject(mesh.nodes, mesh.crs))[order]
    names = {str(name): row for row, name in enumerate(_boundary_names(mesh), start=1)}
    water = len(names) + 1
    lines = [f"1 {row} {_quoted(name)}" for name, row in names.items()] + [f'2 {water} "water"']
    rows = [*_elements(mesh, number, names), *_faces(mesh, number, water)]
    nodes = [f"{row} {x!r} {y!r} {z!r}" for row, (x, y, z) in enumerate(places.tolist(), start=1)]
    elements = [f"{row} {text}" for row, text in enumerate(rows, start=1)]

    with path.open("w", encoding="utf-8") as stream:
        stream.write("$MeshFormat\n2.2 0 8\n$EndMeshFormat\n")
        _section(stream.write, "PhysicalNames", lines)
        _section(stream.write, "Nodes", nodes)
        _section(stream.write, "Elements", elements)


def _boundary_names(mesh: Mesh) -> Array:
    return np.unique(mesh.boundary_kind)


def _quoted(name: str) -> str:
    return '"' + "_".join(name.split()).replace('"', "_") + '"'  # neXtSIM takes no blank in a name


def _elements(mesh: Mesh, number: Array, names: dict[str, int]) -> list[str]:
    """The boundary: type 1, two tags (physical, elementary)."""
    edges = number[mesh.boundary_edges]
    return [f"1 2 {names[str(kind)]} {names[str(kind)]} {a} {b}"
            for kind, (a, b) in zip(mesh.boundary_kind, edges.tolist(), strict=True)]  # fmt: skip


def _faces(mesh: Mesh, number: Array, water: int) -> list[str]:
    rows = []
    for face, count in zip(mesh.faces, mesh.corner_counts.tolist(), strict=True):
        corners = " ".join(map(str, number[face[:count]].tolist()))
        rows.append(f"{_TYPES[count]} 2 {water} {water} {corners}")
    return rows


def _section(write: Callable[[str], object], name: str, rows: list[str]) -> None:
    write(f"${name}\n{len(rows)}\n" + "\n".join(rows) + f"\n$End{name}\n")


_WRITERS: dict[str, Callable[[Mesh, FilePath], None]] = {
    ".nc": _write_netcdf,
    ".zarr": _write_zarr,
    ".vtu": _write_vtu,
    ".msh": _write_msh,
}
