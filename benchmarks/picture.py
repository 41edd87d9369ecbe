"""The picture of the README, from the forecasts of the cyclone benchmark.

    python benchmarks/picture.py --bench bench/cyclone --out docs/images/forecast.png

Concentration and total deformation of the unseen trajectory a day ahead, on the native triangles: truth, two members,
the ensemble mean, and the deterministic twin.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

import gensim_graph as gg
from gensim_graph.data import cyclone_trajectories
from gensim_graph.evaluate.physics import total_deformation
from gensim_graph.evaluate.pictures import face_map
from gensim_graph.io import mesh_from_dataset
from gensim_graph.typing import Array


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, default=Path("bench/cyclone"))
    parser.add_argument("--out", type=Path, default=Path("docs/images/forecast.png"))
    parser.add_argument("--start", type=int, default=1, help="which of the starts")
    parser.add_argument("--lead", type=int, default=2, help="forecast steps of 12 h")
    options = parser.parse_args()
    case = options.bench / "16km"
    truth = gg.open_store(str(cyclone_trajectories("test")[0]))
    forecast, twin = (
        xr.open_zarr(case / f"{name}.zarr").isel(start=options.start, lead_time=options.lead).load()
        for name in ("model", "twin")
    )
    then = truth.sel(time=forecast["valid_time"].values)
    mesh = mesh_from_dataset(truth)

    def rows(name: str) -> dict[str, Array]:
        members = forecast[name].values
        return {
            "neXtSIM": then[name].values,
            "member 1": members[0],
            "member 2": members[1],
            f"mean of {len(members)}": members.mean(axis=0),
            "deterministic twin": twin[name].values[0],
        }

    drift_x, drift_y = rows("siu"), rows("siv")
    deformation = {name: total_deformation(mesh, drift_x[name], drift_y[name]) for name in drift_x}
    figure = Figure(figsize=(13, 5.6), layout="constrained")
    axes = figure.subplots(2, 5, sharex=True, sharey=True)
    panels = (
        (rows("sic"), Normalize(0, 1), "Blues_r", "ice concentration"),
        (deformation, LogNorm(0.01, 3), "magma", "total deformation (1/day)"),
    )
    for row, (fields, norm, cmap, label) in zip(axes, panels, strict=True):
        for ax, (name, values) in zip(row, fields.items(), strict=True):
            image = face_map(ax, mesh, np.clip(values, 1e-6, None), cmap=cmap, norm=norm, title=name)
            ax.tick_params(labelbottom=False, labelleft=False, length=0)
            ax.set(xlabel="", ylabel="")
        figure.colorbar(image, ax=list(row), label=label, shrink=0.9)
    hours = options.lead * 12
    figure.suptitle(f"An unseen cyclone over ice, {hours} h ahead, on the 16 km triangles of neXtSIM (512 km box)")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, dpi=110)


if __name__ == "__main__":
    main()
