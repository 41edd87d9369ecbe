"""The class :class:`Mesh`: faces over nodes in a plane, with named boundaries.

All other packages treat faces as cells with a centre and an area. Derived quantities are computed when they are first
used, and kept. There are no loops over faces: a mesh of a million faces takes seconds.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from pyproj import CRS
from scipy.sparse import csr_array

from gensim_graph.errors import InputError
from gensim_graph.mesh import geometry
from gensim_graph.mesh.build import (
    MeshArrays,
    arrays_of_drawing,
    assemble,
    degree_grid,
    from_globe,
    in_metres,
    plane_grid,
    point_cells,
)
from gensim_graph.mesh.planes import as_crs, choose_plane, degrees_to_vectors, plane_name, project
from gensim_graph.mesh.topology import EdgeTable, FaceAdjacency, corner_counts, edge_table, find_pairs
from gensim_graph.mesh.validity import Defects, checked_faces, checked_nodes
from gensim_graph.typing import Array


@dataclass(frozen=True, eq=False)
class Mesh:
    """Polygons in a plane.

    Build a mesh with :meth:`from_faces`, :meth:`from_grid` or :meth:`from_points`, which check their arguments.

    Attributes:
        nodes: (N, 2) m, x and y in the plane of ``crs``.
        faces: (F, k) int64 node numbers, counter-clockwise, padded with -1 at the end.
        boundaries: name -> (E, 2) node pairs of boundary edges. Other packages know the names ``coast`` (no flux) and
            ``open``.
        crs: the plane, or None for an idealised one.
        grid_shape: (ny, nx) of the grid from which the mesh was built, else None.
        grid_index: (F,) flat position of each face in that grid, else None.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> axis = np.array([500.0, 1500.0, 2500.0])
        >>> mesh = gg.Mesh.from_grid(axis, axis)
        >>> mesh
        Mesh(16 nodes, 9 faces, unnamed boundaries, no crs)
        >>> mesh.centres[0].tolist(), float(mesh.areas[0])
        ([500.0, 500.0], 1000000.0)
        >>> len(mesh.adjacency), len(mesh.boundary_edges)
        (12, 12)
    """

    nodes: Array
    faces: Array
    boundaries: dict[str, Array] = field(default_factory=dict)
    crs: CRS | None = None
    grid_shape: tuple[int, int] | None = None
    grid_index: Array | None = None

    @classmethod
    def from_arrays(cls, arrays: MeshArrays) -> "Mesh":
        """Wrap arrays that a builder has checked."""
        mesh = cls(arrays.nodes, arrays.faces, arrays.boundaries, arrays.crs, arrays.grid_shape, arrays.grid_index)
        if arrays.edges is not None:  # spares computing the table again
            mesh.__dict__["_edges"] = arrays.edges
        return mesh

    @classmethod
    def from_faces(
        cls,
        nodes: Array,
        faces: Array | Sequence[Sequence[int] | Array],
        crs: CRS | str | int | None = None,
        boundaries: Mapping[str, Array] | None = None,
        *,
        defects: Defects = "mend",
    ) -> "Mesh":
        """Build a mesh from nodes and faces; they are checked, and repairs are logged.

        Args:
            nodes: (N, 2) m; a constant third coordinate is dropped.
            faces: (F, k) node numbers counted from 0, padded with -1 at the end; or a list of lists of any lengths.
            crs: the plane, in any form that pyproj understands, or None. If it is geographic (EPSG:4326), nodes are
                longitude and latitude in degrees, and they are projected to a plane chosen from their extent.
            boundaries: name -> (E, 2) node pairs. Pairs that are not on the boundary are dropped.
            defects: treatment of defects. ``mend`` merges duplicate nodes and turns clockwise faces; ``raise`` refuses
                both, but still turns a mesh with clockwise faces only; ``drop`` repairs like ``mend`` and leaves out
                faces without area. Unused nodes are always dropped.

        Raises:
            InputError: the arrays do not form a mesh; the message names the first few nodes or faces.

        Example:
            A square and a triangle; the row of the triangle is padded with -1.

            >>> import gensim_graph as gg
            >>> import numpy as np
            >>> nodes = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [2, 0]]) * 1000.0
            >>> faces = np.array([[0, 1, 2, 3], [1, 4, 2, -1]])
            >>> coast = np.array([[0, 1], [1, 4]])
            >>> mesh = gg.Mesh.from_faces(nodes, faces, crs="EPSG:3413", boundaries={"coast": coast})
            >>> mesh
            Mesh(5 nodes, 2 faces, 2 coast, WGS 84 / NSIDC Sea Ice Polar Stereographic North)
            >>> mesh.areas.tolist()
            [1000000.0, 500000.0]
            >>> mesh.boundary_kind.tolist()
            ['coast', 'open', 'open', 'coast', 'open']
        """
        plane = as_crs(crs)
        if plane is None or not plane.is_geographic:
            return cls.from_arrays(in_metres(assemble(nodes, faces, plane, boundaries, defects)))

        points = checked_nodes(nodes)
        table = checked_faces(faces, len(points))
        drawing = from_globe(degrees_to_vectors(points), table, None)

        return cls.from_arrays(arrays_of_drawing(drawing, defects, boundaries))

    @classmethod
    def from_grid(cls, x: Array, y: Array, mask: Array | None = None, crs: CRS | str | int | None = None) -> "Mesh":
        """Build quadrilaterals around the cell centres of a grid; land cells are left out.

        A corner is the mean of the centres around it; corners on the rim of the grid are extrapolated.

        Args:
            x: x of the cell centres in m, axis (nx,) or array (ny, nx).
            y: y of the cell centres in m, axis (ny,) or array (ny, nx).
            mask: (ny, nx), True = ocean; None: ocean everywhere. If there is land, boundary edges are named ``coast``
                next to it, and ``open`` on the rim of the grid.
            crs: the plane, or None. If it is geographic (EPSG:4326), x and y are longitude and latitude in degrees.
                They are projected to a plane chosen from their extent, and a grid around the globe closes.

        Raises:
            InputError: shapes that do not fit, no ocean cell, or cells that overlap.

        Example:
            Four by three cells of 25 km, one of them land.

            >>> import gensim_graph as gg
            >>> import numpy as np
            >>> x = np.arange(4) * 25e3
            >>> y = np.arange(3) * 25e3
            >>> mask = np.ones((3, 4), dtype=bool)
            >>> mask[1, 2] = False
            >>> mesh = gg.Mesh.from_grid(x, y, mask)
            >>> mesh
            Mesh(20 nodes, 11 faces, 4 coast, 14 open, no crs)
            >>> mesh.grid_index.tolist()
            [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
        """
        plane = as_crs(crs)
        on_globe = plane is not None and plane.is_geographic
        return cls.from_arrays(degree_grid(x, y, mask) if on_globe else in_metres(plane_grid(x, y, mask, plane)))

    @classmethod
    def from_points(
        cls, points: Array, crs: CRS | str | int | None = None, max_distance: float | None = None
    ) -> "Mesh":
        """Build one Voronoi cell for each point, in the same order, cut off at a distance from the point.

        Args:
            points: (P, 2) m.
            crs: the plane, or None. If it is geographic (EPSG:4326), points are longitude and latitude in degrees, and
                they are projected to a plane chosen from their extent.
            max_distance: distance from its point at which a cell ends if no other point is nearer, m in the plane. By
                default 1.2 times the median distance to the fourth nearest point: regular arrangements of points then
                have no gaps, and isolated points stay apart.

        Raises:
            InputError: points that are not finite or repeated, or a distance that is not positive.

        Example:
            >>> import gensim_graph as gg
            >>> import numpy as np
            >>> x, y = np.meshgrid(np.arange(4) * 10e3, np.arange(3) * 10e3)
            >>> points = np.stack([x.ravel(), y.ravel()], axis=1)
            >>> mesh = gg.Mesh.from_points(points, max_distance=8e3)
            >>> mesh.n_faces, len(mesh.adjacency)
            (12, 17)
            >>> round(float(mesh.areas[5]) / 1e6, 3)  # the cell of an inner point, km2
            100.0
        """
        plane = as_crs(crs)
        if plane is not None and plane.is_geographic:
            vectors = degrees_to_vectors(np.asarray(points, dtype=np.float64))
            plane = choose_plane(vectors)
            points = project(vectors, plane)

        return cls.from_arrays(in_metres(point_cells(points, plane, max_distance)))

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
        """Number of corners of each face, (F,)."""
        return corner_counts(self.faces)

    @cached_property
    def areas(self) -> Array:
        """Area of each face in the plane, (F,) m2."""
        return geometry.signed_areas(self.nodes, self.faces)

    @cached_property
    def centres(self) -> Array:
        """Centroid of each face, (F, 2) m."""
        return geometry.centroids(self.nodes, self.faces)

    @cached_property
    def spacing(self) -> Array:
        """Square root of the area of each face, (F,) m."""
        return np.sqrt(self.areas)

    @cached_property
    def _edges(self) -> EdgeTable:
        return edge_table(self.faces, self.n_nodes)

    @cached_property
    def adjacency(self) -> FaceAdjacency:
        """Pairs of faces that share an edge; each interior edge is listed once."""
        pairs = self._edges.pairs
        edges = self._edges.nodes[pairs[:, 0]]
        return FaceAdjacency(self._edges.faces[pairs], edges, self._lengths(edges))

    @cached_property
    def boundary_edges(self) -> Array:
        """Node pairs (E, 2) of the edges with one face, directed so that this face lies on the left."""
        return self._edges.nodes[self._edges.single]

    @cached_property
    def boundary_faces(self) -> Array:
        """The face of each boundary edge, (E,)."""
        return self._edges.faces[self._edges.single]

    @cached_property
    def boundary_kind(self) -> Array:
        """Name of the boundary that each boundary edge belongs to, (E,) strings.

        An edge in no named boundary is ``open``; but if no boundary edge has a name, every edge is ``coast``.
        """
        is_named = any(map(len, self.boundaries.values()))
        kinds = np.full(len(self.boundary_edges), "open" if is_named else "coast", dtype=object)
        for name, pairs in self.boundaries.items():
            kinds[find_pairs(self.boundary_edges, pairs, self.n_nodes) >= 0] = name
        return kinds.astype(str)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of nodes, faces, boundaries and crs; the order of the boundary pairs has no influence."""
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
        """Return True if another mesh has the same faces in the same order, and nodes at the same positions.

        Args:
            other: the other mesh.
            tolerance: largest difference of a coordinate, in units of the smallest spacing.
        """
        if self.nodes.shape != other.nodes.shape or not np.array_equal(self.faces, other.faces):
            return False

        return bool(np.abs(self.nodes - other.nodes).max() <= tolerance * self.spacing.min())

    def to_faces(self, node_values: Array) -> Array:
        """Average values at the nodes over the corners of each face: (..., N) -> (..., F)."""
        self._check_length(node_values, self.n_nodes, "node")
        total = np.zeros((*node_values.shape[:-1], self.n_faces), dtype=np.result_type(node_values, np.float32))

        for corner in self.faces.T:
            total += np.where(corner >= 0, node_values[..., corner], 0)

        return total / self.corner_counts.astype(total.dtype)

    def to_nodes(self, face_values: Array) -> Array:
        """Average values on faces over the faces around each node, weighted with area: (..., F) -> (..., N).

        Example:
            >>> import gensim_graph as gg
            >>> import numpy as np
            >>> mesh = gg.Mesh.from_grid(np.array([500.0, 1500.0]), np.array([500.0, 1500.0]))
            >>> concentration = np.array([0.0, 1.0, 0.0, 1.0])
            >>> mesh.to_nodes(concentration).reshape(3, 3).tolist()
            [[0.0, 0.5, 1.0], [0.0, 0.5, 1.0], [0.0, 0.5, 1.0]]
        """
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
