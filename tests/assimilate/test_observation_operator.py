"""The observation operator against brute force, with its adjoint, constants, linear fields and turned vectors."""

import numpy as np
import pandas as pd
import pytest
import torch
from pyproj import Transformer
from support.products import MESH_PLANE, arctic_mesh

import gensim_graph as gg
from gensim_graph.assimilate import ObservationOperator

TABLE = gg.default_variables()
NAMES = [variable.name for variable in TABLE.state]
TIME = np.datetime64("2020-03-01T12:00")


def observations(**columns: object) -> gg.Observations:
    start = {"variable": "sic", "time": TIME, "value": 0.5, "error": 0.05}
    return gg.Observations.from_table(pd.DataFrame(start | columns))


def random_state(mesh: gg.Mesh, *batch: int) -> torch.Tensor:
    return torch.randn(*batch, mesh.n_faces, len(NAMES), generator=torch.Generator().manual_seed(0)).double()


@pytest.fixture(scope="module")
def places(small_mesh: gg.Mesh) -> dict[str, np.ndarray]:
    """Points inside the mesh, with variables and footprints of all kinds."""
    generator = np.random.default_rng(1)
    low, high = small_mesh.nodes.min(axis=0), small_mesh.nodes.max(axis=0)
    x, y = (low + (0.02 + 0.96 * generator.uniform(size=(60, 2))) * (high - low)).T
    names = generator.choice(["sit", "sic", "siu", "siv"], 60)
    return {"x": x, "y": y, "variable": names, "footprint": generator.choice([0.0, 5e3, 25e3, 60e3], 60)}


@pytest.mark.parametrize("kernel", ["gaussian", "top-hat"])
def test_against_brute_force(small_mesh: gg.Mesh, places: dict, kernel: str):
    """A loop over observations and cells, with the formulas of the documentation."""
    operator = ObservationOperator.of(small_mesh, observations(**places), TABLE, kernel=kernel)
    state = random_state(small_mesh, 3)
    found = operator.apply(state)

    for number in range(60):
        point = np.array([places["x"][number], places["y"][number]])
        length, channel = places["footprint"][number], NAMES.index(places["variable"][number])
        inside = [cell for cell in range(small_mesh.n_faces) if contains(small_mesh, cell, point)]
        assert len(inside) == 1
        cells = inside
        if length >= 2 * small_mesh.areas[inside[0]] ** 0.5:
            reach = 3 * length / 12**0.5 if kernel == "gaussian" else length / np.pi**0.5
            distance = [np.hypot(*(centre - point)) for centre in small_mesh.centres]
            cells = [cell for cell in range(small_mesh.n_faces) if distance[cell] <= reach]
        weights = {cell: small_mesh.areas[cell] for cell in cells}
        if kernel == "gaussian" and len(cells) > 1:
            weights = {cell: area * np.exp(-6 * (distance[cell] / length) ** 2) for cell, area in weights.items()}
        expected = sum(weight * state[:, cell, channel] for cell, weight in weights.items()) / sum(weights.values())
        torch.testing.assert_close(found[:, number], expected)


def contains(mesh: gg.Mesh, cell: int, point: np.ndarray) -> bool:
    """Whether a convex counter-clockwise cell contains a point."""
    corners = mesh.nodes[[node for node in mesh.faces[cell] if node >= 0]]
    along, to = np.roll(corners, -1, axis=0) - corners, point - corners
    return bool((along[:, 0] * to[:, 1] - along[:, 1] * to[:, 0] >= 0).all())


def test_constants_weights_and_order(small_mesh: gg.Mesh, places: dict):
    operator = ObservationOperator.of(small_mesh, observations(**places), TABLE)
    assert operator.weights.shape == operator.index.shape == (60, operator.index.shape[1])
    torch.testing.assert_close(operator.weights.sum(dim=1), torch.ones(60).double())
    constant = torch.arange(6.0).expand(small_mesh.n_faces, 6)
    torch.testing.assert_close(operator.apply(constant), operator.variable.float())
    assert [NAMES[one] for one in operator.variable] == places["variable"].tolist()
    np.testing.assert_array_equal(operator.position, np.column_stack([places["x"], places["y"]]))


@pytest.mark.parametrize("kernel", ["gaussian", "top-hat"])
def test_linear_fields_on_a_grid(kernel: str):
    """A footprint at the centre of a cell, away from the rim: the mean of a linear field is its value there."""
    axis = np.arange(21) * 5e3
    mesh = gg.Mesh.from_grid(axis, axis)
    operator = ObservationOperator.of(mesh, observations(x=[50e3], y=50e3, footprint=30e3), TABLE, kernel=kernel)
    field = torch.from_numpy(2.0 + mesh.centres @ [3e-5, -1e-5])
    state = field[:, None].expand(-1, 6)
    torch.testing.assert_close(operator.apply(state), torch.tensor([2.0 + 1.5 - 0.5]).double())


def test_gaussian_footprint_converges_to_the_integral():
    """The mean of cos(k x) under a Gaussian is exp(-k^2 s^2 / 2) times its value, on finer and finer grids."""
    length, wave = 40e3, 2 * np.pi / 60e3
    exact = np.exp(-0.5 * wave**2 * length**2 / 12)
    errors = []
    for size in (8e3, 4e3, 2e3):
        axis = np.arange(-60e3, 60e3 + 1, size)
        mesh = gg.Mesh.from_grid(axis, axis)
        operator = ObservationOperator.of(mesh, observations(x=[0.0], y=0.0, footprint=length), TABLE)
        field = torch.from_numpy(np.cos(wave * mesh.centres[:, 0]))
        errors.append(abs(float(operator.apply(field[:, None].expand(-1, 6))) / exact - 1.0))
    assert max(errors) < 0.02  # the tails beyond three standard deviations are cut off


def test_adjoint_and_gradient():
    """<Hx, y> = <x, H'y>, also with turned vectors; the gradient of 1/2 |Hx|^2 is H'Hx."""
    mesh = arctic_mesh()
    generator = np.random.default_rng(0)
    columns = {"lon": generator.uniform(20, 80, 80), "lat": generator.uniform(86.0, 88.5, 80)}
    names = generator.choice(["sic", "siu", "siv"], 80)
    wide = generator.choice([0.0, 40e3], 80)
    operator = ObservationOperator.of(mesh, observations(variable=names, footprint=wide, **columns), TABLE)
    assert 20 < len(operator) == operator.used
    state = random_state(mesh, 2, 3).requires_grad_()
    values = torch.randn(2, 3, len(operator)).double()

    seen, spread = operator.apply(state), operator.adjoint(values)
    torch.testing.assert_close((seen * values).sum(), (state * spread).sum())
    (gradient,) = torch.autograd.grad(0.5 * (seen**2).sum(), state)
    torch.testing.assert_close(gradient, operator.adjoint(seen))


def test_vectors_towards_east_and_north():
    """Drift of 0.1 m/s to the north, as a small step in longitude and latitude projected by pyproj."""
    mesh = arctic_mesh()
    lon, lat = np.array([75.0, 65.0, 71.0]), np.array([87.0, 87.5, 88.0])
    to_plane = Transformer.from_crs("EPSG:4326", MESH_PLANE, always_xy=True)
    begin, end = (np.stack(to_plane.transform(lon, lat + step), axis=1) for step in (-1e-4, 1e-4))
    north = (end - begin) / np.linalg.norm(end - begin, axis=1, keepdims=True)
    raw = {"lon": np.tile(lon, 2), "lat": np.tile(lat, 2), "variable": ["siu"] * 3 + ["siv"] * 3}
    operator = ObservationOperator.of(mesh, observations(**raw), TABLE)
    assert len(operator) == 6

    for number in range(3):
        state = torch.zeros(mesh.n_faces, 6).double()
        state[:, NAMES.index("siu")], state[:, NAMES.index("siv")] = 0.1 * north[number]
        seen = operator.apply(state)
        torch.testing.assert_close(seen[[number, number + 3]], torch.tensor([0.0, 0.1]).double(), atol=1e-6, rtol=0)


def test_the_plane_of_the_mesh_and_the_globe_agree():
    mesh = arctic_mesh()
    lon, lat = np.array([75.0, 65.0]), np.array([87.0, 87.5])
    x, y = Transformer.from_crs("EPSG:4326", MESH_PLANE, always_xy=True).transform(lon, lat)
    globe, plane = (ObservationOperator.of(mesh, observations(**one), TABLE)
                    for one in ({"lon": lon, "lat": lat}, {"x": x, "y": y}))  # fmt: skip
    assert len(globe) == 2
    torch.testing.assert_close(globe.index, plane.index)
    torch.testing.assert_close(globe.position, plane.position, atol=0.1, rtol=0)


def test_what_is_not_used_is_counted():
    """A grid with a lake of land in its middle, and open water around it."""
    axis = np.arange(9) * 10e3
    mask = np.ones((9, 9), dtype=bool)
    mask[4, 4] = False
    mesh = gg.Mesh.from_grid(axis, axis, mask)
    raw = {
        "x": [0.0, 40e3, 1e6, 0.0, 0.0, 0.0],
        "y": [0.0, 40e3, 0.0, 0.0, 0.0, 0.0],
        "variable": ["sic", "sic", "sic", "snt", "siu", "sit"],
        "time": [TIME, TIME, TIME, TIME, TIME, TIME + np.timedelta64(1, "D")],
    }
    window = (TIME - np.timedelta64(6, "h"), TIME + np.timedelta64(6, "h"))
    present = {"sit", "sic", "sid", "siu", "siv"}
    operator = ObservationOperator.of(mesh, observations(**raw), TABLE, present=present, window=window)
    assert operator.rows.tolist() == [0, 4]
    assert str(operator.report) == (
        "2 of 6 observations used (sic 1, siu 1); not used: 1 on land, 1 outside the mesh, 1 of a variable that the "
        "model does not have, 1 outside the times"
    )
    assert (operator.used, operator.unused.total()) == (2, 4)

    none = ObservationOperator.of(mesh, observations(x=[1e6], y=0.0), TABLE)
    assert len(none) == 0
    assert none.apply(torch.zeros(2, mesh.n_faces, 6)).shape == (2, 0)
    assert none.adjoint(torch.zeros(2, 0)).shape == (2, mesh.n_faces, 6)


def test_longitudes_need_a_plane(small_mesh: gg.Mesh):
    with pytest.raises(gg.InputError, match="the mesh has no crs"):
        ObservationOperator.of(small_mesh, observations(lon=[0.0], lat=88.0), TABLE)


def test_points_behind_a_bay_are_found():
    """A mesh in the form of a comb: straight lines between its teeth cross land."""
    axis = np.arange(21) * 10e3
    mask = np.ones((21, 21), dtype=bool)
    mask[3:, 1::2] = False
    mesh = gg.Mesh.from_grid(axis, axis, mask)
    generator = np.random.default_rng(0)
    points = mesh.centres[generator.integers(mesh.n_faces, size=200)]
    operator = ObservationOperator.of(mesh, observations(x=points[:, 0], y=points[:, 1]), TABLE)
    np.testing.assert_allclose(mesh.centres[operator.index[:, 0]], points)
    assert len(operator) == 200
