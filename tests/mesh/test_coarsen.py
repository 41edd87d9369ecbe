"""Coarser meshes: areas, coast, neighbours across land, and what fields keep."""

import numpy as np
import pytest
import shapely
from support.meshes import BOX, jittered_box

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh
from gensim_graph.mesh import Mesh, coarsen_mesh
from gensim_graph.mesh.operators import conservative_weights, covered, remap_faces


def outline(mesh: Mesh) -> shapely.Geometry:
    return shapely.union_all([shapely.Polygon(mesh.nodes[face[face >= 0]]).buffer(0) for face in mesh.faces])


@pytest.mark.parametrize("levels", [1, 2])
def test_the_domain_stays(levels):
    fine = jittered_box(16)
    coarse = coarsen_mesh(fine, levels)
    assert fine.n_faces / 5**levels < coarse.n_faces < fine.n_faces / 3**levels
    assert coarse.areas.sum() == pytest.approx(fine.areas.sum(), rel=1e-9)
    assert outline(coarse).symmetric_difference(outline(fine)).area < 1e-9 * BOX**2
    np.testing.assert_allclose(covered(conservative_weights(fine, coarse)), 1.0, rtol=1e-6)


def test_every_face_belongs_to_one_polygon_and_integrals_stay():
    fine = jittered_box(12)
    coarse = coarsen_mesh(fine)
    weights = conservative_weights(fine, coarse)
    shares = weights.toarray() * coarse.areas[:, None] / fine.areas
    assert (((shares < 1e-6) | (shares > 1 - 1e-6)).all(axis=0)).all()  # whole faces
    values = np.random.default_rng(0).uniform(size=fine.n_faces)
    assert remap_faces(values, weights) @ coarse.areas == pytest.approx(values @ fine.areas, rel=1e-9)


def test_blocks_of_a_grid():
    axis = (np.arange(8) + 0.5) * 1e3
    coarse = coarsen_mesh(Mesh.from_grid(axis, axis), 2)
    assert coarse.n_faces == 4
    np.testing.assert_allclose(coarse.areas, 16e6)
    assert sorted(coarse.centres.tolist()) == [[2e3, 2e3], [2e3, 6e3], [6e3, 2e3], [6e3, 6e3]]


def test_blocks_never_reach_across_land():
    """A wall through a block: its two sides stay two polygons that are not neighbours."""
    axis = (np.arange(6) + 0.5) * 1e3
    mask = np.ones((6, 6), dtype=bool)
    mask[:, 2] = False
    coarse = coarsen_mesh(Mesh.from_grid(axis, axis, mask=mask), 2)
    west = coarse.centres[:, 0] < 2e3
    pairs = coarse.adjacency.faces
    assert (west[pairs[:, 0]] == west[pairs[:, 1]]).all()
    assert coarse.areas.sum() == pytest.approx(30e6)
    assert (coarse.boundary_kind == "coast").any()


def test_names_of_boundaries_stay():
    box = jittered_box(12)
    edges = box.boundary_edges
    south = (box.nodes[edges][..., 1] == 0).all(axis=1)
    fine = Mesh.from_faces(box.nodes, box.faces, boundaries={"open": edges[south], "coast": edges[~south]})
    coarse = coarsen_mesh(fine)
    for name, mesh_length in (("open", BOX), ("coast", 3 * BOX)):
        pairs = coarse.boundaries[name]
        sides = coarse.nodes[pairs[:, 1]] - coarse.nodes[pairs[:, 0]]
        assert np.hypot(*sides.T).sum() == pytest.approx(mesh_length, rel=1e-9)


def test_a_genuine_coast(shared_data):
    fine = load_mesh(shared_data / "meshes" / "coast_10km.msh")
    coarse = coarsen_mesh(fine)
    assert coarse.n_faces < 0.3 * fine.n_faces
    assert coarse.areas.sum() == pytest.approx(fine.areas.sum(), rel=1e-6)

    def length(mesh: Mesh) -> float:
        return float(np.hypot(*np.diff(mesh.nodes[mesh.boundaries["coast"]], axis=1)[:, 0].T).sum())

    assert length(coarse) == pytest.approx(length(fine), rel=1e-4)


def test_refused():
    with pytest.raises(InputError, match="expected 1 or more"):
        coarsen_mesh(jittered_box(4), 0)
    with pytest.raises(InputError, match="cannot get any coarser"):
        coarsen_mesh(jittered_box(2), 9)
