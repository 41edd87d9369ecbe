"""Mesh files: counts against meshio, coordinates against pyproj, and many kinds of broken files."""

import logging
from pathlib import Path

import meshio
import numpy as np
import pytest
from pyproj import CRS, Transformer

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import NEXTSIM_CRS, on_sphere, sphere_to_plane

NEXTSIM_PROJ = "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=-45 +a=6378273 +b=6356889.44891 +units=m"
SQUARE = [(0.0, 0.0), (1e4, 0.0), (1e4, 1e4), (0.0, 1e4)]
TRIANGLES = [(1, 2, 3), (1, 3, 4)]


def write_msh(path: Path, nodes=SQUARE, triangles=TRIANGLES, lines=((1, 2, 1), (2, 3, 2))) -> Path:
    """A gmsh 2.2 file; lines are (node, node, physical number), 1 coast, 2 open."""
    elements = [f"1 2 {tag} {tag} {a} {b}" for a, b, tag in lines]
    elements += [f"2 2 3 3 {' '.join(map(str, corners))}" for corners in triangles]
    rows = [
        "$MeshFormat",
        "2.2 0 8",
        "$EndMeshFormat",
        "$PhysicalNames",
        "3",
        '1 1 "coast"',
        '1 2 "open"',
        '2 3 "ocean"',
    ]
    rows += ["$EndPhysicalNames", "$Nodes", str(len(nodes))]
    rows += [f"{i} {x!r} {y!r} 0" for i, (x, y) in enumerate(nodes, start=1)]
    rows += ["$EndNodes", "$Elements", str(len(elements))]
    rows += [f"{i} {element}" for i, element in enumerate(elements, start=1)]
    path.write_text("\n".join([*rows, "$EndElements", ""]))
    return path


def lonlat_to_sphere(longitude: np.ndarray, latitude: np.ndarray, radius: float) -> np.ndarray:
    lon, lat = np.radians(longitude), np.radians(latitude)
    return radius * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


# The projection of neXtSIM -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [1.0, 6371010.0])
def test_check_values_of_the_mapx_library(radius):
    lat_lon = np.array([[85.0, 10], [75, -45], [60, 135], [45, 200]])
    expected = [
        [427121.890346, -299073.967354],
        [0, -1571935.553251],
        [0, 3197172.159278],
        [-4474553.172654, 2086518.411230],
    ]
    found = sphere_to_plane(lonlat_to_sphere(lat_lon[:, 1], lat_lon[:, 0], radius))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_formula_written_out():
    rng = np.random.default_rng(0)
    longitude, latitude = rng.uniform(-180, 180, 100), rng.uniform(45, 89.9, 100)
    a, e = 6378273.0, np.sqrt(1 - (6356889.44891 / 6378273.0) ** 2)

    def t(phi: np.ndarray) -> np.ndarray:
        s = np.sin(phi)
        return np.sqrt((1 - s) / (1 + s) * ((1 + e * s) / (1 - e * s)) ** e)

    true_scale = np.radians(60)
    scale = np.cos(true_scale) / np.sqrt(1 - (e * np.sin(true_scale)) ** 2)
    rho = a * scale * t(np.radians(latitude)) / t(true_scale)
    angle = np.radians(longitude + 45)
    expected = np.stack([rho * np.sin(angle), -rho * np.cos(angle)], axis=1)
    np.testing.assert_allclose(sphere_to_plane(lonlat_to_sphere(longitude, latitude, 1.0)), expected, atol=1e-3)


def test_sphere_and_plane_are_told_apart():
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(50, 3))
    sphere *= 6.37e6 / np.linalg.norm(sphere, axis=1, keepdims=True)
    assert on_sphere(sphere)
    assert on_sphere(np.round(sphere / 6.37e6, 6))
    assert not on_sphere(sphere * np.linspace(1, 1.01, 50)[:, None])
    ring = np.stack([np.cos(np.arange(9)), np.sin(np.arange(9)), np.zeros(9)], axis=1)
    assert not on_sphere(ring)


def test_only_a_plane_can_be_projected_to():
    with pytest.raises(InputError, match="not a projection"):
        sphere_to_plane(np.eye(3), CRS.from_epsg(4326))


# Real meshes -------------------------------------------------------------------------------------------------------


def assert_equals_meshio_and_pyproj(path: Path, capfd: pytest.CaptureFixture) -> None:
    mesh = load_mesh(path)
    assert capfd.readouterr() == ("", "")
    raw = meshio.read(path, file_format="gmsh")
    assert (mesh.n_nodes, mesh.n_faces) == (len(raw.points), len(raw.cells_dict["triangle"]))
    longitude = np.degrees(np.arctan2(raw.points[:, 1], raw.points[:, 0]))
    latitude = np.degrees(np.arcsin(raw.points[:, 2] / np.linalg.norm(raw.points, axis=1)))
    crs = CRS.from_proj4(NEXTSIM_PROJ)
    project = Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
    expected = np.stack(project.transform(longitude, latitude), axis=1)
    np.testing.assert_allclose(mesh.nodes, expected, rtol=0, atol=1e-3)
    tags = raw.cell_data_dict["gmsh:physical"]["line"]
    for name, pairs in mesh.boundaries.items():
        assert len(pairs) == np.count_nonzero(tags == raw.field_data[name][0])
    assert sum(map(len, mesh.boundaries.values())) == len(mesh.boundary_edges)


@pytest.mark.parametrize("name", ["box_16km_a", "box_16km_b", "box_16km_d", "box_8km_a"])
def test_meshes_of_the_box(cyclone_meshes, name, capfd):
    assert_equals_meshio_and_pyproj(cyclone_meshes / f"{name}.msh", capfd)


def test_a_nextsim_mesh_with_coast_and_open_boundary(shared_data, capfd):
    path = shared_data / "meshes" / "coast_10km.msh"
    assert_equals_meshio_and_pyproj(path, capfd)
    mesh = load_mesh(path)
    assert (mesh.n_nodes, mesh.n_faces) == (11826, 23250)
    kinds, counts = np.unique(mesh.boundary_kind, return_counts=True)
    assert dict(zip(kinds, counts, strict=True)) == {"coast": 100, "open": 300}
    assert mesh.crs == NEXTSIM_CRS


# Formats -----------------------------------------------------------------------------------------------------------


def test_planar_file(tmp_path):
    mesh = load_mesh(write_msh(tmp_path / "square.msh"), crs=3413)
    np.testing.assert_array_equal(mesh.nodes, SQUARE)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert {name: pairs.tolist() for name, pairs in mesh.boundaries.items()} == {"coast": [[0, 1]], "open": [[1, 2]]}
    assert mesh.crs == CRS.from_epsg(3413)


@pytest.mark.parametrize(
    ("file_format", "binary"), [("gmsh22", False), ("gmsh22", True), ("gmsh", False), ("gmsh", True)]
)
def test_gmsh_formats_hold_the_same_mesh(tmp_path, small_mesh, file_format, binary):
    points = np.pad(small_mesh.nodes, ((0, 0), (0, 1)))
    path = tmp_path / "box.msh"
    meshio.write(path, meshio.Mesh(points, [("triangle", small_mesh.faces)]), file_format=file_format, binary=binary)
    assert load_mesh(path).matches(small_mesh)


def test_boundaries_of_a_version_4_file(tmp_path):
    path = tmp_path / "square.msh"
    path.write_text(
        "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n"
        '$PhysicalNames\n2\n1 7 "coast"\n2 9 "ocean"\n$EndPhysicalNames\n'
        "$Entities\n0 1 1 0\n1 0 0 0 10000 0 0 1 7 0\n1 0 0 0 10000 10000 0 1 9 1 1\n$EndEntities\n"
        "$Nodes\n1 4 1 4\n2 1 0 4\n1\n2\n3\n4\n0 0 0\n10000 0 0\n10000 10000 0\n0 10000 0\n$EndNodes\n"
        "$Elements\n2 3 1 3\n1 1 1 1\n1 1 2\n2 1 2 2\n2 1 2 3\n3 1 3 4\n$EndElements\n"
    )
    mesh = load_mesh(path)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.boundaries["coast"].tolist() == [[0, 1]]


def test_triangles_and_quadrilaterals_in_a_vtu_file(tmp_path):
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0.5, 0]]) * 1e4
    cells = [("quad", np.array([[0, 1, 2, 3]])), ("triangle", np.array([[1, 4, 2]]))]
    meshio.write(tmp_path / "mixed.vtu", meshio.Mesh(points, cells))
    mesh = load_mesh(tmp_path / "mixed.vtu")
    assert mesh.faces.tolist() == [[0, 1, 2, 3], [1, 4, 2, -1]]
    np.testing.assert_allclose(mesh.areas, [1e8, 5e7])


def test_the_centre_of_the_sphere_does_not_hide_the_sphere(tmp_path):
    corners = lonlat_to_sphere(np.array([0.0, 10, 5]), np.array([80.0, 80, 82]), 6371010.0)
    points = np.concatenate([corners, np.zeros((1, 3))])
    meshio.write(tmp_path / "cap.msh", meshio.Mesh(points, [("triangle", np.array([[0, 1, 2]]))]), file_format="gmsh")
    mesh = load_mesh(tmp_path / "cap.msh")
    assert (mesh.n_nodes, mesh.crs) == (3, NEXTSIM_CRS)


def test_coordinates_in_kilometres_are_noticed(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        load_mesh(write_msh(tmp_path / "km.msh", [(x / 1e3, y / 1e3) for x, y in SQUARE]))
    assert "must be metres" in caplog.text


# Wrong input -------------------------------------------------------------------------------------------------------


def refused(path: Path, message: str, **options) -> None:
    """The error names the file and says what is wrong."""
    with pytest.raises(InputError, match=message) as caught:
        load_mesh(path, **options)
    assert str(path) in str(caught.value)


def test_missing_folder_and_unknown_files(tmp_path):
    refused(tmp_path / "nothing.msh", "no such file")
    (tmp_path / "folder.msh").mkdir()
    refused(tmp_path / "folder.msh", "is a folder")
    (tmp_path / "mesh.xyzzy").write_text("")
    refused(tmp_path / "mesh.xyzzy", r"unknown kind of mesh '\.xyzzy'.*\.msh.*\.nc.*\.zarr")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.7, 0.9, 0.98])
@pytest.mark.parametrize("kind", ["2.2 ascii", "4.1 ascii", "2.2 binary", "4.1 binary"])
def test_truncated_files(tmp_path, small_mesh, share, kind, capfd):
    version, mode = kind.split()
    content = meshio.Mesh(np.pad(small_mesh.nodes, ((0, 0), (0, 1))), [("triangle", small_mesh.faces)])
    path = tmp_path / "box.msh"
    meshio.write(path, content, file_format={"2.2": "gmsh22", "4.1": "gmsh"}[version], binary=mode == "binary")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    capfd.readouterr()
    refused(path, "truncated|not a gmsh mesh")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("section", ["$EndPhysicalNames", "$EndNodes"])
def test_files_that_end_after_a_section(tmp_path, section):
    path = write_msh(tmp_path / "square.msh")
    text = path.read_text()
    path.write_text(text[: text.index(section) + len(section)] + "\n")
    refused(path, "damaged|no faces")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("$Nodes\n4\n", "$Nodes\n400\n"),
        ("$Elements\n4\n", "$Elements\n400\n"),
        ("2 10000.0 0.0", "2 ten 0.0"),
        ("2.2 0 8", "9.9 0 8"),
    ],
)
def test_damaged_files(tmp_path, old, new, capfd):
    path = write_msh(tmp_path / "square.msh")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    refused(path, "damaged|refer to nodes|not finite")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".vtu", ".nc", ".msh", ".obj"])
def test_files_of_another_kind(tmp_path, suffix, capfd):
    path = tmp_path / f"mesh{suffix}"
    path.write_text("this is no mesh\n" * 20)
    refused(path, "damaged|not a gmsh mesh|no faces")
    assert capfd.readouterr() == ("", "")


def test_coordinates_that_are_not_a_number(tmp_path):
    refused(write_msh(tmp_path / "nan.msh", [*SQUARE[:3], (float("nan"), 0.0)]), "not finite.*nodes 3")


def test_no_faces(tmp_path):
    refused(write_msh(tmp_path / "lines.msh", triangles=[]), "no faces.*it has line")


def test_unknown_nodes(tmp_path):
    refused(write_msh(tmp_path / "node.msh", triangles=[*TRIANGLES, (1, 2, 9)]), "damaged|nodes that")


def test_inverted_faces(tmp_path):
    path = write_msh(tmp_path / "inverted.msh", triangles=[(1, 2, 3), (1, 4, 3)])
    refused(path, "faces 1 are inverted.*--repair")
    assert (load_mesh(path, repair=True).areas > 0).all()


def test_clockwise_throughout_is_turned_and_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        mesh = load_mesh(write_msh(tmp_path / "clockwise.msh", triangles=[(1, 3, 2), (1, 4, 3)]))
    assert (mesh.areas > 0).all()
    assert "reversed 2 of 2" in caplog.text


def test_a_tangled_mesh_cannot_be_repaired(tmp_path):
    path = write_msh(tmp_path / "tangled.msh", [*SQUARE[:3], (8e3, 2e3)])
    refused(path, "faces 1 are inverted")
    refused(path, "faces 1 overlap", repair=True)


def test_zero_area(tmp_path):
    path = write_msh(tmp_path / "flat.msh", [*SQUARE, (5e3, 0.0)], [*TRIANGLES, (1, 5, 2)])
    refused(path, "faces 2 have zero area.*--repair")
    assert load_mesh(path, repair=True).n_faces == 2


def test_repeated_corner(tmp_path):
    path = write_msh(tmp_path / "corner.msh", triangles=[*TRIANGLES, (1, 2, 2)])
    refused(path, "faces 2 have the same node")
    assert load_mesh(path, repair=True).n_faces == 2


def test_duplicate_nodes(tmp_path):
    path = write_msh(tmp_path / "double.msh", [*SQUARE, SQUARE[0]], [(1, 2, 3), (5, 3, 4)])
    refused(path, r"same position \(0 and 4\).*--repair")
    mesh = load_mesh(path, repair=True)
    assert (mesh.n_nodes, len(mesh.adjacency)) == (4, 1)
    assert len(mesh.boundaries["coast"]) == 1


def test_unknown_crs(tmp_path):
    with pytest.raises(InputError, match="unknown crs 'nowhere'"):
        load_mesh(write_msh(tmp_path / "square.msh"), crs="nowhere")


def test_order_of_the_file_does_not_matter(tmp_path):
    first = load_mesh(write_msh(tmp_path / "a.msh"))
    second = load_mesh(write_msh(tmp_path / "b.msh", SQUARE[::-1], [(4, 3, 2), (4, 2, 1)], [(4, 3, 1), (3, 2, 2)]))
    assert isinstance(second, Mesh)
    np.testing.assert_array_equal(second.centres, first.centres)
    assert len(second.boundaries["coast"]) == 1
