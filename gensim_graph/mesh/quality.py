"""Quality report of a mesh: the counts, sizes and defects that ``gensim-graph mesh info`` prints."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from gensim_graph.mesh.geometry import smallest_angles
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators import scale_factors, true_areas
from gensim_graph.mesh.planes import plane_name
from gensim_graph.mesh.topology import connected_groups, fan_triangles
from gensim_graph.typing import Array

if TYPE_CHECKING:
    import trimesh

_REGRID_ANGLE = 10.0  # degrees; neXtSIM does not start with smaller angles (numerics.regrid_angle)


@dataclass(frozen=True)
class MeshQuality:
    """Counts, sizes and defects of a mesh. Lengths in km, angles in degrees, areas in km2.

    Attributes:
        nodes: number of nodes.
        faces: number of faces.
        edges: number of edges, interior and boundary.
        corners: number of corners -> number of faces with so many corners.
        boundary_edges: name -> number of boundary edges.
        components: number of parts of the mesh that share no edge with each other.
        spacing_km: (min, median, max) of the square root of the face area.
        edge_km: (shortest, longest) edge.
        smallest_angle: smallest interior angle of all faces.
        faces_below_10_degrees: number of faces with an angle below 10 degrees, which neXtSIM does not accept.
        area_km2: total area in the plane.
        true_area_km2: total area on the ellipsoid; None for an idealised plane.
        scale_factor: (smallest, largest) ratio of length in the plane to true length, at the centres of faces; None for
            an idealised plane.
        bounding_box_km: (x min, y min, x max, y max).
        extent_km: (width, height) of the bounding box.
        crs: name of the plane; None for an idealised plane.
        duplicate_faces: number of faces with the same corners as another face.
        degenerate_faces: number of faces without area.
        consistent_winding: True if all neighbours have the same winding.
    """

    nodes: int
    faces: int
    edges: int
    corners: dict[int, int]
    boundary_edges: dict[str, int]
    components: int
    spacing_km: tuple[float, float, float]
    edge_km: tuple[float, float]
    smallest_angle: float
    faces_below_10_degrees: int
    area_km2: float
    true_area_km2: float | None
    scale_factor: tuple[float, float] | None
    bounding_box_km: tuple[float, float, float, float]
    extent_km: tuple[float, float]
    crs: str | None
    duplicate_faces: int
    degenerate_faces: int
    consistent_winding: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data for JSON."""
        return asdict(self)

    def render(self) -> Table:
        """Return the report as a table for the terminal."""
        table = Table(title="Mesh", show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column()
        for label, text in self._lines():
            table.add_row(label, text)

        return table

    def _lines(self) -> list[tuple[str, str]]:
        """Label and text of each row of the table."""
        kinds = {3: "triangles", 4: "quadrilaterals"}
        shapes = ", ".join(
            f"{count} {kinds.get(corners, f'{corners}-gons')}" for corners, count in self.corners.items()
        )
        boundary = ", ".join(f"{count} {name}" for name, count in self.boundary_edges.items())
        left, low, right, high = self.bounding_box_km

        return [
            ("nodes, edges", f"{self.nodes}, {self.edges}"),
            ("faces", f"{self.faces} ({shapes})"),
            ("boundary edges", boundary or "none"),
            ("components", str(self.components)),
            ("spacing", "{:.2f} / {:.2f} / {:.2f} km (min, median, max)".format(*self.spacing_km)),
            ("edges", "{:.2f} - {:.2f} km".format(*self.edge_km)),
            ("smallest angle", f"{self.smallest_angle:.1f} degrees ({self.faces_below_10_degrees} faces below 10)"),
            ("area", self._areas()),
            ("bounding box", f"x {left:.1f} .. {right:.1f}, y {low:.1f} .. {high:.1f} km"),
            ("crs", self.crs or "none (an idealised plane)"),
            ("defects", self._defects()),
        ]

    def _areas(self) -> str:
        if self.true_area_km2 is None or self.scale_factor is None:
            return f"{self.area_km2:,.0f} km2"

        low, high = self.scale_factor
        return f"{self.true_area_km2:,.0f} km2, {self.area_km2:,.0f} in the plane (scale factor {low:.3f} - {high:.3f})"

    def _defects(self) -> str:
        found = {"duplicate faces": self.duplicate_faces, "degenerate faces": self.degenerate_faces}
        defects = [f"{count} {kind}" for kind, count in found.items() if count]
        if not self.consistent_winding:
            defects.append("inconsistent winding")

        return ", ".join(defects) or "none"


def quality_report(mesh: Mesh) -> MeshQuality:
    """Measure counts, sizes and defects of a mesh.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.mesh import quality_report
        >>> axis = np.arange(8) * 12.5e3
        >>> report = quality_report(gg.Mesh.from_grid(axis, axis))
        >>> report.faces, report.corners, report.boundary_edges
        (64, {4: 64}, {'coast': 32})
        >>> report.spacing_km
        (12.5, 12.5, 12.5)
        >>> report.area_km2
        10000.0
    """
    low, high = mesh.nodes.min(axis=0) / 1e3, mesh.nodes.max(axis=0) / 1e3
    spacing = mesh.spacing / 1e3
    edges = np.concatenate([mesh.adjacency.edges, mesh.boundary_edges])
    lengths = np.linalg.norm(mesh.nodes[edges[:, 1]] - mesh.nodes[edges[:, 0]], axis=1) / 1e3
    angles = smallest_angles(mesh.nodes, mesh.faces)
    scale = None if mesh.crs is None else scale_factors(mesh)
    surface = _surface(mesh)

    return MeshQuality(
        nodes=mesh.n_nodes,
        faces=mesh.n_faces,
        edges=mesh.n_edges,
        corners=_counts(mesh.corner_counts, int),
        boundary_edges=_counts(mesh.boundary_kind, str),
        components=count_components(mesh),
        spacing_km=(float(spacing.min()), float(np.median(spacing)), float(spacing.max())),
        edge_km=(float(lengths.min()), float(lengths.max())),
        smallest_angle=float(angles.min()),
        faces_below_10_degrees=int(np.count_nonzero(angles < _REGRID_ANGLE)),
        area_km2=float(mesh.areas.sum() / 1e6),
        true_area_km2=None if scale is None else float(true_areas(mesh).sum() / 1e6),
        scale_factor=None if scale is None else (float(scale.min()), float(scale.max())),
        bounding_box_km=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        extent_km=(float(high[0] - low[0]), float(high[1] - low[1])),
        crs=plane_name(mesh.crs) if mesh.crs else None,
        duplicate_faces=int(np.count_nonzero(~surface.unique_faces())),
        degenerate_faces=int(np.count_nonzero(~surface.nondegenerate_faces(height=1e-9))),
        consistent_winding=bool(surface.is_winding_consistent),
    )


def count_components(mesh: Mesh) -> int:
    """Number of parts of a mesh that share no edge with each other."""
    return len(np.unique(connected_groups(mesh.adjacency.faces, mesh.n_faces)))


def _counts(values: Array, kind: type) -> dict[Any, int]:
    """Number of occurrences of each value, converted to a plain type."""
    names, counts = np.unique(values, return_counts=True)
    return {kind(name): int(count) for name, count in zip(names, counts, strict=True)}


def _surface(mesh: Mesh) -> "trimesh.Trimesh":
    """Mesh as triangles for trimesh; polygons are cut into triangles around their first corner."""
    import trimesh  # takes a third of a second, and only the report on a mesh needs it

    triangles, _ = fan_triangles(mesh.faces)
    flat = np.pad(mesh.nodes / mesh.spacing.mean(), ((0, 0), (0, 1)))
    return trimesh.Trimesh(flat, triangles, process=False)
