"""Geometry of the triangles: velocity linear between their nodes (P1), everything else constant on each of them (P0).

Fields are tensors with the members last: (element, member) on triangles, (2, node, member) for vectors on nodes, with
the x component first. Reading the values of a triangle or node then reads whole rows of members. Sums over the
triangles around a node read these rows in a fixed order. Therefore a member gets the same numbers in every run, and in
every batch of the same size.
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
    r"""Geometry of the triangles of a mesh, on one device.

    Attributes:
        mesh: the mesh that was split into triangles.
        triangles: its triangles.
        corner_nodes: nodes of the corners: first corners of all triangles, then all second, then all third ones.
        shape_gradients: 1/m, gradient :math:`(\partial_x N, \partial_y N)` of the shape functions of the second and
            the third corner; that of the first corner is minus their sum.
        corners_of_node: corners around each node, as positions in ``corner_nodes``; the length of ``corner_nodes``
            fills the rows of nodes with fewer corners.
        areas: m2, of the triangles.
        mean_side: m, mean length of the three sides.
        face_spacing: m, square root of the area of the *face* that the triangle belongs to.
        node_areas: m2, a third of the area of the triangles around each node.
        free: 1 where the ice may move, 0 on the coast.
        sin_latitude: sine of the latitude of the nodes; 1 where the mesh has no crs.
    """

    mesh: Mesh
    triangles: Triangles
    corner_nodes: Int[Tensor, " corner"]
    shape_gradients: Float[Tensor, "2 2 element 1"]
    corners_of_node: Int[Tensor, "node place"]
    areas: Float[Tensor, "element 1"]
    mean_side: Float[Tensor, "element 1"]
    face_spacing: Float[Tensor, "element 1"]
    node_areas: Float[Tensor, "node 1"]
    free: Float[Tensor, "node 1"]
    sin_latitude: Float[Tensor, "node 1"]

    @property
    def n_elements(self) -> int:
        """Number of triangles."""
        return len(self.areas)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.free)

    def velocity_gradient(self, velocity: Float[Tensor, "2 node member"]) -> tuple[Tensor, Tensor]:
        r"""Return the gradient of the velocity (m/s) on the triangles, along x and along y of the plane.

        .. math::
            \partial_x u = \sum_{k} u_k\, \partial_x N_k = (u_2 - u_1)\, \partial_x N_2 + (u_3 - u_1)\, \partial_x N_3

        since the shape functions :math:`N_k` of the three corners sum to 1; likewise along y.

        Returns:
            :math:`\partial_x (u, v)` and :math:`\partial_y (u, v)`, both (2, element, member), 1/s.
        """
        n_members = velocity.shape[-1]
        corners = velocity.index_select(1, self.corner_nodes).view(2, 3, self.n_elements, n_members)
        second = corners[:, 1] - corners[:, 0]
        third = corners[:, 2] - corners[:, 0]
        along_x, along_y = self.shape_gradients

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
        r"""Return the force of a stress on the nodes, the weak form of its divergence.

        .. math::
            F_i = -\sum_{T \ni i} A_T h_T\, \sigma_T \nabla N_i

        over the triangles :math:`T` around node :math:`i`, with their area :math:`A` and thickness :math:`h`. Divided
        by ``node_areas`` (lumped mass) it is the divergence of :math:`h \sigma`.

        Args:
            normal_x: stress along x times thickness and area, N m.
            normal_y: stress along y times thickness and area, N m.
            shear: shear stress times thickness and area, N m.

        Returns:
            Force along x and y of the plane, N.
        """
        n_elements, n_members = shear.shape
        corners = shear.new_zeros(2, 3 * n_elements + 1, n_members)  # the last row fills the gaps of corners_of_node
        first, second, third = corners[:, :-1].view(2, 3, n_elements, n_members).unbind(dim=1)

        for axis, (on_x, on_y) in enumerate(((normal_x, shear), (shear, normal_y))):
            for corner, along_x, along_y in zip((second, third), *self.shape_gradients, strict=True):
                torch.mul(on_x, along_x, out=corner[axis]).addcmul_(on_y, along_y).neg_()

        torch.add(second, third, out=first).neg_()
        return self._sum_around_nodes(corners)

    def to_nodes(self, values: Float[Tensor, "element member"]) -> Float[Tensor, "node member"]:
        """Return the area-weighted mean of the values of the triangles around each node."""
        shares = (values * (self.areas / 3.0)).repeat(3, 1)
        padded = torch.cat([shares, shares.new_zeros(1, values.shape[1])])
        return self._sum_around_nodes(padded[None])[0] / self.node_areas

    def sin_latitude_on_elements(self) -> Float[Tensor, "element 1"]:
        """Return the sine of the latitude of the triangles, the mean over their corners."""
        return self.sin_latitude.index_select(0, self.corner_nodes).view(3, self.n_elements, 1).mean(dim=0)

    def _sum_around_nodes(self, corners: Float[Tensor, "axis corner member"]) -> Float[Tensor, "axis node member"]:
        """Return the sum of the values of the corners around each node; the last row of ``corners`` must be 0."""
        n_axes, _, n_members = corners.shape
        rows = corners.index_select(1, self.corners_of_node.reshape(-1))
        return rows.view(n_axes, *self.corners_of_node.shape, n_members).sum(dim=2)

    def from_faces(self, values: Array) -> Float[Tensor, "element member"]:
        """Return values on the faces of the mesh, (member, face), on the triangles of these faces."""
        rows = np.ascontiguousarray(values.T[self.triangles.faces])
        return torch.as_tensor(rows, dtype=self.areas.dtype, device=self.areas.device)

    def to_faces(self, values: Float[Tensor, "element member"]) -> Array:
        """Return the area-weighted mean over the triangles of each face: (member, face)."""
        faces = self.triangles.faces
        areas = self.areas.cpu().numpy()
        starts = np.searchsorted(faces, np.arange(self.mesh.n_faces))
        return (np.add.reduceat(values.cpu().numpy() * areas, starts) / np.add.reduceat(areas, starts)).T


def build_elements(mesh: Mesh, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float64) -> Elements:
    """Split a mesh into triangles and compute their geometry.

    Nodes on a boundary that is named ``coast`` are fixed. Those on an open boundary are free, and nothing pulls at them
    from outside.

    Args:
        mesh: in a plane, with faces of any number of corners.
        device: where the tensors are stored.
        dtype: precision of the tensors.

    Raises:
        InputError: faces that cannot be split into triangles.
    """
    triangles = split_faces(mesh)
    nodes, corners = triangles.nodes, triangles.corners
    areas = signed_areas(nodes, corners)
    points = nodes[corners]
    mean_side = np.linalg.norm(points - np.roll(points, 1, axis=1), axis=2).mean(axis=1)
    free = np.ones(len(nodes))
    free[mesh.boundary_edges[mesh.boundary_kind == "coast"]] = 0.0

    def column(values: Array) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values)[..., None], dtype=dtype, device=device)

    return Elements(
        mesh=mesh,
        triangles=triangles,
        corner_nodes=torch.as_tensor(corners.T.ravel(), device=device),
        shape_gradients=column(gradient_weights(nodes, corners)[:, 1:].transpose(2, 1, 0)),
        corners_of_node=torch.as_tensor(_corners_of_nodes(corners, len(nodes)), device=device),
        areas=column(areas),
        mean_side=column(mean_side),
        face_spacing=column(mesh.spacing[triangles.faces]),
        node_areas=column(np.bincount(corners.ravel(), np.repeat(areas / 3.0, 3), minlength=len(nodes))),
        free=column(free),
        sin_latitude=column(np.ones(len(nodes)) if mesh.crs is None else _sin_latitude(nodes, mesh)),
    )


def _corners_of_nodes(corners: Array, n_nodes: int) -> Array:
    """Return the corners around each node, (N, largest number), in the order of ``corners.T``, padded with 3 E."""
    nodes = corners.T.ravel()
    order = np.argsort(nodes, kind="stable")
    counts = np.bincount(nodes, minlength=n_nodes)
    column = np.arange(len(nodes)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((n_nodes, counts.max()), len(nodes))
    table[nodes[order], column] = order

    return table


def _sin_latitude(nodes: Array, mesh: Mesh) -> Array:
    assert mesh.crs is not None
    return np.sin(np.radians(lonlat(unproject(nodes, mesh.crs))[1]))
