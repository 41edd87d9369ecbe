"""Figure of a suite: time and memory per cell over the size of the mesh."""

from itertools import product

from matplotlib.figure import Figure

from gensim_graph.benchmark.speed.speed_report import Report, Row

COLOUR_BLIND_SAFE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000")
"""Colours of Okabe and Ito, which colour-blind readers can distinguish."""


def draw(report: Report) -> Figure:
    """Draw one curve for every contestant and stage: solid forward, dashed with gradients, dotted for preparation."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    names = list(dict.fromkeys(row.contestant for row in report.rows))
    stages = list(dict.fromkeys(row.stage for row in report.rows))
    panels = (("microseconds_per_cell", 1.0, "time (µs a cell)"), ("bytes_per_cell", 1e3, "memory (kB a cell)"))

    for axes, (what, unit, label) in zip(figure.subplots(1, 2), panels, strict=True):
        for (index, name), stage in product(enumerate(names), stages):
            points = [(row.cells, value / unit) for row in _rows(report, name, stage) if (value := getattr(row, what))]
            if points:
                style = {"forward": "-", "forward+backward": "--"}.get(stage, ":")
                axes.plot(
                    *zip(*points, strict=True),
                    style,
                    marker="o",
                    ms=4,
                    color=COLOUR_BLIND_SAFE[index],
                    label=f"{name}, {stage}",
                )

        axes.set(xscale="log", yscale="log", xlabel="cells", ylabel=label)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)

    figure.axes[0].legend(fontsize=7, frameon=False)
    figure.suptitle(f"{report.name}: {report.machine['processor']}, {report.machine['threads']} threads", fontsize=10)

    return figure


def _rows(report: Report, name: str, stage: str) -> list[Row]:
    return [row for row in report.rows if (row.contestant, row.stage) == (name, stage)]
