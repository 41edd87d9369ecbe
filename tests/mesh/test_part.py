"""A part of a mesh: same cells, coast where there was coast, and the transport of its inner cells."""

import numpy as np
import pytest
import torch
from support.meshes import jittered_box

from gensim_graph.mesh import Mesh, cut_out
from gensim_graph.transport import plan_transport

AXIS = np.arange(12) * 10e3


@pytest.mark.parametrize("mesh", [Mesh.from_grid(AXIS, AXIS), jittered_box(12)], ids=["grid", "triangles"])
class TestPart:
    def left_half(self, mesh: Mesh) -> np.ndarray:
        middle = mesh.centres[:, 0].mean()
        return np.flatnonzero(mesh.centres[:, 0] < middle)[::-1]  # in another order

    def test_cells_are_those_of_the_mesh(self, mesh):
        faces = self.left_half(mesh)
        part = cut_out(mesh, faces)
        np.testing.assert_allclose(part.areas, mesh.areas[faces], rtol=1e-12)
        np.testing.assert_allclose(part.centres, mesh.centres[faces])

    def test_length_of_the_coast_is_that_of_the_cells_on_it(self, mesh):
        faces = self.left_half(mesh)
        part = cut_out(mesh, faces)

        def coast(one: Mesh, chosen: np.ndarray) -> float:
            on_coast = (one.boundary_kind == "coast") & np.isin(one.boundary_faces, chosen)
            ends = one.nodes[one.boundary_edges[on_coast]]
            return float(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum())

        assert coast(part, np.arange(part.n_faces)) == pytest.approx(coast(mesh, faces))
        assert (part.boundary_kind == "open").any()

    def test_transport_far_from_the_cut_is_that_of_the_whole_mesh(self, mesh):
        faces = self.left_half(mesh)
        part = cut_out(mesh, faces)
        rng = np.random.default_rng(0)
        values = torch.from_numpy(rng.random((1, mesh.n_faces, 1)))
        drift = torch.from_numpy(0.1 * rng.standard_normal((1, mesh.n_faces, 2)))
        spacing = float(np.sqrt(mesh.areas.mean()))
        seconds = 2.0 * spacing  # one sub-step at 0.2 m/s: what lies beyond the cut is felt in a few cells only

        whole = plan_transport(mesh, 0.2, dtype=torch.float64).move(values, drift, drift, seconds)[:, faces.copy()]
        own = [one[:, faces.copy()] for one in (values, drift, drift)]
        moved = plan_transport(part, 0.2, dtype=torch.float64).move(*own, seconds)

        inner = part.centres[:, 0] < mesh.centres[:, 0].mean() - 5 * spacing
        assert inner.any()
        torch.testing.assert_close(moved[:, inner], whole[:, inner], rtol=0, atol=1e-10)
