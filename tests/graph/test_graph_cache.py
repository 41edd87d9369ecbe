"""Cache of prepared meshes: a graph from the cache equals a newly prepared one."""

import logging
import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gensim_graph.errors import InputError
from gensim_graph.graph import build_graph, cached_graph, cell_groups, coarse_cells, graph_of_cells
from gensim_graph.graph import cache as module
from gensim_graph.mesh import Mesh
from gensim_graph.system import cache_folder


@pytest.fixture
def mesh():
    axis = np.arange(20) * 1e4
    return Mesh.from_grid(axis, axis)


def same(one, other):
    first, second = one.to_dict(), other.to_dict()
    assert set(first) == set(second)
    return all(torch.equal(value, second[name]) for name, value in first.items())


def files(folder):
    return sorted(folder.glob("*"))


def test_a_graph_comes_back_as_it_was(mesh, tmp_path, monkeypatch):
    first = cached_graph(mesh, folder=tmp_path, smallest=0)
    monkeypatch.setattr(module, "build_graph", None)  # not made again
    second = cached_graph(mesh, folder=tmp_path, smallest=0)
    assert same(first, second)
    assert second.num_nodes == mesh.n_faces
    monkeypatch.undo()
    assert same(first, build_graph(mesh))


@pytest.mark.parametrize("options", [{"level": 1}, {"radius": 5.0}, {"cluster_tokens": 16}, {"angle": 0.3}])
def test_other_options_make_another_graph(mesh, tmp_path, options):
    cached_graph(mesh, folder=tmp_path, smallest=0)
    other = cached_graph(mesh, folder=tmp_path, smallest=0, **options)
    assert len(files(tmp_path)) == 2
    assert same(other, build_graph(mesh, **options))


def test_another_coast_makes_another_graph(mesh, tmp_path):
    cached_graph(mesh, folder=tmp_path, smallest=0)
    table = mesh.boundary_edges
    other = Mesh.from_faces(mesh.nodes, mesh.faces, boundaries={"open": table[:10], "coast": table[10:]})
    assert same(cached_graph(other, folder=tmp_path, smallest=0), build_graph(other))
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("damage", [b"", b"not a graph", "cut", "other"])
def test_a_damaged_file_is_made_again(mesh, tmp_path, caplog, damage):
    graph = cached_graph(mesh, folder=tmp_path, smallest=0)
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    if damage == "other":
        save_file({"foreign": torch.zeros(3)}, file)
    else:
        file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else damage)
    with caplog.at_level(logging.WARNING):
        assert same(cached_graph(mesh, folder=tmp_path, smallest=0), graph)
    assert "prepared again" in caplog.text
    assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_costs_a_warning(mesh, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        graph = cached_graph(mesh, folder=blocked, smallest=0)
    assert "GENSIM_GRAPH_CACHE" in caplog.text
    assert same(graph, build_graph(mesh))


def test_small_meshes_are_not_kept(mesh, tmp_path):
    cached_graph(mesh, folder=tmp_path)
    assert files(tmp_path) == []


def test_wrong_options_are_refused_as_ever(mesh, tmp_path):
    with pytest.raises(InputError, match="length unit"):
        cached_graph(mesh, folder=tmp_path, smallest=0, length=-1.0)
    assert files(tmp_path) == []


def test_the_folder_grows_to_a_limit(mesh, tmp_path, monkeypatch):
    cached_graph(mesh, folder=tmp_path, smallest=0, radius=5.0)
    (oldest,) = files(tmp_path)
    monkeypatch.setattr(module, "LARGEST_FOLDER", oldest.stat().st_size * 2.5)
    os.utime(oldest, (0, 0))
    for radius in (5.1, 5.2):
        cached_graph(mesh, folder=tmp_path, smallest=0, radius=radius)
    assert len(files(tmp_path)) == 2
    assert not oldest.exists()


def test_where_the_folder_is(monkeypatch, tmp_path):
    monkeypatch.setenv("GENSIM_GRAPH_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("GENSIM_GRAPH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "gensim-graph"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-2:] == (".cache", "gensim-graph")


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_cells_of_a_level_are_kept_with_their_matrix(mesh, tmp_path, monkeypatch, level):
    """From the file: the same graph and the same means as prepared anew."""
    monkeypatch.setattr("gensim_graph.graph.grouped_cells.SMALLEST", 1)
    fresh, kept = (cell_groups(mesh, level, 0.4, folder=tmp_path) for _ in range(2))
    cells, restriction = coarse_cells(mesh, level, 0.4)

    assert same(fresh.graph, graph_of_cells(cells, angle=0.4))
    assert same(kept.graph, fresh.graph)
    assert len(list(tmp_path.iterdir())) == 1
    if level:
        assert (kept.restriction != restriction).nnz == 0
