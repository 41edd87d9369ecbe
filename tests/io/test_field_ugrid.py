"""UGRID datasets in the forms that programs write: planes, several topologies, tables, node numbers, boundaries."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, mesh_from_dataset
from gensim_graph.mesh import Mesh

SIDE = 5
FACES = np.array([[a, a + 1, a + SIDE + 1, a + SIDE] for a in range(SIDE * (SIDE - 1)) if (a + 1) % SIDE])
TRIANGLES = np.concatenate([FACES[:, [0, 1, 2]], FACES[:, [0, 2, 3]]])


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING)
    return caplog


def dataset(faces=FACES, mapping=None, table=None, name="mesh2d", units="m", step=5e3, x0=1e5, y0=4e5, **topology):
    """A mesh as D-Flow FM writes it: 5 x 5 nodes, one-based, no ``grid_mapping`` at the coordinates."""
    y, x = np.divmod(np.arange(SIDE**2), SIDE)
    attrs = {"cf_role": "mesh_topology", "topology_dimension": 2, "node_coordinates": f"{name}_node_x {name}_node_y"}
    attrs |= {"face_node_connectivity": f"{name}_face_nodes"} | topology
    numbers = (f"{name}_nFaces", f"{name}_nMax_face_nodes"), faces + 1, {"start_index": 1}
    units = {} if units is None else {"units": units}
    columns = {
        name: ((), np.int32(0), attrs),
        f"{name}_node_x": (f"{name}_nNodes", x0 + step * x, units),
        f"{name}_node_y": (f"{name}_nNodes", y0 + step * y, units),
        f"{name}_face_nodes": numbers if table is None else table,
    }
    if mapping is not None:
        value = mapping.pop("#", 0)
        columns["projected_coordinate_system"] = ((), np.int32(value), mapping)
    return xr.Dataset(columns)


def kinds(mesh: Mesh) -> dict[str, int]:
    return dict(Counter(mesh.boundary_kind.tolist()))


def stored(folder: Path, ds: xr.Dataset) -> Path:
    ds.to_netcdf(folder / "net.nc")
    return folder / "net.nc"


# Planes ------------------------------------------------------------------------------------------------------------

UNKNOWN = {"name": "Unknown projected", "epsg": 0, "grid_mapping_name": "Unknown projected", "EPSG_code": "EPSG:0"}
UNREADABLE = {
    "D-Flow FM without a code": UNKNOWN | {"value": "value is equal to EPSG code", "proj_string": ""},
    "no parameters": {"grid_mapping_name": "polar_stereographic"},
    "a name of its own": {"grid_mapping_name": "my_projection", "semi_major_axis": 6378137.0},
    "broken WKT": {"crs_wkt": "PROJCS[broken"},
    "empty WKT": {"crs_wkt": ""},
    "a number as a name": {"grid_mapping_name": 4},
}
READABLE = {
    "epsg": UNKNOWN | {"epsg": 28992},
    "EPSG_code": UNKNOWN | {"EPSG_code": "EPSG:28992"},
    "epsg as text": {"grid_mapping_name": "Unknown projected", "epsg_code": "28992"},
    "value": UNKNOWN | {"value": "value is equal to EPSG code", "#": 28992},
    "proj4_params": UNKNOWN | {"proj4_params": "EPSG:28992"},
    "PROJ string": {"proj4": "+proj=sterea +lat_0=52.156 +lon_0=5.387 +x_0=155000 +y_0=463000 +ellps=bessel"},
    "GDAL": {"spatial_ref": "EPSG:28992"},
    "no name at all": {"epsg": np.int32(28992)},
    "broken WKT and a code": {"crs_wkt": "PROJCS[broken", "epsg": 28992},
    "broken WKT and CF": {"crs_wkt": "PROJCS[broken", "grid_mapping_name": "polar_stereographic",
                          "straight_vertical_longitude_from_pole": -45.0, "latitude_of_projection_origin": 90.0,
                          "standard_parallel": 70.0},
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_plane_that_is_not_understood_is_no_plane_and_said(tmp_path, warnings, name):
    mesh = load_mesh(stored(tmp_path, dataset(mapping=dict(UNREADABLE[name]))))
    assert (mesh.n_nodes, mesh.n_faces, mesh.crs) == (25, 16, None)
    assert "grid mapping of the file is not understood" in warnings.text
    assert "--crs EPSG" in warnings.text


@pytest.mark.parametrize("name", UNREADABLE)
def test_the_crs_that_was_asked_for_stands_in(tmp_path, warnings, name):
    mesh = load_mesh(stored(tmp_path, dataset(mapping=dict(UNREADABLE[name]))), crs="EPSG:28992")
    assert mesh.crs.to_epsg() == 28992
    assert warnings.text == ""


@pytest.mark.parametrize("name", READABLE)
def test_codes_and_texts_of_other_programs(tmp_path, warnings, name):
    mesh = load_mesh(stored(tmp_path, dataset(mapping=dict(READABLE[name]))))
    assert mesh.crs is not None
    assert mesh.crs.is_projected
    assert "not understood" not in warnings.text


def test_a_crs_that_is_not_used_is_said(tmp_path, warnings):
    mesh = load_mesh(stored(tmp_path, dataset(mapping=dict(READABLE["epsg"]))), crs="EPSG:3413")
    assert mesh.crs.to_epsg() == 28992
    assert "crs= is not used" in warnings.text


def test_the_extended_form_of_grid_mapping():
    ds = dataset(mapping={"epsg": 3413})
    ds["other"] = ((), 0, {"epsg": 28992})
    ds["mesh2d_node_x"].attrs["grid_mapping"] = "other: mesh2d_node_x mesh2d_node_y"
    assert mesh_from_dataset(ds).crs.to_epsg() == 28992


def test_degrees_that_only_the_grid_mapping_tells(tmp_path):
    ds = dataset(mapping={"grid_mapping_name": "latitude_longitude", "epsg": 4326}, units=None, step=1.0, x0=0, y0=70)
    mesh = load_mesh(stored(tmp_path, ds))
    assert mesh.crs.is_projected
    assert np.median(mesh.spacing) > 3e4


def test_a_missing_unit_is_said(tmp_path, warnings):
    load_mesh(stored(tmp_path, dataset(units=None)))
    assert "have no units: taken as m" in warnings.text


def test_km_are_converted_and_unknown_units_refused(tmp_path):
    assert load_mesh(stored(tmp_path, dataset(units="km", step=5.0))).areas.mean() == pytest.approx(25e6)
    with pytest.raises(InputError, match=r"'mesh2d_node_x' is in 'cells'"):
        mesh_from_dataset(dataset(units="cells"))


# Several topologies ------------------------------------------------------------------------------------------------


def with_rivers(ds: xr.Dataset, *names: str, dimension=1) -> xr.Dataset:
    for name in names:
        attrs = {"cf_role": "mesh_topology", "topology_dimension": dimension, "edge_node_connectivity": f"{name}_edges"}
        ds[name] = ((), 0, attrs | {"node_coordinates": f"{name}_node_branch {name}_node_offset"})
    return ds


@pytest.mark.parametrize("dimension", [1, 3, np.int32(1), 1.0, "1", 0])
@pytest.mark.parametrize("names", [("mesh1d",), ("network1d", "mesh1d")])
def test_topologies_of_another_dimension_do_not_count(tmp_path, names, dimension):
    path = stored(tmp_path, with_rivers(dataset(), *names, dimension=dimension))
    assert load_mesh(path).n_faces == 16
    assert load_mesh(path, topology="mesh2d").n_faces == 16


def two_meshes() -> xr.Dataset:
    return xr.merge([with_rivers(dataset(), "mesh1d"), dataset(TRIANGLES, name="fine", step=1e3)])


def test_one_of_several_can_be_chosen(tmp_path, run):
    path = stored(tmp_path, two_meshes())
    with pytest.raises(InputError, match=r"'fine', 'mesh2d'.*topology='fine'|'mesh2d', 'fine'.*topology='mesh2d'"):
        load_mesh(path)
    assert load_mesh(path, topology="fine").n_faces == 32
    assert load_mesh(path, topology="mesh2d").n_faces == 16
    code, printed, _ = run("mesh", "info", path, "--topology", "fine", "--json")
    assert code == 0
    assert '"faces": 32' in printed


def test_a_topology_that_is_not_there(tmp_path):
    path = stored(tmp_path, two_meshes())
    with pytest.raises(InputError, match="no mesh topology 'mesh1d'; it has"):
        load_mesh(path, topology="mesh1d")
    with pytest.raises(InputError, match="is for netCDF and zarr"):
        load_mesh(Path(__file__).parents[1] / "data" / "gmsh" / "neg_22.msh", topology="mesh1d")


def test_only_lines_are_no_mesh():
    ds = with_rivers(dataset(), "mesh1d").drop_vars("mesh2d")
    with pytest.raises(InputError, match="no mesh topology of dimension 2; 'mesh1d' has another dimension"):
        mesh_from_dataset(ds)


def test_a_topology_without_its_dimension_is_a_mesh():
    ds = dataset()
    del ds["mesh2d"].attrs["topology_dimension"]
    assert mesh_from_dataset(ds).n_faces == 16


# Tables of faces ---------------------------------------------------------------------------------------------------

ACROSS = ("Three", "nMesh2_face")


def across(faces, **attrs):
    return ACROSS, faces.T + 1, {"start_index": 1} | attrs


@pytest.mark.parametrize("faces", [FACES, TRIANGLES])
@pytest.mark.parametrize("sign", ["face_dimension", "face_coordinates", "variable", "size"])
def test_transposed_tables(tmp_path, faces, sign):
    said = {"face_dimension": {"face_dimension": "nMesh2_face"}, "face_coordinates": {"face_coordinates": "fx fy"}}
    ds = dataset(table=across(faces), **said.get(sign, {}))
    if sign == "face_coordinates":
        ds["fx"], ds["fy"] = ("nMesh2_face", np.zeros(len(faces))), ("nMesh2_face", np.zeros(len(faces)))
    if sign == "variable":
        ds["depth"] = ("nMesh2_face", np.zeros(len(faces)), {"mesh": "mesh2d", "location": "face"})
    assert load_mesh(stored(tmp_path, ds)).hash == mesh_from_dataset(dataset(faces)).hash


@pytest.mark.parametrize("count", [3, 4, 5, 8, 12])
@pytest.mark.parametrize("faces", [FACES, TRIANGLES])
@pytest.mark.parametrize("is_across", [True, False])
def test_few_faces_decide_by_their_numbers(faces, count, is_across):
    rows = faces[:count]
    table = across(rows) if is_across else (("f", "c"), rows + 1, {"start_index": 1})
    assert mesh_from_dataset(dataset(table=table)).n_faces == count


def test_a_transposed_table_of_mixed_faces(tmp_path, warnings):
    faces = np.concatenate([FACES[:8], np.pad(TRIANGLES[8:16], ((0, 0), (0, 1)), constant_values=-2)])
    table = across(faces, _FillValue=-1)
    mesh = load_mesh(stored(tmp_path, dataset(table=table)))
    assert Counter(mesh.corner_counts.tolist()) == {4: 8, 3: 8}
    assert "has its corners first" in warnings.text


# Node numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [1, 1.0, "1", np.int64(1), np.array([1])])
def test_start_index_in_any_type(start):
    table = ("f", "c"), FACES + 1, {"start_index": start}
    assert mesh_from_dataset(dataset(table=table)).faces.min() == 0


@pytest.mark.parametrize("fill", [{}, {"_FillValue": -999}, {"_FillValue": 999999}])
def test_a_number_below_the_start_index_is_named(fill):
    numbers = np.concatenate([FACES, [[5, 6, 7, fill.get("_FillValue", 8)]]])
    numbers[0, 0] = -1 if not fill else 0
    attrs = {"start_index": 1} | fill if fill else {"start_index": 0, "_FillValue": -7}
    with pytest.raises(InputError, match=r"'mesh2d_face_nodes': node number -?\d is below start_index"):
        mesh_from_dataset(dataset(table=(("f", "c"), numbers, attrs)))


def test_numbers_from_one_without_start_index(warnings):
    mesh = mesh_from_dataset(dataset(table=(("f", "c"), FACES + 1, {})))
    assert mesh.hash == mesh_from_dataset(dataset()).hash
    assert "has no start_index" in warnings.text


def test_zero_as_padding_of_one_based_tables():
    numbers = np.concatenate([FACES[:8] + 1, np.pad(TRIANGLES[8:16] + 1, ((0, 0), (0, 1)))])
    mesh = mesh_from_dataset(dataset(table=(("f", "c"), numbers, {"start_index": 1})))
    assert Counter(mesh.corner_counts.tolist()) == {4: 8, 3: 8}


def test_missing_value_is_a_fill_value():
    numbers = np.concatenate([FACES[:8], np.pad(TRIANGLES[8:16], ((0, 0), (0, 1)), constant_values=-999)])
    mesh = mesh_from_dataset(dataset(table=(("f", "c"), numbers, {"start_index": 0, "missing_value": -999})))
    assert Counter(mesh.corner_counts.tolist()) == {4: 8, 3: 8}


# Boundaries --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_across", [True, False])
@pytest.mark.parametrize(
    ("meanings", "expected"),
    [
        ("closed_boundary open_boundary", {"coast": 12, "open": 4}),
        ("land ocean_open", {"coast": 12, "open": 4}),
        ("coastline inflow", {"coast": 12, "inflow": 4}),
    ],
)
def test_boundaries_of_other_programs(is_across, meanings, expected):
    mesh = mesh_from_dataset(dataset())
    pairs = mesh.boundary_edges + 1
    flags = (mesh.nodes[mesh.boundary_edges, 1] == 4e5).all(axis=1).astype(np.int32)
    ds = dataset(boundary_node_connectivity="rim")
    ds["rim"] = (("two", "edge"), pairs.T, {"start_index": 1.0}) if is_across else (("edge", "two"), pairs)
    ds["rim"].attrs["start_index"] = 1
    ds["kind"] = ("edge", flags, {"flag_values": np.array([0.0, 1.0]), "flag_meanings": meanings})
    assert kinds(mesh_from_dataset(ds)) == expected


# Advice ------------------------------------------------------------------------------------------------------------


def test_repair_is_advised_where_it_helps(tmp_path):
    faces = FACES.copy()
    faces[3] = faces[3, ::-1]
    path = stored(tmp_path, dataset(faces))
    with pytest.raises(InputError, match=r"inverted.*--repair"):
        load_mesh(path)
    assert load_mesh(path, repair=True).n_faces == 16


@pytest.mark.parametrize("repair", [True, False])
def test_repair_is_not_advised_where_it_does_not_help(tmp_path, repair):
    ds = dataset()
    ds["mesh2d_node_x"].values[:] = np.arange(25) * 1e3
    ds["mesh2d_node_y"].values[:] = 4e5  # all faces are flat
    with pytest.raises(InputError, match="zero area") as caught:
        load_mesh(stored(tmp_path, ds), repair=repair)
    assert "--repair" not in str(caught.value)
