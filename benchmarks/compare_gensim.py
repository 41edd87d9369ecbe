"""Comparison of the operator with the network of GenSIM: time, memory, simulated years a day.

Usage: python benchmarks/compare_gensim.py --gensim PATH [--cells 256] [--rounds 7] [--presets base,large] [--out DIR]

PATH is a checkout of https://github.com/cerea-daml/gensim (MIT), which needs ``einops``. Both networks run in one
process on a square of cells, in turn in every round, with the default number of threads of PyTorch. GenSIM cuts a
domain into windows: ``as run`` uses the windows of its authors, 80 x 80 cells of which the inner 64 x 64 count;
``no overlap`` uses windows of 64 x 64 cells without a margin. GenSIM computes a few windows at a time, which is fastest
for it.
Memory is measured in one pass over a smaller square, with gradients for all its cells, and scaled to the full one.
Results are written to ``OUT/compare_gensim.json`` and ``OUT/compare_gensim.png``.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure
from shared import build_parser, prepare_process, show_progress

from gensim_graph.benchmark.resolutions import load_transformer
from gensim_graph.benchmark.speed import (
    BACKWARD,
    FORWARD,
    Ratio,
    Report,
    Row,
    TimedCall,
    compete,
    peak_of,
    ratios,
    square_grid,
)
from gensim_graph.errors import InputError
from gensim_graph.graph import build_graph
from gensim_graph.nn import PRESETS, Channels, VelocityOperator
from gensim_graph.system import describe_machine
from gensim_graph.variables import default_variables

WINDOWS = {"GenSIM as run": 80, "GenSIM, no overlap": 64}
"""Cells along the side of a window; the inner 64 of them count."""

_MEMORY_SIDE = 128
"""Cells along the side of the square on which memory is measured: four windows."""

STEP_HOURS, EVALUATIONS = 12, 39
"""Forecast step, and evaluations of the network in 19 Heun steps and a last Euler step of the sampler."""

GENSIM = {
    "n_input": 24, "n_output": 6, "n_features": 512, "n_blocks": 8, "n_heads": 8, "n_features_head": 64,
    "n_rope_features": 32, "n_embedding": 512, "mult": 2, "patch_size": 2, "lengthscale": 10, "long_skips": True,
}  # fmt: skip
"""Settings of GenSIM's config.yaml."""


def main() -> None:
    """Measure both networks and write table and figure; with ``--probe``, print the peak memory of one of them."""
    options = _options()
    device = prepare_process(options)
    try:
        load_transformer(options.gensim)
    except InputError as reason:
        sys.exit(print(f"skipped: {reason}"))
    if options.cells % 64:
        sys.exit(f"--cells {options.cells}: expected a multiple of 64, the windows of GenSIM")

    if options.probe:
        name, stage = options.probe.split("/")
        contestant(name, stage, 64, device, options)()
        print(peak_of(contestant(name, stage, _MEMORY_SIDE, device, options), device))
        return

    report = measure(device, options)
    for ratio in report.ratios:
        print(f"{ratio.what}, {ratio.stage}: {ratio}")
    for row in report.rows:
        costs = f"{row.microseconds_per_cell:.1f} us and {row.bytes_per_cell / 1e3:.1f} kB a cell"
        print(f"{row.contestant}, {row.stage}: {costs}")
    print(json.dumps(report.derived, indent=1))
    print(*report.write(options.out, _figure(report.rows)))


def measure(device: torch.device, options: argparse.Namespace) -> Report:
    """Measure time and memory of all networks.

    Args:
        device: where they run.
        options: the command line.
    """
    names = [*WINDOWS, *options.presets.split(",")]
    runs = {
        (name, stage): contestant(name, stage, options.cells, device, options)
        for name in names
        for stage in options.stages.split(",")
    }
    samples = compete(
        runs, options.rounds, device, on_round=lambda done: show_progress(f"round {done} of {options.rounds + 1}")
    )

    share = (options.cells / _MEMORY_SIDE) ** 2
    rows = tuple(
        Row(name, stage, options.cells**2, seconds, round(share * _memory(f"{name}/{stage}")))
        for (name, stage), seconds in samples.items()
    )
    derived = {"years_a_day_at_512x512": _years(rows), "weights": _weights(names, options)}

    return Report("compare_gensim", describe_machine(device), _settings(options), rows, _ratios(rows), derived=derived)


def _settings(options: argparse.Namespace) -> dict[str, object]:
    return {name: getattr(options, name) for name in ("cells", "rounds", "presets", "batch", "compile")}


def contestant(name: str, stage: str, side: int, device: torch.device, options: argparse.Namespace) -> TimedCall:
    """Return a run of a network; its inputs and the gradients of its weights are allocated before.

    Args:
        name: key of ``WINDOWS``, or a preset of the operator.
        stage: ``forward`` or ``forward+backward``.
        side: cells along a side of the square.
        device: where it runs.
        options: the command line.
    """
    torch.manual_seed(0)
    build = _gensim(options) if name in WINDOWS else _ours
    network, inputs = build(name, side, device)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    if options.compile:
        network = torch.compile(network)

    def run() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            for some in inputs:
                output = network(*some)
                if stage == BACKWARD:
                    output.float().square().mean().backward()

    return run if stage == BACKWARD else torch.no_grad()(run)


def _gensim(options: argparse.Namespace) -> Callable[..., tuple[torch.nn.Module, list]]:
    transformer = load_transformer(options.gensim)

    def build(name: str, side: int, device: torch.device) -> tuple[torch.nn.Module, list]:
        width, count = WINDOWS[name], (side // 64) ** 2
        batches = []
        for first in range(0, count, options.batch):
            n = min(options.batch, count - first)
            fields = (torch.randn(n, 24, width, width), torch.randn(n, 2, width, width), torch.ones(n, 1, width, width))
            scalars = (torch.full((n, 1), 0.3), torch.zeros(n, 3), torch.full((n, 1), 12.0))
            batches.append(tuple(part.to(device) for part in (*fields, *scalars)))
        return transformer(**GENSIM).to(device), batches

    return build


def _ours(name: str, side: int, device: torch.device) -> tuple[torch.nn.Module, list]:
    table = default_variables()
    state = Channels.of(table.state)
    conditions = Channels.of((*table.state, *table.forcing, *table.forcing, *table.slow))
    graph = build_graph(square_grid(side * side)).to(device)
    fields = (torch.randn(1, graph.n_cells, part.count, device=device) for part in (state, conditions))
    operator = VelocityOperator.from_preset(name, state, conditions).to(device)
    return operator, [(*fields, torch.tensor([0.3], device=device), graph)]


def _ratios(rows: tuple[Row, ...]) -> tuple[Ratio, ...]:
    """Time of GenSIM over ours; above one, ours is faster."""
    return tuple(
        Ratio(f"{peer.contestant} / {row.contestant}", row.stage, row.cells, ratios(peer.seconds, row.seconds))
        for row in rows if row.contestant in PRESETS
        for peer in rows if peer.contestant in WINDOWS and peer.stage == row.stage
    )  # fmt: skip


def _years(rows: tuple[Row, ...]) -> dict[str, float]:
    """Simulated years a day on 512 x 512 cells, computed from the time per cell that was measured."""
    steps = 365.25 * 24 / STEP_HOURS
    evaluation = {row.contestant: row.microseconds_per_cell * 1e-6 * 512**2 for row in rows if row.stage == FORWARD}
    return {name: 86400 / (steps * EVALUATIONS * seconds) for name, seconds in evaluation.items()}


def _weights(names: list[str], options: argparse.Namespace) -> dict[str, int]:
    device = torch.device("cpu")
    return {
        name: sum(p.numel() for p in (_gensim(options) if name in WINDOWS else _ours)(name, 64, device)[0].parameters())
        for name in names
    }


def _memory(probe: str) -> int:
    """Peak memory in bytes of one contestant, measured in a fresh process."""
    command = [sys.executable, *sys.argv, "--probe", probe]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def _figure(rows: tuple[Row, ...]) -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, what, label in zip(
        figure.subplots(1, 2),
        ("microseconds_per_cell", "bytes_per_cell"),
        ("time (µs a cell)", "memory (kB a cell)"),
        strict=True,
    ):
        for offset, stage, colour in ((-0.2, FORWARD, "#0072b2"), (0.2, BACKWARD, "#e69f00")):
            some = [row for row in rows if row.stage == stage]
            values = [getattr(row, what) / (1 if what.startswith("micro") else 1e3) for row in some]
            bars = axes.bar([index + offset for index in range(len(some))], values, 0.4, color=colour, label=stage)
            axes.bar_label(bars, fmt="%.0f", fontsize=8)
        axes.set_xticks(range(len(some)), [row.contestant.replace(", ", ",\n") for row in some], fontsize=8)
        axes.set_ylabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench", device=True)
    parser.add_argument("--gensim", type=Path, required=True, help="checkout of GenSIM")
    parser.add_argument("--cells", type=int, default=256, help="cells along the side of the domain, a multiple of 64")
    parser.add_argument("--rounds", type=int, default=7, help="samples of each network")
    parser.add_argument("--stages", default=f"{FORWARD},{BACKWARD}", help="separated by commas")
    parser.add_argument("--presets", default="base", help=f"some of {', '.join(PRESETS)}, separated by commas")
    parser.add_argument("--batch", type=int, default=4, help="windows that GenSIM's network computes together")
    parser.add_argument("--compile", action="store_true", help="torch.compile both networks")
    parser.add_argument("--probe", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
