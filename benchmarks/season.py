"""Seasons of a model: forecasts of up to 30 days in a half-year that was held back, and growth and melt of each step.

Usage: python benchmarks/season.py --data DATA --model MODEL [--members 4] [--starts 5] [--out DIR]

Forecasts start every month of the last half-year of the set ``season_60km`` (configs/benchmark/shipped.yaml) and run
for 30 days. They are compared with persistence, and with the climatology of the years before to which the anomaly of
the start is added, damped: x_c(t + lead) + r(lead) (x(t) - x_c(t)). The factor r is a regression between the other
years.

Growth and melt are what a step of 12 hours adds to the thickness that the drift has moved. Steps from every third day
give its monthly mean in each cell; the correlation with that of the truth is over the cells that have ice.

Results are written to ``OUT/season.json`` and ``season.md``.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from shared import build_parser, prepare_process, show_progress, write_json, write_text

import gensim_graph as gg
from gensim_graph.benchmark.resolutions import read_plan
from gensim_graph.data import with_own_degree_days
from gensim_graph.io import mesh_from_dataset
from gensim_graph.transport import plan_state_transport, transported_names

LEADS = (1, 2, 4, 10, 20, 40, 60)
"""Steps of 12 h at which forecasts are scored."""

VARIABLES = ("sit", "sic", "snt")
_SHARE_OF_ICE = 0.15
"""Concentration above which a cell counts for the extent."""


def main() -> None:
    """Forecast, score and write the tables."""
    options = _options()
    prepare_process(options)
    chosen = read_plan("shipped").sets["season_60km"]
    years = chosen.sources("test", options.data, options.out / "data")[0]
    data = with_own_degree_days(years, gg.default_variables())  # once, and not for each forecast
    model = gg.Surrogate.load(options.model)
    begin = int(chosen.since // 12)

    scores = forecast_scores(model, data, begin, options)
    sources = source_correlations(model, data, begin, options)
    text = _as_text(scores, sources)
    print(text)
    write_text(options.out / "season.md", text)
    write_json(options.out / "season.json", {"scores": scores.to_dict("records"), "sources": sources})


def forecast_scores(model: gg.Surrogate, data: xr.Dataset, begin: int, options: argparse.Namespace) -> pd.DataFrame:
    """Forecast from several starts, and score each lead time.

    Args:
        model: the model.
        data: all years.
        begin: first record that may be forecast.
        options: the command line.
    """
    area = mesh_from_dataset(data).areas
    last = data.sizes["time"] - 1 - max(LEADS)
    rows: list[dict[str, Any]] = []

    for number, start in enumerate(np.linspace(begin, last, options.starts).astype(int)):
        show_progress(f"forecast {number + 1} of {options.starts}")
        forecast = model.forecast(
            data.isel(time=start), data, max(LEADS), options.members, batch=options.members, progress=False
        )
        for lead in LEADS:
            truth = data.isel(time=start + lead)
            members = forecast.isel(lead_time=lead)
            for name in VARIABLES:
                true = truth[name].values
                guesses = {
                    "flow": members[name].values.mean(axis=0),
                    "persistence": data[name].values[start],
                    "climatology": damped_climatology(data, name, start, lead, begin),
                }
                rows += [
                    {"start": start, "lead": lead, "variable": name, "by": by, "rmse": _rmse(guess, true, area)}
                    for by, guess in guesses.items()
                ]
            rows.append(_integral_errors(members, truth, data.isel(time=start), area) | {"start": start, "lead": lead})

    return pd.DataFrame(rows)


def damped_climatology(data: xr.Dataset, name: str, start: int, lead: int, begin: int) -> np.ndarray:
    """Climatology at the end, with the damped anomaly of the start.

    Args:
        data: all years.
        name: of the variable.
        start: number of the record at the start.
        lead: number of records from start to end.
        begin: records before it are known.
    """
    values = data[name].values
    a_year = 730
    now = [start - years * a_year for years in (1, 2, 3) if start - years * a_year >= 0]
    now = [one for one in now if one + lead < begin]
    then = [one + lead for one in now]

    # The regression: how much of the difference between two earlier years is left after the lead time.
    before, after = values[now[0]] - values[now[-1]], values[then[0]] - values[then[-1]]
    kept = float((before * after).sum() / max((before**2).sum(), 1e-12)) if len(now) > 1 else 1.0

    mean_now, mean_then = values[now].mean(axis=0), values[then].mean(axis=0)
    return mean_then + np.clip(kept, 0.0, 1.0) * (values[start] - mean_now)


def _rmse(guess: np.ndarray, true: np.ndarray, area: np.ndarray) -> float:
    return float(np.sqrt(np.average((guess - true) ** 2, weights=area)))


def _integral_errors(members: xr.Dataset, truth: xr.Dataset, start: xr.Dataset, area: np.ndarray) -> dict[str, Any]:
    """Errors of extent and volume of the ensemble mean, and their changes since the start, relative to the truth."""

    def extent(fields: xr.Dataset) -> float:
        return float(((fields["sic"].values > _SHARE_OF_ICE) * area).sum(axis=-1).mean())

    def volume(fields: xr.Dataset) -> float:
        return float((fields["sit"].values * area).sum(axis=-1).mean())

    return {
        "variable": "integrals",
        "by": "flow",
        "extent_error": extent(members) / extent(truth) - 1,
        "extent_change": extent(start) / extent(truth) - 1,
        "volume_error": volume(members) / volume(truth) - 1,
        "volume_change": volume(start) / volume(truth) - 1,
    }


def source_correlations(
    model: gg.Surrogate, data: xr.Dataset, begin: int, options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Correlation, slope and means of the monthly growth of forecast and truth.

    Args:
        model: the model.
        data: all years.
        begin: first record that may be forecast.
        options: the command line.
    """
    table = gg.default_variables()
    mesh = mesh_from_dataset(data)
    present = [one.name for one in table.state]
    transport = plan_state_transport(mesh, table.state, transported_names(table.state, present), 43200.0)
    thickness = present.index("sit")
    rows: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}

    starts = range(begin, data.sizes["time"] - 1, options.source_every)
    for number, start in enumerate(starts):
        show_progress(f"step {number + 1} of {len(starts)}")
        before, after = (model.first_states(data.isel(time=index)) for index in (start, start + 1))
        made = model.forecast(data.isel(time=start), data, 1, members=2, batch=2, progress=False).isel(lead_time=1)
        found = torch.from_numpy(np.stack([made[name].values for name in present], axis=-1))

        true = (after - transport.moved(before, after))[0, :, thickness].numpy()
        sampled = (found - transport.moved(before.expand_as(found), found))[..., thickness].mean(0).numpy()
        month = str(data["time"].values[start])[:7]
        rows.setdefault(month, []).append((true, sampled, data["sic"].values[start]))

    result = {}
    for month, parts in rows.items():
        true, sampled, ice = (np.mean([part[index] for part in parts], axis=0) for index in range(3))
        has_ice = ice > _SHARE_OF_ICE
        x, y = true[has_ice], sampled[has_ice]
        result[month] = {
            "correlation": float(np.corrcoef(x, y)[0, 1]),
            "slope": float(np.polyfit(x, y, 1)[0]),
            "true_mm_a_day": float(2e3 * x.mean()),
            "forecast_mm_a_day": float(2e3 * y.mean()),
        }
    return result


def _as_text(scores: pd.DataFrame, sources: dict[str, dict[str, float]]) -> str:
    """Return the tables as markdown."""
    fields = scores[scores["variable"] != "integrals"]
    mean = fields.groupby(["variable", "lead", "by"])["rmse"].mean().unstack()
    lines = ["| | " + " | ".join(f"{lead / 2:g} d" for lead in LEADS) + " |", "|---" * (len(LEADS) + 1) + "|"]

    for name in VARIABLES:
        for other in ("persistence", "climatology"):
            ratio = mean.loc[name]["flow"] / mean.loc[name][other]
            lines.append(f"| {name}, flow / {other} | " + " | ".join(f"{one:.2f}" for one in ratio) + " |")

    whole = scores[scores["variable"] == "integrals"].groupby("lead")
    for name in ("extent", "volume"):
        for kind in ("error", "change"):
            size = whole[f"{name}_{kind}"].apply(lambda values: values.abs().mean())
            label = f"{name}, error" if kind == "error" else f"{name}, persistence"
            lines.append(f"| {label} | " + " | ".join(f"{100 * one:.1f} %" for one in size) + " |")

    lines += ["", "| month | correlation | slope | growth, truth | growth, forecast |", "|---|---|---|---|---|"]
    for month, row in sources.items():
        lines.append(
            f"| {month} | {row['correlation']:.2f} | {row['slope']:.2f} | {row['true_mm_a_day']:.1f} mm a day | "
            f"{row['forecast_mm_a_day']:.1f} mm a day |"
        )
    means = np.array([[row["true_mm_a_day"], row["forecast_mm_a_day"]] for row in sources.values()])
    lines += ["", f"Correlation of the monthly means over the whole domain: {np.corrcoef(means.T)[0, 1]:.3f}"]
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = build_parser(
        __doc__, data="folder of the genuine data", out="bench/season", threads=torch.get_num_threads()
    )
    parser.add_argument("--model", type=Path, default=Path("small"), help="folder or name of the model")
    parser.add_argument("--members", type=int, default=4, help="ensemble members")
    parser.add_argument("--starts", type=int, default=5, help="forecasts of 30 days")
    parser.add_argument("--source-every", type=int, default=6, help="records from one single step to the next")
    return parser.parse_args()


if __name__ == "__main__":
    main()
