"""The mesh: faces over nodes in a plane, with named boundaries.

Everything downstream sees faces as cells with a centre and an area. Derived quantities are computed when first asked
for and kept; all of it is vectorised, a million faces take seconds.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from pyproj import CRS
from pyproj.exceptions import CRSError
from scipy.sparse import csr_array

from gensim_graph.errors import InputError
from gensim_graph.mesh import geometry
from gensim_graph.mesh.build import (
    MeshArrays,
    arrays_of_drawing,
    assemble,
    degree_grid,
    from_globe,
    plane_grid,
    point_cells,
)
from gensim_graph.mesh.planes import choose_plane, degrees_to_vectors, plane_name, project
from gensim_graph.mesh.topology import EdgeTable, FaceAdjacency, corner_counts, edge_table, find_pairs
from gensim_graph.mesh.validity import Defects, checked_faces, checked_nodes
from gensim_graph.typing import Array


@dataclass(frozen=True, eq=False)
class Mesh:
    """Polygons in a plane.

    Build it with :meth:`from_faces`, :meth:`from_grid` or :meth:`from_points`, which check what they are given.

    Attributes:
        nodes: (N, 2) m, x and y in the plane of ``crs``.
        faces: (F, k) int64 node numbers, counter-clockwise, padded with -1 at the end.
        boundaries: name -> (E, 2) node pairs of boundary edges; ``coast`` and ``open`` have a meaning downstream.
        crs: the plane, or None for an idealised one.
        grid_shape: (ny, nx) of the grid that the mesh was made from, else None.
        grid_index: (F,) flat position of each face in that grid, else None.
    """

    nodes: Array
    faces: Array
    boundaries: dict[str, Array] = field(default_factory=dict)
    crs: CRS | None = None
    grid_shape: tuple[int, int] | None = None
    grid_index: Array | None = None

    @classmethod
    def from_arrays(cls, arrays: MeshArrays) -> "Mesh":
        """Mesh of arrays that a builder has checked."""
        mesh = cls(arrays.nodes, arrays.faces, arrays.boundaries, arrays.crs, arrays.grid_shape, arrays.grid_index)
        if arrays.edges is not None:  # spares computing the table again
            mesh.__dict__["_edges"] = arrays.edges
        return mesh

    @classmethod
    def from_faces(
        cls,
        nodes: Array,
        faces: Array,
        crs: CRS | str | int | None = None,
        boundaries: Mapping[str, Array] | None = None,
        *,
        defects: Defects = "mend",
    ) -> "Mesh":
        """Mesh from arrays, checked; what is repaired is logged.

        Args:
            nodes: (N, 2) m; a constant third coordinate is dropped.
            faces: (F, k) node numbers counted from 0, padded with -1 at the end.
            crs: the plane, anything pyproj understands, or None. Where it is geographic (EPSG:4326), nodes are
                longitude and latitude in degrees and are projected to a plane chosen from their extent.
            boundaries: name -> (E, 2) node pairs. Pairs that are not on the boundary are dropped.
            defects: ``mend`` merges duplicate nodes and turns clockwise faces, ``raise`` refuses them (a mesh that is
                clockwise throughout is turned all the same), ``drop`` also leaves out faces without area. Unused
                nodes are dropped in any case.

        Raises:
            InputError: anything that is not a mesh; it names the first few nodes or faces.
        """
        plane = as_crs(crs)
        if plane is None or not plane.is_geographic:
            return cls.from_arrays(assemble(nodes, faces, plane, boundaries, defects))

        points = checked_nodes(nodes)
        table = checked_faces(faces, len(points))
        drawing = from_globe(degrees_to_vectors(points), table, None)

        return cls.from_arrays(arrays_of_drawing(drawing, defects, boundaries))

    @classmethod
    def from_grid(cls, x: Array, y: Array, mask: Array | None = None, crs: CRS | str | int | None = None) -> "Mesh":
        """Quadrilaterals around the cell centres of a grid; land cells are left out.

        Corners are means of the centres around, extrapolated at the rim.

        Args:
            x: cell centres in m, axis (nx,) or (ny, nx).
            y: cell centres in m, axis (ny,) or (ny, nx).
            mask: (ny, nx), True = ocean. Where there is land, boundary edges are named ``coast`` next to it and
                ``open`` on the rim of the grid.
            crs: the plane. Where it is geographic (EPSG:4326), x and y are longitude and latitude in degrees: they are
                projected to a plane chosen from their extent, and a grid around the globe closes.

        Raises:
            InputError: shapes that do not fit, no ocean, or a grid that folds.
        """
        plane = as_crs(crs)
        on_globe = plane is not None and plane.is_geographic
        return cls.from_arrays(degree_grid(x, y, mask) if on_globe else plane_grid(x, y, mask, plane))

    @classmethod
    def from_points(
        cls, points: Array, crs: CRS | str | int | None = None, max_distance: float | None = None
    ) -> "Mesh":
        """One face for each point, in the same order: the places nearest to it (Voronoi), cut off at a distance.

        Args:
            points: (P, 2) m.
            crs: the plane. Where it is geographic (EPSG:4326), points are longitude and latitude in degrees and are
                projected to a plane chosen from their extent.
            max_distance: m in the plane; a cell ends here where no other point is nearer. By default 1.2 times the
                distance to the fourth nearest point, which closes regular arrangements and leaves the rest alone.

        Raises:
            InputError: points that are not finite or repeated, or a distance that is not positive.
        """
        plane = as_crs(crs)
        if plane is not None and plane.is_geographic:
            vectors = degrees_to_vectors(np.asarray(points, dtype=np.float64))
            plane = choose_plane(vectors)
            points = project(vectors, plane)

        return cls.from_arrays(point_cells(points, plane, max_distance))

    def __repr__(self) -> str:
        names = ", ".join(f"{len(pairs)} {name}" for name, pairs in self.boundaries.items()) or "unnamed boundaries"
        crs = plane_name(self.crs) if self.crs else "no crs"
        return f"Mesh({self.n_nodes} nodes, {self.n_faces} faces, {names}, {crs})"

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    @property
    def n_faces(self) -> int:
        """Number of faces."""
        return len(self.faces)

    @property
    def n_edges(self) -> int:
        """Number of edges, interior and boundary."""
        return len(self._edges.pairs) + len(self._edges.single)

    @cached_property
    def corner_counts(self) -> Array:
        """Number of corners of every face, (F,)."""
        return corner_counts(self.faces)

    @cached_property
    def areas(self) -> Array:
        """Area of every face in the plane, (F,) m2."""
        return geometry.signed_areas(self.nodes, self.faces)

    @cached_property
    def centres(self) -> Array:
        """Centroid of every face, (F, 2) m."""
        return geometry.centroids(self.nodes, self.faces)

    @cached_property
    def spacing(self) -> Array:
        """Square root of the area of every face, (F,) m."""
        return np.sqrt(self.areas)

    @cached_property
    def _edges(self) -> EdgeTable:
        return edge_table(self.faces, self.n_nodes)

    @cached_property
    def adjacency(self) -> FaceAdjacency:
        """Which faces share an edge; each interior edge once."""
        pairs = self._edges.pairs
        edges = self._edges.nodes[pairs[:, 0]]
        return FaceAdjacency(self._edges.faces[pairs], edges, self._lengths(edges))

    @cached_property
    def boundary_edges(self) -> Array:
        """Node pairs (E, 2) of the edges with one face, that face on their left."""
        return self._edges.nodes[self._edges.single]

    @cached_property
    def boundary_faces(self) -> Array:
        """The face of every boundary edge, (E,)."""
        return self._edges.faces[self._edges.single]

    @cached_property
    def boundary_kind(self) -> Array:
        """Name of the boundary that each boundary edge belongs to, (E,) strings.

        An edge that no boundary names is ``coast`` if the mesh names none at all, else ``open``.
        """
        kinds = np.full(len(self.boundary_edges), "open" if self.boundaries else "coast", dtype=object)
        for name, pairs in self.boundaries.items():
            kinds[find_pairs(self.boundary_edges, pairs, self.n_nodes) >= 0] = name
        return kinds.astype(str)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over nodes, faces, boundaries and crs; the order of the boundary pairs does not matter."""
        digest = hashlib.sha256()
        for array in (self.nodes, self.faces):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).tobytes())

        for name in sorted(self.boundaries):
            pairs = np.sort(self.boundaries[name], axis=1)
            digest.update(f"{name}:{len(pairs)}".encode())
            digest.update(pairs[np.lexsort(pairs.T)].tobytes())

        digest.update(self.crs.to_wkt().encode() if self.crs else b"")
        return digest.hexdigest()

    def matches(self, other: "Mesh", tolerance: float = 1e-5) -> bool:
        """Whether the other mesh has the same faces in the same order, nodes within ``tolerance`` of the spacing."""
        if self.nodes.shape != other.nodes.shape or not np.array_equal(self.faces, other.faces):
            return False
        return bool(np.abs(self.nodes - other.nodes).max() <= tolerance * self.spacing.min())

    def to_faces(self, node_values: Array) -> Array:
        """Values on faces as the mean over their corners: (..., N) -> (..., F)."""
        self._check_length(node_values, self.n_nodes, "node")
        total = np.zeros((*node_values.shape[:-1], self.n_faces), dtype=np.result_type(node_values, np.float32))
        for corner in self.faces.T:
            total += np.where(corner >= 0, node_values[..., corner], 0)
        return total / self.corner_counts.astype(total.dtype)

    def to_nodes(self, face_values: Array) -> Array:
        """Values on nodes as the area-weighted mean over the faces around: (..., F) -> (..., N)."""
        self._check_length(face_values, self.n_faces, "face")
        flat = face_values.reshape(-1, self.n_faces)
        nodal = (self._face_to_node @ flat.T).T.astype(np.result_type(face_values, np.float32), order="C")
        return nodal.reshape(*face_values.shape[:-1], self.n_nodes)

    @cached_property
    def _face_to_node(self) -> csr_array:
        valid = self.faces >= 0
        rows, columns = self.faces[valid], np.repeat(np.arange(self.n_faces), self.corner_counts)
        total = np.bincount(rows, self.areas[columns], minlength=self.n_nodes)
        return csr_array((self.areas[columns] / total[rows], (rows, columns)), shape=(self.n_nodes, self.n_faces))

    def _lengths(self, edges: Array) -> Array:
        return np.linalg.norm(self.nodes[edges[:, 1]] - self.nodes[edges[:, 0]], axis=1)

    def _check_length(self, values: Array, expected: int, location: str) -> None:
        if values.shape[-1:] != (expected,):
            raise InputError(f"values on {location}s must end with a dimension of {expected}; got shape {values.shape}")


def as_crs(crs: CRS | str | int | None) -> CRS | None:
    """A crs from an EPSG code, a PROJ string or WKT; None stays None.

    Raises:
        InputError: pyproj does not understand it.
    """
    try:
        return None if crs is None else CRS.from_user_input(crs)
    except CRSError as error:
        raise InputError(f"unknown crs '{crs}': {error}; give an EPSG code, a PROJ string or WKT") from None
