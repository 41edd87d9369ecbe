"""Time and memory of an evaluation, table by table, on synthetic fields of any size.

Usage: python benchmarks/evaluate.py [--cells 100000] [--members 16] [--leads 32] [--page] [--out DIR]

Results are written to ``OUT/evaluate.json``.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping
from importlib import import_module

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.spatial import Delaunay
from shared import build_parser, peak_memory, print_and_write

from gensim_graph.evaluate import Step, Tally, assess, match_models, persistence_beside
from gensim_graph.evaluate.report import write_report
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.system import describe_machine
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

SPACING = 10e3
"""Spacing of the nodes in m."""

START = np.datetime64("2000-01-01", "ns")
STEP = np.timedelta64(12, "h")


def main() -> None:
    """Evaluate one synthetic forecast and write the cost of every table."""
    options = _options()
    seconds_by_table: dict[str, float] = defaultdict(float)
    time_tallies(seconds_by_table)
    mesh = triangles(options.cells)
    forecast, truth = datasets(mesh, options.members, options.leads)

    begin = time.process_time()
    wall = time.perf_counter()
    tables = _tables(forecast, truth)
    seconds = {"processor": time.process_time() - begin, "wall": time.perf_counter() - wall}
    of_which = dict(seconds_by_table)  # before the report, which computes its tables again

    if options.page:
        begin = time.process_time()
        write_report(forecast, truth, options.out / "report")
        seconds["report"] = time.process_time() - begin

    found = {
        "machine": describe_machine(torch.device("cpu")),
        "faces": mesh.n_faces,
        "members": options.members,
        "leads": options.leads,
        "seconds": seconds,
        "of_which": dict(sorted(of_which.items(), key=lambda row: -row[1])),
        "rows": {name: len(table) for name, table in tables.items()},
        "peak_memory_bytes": peak_memory(),
        "forecast_bytes": int(sum(field.nbytes for field in forecast.data_vars.values())),
    }
    print_and_write(options.out / "evaluate.json", found)


def triangles(cells: int) -> Mesh:
    """Return irregular triangles in a square."""
    side = int((cells / 2) ** 0.5) + 1
    axis = np.arange(side) * SPACING
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    points = points + np.random.default_rng(0).uniform(-0.2, 0.2, points.shape) * SPACING

    return Mesh.from_faces(points, Delaunay(points).simplices.astype(np.int64), defects="drop")


def waves(mesh: Mesh, instant: int) -> dict[str, Array]:
    """Travelling waves in all state variables, (face,) for each.

    Args:
        mesh: the mesh.
        instant: number of the time step.
    """
    x, y = (mesh.centres / np.ptp(mesh.nodes, axis=0).max()).T
    wave = np.sin(6 * x + 0.1 * instant) * np.cos(5 * y - 0.07 * instant)
    fields = {
        "sit": 1 + wave,
        "sic": np.clip(0.6 + 0.6 * wave, 0, 1),
        "sid": np.clip(0.5 + 0.5 * wave, 0, 1),
        "siu": 0.2 * wave,
        "siv": 0.15 * np.cos(4 * x * y + 0.1 * instant),
        "snt": 0.2 + 0.1 * wave,
    }

    return {name: field.astype(np.float32) for name, field in fields.items()}


def datasets(mesh: Mesh, members: int, leads: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Return a forecast, which is the truth with noise, and the truth; float32 in memory.

    Args:
        mesh: mesh of both.
        members: ensemble members.
        leads: lead times, 12 h apart.
    """
    rng = np.random.default_rng(1)
    states = [waves(mesh, instant) for instant in range(leads + 1)]
    truth = {name: np.stack([state[name] for state in states]) for name in states[0]}

    fields = {}
    for name, values in truth.items():
        noise = rng.standard_normal((members, leads, mesh.n_faces), dtype=np.float32)
        field = values[1:] + 0.02 * noise
        fields[name] = np.clip(field, 0, 1) if name in ("sic", "sid") else field

    ahead = np.arange(1, leads + 1) * STEP
    topology = mesh_to_dataset(mesh)
    forecast = topology.assign({name: (("member", "lead_time", "face"), field) for name, field in fields.items()})
    coords = {"lead_time": ahead.astype("timedelta64[ns]"), "valid_time": ("lead_time", START + ahead)}
    reality = topology.assign({name: (("time", "face"), values) for name, values in truth.items()})

    return forecast.assign_coords(coords), reality.assign_coords(time=START + np.arange(leads + 1) * STEP)


def time_tallies(seconds: dict[str, float]) -> None:
    """Make every tally of the evaluation add the processor seconds that it takes to a dictionary, by its name."""

    def time_tally(kind: type[Tally]) -> None:
        add = kind.add
        name = kind.__name__

        def timed_add(self: Tally, step: Step) -> None:
            begin = time.process_time()
            add(self, step)
            seconds[name] += time.process_time() - begin

        kind.add = timed_add  # type: ignore[method-assign]

    for kind in vars(import_module("gensim_graph.evaluate.assessment")).values():
        if isinstance(kind, type) and issubclass(kind, Tally):
            time_tally(kind)


def _tables(forecast: xr.Dataset, truth: xr.Dataset) -> Mapping[str, pd.DataFrame]:
    """All tables of a forecast and of persistence."""
    table = default_variables()
    baselines = {"persistence": persistence_beside(forecast, truth, table)}
    return assess(match_models(forecast, truth, table, None, baselines))


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench")
    parser.add_argument("--cells", type=int, default=100_000, help="number of cells, about")
    parser.add_argument("--members", type=int, default=16, help="ensemble members")
    parser.add_argument("--leads", type=int, default=32, help="lead times")
    parser.add_argument("--page", action="store_true", help="also write the report page with its figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
