"""The benchmarks: ratios, memory and files are what they say; the figures themselves are not tested."""

import json

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from gensim_graph.benchmark.speed import Options, Report, Row, compete, parse_cells, ratios, run_suite, spread
from gensim_graph.benchmark.speed.peak_memory import in_fresh_process
from gensim_graph.benchmark.speed.peers import dense_attention, edge_attention, edges_within, window_attention
from gensim_graph.errors import InputError
from gensim_graph.graph import build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.system import choose_device

CPU = torch.device("cpu")


def test_contestants_run_once_a_round_in_changing_order():
    calls: list[str] = []
    runs = {name: (lambda name=name: calls.append(name)) for name in "abcd"}
    samples = compete(runs, 6, CPU)
    rounds = [calls[first : first + 4] for first in range(0, len(calls), 4)]
    assert len(rounds) == 7  # one to warm up
    assert all(sorted(one) == list("abcd") for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert {len(values) for values in samples.values()} == {6}


def test_ratios_are_formed_round_by_round():
    slow_machine = (1.0, 10.0, 3.0)
    assert ratios([2 * seconds for seconds in slow_machine], slow_machine) == (2.0, 2.0, 2.0)


def test_spread_is_median_and_quartiles():
    assert spread([5.0, 1.0, 2.0, 3.0, 4.0]) == (3, 2, 4)


@pytest.mark.slow
def test_memory_of_a_fresh_process_is_that_of_what_it_makes():
    """64 MB of ones, after as much was made and let go of."""
    code = """
import torch
from gensim_graph.benchmark.speed.peak_memory import peak_of
def run():
    return torch.ones(16 * 2**20).sum()
run()
print(peak_of(run, torch.device("cpu")))
"""
    assert in_fresh_process(("-c", code)) == pytest.approx(64 * 2**20, rel=0.1)


def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match="no such thing"):
        in_fresh_process(("-c", "raise ValueError('no such thing')"))


def test_a_process_without_memory_gives_none():
    assert in_fresh_process(("-c", "raise RuntimeError('DefaultCPUAllocator: out of memory')")) is None


def test_edge_wise_attention_is_dense_attention_within_the_radius():
    axis = np.arange(12) * 1e4
    graph = build_graph(Mesh.from_grid(axis, axis), radius=3.0)
    tokens = len(graph.token_area)
    query, key, value = (torch.randn(tokens, 2, 8) for _ in range(3))
    edges = edges_within(graph)
    mask = torch.zeros(tokens, tokens, dtype=torch.bool)
    mask[edges[1], edges[0]] = True
    rows = mask.any(dim=1)
    logits = torch.einsum("qhc,khc->hqk", query, key) / 8**0.5
    expected = torch.einsum("hqk,khc->qhc", logits.masked_fill(~mask, -torch.inf).softmax(-1), value)
    came = edge_attention(query, key, value, edges)
    torch.testing.assert_close(came[rows], expected[rows])


def test_windows_are_dense_attention_on_their_tokens():
    query, key, value = (torch.randn(64, 2, 8) for _ in range(3))
    whole = window_attention(query, key, value, 16)
    one = window_attention(*(part[16:32] for part in (query, key, value)), 16)
    torch.testing.assert_close(whole[16:32], one)
    dense = dense_attention(*(part[:16].transpose(0, 1).unsqueeze(0) for part in (query, key, value)))
    torch.testing.assert_close(whole[:16], dense[0].transpose(0, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Options(cells=(1000,)), "square numbers"),
        (lambda: Options(rounds=0), "--rounds 0"),
        (lambda: Options(threads=0), "--threads 0"),
        (lambda: Options(preset="huge"), "tiny, small"),
        (lambda: Options(device="tpu"), "auto, cpu or cuda"),
        (lambda: parse_cells("many"), "numbers between commas"),
    ],
)
def test_wrong_options(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(InputError, match="finds no GPU"):
        choose_device("cuda")


def test_no_such_suite(tmp_path):
    with pytest.raises(InputError, match="attention, scaling"):
        run_suite("speed", Options(), tmp_path)


def test_a_report_is_written_with_what_follows_from_the_samples(tmp_path):
    row = Row("one", "forward", 1000, (0.001, 0.002, 0.004), 5000)
    Report("test", {"processor": "any"}, {}, (row,), ()).write(tmp_path, Figure())
    (written,) = json.loads((tmp_path / "test.json").read_text())["rows"]
    assert written["microseconds_per_cell"] == pytest.approx(2.0)
    assert written["bytes_per_cell"] == 5
    assert (tmp_path / "test.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["attention", "scaling"])
def test_suites_on_a_small_mesh(suite, tmp_path):
    seen: list[float] = []
    options = Options(cells=(256, 1024), rounds=1, device="cpu", preset="tiny")
    report = run_suite(suite, options, tmp_path, lambda what, share: seen.append(share))
    written = json.loads((tmp_path / f"{suite}.json").read_text())
    assert {row["cells"] for row in written["rows"]} == {256, 1024}
    assert all(row["microseconds_per_cell"] > 0 and row["peak_bytes"] is not None for row in written["rows"])
    assert (tmp_path / f"{suite}.png").stat().st_size > 10_000
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(report.rows) == len(written["rows"])
