"""Figure of a study: one panel per test with the errors of all contenders over those of persistence, by variable."""

import math
from typing import Any

from matplotlib.figure import Figure

from gensim_graph.benchmark.resolutions.contenders import FLOW, GENSIM, LINEAR, MESSAGES, PERSISTENCE, TWIN
from gensim_graph.benchmark.speed import COLOUR_BLIND_SAFE

_MARKS = {FLOW: "o", TWIN: "s", MESSAGES: "^", GENSIM: "D", LINEAR: "x"}


def draw_study(rows: list[dict[str, Any]]) -> Figure:
    """Draw the errors at the first lead time; colours show trainings, marks show contenders."""
    tests = list(dict.fromkeys(row["test"] for row in rows))
    trainings = list(dict.fromkeys(row["training"] for row in rows))
    columns = min(3, len(tests))
    height = math.ceil(len(tests) / columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * height + 0.6), layout="constrained")
    panels = figure.subplots(height, columns, squeeze=False).ravel()

    for axes, test in zip(panels, tests, strict=False):
        _panel(axes, [row for row in rows if row["test"] == test], trainings)
        axes.set_title(test, fontsize=10)

    for axes in panels[len(tests) :]:
        axes.set_visible(False)

    entries = {label: mark for axes in panels for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=4, fontsize=8, frameon=False)

    return figure


def _panel(axes: Any, rows: list[dict[str, Any]], trainings: list[str]) -> None:
    base = {(s["variable"], s["lead_hours"]): s["rmse"] for s in _of(rows, PERSISTENCE)[0]["scores"]}
    lead = min(hours for _, hours in base)
    variables = [name for name, hours in base if hours == lead]

    for row in rows:
        if row["contender"] not in _MARKS:
            continue

        own = {s["variable"]: s["rmse"] for s in row["scores"] if s["lead_hours"] == lead}
        ratios = [own[name] / max(base[name, lead], 1e-30) for name in variables]
        shift = 0.12 * (trainings.index(row["training"]) - (len(trainings) - 1) / 2)

        axes.plot(
            [index + shift for index in range(len(variables))],
            ratios,
            _MARKS[row["contender"]],
            ms=5,
            color=COLOUR_BLIND_SAFE[trainings.index(row["training"]) % len(COLOUR_BLIND_SAFE)],
            label=f"{row['contender']}, {row['training']}",
        )

    axes.axhline(1.0, color="0.6", lw=0.8)
    axes.set_xticks(range(len(variables)), variables)
    axes.set_ylabel(f"RMSE / persistence, {lead:g} h")
    axes.set_ylim(0, 1.6)
    axes.spines[["top", "right"]].set_visible(False)


def _of(rows: list[dict[str, Any]], contender: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["contender"] == contender]
