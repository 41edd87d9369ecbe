"""Skill of the transport alone: error after a step under the true drift over that of persistence.

Usage: python benchmarks/transport_skill.py SOURCE... [--hours 12] [--inside] [--out DIR]

Each source is a file that ``gensim_graph.open_store`` reads, with ice thickness, concentration, snow and drift. From
24 h on, one step follows the other: the fields are moved by the drift at its start and at its end. With ``--inside``
each step is cut at the records in between, whose drift is then used, too. Concentration above 1 is cut off (ridging).
The error is the area-weighted RMSE over all records and trajectories of a source; the last row is the mean over the
sources. Fields that never change have no ratio. Results are printed as a table and written to
``OUT/transport_skill.json``.
"""

import argparse
import math
from itertools import pairwise

import numpy as np
import torch
import xarray as xr
from shared import build_parser, prepare_process, show_progress, write_json

import gensim_graph as gg
from gensim_graph.io import mesh_from_dataset
from gensim_graph.transport import plan_transport, ridge

FIELDS = ("sit", "sic", "snt")
SPIN_UP = 24.0
"""Hours at the start of each trajectory that are left out."""


def main() -> None:
    """Score every source and print the ratio of the errors of each field."""
    options = _options()
    prepare_process(options)
    rows = {}

    for source in options.sources:
        rows[source] = skill(gg.open_store(source), options.hours, options.inside)
        show_progress(_row(source, rows[source]))

    found = {name: [row[name] for row in rows.values() if name in row] for name in FIELDS}
    rows["mean"] = {name: float(np.mean(ratios)) for name, ratios in found.items() if ratios}
    show_progress(_row("mean", rows["mean"]))
    write_json(options.out / "transport_skill.json", rows)


def skill(store: xr.Dataset, hours: float, inside: bool) -> dict[str, float]:
    """RMSE of the moved fields over that of persistence.

    Args:
        store: trajectories with the same times.
        hours: length of a step.
        inside: use the drift at the records in between, too.
    """
    mesh = mesh_from_dataset(store)
    plan = plan_transport(mesh)
    every = float(np.diff(store["time"].values)[0] / np.timedelta64(1, "s")) / 3600.0
    stride, first = round(hours / every), round(SPIN_UP / every)
    names = [name for name in FIELDS if name in store]
    fields, drift = _tensor(store, names), _tensor(store, ["siu", "siv"])
    areas = torch.as_tensor(mesh.areas)[:, None]
    moved_error = kept_error = 0.0

    for start in range(first, store.sizes["time"] - stride, stride):
        stops = list(range(start, start + stride + 1, 1 if inside else stride))
        moved = fields[:, start]
        for here, there in pairwise(stops):
            moved = plan.move(moved, drift[:, here], drift[:, there], (there - here) * every * 3600.0)
            moved[..., 1] = ridge(moved[..., 0], moved[..., 1])
        truth = fields[:, start + stride]
        moved_error = moved_error + ((moved - truth) ** 2 * areas).sum(dim=(0, 1))
        kept_error = kept_error + ((fields[:, start] - truth) ** 2 * areas).sum(dim=(0, 1))

    errors = zip(names, torch.as_tensor(moved_error).tolist(), torch.as_tensor(kept_error).tolist(), strict=True)
    return {name: math.sqrt(moved / kept) for name, moved, kept in errors if kept > 0.0}


def _row(name: str, ratios: dict[str, float]) -> str:
    return f"{name}: " + "  ".join(f"{field} {ratio:.3f}" for field, ratio in ratios.items())


def _tensor(store: xr.Dataset, names: list[str]) -> torch.Tensor:
    """Variables as (trajectory, time, face, variable)."""
    values = np.stack([store[name].values for name in names], axis=-1)
    return torch.as_tensor(values if "trajectory" in store.dims else values[None])


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench", threads=1)
    parser.add_argument("sources", nargs="+", help="files, or patterns in quotes, of trajectories on one mesh each")
    parser.add_argument("--hours", type=float, default=12.0, help="length of a step")
    parser.add_argument("--inside", action="store_true", help="use the drift at the records within a step, too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
