"""Structure functions and spectra: fields of known exponents, waves, and filters with a known cut-off."""

import numpy as np
import pytest
import xarray as xr
from support.examples import graded_mesh, island_grid, regular_grid
from support.meshes import BOX, jittered_box
from support.verification import forecast_of, truth_of

from gensim_graph.evaluate import Verification, match
from gensim_graph.evaluate.physics import Pairs, power_spectrum, structure_function
from gensim_graph.evaluate.physics.effective_resolution import resolved_scale
from gensim_graph.evaluate.physics.spectra import SpectrumTally, as_grid
from gensim_graph.evaluate.physics.structure import StructureTally
from gensim_graph.evaluate.tally import tabulate
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.variables import default_variables

MESHES = {"triangles": jittered_box(40), "squares": regular_grid(40), "graded": graded_mesh(20, ratio=4.0)}


@pytest.fixture(params=MESHES)
def mesh(request: pytest.FixtureRequest) -> Mesh:
    return MESHES[request.param]


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0])
def test_a_plane_grows_with_the_distance(mesh: Mesh, order: float):
    """f = g . x: the structure function is the mean of |g . r|^p over the pairs, and zeta_p = p."""
    pairs = Pairs(mesh)
    slope = np.array([3.0, -4.0])
    step = np.subtract(*mesh.centres[pairs.faces].swapaxes(0, 1))
    expected = np.bincount(pairs.bins, np.abs(step @ slope) ** order) / np.bincount(pairs.bins)
    found = structure_function(pairs, (mesh.centres @ slope)[None], order=order)
    np.testing.assert_allclose(found, expected)
    zeta = np.polyfit(np.log(pairs.distances), np.log(found), 1)[0]
    assert zeta == pytest.approx(order, abs=0.08)


def test_a_solid_rotation_is_the_same_in_all_directions(mesh: Mesh):
    """|u(x + r) - u(x)| = rate r in every direction."""
    pairs = Pairs(mesh)
    u, v = -1e-5 * mesh.centres[:, 1], 1e-5 * mesh.centres[:, 0]
    length = np.linalg.norm(np.subtract(*mesh.centres[pairs.faces].swapaxes(0, 1)), axis=-1)
    expected = 1e-10 * np.bincount(pairs.bins, length**2) / np.bincount(pairs.bins)
    np.testing.assert_allclose(structure_function(pairs, u[None], v[None]), expected)


def test_noise_has_twice_its_variance_at_every_distance(mesh: Mesh):
    noise = np.random.default_rng(0).normal(size=(40, mesh.n_faces))
    np.testing.assert_allclose(structure_function(Pairs(mesh), noise), 2.0, rtol=0.05)


def test_only_pairs_on_ice_count():
    mesh = MESHES["squares"]
    ice = mesh.centres[:, 0] < BOX / 2
    found = structure_function(Pairs(mesh), np.where(ice, 1.0, 50.0)[None], ice=ice)
    np.testing.assert_array_equal(found[np.isfinite(found)], 0)


def test_resolved_scale():
    scales = np.array([1.0, 2.0, 4.0, 8.0])
    assert resolved_scale(scales, np.array([0.1, 0.25, 0.75, 1.0])) == pytest.approx(np.sqrt(8))
    # At scales smaller than the last crossing the ratio does not matter.
    assert resolved_scale(scales, np.array([0.6, 0.3, 0.5, 2.0])) == pytest.approx(4)
    assert resolved_scale(scales, np.ones(4)) == 1
    assert np.isnan(resolved_scale(scales, np.full(4, 0.1)))


def test_too_much_variability_is_not_resolved():
    scales = np.array([1.0, 2.0, 4.0, 8.0])
    # From 3 at 2 to 1 at 4, the ratio passes 2 in the middle of the logarithms.
    assert resolved_scale(scales, np.array([9.0, 3.0, 1.0, 1.0])) == pytest.approx(np.sqrt(8))
    assert resolved_scale(scales, np.array([0.1, 9.0, 2.0, 1.0])) == pytest.approx(4)
    assert np.isnan(resolved_scale(scales, np.full(4, 2.1)))


@pytest.mark.parametrize("seed", [0, 1])
def test_ratio_and_its_inverse_resolve_the_same(seed: int):
    """The limits 1/2 and 2 are symmetric, so only the interpolation between two scales differs."""
    ratio = np.exp(np.random.default_rng(seed).normal(size=40))
    ratio[-3:] = 1.0
    scales = 2.0 ** np.arange(40)
    both = [resolved_scale(scales, one) for one in (ratio, 1 / ratio)]
    assert np.floor(np.log2(both[0])) == np.floor(np.log2(both[1]))


def test_which_meshes_are_grids():
    rng = np.random.default_rng(0)
    grid = regular_grid(6)
    found = as_grid(grid)
    assert found is not None
    assert found.shape == (6, 6)
    assert found.spacing == pytest.approx((BOX / 6, BOX / 6))
    shuffled = Mesh.from_faces(grid.nodes, grid.faces[rng.permutation(36)])
    order = as_grid(shuffled).order  # type: ignore[union-attr]
    np.testing.assert_allclose(shuffled.centres[order], grid.centres)
    assert as_grid(island_grid()) is None
    assert as_grid(jittered_box(4)) is None


def test_the_spectrum_adds_up_to_the_variance():
    fields = np.random.default_rng(0).normal(size=(3, 24, 40))
    _, power = power_spectrum(fields, (2e3, 3e3))
    np.testing.assert_allclose(power.sum(axis=-1), fields.var(axis=(-2, -1)))


def test_a_wave_is_at_its_wavelength():
    """cos(pi m x / L) is a single coefficient of the transform, at the wavelength 2 L / m."""
    x = (np.arange(64) + 0.5) * 1e3
    for number in (1, 5, 30):
        field = np.cos(np.pi * number * x / 64e3) * np.ones((64, 1))
        wavelengths, power = power_spectrum(field, (1e3, 1e3))
        assert wavelengths[power.argmax()] == pytest.approx(128e3 / number)
        assert power.max() == pytest.approx(0.5)


def matched(mesh: Mesh, members: np.ndarray, truth: np.ndarray) -> Verification:
    reality = mesh_to_dataset(mesh).merge(truth_of(np.stack([truth, truth]), "sit"))
    return match(forecast_of(members[None, :, None], "sit"), reality, default_variables())


def filtered(shape: tuple[int, int], cut: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise of all wavelengths, and the same noise without wavelengths shorter than ``cut`` cells."""
    from scipy.fft import dctn, idctn

    noise = np.random.default_rng(seed).normal(size=shape)
    number = np.hypot(*np.meshgrid(*(np.arange(n) / (2 * n) for n in shape), indexing="ij"))
    return noise, idctn(np.where(number <= 1 / cut, dctn(noise, norm="ortho"), 0), norm="ortho")


def test_the_effective_resolution_of_a_filtered_field_is_its_cut():
    mesh = regular_grid(128)
    truth, blurred = filtered((128, 128), 12.0)
    found = matched(mesh, blurred.ravel()[None], truth.ravel())
    table = tabulate({"forecast": found}, SpectrumTally(found))
    forecast = table[table["model"] == "forecast"]
    spacing = BOX / 128 / 1e3
    assert forecast["resolved_km"].iloc[0] == pytest.approx(12 * spacing, rel=0.05)
    assert table[table["model"] == "truth"]["resolved_km"].iloc[0] == pytest.approx(2 * spacing, rel=0.02)
    long = forecast[forecast["wavelength_km"] > 13 * spacing]
    np.testing.assert_allclose(long["ratio"], 1)


def test_noise_is_not_resolution():
    """A smooth truth with white noise on top is resolved only where the noise adds less than the truth has."""
    mesh = regular_grid(128)
    _, smooth = filtered((128, 128), 12.0)
    noise = np.random.default_rng(1).normal(size=(20, *smooth.shape))
    found = matched(mesh, (smooth + 0.3 * noise).reshape(20, -1), smooth.ravel())
    table = tabulate({"forecast": found}, SpectrumTally(found))
    forecast = table[table["model"] == "forecast"]
    assert forecast["resolved_km"].iloc[0] == pytest.approx(12 * BOX / 128 / 1e3, rel=0.1)
    assert forecast["ratio"].iloc[0] > 100


def test_what_is_blurred_is_seen_on_any_mesh():
    mesh = MESHES["triangles"]
    rng = np.random.default_rng(3)
    fine, coarse = rng.normal(size=mesh.n_faces), np.sin(6 * mesh.centres[:, 0] / BOX)
    found = matched(mesh, coarse[None], coarse + 0.3 * fine)
    rows = tabulate({"forecast": found}, StructureTally(found))
    forecast = rows[rows["model"] == "forecast"].set_index("distance_km")
    assert forecast["ratio"].iloc[0] < 0.1
    assert forecast["ratio"].iloc[-1] > 0.6
    assert 5 < forecast["resolved_km"].iloc[0] < 50


def test_vectors_are_one():
    mesh = regular_grid(16)
    noise = np.random.default_rng(0).normal(size=(2, 2, mesh.n_faces))
    forecast = forecast_of(noise[0][None, :1, None], "siu").merge(forecast_of(noise[1][None, :1, None], "siv"))
    truth = xr.merge([truth_of(noise[0], "siu"), truth_of(noise[1], "siv"), mesh_to_dataset(mesh)])
    found = match(forecast, truth, default_variables())
    spectra, structure = (tabulate({"forecast": found}, kind(found)) for kind in (SpectrumTally, StructureTally))
    for table in (spectra, structure):
        assert set(table["variable"]) == {"siu, siv"}
    power = spectra.query("model == 'forecast'")["power"].sum()
    assert power == pytest.approx(noise[0, 0].var() + noise[1, 0].var())
