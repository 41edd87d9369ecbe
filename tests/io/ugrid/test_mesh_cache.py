"""The mesh of a dataset is parsed once: shared by derived datasets, new after every change."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS
from support.examples import small_trajectory
from support.meshes import jittered_box
from xarray.backends import BackendArray
from xarray.core import indexing

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, mesh_from_dataset, mesh_to_dataset
from gensim_graph.io.ugrid import ugrid_reader
from gensim_graph.io.ugrid.mesh_cache import MeshCache, content_key
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import NEXTSIM_CRS

TOPOLOGY = ["mesh", "node_x", "node_y", "face_nodes", "node_flag", "boundary_nodes", "boundary_flag"]


@pytest.fixture
def dataset(small_mesh) -> xr.Dataset:
    edges = small_mesh.boundary_edges
    names = {"coast": edges[::2], "open": edges[1::2]}
    return small_trajectory(Mesh.from_faces(small_mesh.nodes, small_mesh.faces, boundaries=names))


@pytest.fixture
def parsed(monkeypatch) -> list[Mesh]:
    """Meshes parsed since, with an empty cache."""
    meshes: list[Mesh] = []
    parse = ugrid_reader._parse

    def counted(*arguments) -> Mesh:
        meshes.append(parse(*arguments))
        return meshes[-1]

    monkeypatch.setattr(ugrid_reader, "_CACHE", MeshCache())
    monkeypatch.setattr(ugrid_reader, "_parse", counted)
    return meshes


def test_derived_datasets_share_one_mesh(dataset, parsed):
    mesh = mesh_from_dataset(dataset)
    derived = [
        dataset,
        dataset.isel(time=0),
        dataset[["sit", *TOPOLOGY]],
        dataset.assign(sit=dataset["sit"] + 1),
        dataset.assign_attrs(origin="somewhere else"),
        dataset.copy(deep=True),
    ]
    assert all(mesh_from_dataset(one) is mesh for one in derived)
    assert len(parsed) == 1


def test_the_same_mesh_from_a_file(tmp_path, dataset, parsed):
    dataset.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as one, xr.open_dataset(tmp_path / "run.nc") as other:
        assert mesh_from_dataset(one) is mesh_from_dataset(other.isel(time=[1]))
    assert len(parsed) == 1


def move(values: np.ndarray) -> None:
    values[0] -= 1.0


def turn(values: np.ndarray) -> None:
    values[0] = np.roll(values[0], 1)


def rename(values: np.ndarray) -> None:
    values[0] = 3 - values[0]


@pytest.mark.parametrize(
    ("name", "change", "same"),
    [
        ("node_x", move, False),
        ("node_y", move, False),
        ("boundary_flag", rename, False),
        ("face_nodes", turn, True),  # the same corners in another order
        ("boundary_nodes", turn, True),
    ],
)
def test_a_change_in_place_gives_a_new_mesh(dataset, parsed, name, change, same):
    before = mesh_from_dataset(dataset)
    change(dataset[name].values)
    after = mesh_from_dataset(dataset)
    assert after is not before
    assert len(parsed) == 2
    if same:
        np.testing.assert_allclose(after.areas, before.areas)
    else:
        assert after.hash != before.hash


def test_changed_node_flags(small_mesh, parsed):
    dataset = mesh_to_dataset(small_mesh).drop_vars(["boundary_nodes", "boundary_flag"])
    del dataset["mesh"].attrs["boundary_node_connectivity"]
    assert "open" not in mesh_from_dataset(dataset).boundaries
    dataset["node_flag"].values[small_mesh.boundary_edges[0]] = 2
    assert len(mesh_from_dataset(dataset).boundaries["open"]) >= 1


@pytest.mark.parametrize(
    ("name", "key", "value", "error"),
    [
        ("face_nodes", "start_index", 1, True),
        ("face_nodes", "_FillValue", 0, True),
        ("node_x", "units", "km", False),
        ("boundary_flag", "flag_meanings", "unnamed shelf open", False),
    ],
)
def test_attributes_count(dataset, parsed, name, key, value, error):
    before = mesh_from_dataset(dataset)
    dataset[name].attrs[key] = value
    if name == "node_x":
        dataset["node_y"].attrs[key] = value
    if error:  # not the mesh of before: node 0 does not exist in a table counted from 1, say
        with pytest.raises(InputError):
            mesh_from_dataset(dataset)
    else:
        assert mesh_from_dataset(dataset).hash != before.hash


def test_grid_mapping_crs_and_defects_count(dataset, parsed):
    plane = mesh_from_dataset(dataset, crs=CRS(3413))
    assert mesh_from_dataset(dataset, crs=CRS(3413)) is plane
    assert plane.crs == CRS(3413)
    assert mesh_from_dataset(dataset, crs=NEXTSIM_CRS).crs == NEXTSIM_CRS
    assert mesh_from_dataset(dataset).crs is None
    assert mesh_from_dataset(dataset, defects="mend") is not mesh_from_dataset(dataset)
    assert mesh_from_dataset(dataset.assign(crs=((), 0, CRS(3413).to_cf()))).crs == CRS(3413)


def test_errors_are_not_kept(dataset, parsed):
    corner = dataset["face_nodes"].values[0, 0]
    dataset["face_nodes"].values[0, 0] = 10**6
    for _ in range(2):
        with pytest.raises(InputError, match="node"):
            mesh_from_dataset(dataset)
    dataset["face_nodes"].values[0, 0] = corner
    assert mesh_from_dataset(dataset).n_faces == dataset.sizes["face"]
    assert len(parsed) == 1


def test_shared_meshes_are_read_only(dataset, parsed):
    mesh = mesh_from_dataset(dataset)
    for array in (mesh.nodes, mesh.faces, *mesh.boundaries.values()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    dataset["node_x"].values[0] += 0.0  # the arrays of the dataset stay writable


def test_loaded_meshes_are_new(tmp_path, small_mesh):
    """Whoever loads a file twice sees its warnings twice, and may change the mesh."""
    mesh_to_dataset(small_mesh).to_netcdf(tmp_path / "mesh.nc")
    one, other = (load_mesh(tmp_path / "mesh.nc") for _ in range(2))
    assert one is not other
    assert one.nodes.flags.writeable


class Counted(BackendArray):
    """Values in a file that is not kept in memory, and how often they were read."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype, self.times = values, values.shape, values.dtype, 0

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        self.times += 1
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, lambda part: self.values[part]
        )


def test_lazy_variables_are_read_once_a_call_and_fields_never(dataset, parsed):
    arrays = {name: Counted(column.values) for name, column in dataset.data_vars.items()}
    lazy = xr.Dataset(
        {
            name: xr.Variable(dataset[name].dims, indexing.LazilyIndexedArray(array), dataset[name].attrs)
            for name, array in arrays.items()
        }
    )
    mesh = mesh_from_dataset(lazy)
    used = {"node_x", "node_y", "face_nodes", "boundary_nodes", "boundary_flag"}
    assert {name for name, array in arrays.items() if array.times} == used
    assert {arrays[name].times for name in used} == {1}
    assert mesh_from_dataset(lazy) is mesh
    assert {arrays[name].times for name in used} == {2}


def test_the_oldest_mesh_goes_first():
    cache, meshes = MeshCache(most_meshes=2), [jittered_box(3, seed=seed) for seed in range(3)]
    for key, mesh in zip((b"a", b"b"), meshes, strict=False):
        assert cache.get(key, lambda mesh=mesh: mesh) is mesh
    assert cache.get(b"a", pytest.fail) is meshes[0]
    cache.get(b"c", lambda: meshes[2])
    assert cache.get(b"a", pytest.fail) is meshes[0]
    again = jittered_box(3, seed=1)
    assert cache.get(b"b", lambda: again) is again


def test_large_meshes_push_out_others():
    small, large = jittered_box(3), jittered_box(20)
    cache = MeshCache(most_faces=large.n_faces)
    cache.get(b"small", lambda: small)
    cache.get(b"large", lambda: large)
    assert cache.get(b"large", pytest.fail) is large
    again = jittered_box(3)
    assert cache.get(b"small", lambda: again) is again


def test_threads_get_one_mesh():
    cache, barrier = MeshCache(), Barrier(4)

    def parse() -> Mesh:
        barrier.wait(timeout=60)  # all four are parsing at the same time
        return jittered_box(3)

    with ThreadPoolExecutor(4) as threads:
        meshes = list(threads.map(lambda _: cache.get(b"key", parse), range(4)))
    assert all(mesh is meshes[0] for mesh in meshes)


def test_the_key_costs_little():
    dataset = mesh_to_dataset(jittered_box(100))
    variables = ugrid_reader._mesh_variables(dataset)

    def seconds(call) -> float:
        start = time.process_time()
        call()
        return time.process_time() - start

    key = min(seconds(lambda: content_key(variables.columns, None, "raise")) for _ in range(5))
    parse = min(seconds(lambda: ugrid_reader._parse(variables, None, "raise")) for _ in range(5))
    assert key < 0.2 * parse
