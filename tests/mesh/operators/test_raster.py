"""Pixels of large maps show the face that holds them."""

import numpy as np
import pytest
import shapely
from support.examples import graded_mesh, island_grid
from support.meshes import jittered_box

from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import raster
from gensim_graph.mesh.operators.rasterise import pixel_faces

MESHES = {"triangles": jittered_box(8), "graded": graded_mesh(6), "island": island_grid(20)}


@pytest.fixture(params=MESHES)
def mesh(request: pytest.FixtureRequest) -> Mesh:
    return MESHES[request.param]


def test_each_pixel_is_the_face_under_its_middle(mesh: Mesh):
    found = pixel_faces(mesh, 45)
    low, size = mesh.nodes.min(axis=0), np.ptp(mesh.nodes, axis=0).max() / 45
    rows, columns = np.indices(found.shape)
    points = shapely.points(low[0] + (columns.ravel() + 0.5) * size, low[1] + (rows.ravel() + 0.5) * size)
    faces = [shapely.Polygon(mesh.nodes[face[face >= 0]]) for face in mesh.faces]
    pixel, face = shapely.STRtree(faces).query(points, predicate="intersects")
    expected = np.full(found.size, -1)
    expected[pixel] = face
    on_a_side = np.bincount(pixel, minlength=found.size) > 1
    np.testing.assert_array_equal(found.ravel()[~on_a_side], expected[~on_a_side])
    assert on_a_side.mean() < 0.2


def test_a_wide_grid_fills_its_picture():
    grid = Mesh.from_grid(np.arange(8) * 1e3, np.arange(4) * 1e3)
    shown, edges = raster(grid, np.arange(32.0))
    assert shown.shape == (360, 720)
    np.testing.assert_allclose(edges, (-500, 7500, -500, 3500))
    np.testing.assert_array_equal(shown[45::90, 45::90].ravel(), np.arange(32))
