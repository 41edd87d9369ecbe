"""The compiled attention: on other processors and threads, in clusters of other sizes, and where it cannot be compiled.

That it agrees with the reference on every mesh is in test_attention.py, beside the other backends.
"""

import logging
import platform

import pytest
import torch
from support.attention import MESHES, NAMES, attend, gradients, precise_graph, random_inputs
from support.examples import graded_mesh, relative_error

from gensim_graph.errors import InputError
from gensim_graph.nn.attention import plan_attention
from gensim_graph.nn.attention.backends import choose_backend
from gensim_graph.nn.attention.native import native_kernel
from gensim_graph.nn.native import loader as native_library
from gensim_graph.system import compiler

CPU = torch.device("cpu")
if not native_library.native_available():
    pytest.skip("no C++ compiler is installed", allow_module_level=True)


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """No library yet, and a cache folder of its own."""
    monkeypatch.setenv("GENSIM_GRAPH_CACHE", str(tmp_path / "cache"))
    for remembered in (native_library.library, native_library.native_available):
        remembered.cache_clear()
    yield tmp_path
    for remembered in (native_library.library, native_library.native_available):
        remembered.cache_clear()


def errors(graph, inputs):
    """Of the output and of all gradients, relative."""
    found = {"output": relative_error(attend(graph, inputs, "native"), attend(graph, inputs, "reference"))}
    pairs = zip(NAMES, gradients(graph, inputs, "native"), gradients(graph, inputs, "reference"), strict=True)
    return found | {name: relative_error(came, expected) for name, came, expected in pairs}


def assert_close(graph, inputs):
    found = errors(graph, inputs)
    assert max(found.values()) < 1e-5, found


@pytest.mark.skipif(platform.machine() != "x86_64", reason="instructions of x86 processors")
@pytest.mark.parametrize("instructions", [["-mavx2", "-mfma"], ["-msse2"]])
def test_with_narrower_registers(fresh, monkeypatch, instructions):
    if "-mavx2" in instructions and torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("this processor has no AVX2")
    flags = [flag for flag in compiler._FLAGS if flag != "-march=native"] + instructions
    monkeypatch.setattr(compiler, "_FLAGS", flags)
    graph = precise_graph(MESHES["padding in the middle"], radius=6.0)
    assert_close(graph, random_inputs(graph, batch=2))


@pytest.mark.parametrize("tokens", [8, 40, 64, 80, 128])
def test_clusters_of_any_size(tokens):
    graph = precise_graph(graded_mesh(12), radius=4.0, cluster_tokens=tokens)
    assert_close(graph, random_inputs(graph))


@pytest.mark.parametrize("threads", [1, 3, 7])
def test_any_number_of_threads(threads):
    """With more threads than heads the clusters are divided for the gradients."""
    graph = precise_graph(MESHES["graded"], radius=4.0, cluster_tokens=16)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert_close(graph, random_inputs(graph))
    finally:
        torch.set_num_threads(before)


def test_the_same_bit_by_bit_on_any_number_of_threads():
    graph = precise_graph(MESHES["graded"], radius=4.0)
    inputs, before = random_inputs(graph), torch.get_num_threads()
    try:
        outputs = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            outputs.append(attend(graph, inputs, "native"))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


def test_logits_of_hundreds():
    """The highest logit is found block by block; nothing overflows on the way."""
    graph = precise_graph(MESHES["grid"], radius=6.0)
    inputs = random_inputs(graph)
    inputs[0] = (100 * inputs[0]).detach().requires_grad_()
    output, expected = (attend(graph, inputs, backend) for backend in ("native", "reference"))
    assert relative_error(output, expected) < 1e-4  # single precision of a logit of 300 is 3e-5


def test_each_key_is_in_the_list_of_its_groups():
    """Against the distances: a group has a key if any of its queries is nearer than its radius."""
    graph = precise_graph(MESHES["island"], radius=5.0)
    tables = plan_attention(graph, "native").tables.halo
    offset = graph.query_pos.unsqueeze(2) - graph.key_pos.unsqueeze(1)
    near = (offset.square().sum(-1) * tables.steepness.unsqueeze(-1) < 1) & graph.halo_valid.unsqueeze(1)
    near &= tables.steepness.unsqueeze(-1) > 0
    groups = near.unflatten(1, (4, 16)).any(2)
    pattern = (groups * torch.tensor([1, 2, 4, 8]).view(1, 4, 1)).sum(1)
    for cluster, (order, starts) in enumerate(zip(tables.order, tables.starts.tolist(), strict=True)):
        for value in range(16):
            slots = order[starts[value] : starts[value + 1]].long()
            assert (pattern[cluster, slots] == value).all()
        assert sorted(order.tolist()) == list(range(graph.halo.shape[1]))


def test_it_is_compiled_once(fresh, monkeypatch):
    native_library.library()
    native_library.library.cache_clear()
    monkeypatch.setattr(compiler, "_compile", lambda *_: pytest.fail("compiled again"))
    native_library.library()


def test_a_damaged_library_is_made_again(fresh, monkeypatch, caplog):
    native_library.library()
    (kept,) = (fresh / "cache").glob("native-*.so")
    damaged = fresh / "other" / kept.name
    damaged.parent.mkdir()
    damaged.write_text("no library")
    monkeypatch.setenv("GENSIM_GRAPH_CACHE", str(damaged.parent))
    native_library.library.cache_clear()
    with caplog.at_level(logging.WARNING):
        native_library.library()
    assert "compiled again" in caplog.text
    assert damaged.stat().st_size > 10_000


def test_another_compiler_or_flag_makes_another_library(fresh, monkeypatch):
    native_library.library()
    monkeypatch.setattr(compiler, "_FLAGS", [*compiler._FLAGS, "-DANOTHER"])
    native_library.library.cache_clear()
    native_library.library()
    assert len(list((fresh / "cache").glob("native-*.so"))) == 2


def test_only_what_the_compiler_reads_makes_another_library(tmp_path):
    """Python files beside the sources do not matter; sources, headers and generated headers do."""

    def name(headers: dict[str, str]) -> str:
        return compiler._key(compiler._Sources(tmp_path, headers), ["c++"])

    (tmp_path / "one.cpp").write_text("int one() { return 1; }")
    before = name({"numbers.h": "constexpr int N = 1;"})
    (tmp_path / "notes.py").write_text("ONE = 1")
    assert name({"numbers.h": "constexpr int N = 1;"}) == before
    assert name({"numbers.h": "constexpr int N = 2;"}) != before
    (tmp_path / "one.h").write_text("int one();")
    assert name({"numbers.h": "constexpr int N = 1;"}) != before


def test_without_a_folder_to_keep_it_in(fresh, monkeypatch):
    (fresh / "file").write_text("in the way")
    monkeypatch.setenv("GENSIM_GRAPH_CACHE", str(fresh / "file"))
    assert native_library.native_available()


@pytest.mark.parametrize("named", ["no-such-compiler", "false", "nothing"])
def test_without_a_compiler_another_backend_serves(fresh, monkeypatch, caplog, named):
    if named == "nothing":
        monkeypatch.delenv("CXX", raising=False)
        monkeypatch.setenv("PATH", str(fresh))
    else:
        monkeypatch.setenv("CXX", named)
    with caplog.at_level(logging.WARNING):
        assert choose_backend(CPU) == "clusters"
        assert choose_backend(CPU) == "clusters"
    assert len(caplog.records) == 1
    assert "CXX" in caplog.text or "cannot compile" in caplog.text
    graph = precise_graph(MESHES["few tokens"])
    with pytest.raises(InputError, match="take 'clusters'"):
        plan_attention(graph, "native")
    assert plan_attention(graph).backend == "clusters"


def test_what_is_no_number_spreads():
    """A network that has broken down must not look as if it forecast something."""
    graph = precise_graph(MESHES["grid"], radius=6.0)
    for value in (float("nan"), float("inf")):
        inputs = [part.detach().clone() for part in random_inputs(graph)]
        inputs[0][:, 70] = value
        output = attend(graph, inputs, "native")
        assert output[:, 70].isnan().all()
        inputs = [part.detach().clone() for part in random_inputs(graph)]
        inputs[1][:, 70] = float("nan")
        assert attend(graph, inputs, "native")[:, 70].isnan().all()


def test_a_plan_of_another_graph_is_refused():
    few, many = precise_graph(MESHES["few tokens"]), precise_graph(MESHES["grid"])
    query, key, value, *_ = (part.detach() for part in random_inputs(few))
    packed = torch.cat((query, torch.zeros(*query.shape[:-1], 8)), dim=-1), torch.cat((key, value), dim=-1)
    with pytest.raises(ValueError, match="expected a tensor of shape"):
        native_kernel.native_attention(*packed, *plan_attention(many, "native").tables.halo)


def test_nothing_is_asked_of_an_empty_batch():
    graph = precise_graph(MESHES["few tokens"])
    inputs = [part.detach()[:0].requires_grad_() if part.dim() > 1 else part for part in random_inputs(graph)]
    assert attend(graph, inputs, "native").shape[0] == 0
    assert gradients(graph, inputs, "native")[0].shape[0] == 0


def test_a_compiler_that_cannot_be_run(fresh, monkeypatch):
    broken = fresh / "c++"
    broken.write_text("not a program")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    assert not native_library.native_available()


def test_without_a_home(fresh, monkeypatch):
    def homeless():
        raise RuntimeError("could not determine home directory")

    monkeypatch.setattr(compiler, "cache_folder", homeless)
    assert choose_backend(CPU) == "clusters"
