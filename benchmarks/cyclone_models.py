"""Comparison of our solver with neXtSIM and neXtSIM-DG: the same mesh, initial state, wind and constants.

Usage:
    python benchmarks/cyclone_models.py --data DATA --out bench/models              # everything: about 40 minutes
    python benchmarks/cyclone_models.py --data DATA --out bench/models --cases 16km_04,bench_bbm_16km

DATA has the folders ``cyclone`` (neXtSIM v2 on triangles), ``nextsimdg`` (neXtSIM-DG on grids) and, for the output of
neXtSIM before its interpolation to a fixed mesh, ``native/cyclone_16km``. Every case is run twice: on the meshes of
neXtSIM with two random fields of cohesion, because neXtSIM draws its cohesion at random; on the grids with a relative
change of 1e-6 in the initial thickness. The difference between the two runs is the smallest difference that can be
expected between two models with identical physics.

``OUT/models.json`` has the numbers of every case and of all cases together, from 24 h on (after the spin-up) and in the
pack (sic above 0.8). ``OUT/maps_CASE.png`` shows both models side by side, ``OUT/statistics.png`` their distributions.
Read ``cyclone_cases.py`` (runs), then ``cyclone_scores.py`` (numbers), then this file (figures).
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from cyclone_cases import Case, Fields, read_case, run_case
from cyclone_scores import BOXES, PACK, at_record, compare, moments, native_figures, together, total
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from shared import build_parser, prepare_process, show_progress, write_json

from gensim_graph.evaluate.pictures import face_map
from gensim_graph.typing import Array


def main() -> None:
    """Run the cases, write numbers and figures."""
    options = _options()
    prepare_process(options)
    torch.set_num_threads(1)
    rows = []
    pairs = []

    for path in find_files(options.data, options.cases):
        case = read_case(path)
        begin = time.perf_counter()
        ours = run_case(case)
        row = compare(case, ours) | {"seconds": round(time.perf_counter() - begin, 1)}
        if case.name == "cyclone_16km_04":
            row["before_interpolation"] = native_figures(options.data / "native" / "cyclone_16km")
        rows.append(row)
        pairs.append((case, ours))
        show_progress(summary(row))
        write_json(options.out / "models.json", {"cases": rows, "all": together(rows)})
        draw_maps(case, ours).savefig(options.out / f"maps_{case.name}.png", dpi=110)

    options.out.mkdir(parents=True, exist_ok=True)
    draw_statistics(pairs).savefig(options.out / "statistics.png", dpi=110)
    print(json.dumps(together(rows), indent=1))


def find_files(data: Path, wanted: str | None) -> list[Path]:
    """Files of all runs with a brittle rheology, or of those with certain names.

    Args:
        data: folder of the files.
        wanted: parts of names, separated by commas; None for all.
    """
    files = [*sorted(data.glob("cyclone/*.nc")), *sorted(data.glob("nextsimdg/*bbm*.nc"))]
    parts = wanted.split(",") if wanted else [""]
    return [path for path in files if any(part in path.stem for part in parts)]


def summary(row: dict) -> str:
    """Describe the result of a case in one line."""
    return (
        f"{row['case']}: drift {row['drift_error']:.3f} of {row['drift_speed']:.3f} m/s "
        f"(own {row['drift_apart_ours']:.3f}); deformation off by {row['deformation_distance']:.2f} decades "
        f"(own {row['deformation_apart_ours']:.2f}); damaged {row['damaged']:.2f}, ours {row['damaged_ours']:.2f}; "
        f"{row['seconds']} s"
    )


def draw_maps(case: Case, ours: Fields) -> Figure:
    """Draw maps of damage, concentration and deformation of the reference and of our run at 24, 48 and 72 h.

    Args:
        case: the reference.
        ours: our run.
    """
    records = [int(np.flatnonzero(case.hours == hour)[0]) for hour in (24, 48, 72) if hour in case.hours]
    rows = {
        "damage": (lambda run, record: run.sid[record, 0], "viridis", Normalize(0, 1)),
        "concentration": (lambda run, record: run.sic[record, 0], "Blues_r", Normalize(0.5, 1)),
        "deformation, 1/day": (lambda run, record: total(case, run, record)[0], "magma", LogNorm(0.01, 3)),
    }

    figure = Figure(figsize=(2.6 * 2 * len(records) + 1.2, 8.2), layout="constrained")
    axes = figure.subplots(3, 2 * len(records), squeeze=False)
    for line, (title, (values, colours, norm)) in zip(axes, rows.items(), strict=True):
        for column, record in enumerate(records):
            for side, (name, run) in enumerate((("reference", case.reference), ("ours", ours))):
                ax = line[2 * column + side]
                shown = np.clip(values(run, record), norm.vmin, norm.vmax)
                drawn = face_map(ax, case.mesh, shown, cmap=colours, norm=norm)
                ax.set(xticks=[], yticks=[])
                ax.set_title(f"{name}, {case.hours[record]:.0f} h", fontsize=9)
        figure.colorbar(drawn, ax=line.tolist(), label=title, pad=0.01)
    figure.suptitle(case.name)
    return figure


def draw_statistics(pairs: list[tuple[Case, Fields]]) -> Figure:
    """Draw distribution and scaling of the deformation, damaged share and drift in time, one row for each reference."""
    figure = Figure(figsize=(13, 6.4), layout="constrained")
    axes = figure.subplots(2, 4)
    kinds = (("neXtSIM", "node"), ("neXtSIM-DG", "face"))
    for line, (name, location) in zip(axes, kinds, strict=True):
        group = [(case, ours) for case, ours in pairs if case.location == location]
        if group:
            _exceedance(line[0], group, name)
            _scaling(line[1], group, name)
            _series(line[2], group, name, "damaged", "damage above 0.9, share of pack")
            _series(line[3], group, name, "drift_speed", "drift in the pack, m/s")
    return figure


def _exceedance(ax: Axes, group: list[tuple[Case, Fields]], name: str) -> None:
    """Share of cells of the pack above a deformation, all cases and records together."""
    for label in (name, "ours"):
        rates = []
        for case, ours in group:
            run = ours if label == "ours" else case.reference
            for record in np.flatnonzero(case.hours >= 24.0):
                rates.append(total(case, run, record)[:, case.reference.sic[record, 0] > PACK].ravel())
        values = np.sort(np.concatenate(rates))
        ax.loglog(values, 1.0 - np.arange(len(values)) / len(values), label=label)
    ax.set(xlim=(1e-3, 20), ylim=(1e-4, 1.1), xlabel="total deformation, 1/day", ylabel="share of cells above")
    ax.legend()


def _scaling(ax: Axes, group: list[tuple[Case, Fields]], name: str) -> None:
    """Moments of the deformation over the size of the boxes, means over all cases and records."""
    for label, style in ((name, "o-"), ("ours", "s--")):
        averages = []
        for case, ours in group:
            run = ours if label == "ours" else case.reference
            averages += [moments(case, run, record) for record in np.flatnonzero(case.hours >= 24.0)]
        for order, moment in enumerate(np.mean(averages, axis=0)):
            ax.loglog(BOXES, moment, style, color=f"C{order}", label=f"{label}, q = {order + 1}", markersize=4)
    ax.set(
        xlabel="box, cells",
        ylabel="mean deformation$^q$, day$^{-q}$",
        xticks=BOXES,
        xticklabels=["1", "2", "4", "8"],
    )
    ax.minorticks_off()
    ax.legend(fontsize=7)


def _series(ax: Axes, group: list[tuple[Case, Fields]], name: str, key: str, title: str) -> None:
    """Mean of a score over all cases, every 6 h."""
    length = min(len(case.hours) for case, _ in group)
    step = group[0][0].hours[1]
    every = max(1, round(6 / step))
    records = np.arange(every, length, every)
    scores = [[at_record(case, ours, record) for record in records] for case, ours in group]

    def mean(field: str) -> Array:
        return np.mean([[score[field] for score in row] for row in scores], axis=0)

    ax.plot(records * step, mean(key), label=name)
    ax.plot(records * step, mean(f"{key}_ours"), label="ours")
    if key == "drift_speed":
        ax.plot(records * step, mean("drift_error"), "k-", label="difference")
        ax.plot(records * step, mean("drift_apart_ours"), "k:", label="two of ours")
    ax.set(xlabel="hours", ylabel=title, ylim=(0, None))
    ax.legend(fontsize=8)


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, data="folder with cyclone, nextsimdg and native", out="bench/models")
    parser.add_argument("--cases", help="parts of file names, comma-separated; everything by default")
    return parser.parse_args()


if __name__ == "__main__":
    main()
