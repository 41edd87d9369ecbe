"""Time and memory of an evaluation, table by table, on made-up fields of any size.

Usage: python benchmarks/evaluate.py [--cells 100000] [--members 16] [--leads 32] [--page] [--out DIR]
"""

import argparse
import json
import resource
import time
from collections import defaultdict
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.spatial import Delaunay

from gensim_graph.evaluate import Step, Tally, assess, match_models, persistence_beside
from gensim_graph.evaluate.report import write_report
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.system import describe_machine, write_atomically
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

SPACING = 10e3
START, STEP = np.datetime64("2000-01-01", "ns"), np.timedelta64(12, "h")


def triangles(cells: int) -> Mesh:
    """Irregular triangles."""
    side = int((cells / 2) ** 0.5) + 1
    axis = np.arange(side) * SPACING
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    points = points + np.random.default_rng(0).uniform(-0.2, 0.2, points.shape) * SPACING
    return Mesh.from_faces(points, Delaunay(points).simplices.astype(np.int64), defects="drop")


def waves(mesh: Mesh, instant: int) -> dict[str, Array]:
    """A state that moves on, (face) a variable."""
    x, y = (mesh.centres / np.ptp(mesh.nodes, axis=0).max()).T
    wave = np.sin(6 * x + 0.1 * instant) * np.cos(5 * y - 0.07 * instant)
    fields = {"sit": 1 + wave, "sic": np.clip(0.6 + 0.6 * wave, 0, 1), "sid": np.clip(0.5 + 0.5 * wave, 0, 1)}
    fields |= {"siu": 0.2 * wave, "siv": 0.15 * np.cos(4 * x * y + 0.1 * instant), "snt": 0.2 + 0.1 * wave}
    return {name: field.astype(np.float32) for name, field in fields.items()}


def datasets(mesh: Mesh, members: int, leads: int) -> tuple[xr.Dataset, xr.Dataset]:
    """A noisy forecast and its truth, float32 in memory."""
    rng, states = np.random.default_rng(1), [waves(mesh, instant) for instant in range(leads + 1)]
    truth = {name: np.stack([state[name] for state in states]) for name in states[0]}
    ahead, fields = np.arange(1, leads + 1) * STEP, {}
    for name, values in truth.items():
        noise = rng.standard_normal((members, leads, mesh.n_faces), dtype=np.float32)
        field = values[1:] + 0.02 * noise
        fields[name] = np.clip(field, 0, 1) if name in ("sic", "sid") else field
    topology = mesh_to_dataset(mesh)
    forecast = topology.assign({name: (("member", "lead_time", "face"), field) for name, field in fields.items()})
    coords = {"lead_time": ahead.astype("timedelta64[ns]"), "valid_time": ("lead_time", START + ahead)}
    reality = topology.assign({name: (("time", "face"), values) for name, values in truth.items()})
    return forecast.assign_coords(coords), reality.assign_coords(time=START + np.arange(leads + 1) * STEP)


def watch(spent: dict[str, float]) -> None:
    """Let every tally count the processor seconds that it takes."""

    def timed(kind: type[Tally]) -> None:
        add, name = kind.add, kind.__name__

        def wrapped(self: Tally, step: Step) -> None:
            begin = time.process_time()
            add(self, step)
            spent[name] += time.process_time() - begin

        kind.add = wrapped  # type: ignore[method-assign]

    for kind in vars(import_module("gensim_graph.evaluate.assessment")).values():
        if isinstance(kind, type) and issubclass(kind, Tally):
            timed(kind)


def main() -> None:
    arguments = _arguments()
    spent: dict[str, float] = defaultdict(float)
    watch(spent)
    mesh = triangles(arguments.cells)
    forecast, truth = datasets(mesh, arguments.members, arguments.leads)
    begin, wall = time.process_time(), time.perf_counter()
    tables = _tables(forecast, truth)
    seconds = {"processor": time.process_time() - begin, "wall": time.perf_counter() - wall}
    if arguments.page:
        begin, before = time.process_time(), dict(spent)
        write_report(forecast, truth, arguments.out / "report")
        seconds["report"] = time.process_time() - begin
        spent = before
    found = {
        "machine": describe_machine(torch.device("cpu")),
        "faces": mesh.n_faces,
        "members": arguments.members,
        "leads": arguments.leads,
        "seconds": seconds,
        "of_which": dict(sorted(spent.items(), key=lambda row: -row[1])),
        "rows": {name: len(table) for name, table in tables.items()},
        "peak_memory_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "forecast_bytes": int(sum(field.nbytes for field in forecast.data_vars.values())),
    }
    print(json.dumps(found, indent=1))
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1) + "\n"
    write_atomically(arguments.out / "evaluate.json", lambda path: path.write_text(text))


def _tables(forecast: xr.Dataset, truth: xr.Dataset) -> Mapping[str, pd.DataFrame]:
    """All tables of a forecast, and of persistence beside it."""
    table = default_variables()
    still = {"persistence": persistence_beside(forecast, truth, table)}
    return assess(match_models(forecast, truth, table, None, still))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--leads", type=int, default=32)
    parser.add_argument("--page", action="store_true", help="Also the page with its figures.")
    parser.add_argument("--out", type=Path, default=Path("bench"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
