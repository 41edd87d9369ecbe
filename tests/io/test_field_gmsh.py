"""Files of gmsh as gmsh writes them: boundaries are kept, and what is lost is logged."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import NEXTSIM_CRS

FILES = Path(__file__).parents[1] / "data" / "gmsh"
SQUARE = [(0.0, 0.0, 0.0), (1e5, 0.0, 0.0), (1e5, 1e5, 0.0), (0.0, 1e5, 0.0)]
SIDES = [(1, 2), (2, 3), (3, 4), (4, 1)]


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING)
    return caplog


def kinds(mesh: Mesh) -> dict[str, int]:
    return dict(Counter(mesh.boundary_kind.tolist()))


def write_22(path: Path, names, elements, nodes=SQUARE) -> Path:
    """A file of format 2.2; names are (dimension, number, name), elements are (type, group, nodes)."""
    rows = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat"]
    if names:
        quoted = [f'{dimension} {number} "{name}"' for dimension, number, name in names]
        rows += ["$PhysicalNames", str(len(names)), *quoted, "$EndPhysicalNames"]
    points = [f"{row} {x!r} {y!r} {z!r}" for row, (x, y, z) in enumerate(nodes, 1)]
    rows += ["$Nodes", str(len(nodes)), *points, "$EndNodes"]
    cells = [f"{row} {kind} 2 {group} 1 {' '.join(map(str, at))}" for row, (kind, group, at) in enumerate(elements, 1)]
    rows += ["$Elements", str(len(cells)), *cells, "$EndElements", ""]
    path.write_text("\n".join(rows))
    return path


def square(path: Path, names, groups, surface: int = 9) -> Path:
    """A square of two triangles; groups are the physical groups of its four sides."""
    lines = [(1, group, side) for group, side in zip(groups, SIDES, strict=True) if group is not None]
    return write_22(path, names, [*lines, (2, surface, (1, 2, 3)), (2, surface, (1, 3, 4))])


COAST_OPEN = [(1, 1, "coast"), (1, 2, "open"), (2, 9, "water")]


# Files of gmsh -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["neg_22", "neg_22b", "neg_40", "neg_41", "neg_41b", "order2_22", "order2_41", "order4_41b", "order3inc_41",
     "quads2inc_41", "saveall_40", "saveall_41", "saveall_41b", "two_22", "two_41", "param_41", "partnew_41"],
)  # fmt: skip
def test_every_form_keeps_the_boundaries(name):
    mesh = load_mesh(FILES / f"{name}.msh")
    assert kinds(mesh) == {"coast": 6, "open": 2}
    assert mesh.areas.sum() == pytest.approx(1e10)


def test_the_form_of_the_file_makes_no_difference():
    assert load_mesh(FILES / "neg_41b.msh").matches(load_mesh(FILES / "neg_22.msh"))
    assert load_mesh(FILES / "neg_40.msh").matches(load_mesh(FILES / "neg_41.msh"))


def test_save_all_in_format_2_loses_the_names_and_says_so(warnings):
    assert kinds(load_mesh(FILES / "saveall_22.msh")) == {"coast": 8}
    assert "does not say which lines are 'coast' and 'open'" in warnings.text
    assert "Mesh.SaveAll" in warnings.text


def test_groups_without_names_are_logged(warnings):
    assert kinds(load_mesh(FILES / "noname_41.msh")) == {"coast": 8}
    assert "8 lines of the physical groups 1, 2 are not used" in warnings.text


def test_an_edge_in_two_groups_is_coast(warnings):
    load_mesh(FILES / "two_41.msh")
    assert "2 edges of the boundary 'island' are also 'coast'" in warnings.text


def test_one_name_in_two_dimensions(warnings):
    assert kinds(load_mesh(FILES / "samename_22.msh")) == {"ocean": 8}
    assert "'ocean' counts as open" in warnings.text


def test_a_file_without_its_surface_says_why():
    with pytest.raises(InputError, match=r"no faces.*Mesh.SaveAll = 1"):
        load_mesh(FILES / "linesonly_41.msh")


@pytest.mark.parametrize("name", ["param_22", "order3inc_22"])
def test_what_is_not_read_is_named_and_not_called_damaged(name):
    with pytest.raises(InputError, match=r"4\.1") as caught:
        load_mesh(FILES / f"{name}.msh")
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("name", ["neg_41", "neg_41b", "neg_40", "saveall_41b"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_shortened_files_of_format_4_are_refused(tmp_path, name, share):
    whole = (FILES / f"{name}.msh").read_bytes()
    middle = int(share * len(whole))
    (tmp_path / "cut.msh").write_bytes(whole[:middle] + b"\n$EndElements\n")
    with pytest.raises(InputError, match=r"damaged|no faces|do not exist|does not have"):
        load_mesh(tmp_path / "cut.msh")


# Written in the same form ------------------------------------------------------------------------------------------


def test_negative_numbers_in_names_and_elements(tmp_path):
    mesh = load_mesh(square(tmp_path / "a.msh", [(1, -1, "coast"), (1, 2, "open")], [-1, 1, -1, 2]))
    assert kinds(mesh) == {"coast": 3, "open": 1}


def test_a_name_without_edges_does_not_open_the_rim(tmp_path, warnings):
    mesh = load_mesh(square(tmp_path / "a.msh", COAST_OPEN, [None, None, None, None]))
    assert kinds(mesh) == {"coast": 4}
    assert "'coast' and 'open' has no lines" in warnings.text


def test_a_name_on_inner_edges_only_does_not_open_the_rim(tmp_path, warnings):
    lines = [(1, 1, (1, 3))]
    faces = [(2, 9, (1, 2, 3)), (2, 9, (1, 3, 4))]
    mesh = load_mesh(write_22(tmp_path / "a.msh", COAST_OPEN, lines + faces))
    assert kinds(mesh) == {"coast": 4}
    assert "not on the boundary" in warnings.text
    assert "4 of 4 boundary edges are in no named boundary and count as coast" in warnings.text


def test_an_empty_name_beside_others(tmp_path, warnings):
    assert kinds(load_mesh(square(tmp_path / "a.msh", COAST_OPEN, [1, 1, 1, 1]))) == {"coast": 4}
    assert "no line belongs to the boundary 'open'" in warnings.text


def test_edges_without_a_name_count_as_open_and_are_logged(tmp_path, warnings):
    assert kinds(load_mesh(square(tmp_path / "a.msh", COAST_OPEN, [1, 1, None, None]))) == {"coast": 2, "open": 2}
    assert "2 of 4 boundary edges are in no named boundary and count as open" in warnings.text


def test_names_in_capitals(tmp_path):
    mesh = load_mesh(square(tmp_path / "a.msh", [(1, 1, "Coast"), (1, 2, "OPEN")], [1, 1, 1, 2]))
    assert kinds(mesh) == {"coast": 3, "open": 1}


def test_two_groups_with_one_name(tmp_path):
    names = [(1, 1, "coast"), (1, 4, "coast"), (1, 2, "open")]
    assert kinds(load_mesh(square(tmp_path / "a.msh", names, [1, 4, 4, 2]))) == {"coast": 3, "open": 1}


def test_another_name_is_said_to_be_open(tmp_path, warnings):
    names = [(1, 1, "coast"), (1, 2, "Greenland")]
    assert kinds(load_mesh(square(tmp_path / "a.msh", names, [1, 1, 1, 2]))) == {"coast": 3, "Greenland": 1}
    assert "'Greenland' counts as open: only 'coast' holds the ice" in warnings.text


def test_groups_with_and_without_names(tmp_path, warnings):
    assert kinds(load_mesh(square(tmp_path / "a.msh", COAST_OPEN, [1, 1, 7, 2]))) == {"coast": 2, "open": 2}
    assert "1 lines of the physical groups 7 are not used" in warnings.text


def test_a_surface_in_two_groups_is_one_surface(tmp_path):
    faces = [(2, group, at) for group in (9, 8) for at in ((1, 2, 3), (1, 3, 4))]
    mesh = load_mesh(write_22(tmp_path / "a.msh", COAST_OPEN, faces))
    assert mesh.n_faces == 2


def test_a_face_twice_in_one_group_is_a_defect(tmp_path):
    faces = [(2, 9, at) for at in ((1, 2, 3), (1, 3, 4), (1, 2, 3))]
    with pytest.raises(InputError, match="overlap"):
        load_mesh(write_22(tmp_path / "a.msh", COAST_OPEN, faces))


def test_triangles_and_quadrilaterals_of_second_order(tmp_path):
    nodes = [*SQUARE, (2e5, 5e4, 0.0)]
    pairs = [(1, 2), (2, 3), (3, 4), (4, 1), (2, 5), (5, 3)]
    middle = {pair: len(nodes) + row for row, pair in enumerate(pairs, 1)}
    points = nodes + [tuple(np.mean([nodes[a - 1], nodes[b - 1]], axis=0).tolist()) for a, b in pairs]
    faces = [(16, 9, (1, 2, 3, 4, *(middle[pair] for pair in pairs[:4])))]
    faces += [(9, 9, (2, 5, 3, middle[2, 5], middle[5, 3], middle[2, 3]))]
    lines = [(8, 2 if pair == (4, 1) else 1, (*pair, middle[pair])) for pair in pairs if pair != (2, 3)]
    mesh = load_mesh(write_22(tmp_path / "a.msh", COAST_OPEN, lines + faces, points))
    assert (mesh.n_nodes, mesh.n_faces, kinds(mesh)) == (5, 2, {"coast": 4, "open": 1})


# Points on a sphere ------------------------------------------------------------------------------------------------


def cap(path: Path, south: float, north: float, west: float = 0.0, east: float = 360.0, radius: float = 6371e3) -> Path:
    """Triangles on a sphere between two latitudes; the southern rim is open."""
    latitude, n_lon = np.linspace(south, north, 4), 24
    around = east - west == 360.0
    longitude = np.linspace(west, east, n_lon + (not around))[: n_lon + (not around)]
    if around:
        longitude = west + np.arange(n_lon) * 360.0 / n_lon
    lon, lat = np.meshgrid(np.radians(longitude), np.radians(latitude))
    nodes = radius * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
    number = np.arange(1, lon.size + 1).reshape(lon.shape)
    after = np.roll(number, -1, axis=1) if around else np.pad(number[:, 1:], ((0, 0), (0, 1)))
    faces, lines = [], []
    for row in range(3):
        for column in range(lon.shape[1] - (not around)):
            a, b = number[row, column], after[row, column]
            c, d = after[row + 1, column], number[row + 1, column]
            faces += [(2, 9, (a, b, c)), (2, 9, (a, c, d))]
            if row == 0:
                lines.append((1, 2, (a, b)))
            if row == 2:
                lines.append((1, 1, (d, c)))
    return write_22(path, COAST_OPEN, lines + faces, nodes.reshape(-1, 3).tolist())


@pytest.mark.parametrize(
    ("south", "north", "west", "east"),
    [(-75, -55, 0, 360), (-88, -60, 0, 360), (-70, -60, -60, -30), (-78, -72, 160, 200), (-40, -20, 10, 40),
     (-10, 10, 10, 40), (-75, -30, 0, 360), (-65, -64, 100, 101)],
)  # fmt: skip
def test_a_southern_sphere_gets_a_southern_plane(tmp_path, warnings, south, north, west, east):
    mesh = load_mesh(cap(tmp_path / "a.msh", south, north, west, east))
    assert mesh.crs != NEXTSIM_CRS
    assert "projected to" in warnings.text
    lon, lat = np.radians([west, east]), np.sin(np.radians([south, north]))
    true = 6371e3**2 * (lon[1] - lon[0]) * (lat[1] - lat[0])
    assert 0.8 < mesh.areas.sum() / true < 1.35
    assert set(kinds(mesh)) == {"coast", "open"}


@pytest.mark.parametrize("radius", [1.0, 6371.0, 6378273.0])
def test_the_radius_of_the_sphere_does_not_matter(tmp_path, radius):
    mesh = load_mesh(cap(tmp_path / "a.msh", -75, -55, radius=radius))
    assert np.median(mesh.spacing) > 1e5


@pytest.mark.parametrize(("south", "north"), [(60, 85), (45, 88), (1, 80)])
def test_a_northern_sphere_stays_in_the_plane_of_nextsim(tmp_path, warnings, south, north):
    assert load_mesh(cap(tmp_path / "a.msh", south, north)).crs == NEXTSIM_CRS
    assert warnings.text == ""


def test_a_crs_that_is_asked_for_is_taken(tmp_path):
    mesh = load_mesh(cap(tmp_path / "a.msh", -75, -55), crs="EPSG:3031")
    assert mesh.crs.to_epsg() == 3031


# Units -------------------------------------------------------------------------------------------------------------


def lattice(path: Path, step: float, count: int = 20) -> Path:
    nodes = [(x * step, y * step, 0.0) for y in range(count) for x in range(count)]
    corners = [1 + x + count * y for y in range(count - 1) for x in range(count - 1)]
    return write_22(path, [], [(3, 0, (a, a + 1, a + count + 1, a + count)) for a in corners], nodes)


@pytest.mark.parametrize("step", [25.0, 5.0, 0.25, 99.0])
def test_coordinates_in_km_are_noticed(tmp_path, warnings, step):
    load_mesh(lattice(tmp_path / "a.msh", step, count=60))
    assert "must be metres, not km or degrees" in warnings.text


@pytest.mark.parametrize("step", [250.0, 4000.0, 25e3])
def test_coordinates_in_metres_pass(tmp_path, warnings, step):
    load_mesh(lattice(tmp_path / "a.msh", step))
    assert warnings.text == ""


def test_degrees_are_read_when_the_user_says_so(tmp_path, warnings):
    path = write_22(
        tmp_path / "a.msh", [], [(2, 0, (1, 2, 3)), (2, 0, (1, 3, 4))],
        [(0.0, 70.0, 0.0), (10.0, 70.0, 0.0), (10.0, 75.0, 0.0), (0.0, 75.0, 0.0)],
    )  # fmt: skip
    load_mesh(path)
    assert "--crs EPSG:4326" in warnings.text
    assert np.median(load_mesh(path, crs="EPSG:4326").spacing) > 1e5
