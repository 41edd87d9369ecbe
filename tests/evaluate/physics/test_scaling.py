"""Scaling in space: cascades of known exponents, noise, and a uniform deformation."""

import numpy as np
import pytest
from support.examples import regular_grid
from support.meshes import BOX, jittered_box

from gensim_graph.errors import InputError
from gensim_graph.evaluate.physics import SCALING_ORDERS, spatial_scaling
from gensim_graph.evaluate.physics.box_scaling import scaling_of_gradients

DAY = 86_400.0


def cascade(levels: int, weights: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Cascade: each cell is divided into four again and again, with four weights of mean one in random order. The means
    over boxes are exactly the coarser levels, and <e^q> grows by the factor mean(w^q) per level."""
    field = np.ones((1, 1))
    for _ in range(levels):
        n = len(field)
        shuffled = rng.permuted(np.tile(weights, (n * n, 1)), axis=1).reshape(n, n, 2, 2)
        field = (field[:, :, None, None] * shuffled).transpose(0, 2, 1, 3).reshape(2 * n, 2 * n)
    return field


@pytest.mark.parametrize("weights", [(0.4, 0.6, 1.2, 1.8), (0.9, 1.0, 1.0, 1.1)])
def test_multifractal_cascade(weights):
    """beta(q) = log2 mean(w^q); the mean is the same at every scale."""
    levels, mesh = 7, regular_grid(128)
    field = cascade(levels, weights, np.random.default_rng(0))
    gradient = np.zeros((2, 2, mesh.n_faces))
    gradient[0, 0] = field.ravel() / DAY  # pure divergence
    found = scaling_of_gradients(mesh, gradient)
    expected = [np.log2(np.mean(np.array(weights) ** q)) for q in SCALING_ORDERS]
    np.testing.assert_allclose(found.exponents, expected, atol=1e-9)
    np.testing.assert_allclose(found.lengths, BOX / 128 * 2.0 ** np.arange(6))
    assert found.exponents[1] == pytest.approx(0, abs=1e-9)
    assert found.curvature > 0


def test_white_noise_averages_out():
    """The mean of n independent gradients is smaller by n^-1/2: beta(q) = q, no curvature."""
    mesh = regular_grid(128)
    gradient = np.random.default_rng(0).normal(size=(2, 2, 8, mesh.n_faces)) / DAY
    found = scaling_of_gradients(mesh, gradient)
    np.testing.assert_allclose(found.exponents, found.orders, rtol=0.02)
    assert abs(found.curvature) < 0.02


def test_a_uniform_deformation_has_no_scale(small_mesh):
    x, y = small_mesh.nodes.T
    found = spatial_scaling(small_mesh, 2e-6 * x - 1e-6 * y, 3e-6 * x + 1e-6 * y, "node")
    expected = np.hypot(3e-6, np.hypot(1e-6, 2e-6)) * DAY
    np.testing.assert_allclose(found.moments, expected ** found.orders[:, None] * np.ones_like(found.moments))
    np.testing.assert_allclose(found.exponents, 0, atol=1e-10)


def test_a_crack_is_the_wider_the_larger_the_box():
    """All deformation in one row of cells: the mean over a box is ~ 1 / L, in a share ~ L of the boxes."""
    mesh = regular_grid(64)
    gradient = np.zeros((2, 2, 64, 64))
    gradient[0, 1, 31] = 1 / DAY
    found = scaling_of_gradients(mesh, gradient.reshape(2, 2, -1))
    np.testing.assert_allclose(found.exponents, found.orders - 1, atol=1e-9)


def test_only_ice_counts():
    mesh = jittered_box(20)
    ice = mesh.centres[:, 0] < BOX / 2
    gradient = np.where(ice, 1.0, 1e3) * np.ones((2, 2, 1)) / DAY
    found = scaling_of_gradients(mesh, gradient, ice=ice)
    np.testing.assert_allclose(found.moments[1], np.hypot(2, 2))


def test_what_is_refused(small_mesh):
    nothing = np.zeros(small_mesh.n_faces)
    with pytest.raises(InputError, match="no face counts"):
        spatial_scaling(small_mesh, nothing, nothing, ice=nothing > 0)
    with pytest.raises(InputError, match="fewer than two sizes"):
        spatial_scaling(small_mesh, nothing, nothing, lengths=[BOX, 2 * BOX])
