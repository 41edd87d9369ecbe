r"""Spread of several trained models: an ensemble of all of them against one of the same size of each alone.

Usage:
    python benchmarks/several_models.py --data 'runs/*.nc' --model run_a/ --model run_b/ [--members 16] [--steps 4]

With the two models that ship, on the storms that they have not seen:
    python benchmarks/several_models.py --model small --model small@1 \
        --data DATA/cyclone/cyclone_16km_04.nc --data 'DATA/cyclone/cyclone_16km_1[3-5].nc'

Of each run, ``--starts`` forecasts start at equal distances after ``--skip`` hours. Scores are those of
``gensim_graph.evaluate``, put together over all runs and lead times: the CRPS is averaged, errors and spreads are
averaged by their squares. ``spread / error`` is one for an ensemble that is as uncertain as it is wrong (with the
factor of Fortin et al. 2014 for its size). Results are written to ``OUT/several_models.json`` and
``several_models.md``.
"""

import argparse
import glob
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from shared import build_parser, prepare_process, show_progress, write_json, write_text

import gensim_graph as gg

TOGETHER = "together"
"""Name of the ensemble of all models."""


def main() -> None:
    """Forecast, score and write the table."""
    options = _options()
    device = prepare_process(options)
    models = [gg.Surrogate.load(name).to(device) for name in options.model]
    ensembles = {model.name: [model] for model in models} | {TOGETHER: models}
    rows = []

    for path in _files(options.data):
        data = gg.open_store(path)
        initial = data.isel(time=_starts(data, models[0].lead_time, options))
        for name, members_of in ensembles.items():
            scores = _scores(members_of, initial, data, options).assign(ensemble=name, run=path.name)
            rows.append(scores)
            show_progress(f"{path.name}: {name}")

    table = _pooled(pd.concat(rows, ignore_index=True), options.members)
    text = _as_text(table)
    print(text)
    write_text(options.out / "several_models.md", text)
    write_json(options.out / "several_models.json", {"options": _plain(options), "scores": table.to_dict("records")})


def _scores(
    models: list[gg.Surrogate], initial: xr.Dataset, data: xr.Dataset, options: argparse.Namespace
) -> pd.DataFrame:
    """Forecast an ensemble of one model or several into a temporary store, and score it."""
    sizes = {"steps": options.steps, "members": options.members, "seed": options.seed, "progress": False}
    with tempfile.TemporaryDirectory() as folder:
        store = gg.write_forecast(models, initial, data, f"{folder}/forecast.zarr", guard=False, **sizes)
        with xr.open_zarr(store) as forecast:
            return gg.evaluate(forecast.load(), data)


def _starts(data: xr.Dataset, lead_time: np.timedelta64, options: argparse.Namespace) -> list[int]:
    """Records from which forecasts start: at equal distances, so late that the spin-up is over and the truth goes on.

    Raises:
        SystemExit: the run is too short.
    """
    times = data["time"].values
    first = times[0] + np.timedelta64(options.skip, "h")
    fitting = np.flatnonzero((times >= first) & (times + options.steps * lead_time <= times[-1]))
    if not len(fitting):
        raise SystemExit(f"a run of {len(times)} records is too short for {options.steps} steps; take fewer --steps")

    return [int(index) for index in np.unique(fitting[np.linspace(0, len(fitting) - 1, options.starts).astype(int)])]


def _pooled(rows: pd.DataFrame, members: int) -> pd.DataFrame:
    """One row for each variable and ensemble, over all runs and lead times.

    Args:
        rows: scores of each run, lead time, variable and ensemble.
        members: size of the ensembles.
    """
    squared = rows.assign(rmse=rows["rmse"] ** 2, spread=rows["spread"] ** 2)
    table = squared.groupby(["variable", "ensemble"], sort=False)[["crps", "rmse", "spread"]].mean()
    table[["rmse", "spread"]] **= 0.5
    table["spread / error"] = ((members + 1) / members) ** 0.5 * table["spread"] / table["rmse"]

    return table.reset_index().sort_values("variable", kind="stable")


def _as_text(table: pd.DataFrame) -> str:
    """The table in Markdown."""
    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [[one if isinstance(one, str) else f"{one:.3g}" for one in row] for row in table.itertuples(index=False)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _files(patterns: list[str]) -> list[Path]:
    files = [Path(file) for pattern in patterns for file in sorted(glob.glob(pattern))]
    if not files:
        raise SystemExit(f"--data: no file fits {', '.join(patterns)}")
    return files


def _plain(options: argparse.Namespace) -> dict[str, object]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench/several_models", device=True, threads=2)
    parser.add_argument("--data", action="append", required=True, help="trajectory: file or pattern; repeat it")
    parser.add_argument("--model", action="append", required=True, help="folder or name of a model; repeat it")
    parser.add_argument("--members", type=int, default=16, help="members of each ensemble")
    parser.add_argument("--steps", type=int, default=4, help="forecast steps")
    parser.add_argument("--starts", type=int, default=2, help="forecasts of each run")
    parser.add_argument("--skip", type=int, default=24, help="hours of spin-up before the first start")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    return parser.parse_args()


if __name__ == "__main__":
    main()
