"""Triangles as the solver sees them: velocity linear (P1) between the nodes, all else constant (P0) on a triangle.

Fields are tensors with the members last: (element, member) on triangles, (2, node, member) for vectors on nodes, x
first. A gather then moves whole rows. Sums over the triangles around a node are gathers too, in a fixed order: a member
gets the same numbers alone and in a batch, on every run.
"""

from dataclasses import dataclass

import numpy as np
import torch

from gensim_graph.mesh import Mesh, gradient_weights, signed_areas
from gensim_graph.mesh.planes import lonlat, unproject
from gensim_graph.simulate.solver.triangles import Triangles, split_faces
from gensim_graph.typing import Array, Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class Elements:
    """Geometry of the triangles of a mesh, on one device.

    Attributes:
        mesh: the mesh that was split.
        triangles: its triangles.
        corners: nodes of the corners: all first corners, all second ones, all third ones.
        slopes: 1/m, gradient (x, y) of the shape functions of the second and the third corner; that of the first is
            minus their sum.
        around: corners around each node, as positions in ``corners``; one past the end where there are fewer.
        areas: m2.
        sides: m, mean length of the three sides.
        spacing: m, square root of the area of the *face* that the triangle belongs to.
        node_areas: m2, a third of the triangles around a node.
        free: 1 where the ice may move, 0 on the coast.
        sine: of the latitude of the nodes; 1 where the mesh has no crs.
    """

    mesh: Mesh
    triangles: Triangles
    corners: Int[Tensor, " corner"]
    slopes: Float[Tensor, "2 2 element 1"]
    around: Int[Tensor, "node place"]
    areas: Float[Tensor, "element 1"]
    sides: Float[Tensor, "element 1"]
    spacing: Float[Tensor, "element 1"]
    node_areas: Float[Tensor, "node 1"]
    free: Float[Tensor, "node 1"]
    sine: Float[Tensor, "node 1"]

    @property
    def n_elements(self) -> int:
        """Number of triangles."""
        return len(self.areas)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.free)

    def velocity_gradient(self, velocity: Float[Tensor, "2 node member"]) -> tuple[Tensor, Tensor]:
        """Derivatives along x and along y of both components on the triangles: two of (2, element, member), 1/s."""
        n_members = velocity.shape[-1]
        corners = velocity.index_select(1, self.corners).view(2, 3, self.n_elements, n_members)
        second, third = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        along_x, along_y = self.slopes

        return (
            torch.addcmul(second * along_x[0], third, along_x[1]),
            torch.addcmul(second * along_y[0], third, along_y[1]),
        )

    def stress_force(
        self,
        normal_x: Float[Tensor, "element member"],
        normal_y: Float[Tensor, "element member"],
        shear: Float[Tensor, "element member"],
    ) -> Float[Tensor, "2 node member"]:
        r"""Force of a stress on the nodes: minus the sum over triangles of the stress times the shape's slope.

        The weak form of the divergence; divided by ``node_areas`` it is the divergence itself (lumped mass).

        Args:
            normal_x, normal_y, shear: components of the stress times thickness and area, N m.

        Returns:
            N, along x and y.
        """
        n_elements, n_members = shear.shape
        corners = shear.new_zeros(2, 3 * n_elements + 1, n_members)  # the last one is where a node has none
        first, second, third = corners[:, :-1].view(2, 3, n_elements, n_members).unbind(dim=1)

        for axis, (on_x, on_y) in enumerate(((normal_x, shear), (shear, normal_y))):
            for corner, along_x, along_y in zip((second, third), *self.slopes, strict=True):
                torch.mul(on_x, along_x, out=corner[axis]).addcmul_(on_y, along_y).neg_()

        torch.add(second, third, out=first).neg_()
        return self._sum_around(corners)

    def to_nodes(self, values: Float[Tensor, "element member"]) -> Float[Tensor, "node member"]:
        """Mean over the triangles around each node, weighted by area."""
        shares = (values * (self.areas / 3.0)).repeat(3, 1)
        padded = torch.cat([shares, shares.new_zeros(1, values.shape[1])])
        return self._sum_around(padded[None])[0] / self.node_areas

    def sine_on_elements(self) -> Float[Tensor, "element 1"]:
        """Sine of the latitude of the triangles."""
        return self.sine.index_select(0, self.corners).view(3, self.n_elements, 1).mean(dim=0)

    def _sum_around(self, corners: Float[Tensor, "axis corner member"]) -> Float[Tensor, "axis node member"]:
        """Sum of the values on the corners around each node; a row of zeros stands at the end."""
        n_axes, _, n_members = corners.shape
        rows = corners.index_select(1, self.around.reshape(-1))
        return rows.view(n_axes, *self.around.shape, n_members).sum(dim=2)

    def from_faces(self, values: Array) -> Float[Tensor, "element member"]:
        """Values on the faces of the mesh, (member, face), on the triangles that they were split into."""
        rows = np.ascontiguousarray(values.T[self.triangles.faces])
        return torch.as_tensor(rows, dtype=self.areas.dtype, device=self.areas.device)

    def to_faces(self, values: Float[Tensor, "element member"]) -> Array:
        """Mean over the triangles of each face, weighted by area: (member, face)."""
        faces, areas = self.triangles.faces, self.areas.cpu().numpy()
        starts = np.searchsorted(faces, np.arange(self.mesh.n_faces))
        return (np.add.reduceat(values.cpu().numpy() * areas, starts) / np.add.reduceat(areas, starts)).T


def build_elements(mesh: Mesh, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float64) -> Elements:
    """Split a mesh and compute its geometry.

    Nodes on a boundary named ``coast`` are fixed, those on an open one free: nothing pulls at them from outside.

    Raises:
        InputError: faces that cannot be split.
    """
    triangles = split_faces(mesh)
    nodes, corners = triangles.nodes, triangles.corners
    areas, points = signed_areas(nodes, corners), nodes[corners]
    sides = np.linalg.norm(points - np.roll(points, 1, axis=1), axis=2).mean(axis=1)
    free = np.ones(len(nodes))
    free[mesh.boundary_edges[mesh.boundary_kind == "coast"]] = 0.0

    def column(values: Array) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values)[..., None], dtype=dtype, device=device)

    return Elements(
        mesh,
        triangles,
        torch.as_tensor(corners.T.ravel(), device=device),
        column(gradient_weights(nodes, corners)[:, 1:].transpose(2, 1, 0)),
        torch.as_tensor(_around(corners, len(nodes)), device=device),
        column(areas),
        column(sides),
        column(mesh.spacing[triangles.faces]),
        column(np.bincount(corners.ravel(), np.repeat(areas / 3.0, 3), minlength=len(nodes))),
        column(free),
        column(np.ones(len(nodes)) if mesh.crs is None else _sine_of_latitude(nodes, mesh)),
    )


def _around(corners: Array, n_nodes: int) -> Array:
    """Corners around each node, (N, largest number), in the order of ``corners.T``, padded with their number."""
    flat = corners.T.ravel()
    order = np.argsort(flat, kind="stable")
    counts = np.bincount(flat, minlength=n_nodes)
    place = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((n_nodes, counts.max()), len(flat))
    table[flat[order], place] = order

    return table


def _sine_of_latitude(nodes: Array, mesh: Mesh) -> Array:
    assert mesh.crs is not None
    return np.sin(np.radians(lonlat(unproject(nodes, mesh.crs))[1]))
