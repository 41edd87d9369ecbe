"""Figure of the README, drawn from the forecasts of the cyclone benchmark.

Usage: python benchmarks/picture.py --bench bench/cyclone --out docs/images/forecast.png

The figure shows concentration and total deformation of the unseen trajectory a day ahead, on the native triangles:
truth, two members, the ensemble mean, and the deterministic twin.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from shared import build_parser

import gensim_graph as gg
from gensim_graph.data import cyclone_trajectories
from gensim_graph.evaluate.physics import total_deformation
from gensim_graph.evaluate.pictures import face_map
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array


def main() -> None:
    """Draw the figure and save it."""
    options = _options()
    case = options.bench / "16km"
    truth = gg.open_store(str(cyclone_trajectories("test")[0]))
    forecast, twin = (
        xr.open_zarr(case / f"{name}.zarr").isel(start=options.start, lead_time=options.lead).load()
        for name in ("model", "twin")
    )
    state = truth.sel(time=forecast["valid_time"].values)

    figure = draw(mesh_from_dataset(truth), state, forecast, twin)
    hours = options.lead * 12
    figure.suptitle(f"An unseen cyclone over ice, {hours} h ahead, on the 16 km triangles of neXtSIM (512 km box)")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, dpi=110)


def draw(mesh: Mesh, truth: xr.Dataset, forecast: xr.Dataset, twin: xr.Dataset) -> Figure:
    """Draw maps of concentration (above) and total deformation (below), one column for each field of :func:`columns`.

    Args:
        mesh: mesh of all fields.
        truth: state at the valid time, (face).
        forecast: (member, face).
        twin: (member, face) with one member.
    """
    concentration, drift_x, drift_y = (columns(name, truth, forecast, twin) for name in ("sic", "siu", "siv"))
    deformation = {name: total_deformation(mesh, drift_x[name], drift_y[name]) for name in drift_x}
    panels = (
        (concentration, Normalize(0, 1), "Blues_r", "ice concentration"),
        (deformation, LogNorm(0.01, 3), "magma", "total deformation (1/day)"),
    )

    figure = Figure(figsize=(13, 5.6), layout="constrained")
    axes = figure.subplots(2, 5, sharex=True, sharey=True)
    for row, (fields, norm, cmap, label) in zip(axes, panels, strict=True):
        for ax, (name, values) in zip(row, fields.items(), strict=True):
            image = face_map(ax, mesh, np.clip(values, 1e-6, None), cmap=cmap, norm=norm, title=name)
            ax.tick_params(labelbottom=False, labelleft=False, length=0)
            ax.set(xlabel="", ylabel="")
        figure.colorbar(image, ax=list(row), label=label, shrink=0.9)

    return figure


def columns(name: str, truth: xr.Dataset, forecast: xr.Dataset, twin: xr.Dataset) -> dict[str, Array]:
    """Return the fields of a variable, (face,) each, by the title of their column.

    Args:
        name: variable.
        truth: state at the valid time, (face).
        forecast: (member, face).
        twin: (member, face) with one member.
    """
    members = forecast[name].values
    return {
        "neXtSIM": truth[name].values,
        "member 1": members[0],
        "member 2": members[1],
        f"mean of {len(members)}": members.mean(axis=0),
        "deterministic twin": twin[name].values[0],
    }


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__)
    parser.add_argument("--bench", type=Path, default=Path("bench/cyclone"), help="results of benchmarks/cyclone.py")
    parser.add_argument("--out", type=Path, default=Path("docs/images/forecast.png"), help="file of the figure")
    parser.add_argument("--start", type=int, default=1, help="which of the starts, counted from 0")
    parser.add_argument("--lead", type=int, default=2, help="forecast steps of 12 h")
    return parser.parse_args()


if __name__ == "__main__":
    main()
