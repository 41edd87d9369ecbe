"""GenSIM's network as a contender: where its pixels are, what it is told, what it is not asked for.

A stand-in of its interface takes the place of the checkout: what comes out of it is known.
"""

import json
import sys

import numpy as np
import pytest
import torch
from support.examples import small_trajectory

from gensim_graph.benchmark.resolutions import (
    DataSet,
    Protocol,
    StudyOptions,
    StudyPlan,
    TrainingBudget,
    load_transformer,
    run_resolutions,
)
from gensim_graph.benchmark.resolutions.gensim_network import INNER, OVERLAP, config_like, lies_on_grid, use_gensim
from gensim_graph.benchmark.resolutions.images import Images, join_windows, windows_of, with_blocks
from gensim_graph.config import compose_config
from gensim_graph.data import Trajectories
from gensim_graph.errors import InputError
from gensim_graph.graph import batch_graphs, build_graph
from gensim_graph.io import open_store
from gensim_graph.mesh import Mesh
from gensim_graph.nn import PRESETS, Channels, Operator, build_operator
from gensim_graph.surrogate import Surrogate

STATE, CONDITIONS = Channels.default_state(6), Channels.default_conditions(18)

STAND_IN = '''
import torch
from .words import NAME


class Transformer(torch.nn.Module):
    """The state, one pixel from the left, times one weight; sees what it is told."""

    def __init__(self, n_input, n_output, n_features, **others):
        super().__init__()
        self.n_output, self.told = n_output, {}
        self.weight = torch.nn.Parameter(torch.ones(n_features**2))

    def forward(self, in_tensor, mesh, mask, pseudo_time, labels, resolution):
        self.told = {"mesh": mesh, "mask": mask, "time": pseudo_time, "labels": labels, "resolution": resolution}
        left = torch.nn.functional.pad(in_tensor[:, : self.n_output, :, :-1], (1, 0))
        return left * self.weight[0]
'''


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout" / "gensim"
    folder.mkdir(parents=True)
    (folder / "network.py").write_text(STAND_IN)
    (folder / "words.py").write_text("NAME = 'stand-in'")
    return folder.parent


@pytest.fixture
def network(checkout) -> Operator:
    use_gensim(checkout)
    return build_operator(compose_config("tiny", ["operator.network=gensim"]).operator, STATE, CONDITIONS).eval()


def box(columns: int, rows: int, spacing: float = 16e3) -> Mesh:
    return Mesh.from_grid(spacing * np.arange(columns), spacing * np.arange(rows))


def shuffled(mesh: Mesh) -> Mesh:
    return Mesh.from_faces(mesh.nodes, mesh.faces[np.random.default_rng(0).permutation(mesh.n_faces)])


def from_the_left(mesh: Mesh, values: torch.Tensor) -> torch.Tensor:
    """Of each cell the value of the one to the left, zero at the rim, looked up by coordinates."""
    place = {tuple(np.round(centre).astype(int)): index for index, centre in enumerate(mesh.centres)}
    spacing = np.round(mesh.spacing[0]).astype(int)
    left = [place.get((x - spacing, y), -1) for x, y in np.round(mesh.centres).astype(int)]
    return torch.cat((values, torch.zeros_like(values[:, :1])), dim=1)[:, left]


@pytest.mark.parametrize(("columns", "rows"), [(12, 7), (81, 3), (130, 70)])
def test_cells_are_painted_where_they_lie(network, columns, rows):
    """Whatever their order, in one window and in many."""
    mesh = shuffled(box(columns, rows))
    graph = build_graph(mesh)
    noised, conditions = torch.randn(2, mesh.n_faces, 6), torch.randn(2, mesh.n_faces, 18)
    velocity = network(noised, conditions, torch.tensor([0.5, 0.5]), graph)
    # At flow time one half nothing but the network is left, times the square root of two.
    torch.testing.assert_close(velocity, from_the_left(mesh, noised) * 2**0.5)


def test_what_the_network_is_told(network):
    graph = build_graph(box(6, 4))
    network(torch.randn(2, 24, 6), torch.randn(2, 24, 18), torch.tensor([0.2, 0.7]), graph)
    told = network.network.told
    assert told["resolution"].flatten().tolist() == pytest.approx([16, 16])
    assert told["time"].flatten().tolist() == pytest.approx([0.2, 0.7])
    assert not told["labels"].any()
    assert told["mask"].sum(dim=(1, 2, 3)).tolist() == [24, 24]
    assert told["mask"].shape == (2, 1, INNER + 2 * OVERLAP, INNER + 2 * OVERLAP)
    np.testing.assert_allclose(told["mesh"][1, 0, OVERLAP, OVERLAP : OVERLAP + 6], 16 * np.arange(6))
    np.testing.assert_allclose(told["mesh"][1, 1, OVERLAP : OVERLAP + 6, OVERLAP], 16 * np.arange(6))


def test_images_are_turned_in_training_and_turned_back(network):
    """A network of single pixels does not notice; one that looks left looks up, down or right."""
    mesh = box(8, 8)
    graph = build_graph(mesh)
    noised, conditions = torch.randn(32, 64, 6), torch.randn(32, 64, 18)
    time = 0.5 + torch.arange(32) / 2**20  # as good as one half, and different labels
    velocity = network.train()(noised, conditions, time, graph).detach() / 2**0.5
    labels = network.network.told["labels"]
    fields = noised.reshape(32, 8, 8, 6)
    steps = {(0, 1), (0, -1), (1, 0), (-1, 0)}
    seen = set()
    for member in range(32):
        found = velocity[member].reshape(8, 8, 6)[1:-1, 1:-1]
        near = [
            step
            for step in steps
            if torch.allclose(found, fields[member].roll(step, dims=(0, 1))[1:-1, 1:-1], atol=1e-3)
        ]
        assert len(near) == 1
        seen.add(near[0])
    assert seen == steps
    assert len(labels.unique(dim=0)) == 8


def test_batches_of_grids_of_different_size(network):
    meshes = [box(6, 4), box(9, 9, 8e3)]
    values = [torch.randn(1, mesh.n_faces, 6) for mesh in meshes]
    conditions = torch.zeros(1, 24 + 81, 18)
    graph = batch_graphs([build_graph(mesh) for mesh in meshes])
    velocity = network(torch.cat(values, dim=1), conditions, torch.tensor([[0.5, 0.5]]), graph)
    expected = [from_the_left(mesh, one) for mesh, one in zip(meshes, values, strict=True)]
    torch.testing.assert_close(velocity / 2**0.5, torch.cat(expected, dim=1))
    assert network.network.told["resolution"].flatten().tolist() == pytest.approx([16, 8])


def test_windows_are_cut_and_joined():
    images = torch.randn(2, 3, 2 * INNER, 2 * INNER)
    windows = windows_of(images, INNER, OVERLAP)
    assert windows.shape == (8, 3, INNER + 2 * OVERLAP, INNER + 2 * OVERLAP)
    torch.testing.assert_close(windows[1, :, OVERLAP:-OVERLAP, :OVERLAP], images[0, :, :INNER, INNER - OVERLAP : INNER])
    torch.testing.assert_close(join_windows(windows, 2, INNER, OVERLAP), images)


def test_meshes_that_are_no_grid(small_mesh):
    assert lies_on_grid(box(15, 16))
    assert not lies_on_grid(small_mesh)
    with pytest.raises(InputError, match="expected squares of one size in rows and columns"):
        Images.of(build_graph(small_mesh))


def test_blocks_are_means_of_pixels():
    mesh = shuffled(box(24, 16))
    x, y = mesh.centres.T / 16e3
    state = np.stack([x * y, x + 0 * y], axis=-1)[None, None]
    part = Trajectories(mesh, state, state, state[..., :0], {}, 1)
    fine, coarse = with_blocks(part, 2)
    assert fine is part
    assert coarse.mesh.n_faces == 96
    np.testing.assert_allclose(coarse.mesh.areas, 4 * mesh.areas[:96])
    blocks = coarse.mesh.centres / 16e3  # the mean of x y over a block is the product of the means
    np.testing.assert_allclose(coarse.state[0, 0], np.stack([blocks.prod(axis=1), blocks[:, 0]], axis=-1))


@pytest.mark.parametrize(("side", "levels"), [(15, 1), (16, 2), (20, 2), (30, 2), (32, 3)])
def test_blocks_that_fit(side, levels):
    state, nothing = np.zeros((1, 2, side**2, 1)), np.zeros((1, 2, side**2, 0))
    assert len(with_blocks(Trajectories(box(side, side), state, nothing, nothing, {}, 1), 3)) == levels


def test_as_many_weights(checkout):
    use_gensim(checkout)
    config = config_like(PRESETS["tiny"], STATE, CONDITIONS)
    wanted = build_operator(PRESETS["tiny"], STATE, CONDITIONS).n_parameters
    found = build_operator(config, STATE, CONDITIONS).n_parameters
    assert found == config.width**2
    assert abs(found - wanted) <= min(abs((config.width + step) ** 2 - wanted) for step in (-8, 8))
    assert config.blocks == PRESETS["tiny"].blocks


def test_checkouts_that_are_none(tmp_path, checkout):
    with pytest.raises(InputError, match="is no checkout of GenSIM"):
        load_transformer(tmp_path)
    (checkout / "gensim" / "network.py").write_text("import a_package_that_is_not_there")
    with pytest.raises(InputError, match="a_package_that_is_not_there"):
        load_transformer(checkout)
    (checkout / "gensim" / "network.py").write_text("")
    with pytest.raises(InputError, match="has no Transformer"):
        load_transformer(checkout)
    assert "gensim" not in sys.modules


@pytest.mark.slow
def test_trained_beside_the_flow_on_grids_alone(tmp_path, checkout, small_mesh):
    for name, mesh in (("grid", box(8, 8, 32e3)), ("triangles", small_mesh)):
        small_trajectory(mesh, hours=24).to_netcdf(tmp_path / f"{name}.nc")
    sets = {name: DataSet(name, (f"{name}.nc",), (f"{name}.nc",), since=0.0) for name in ("grid", "triangles")}
    plan = StudyPlan(sets, {"pixels": ("grid",), "any": ("triangles",)}, ("grid", "triangles"))
    budget = TrainingBudget(steps=1, overrides=("data.batch=1", "data.lead_time=6h"), baselines=(), gensim=checkout)
    options = StudyOptions(plan, tmp_path / "out", tmp_path, budget, Protocol(2, 1, 1))
    run_resolutions(options)
    report = json.loads((options.out / "resolutions.json").read_text())
    pairs = {(row["training"], row["test"]) for row in report["rows"] if row["contender"] == "GenSIM"}
    assert pairs == {("pixels", "grid")}
    assert [reason for reason in report["left_out"] if "GenSIM, training 'any'" in reason]
    assert [reason for reason in report["left_out"] if "GenSIM, test 'triangles'" in reason]
    again = Surrogate.load(options.out / "models" / "pixels" / "GenSIM")
    truth = open_store(tmp_path / "grid.nc")
    assert again.forecast(truth.isel(time=0), truth, 1, 2)["sit"].notnull().all()
