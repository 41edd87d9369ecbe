"""Picture of a training: losses, rates and scores by step, drawn from its record."""

from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gensim_graph.system import write_atomically
from gensim_graph.train.training_record import read_record

PICTURE = "curves.png"

_PANELS = (
    ("loss", ("loss", "validation_loss"), "linear"),
    ("gradient norm, learning rate", ("gradient_norm", "learning_rate"), "log"),
    ("CRPS, in deviations of a step", ("crps_",), "linear"),
    ("spread over error", ("spread_skill_",), "linear"),
)
"""Title, measures (or beginnings of their names) and scale of each panel."""

_LABELS = {"loss": "training", "validation_loss": "validation"}


def draw_curves(folder: Path) -> Path:
    """Draw the record of a run as ``curves.png`` in its folder; returns the path.

    Args:
        folder: of the run.

    Raises:
        InputError: the run has no record.
    """
    record = read_record(folder)
    panels = [(title, _columns(record, starts), scale) for title, starts, scale in _PANELS]
    panels = [panel for panel in panels if panel[1]]

    figure = Figure(figsize=(8, 2.6 * ((len(panels) + 1) // 2)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots((len(panels) + 1) // 2, 2, squeeze=False).ravel()

    for axis, (title, columns, scale) in zip(axes, panels, strict=False):
        for name in columns:
            values = record[name].dropna()
            marker = "." if len(values) < 40 else None
            axis.plot(values.index, values, label=_LABELS.get(name, name.split("_")[-1]), lw=1, marker=marker)
        axis.set(title=title, yscale=scale, xlabel="step")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, ncols=2)
    for axis in axes[len(panels) :]:
        axis.remove()

    path = folder / PICTURE
    write_atomically(path, lambda part: figure.savefig(part, format="png", dpi=110))

    return path


def _columns(record: pd.DataFrame, starts: tuple[str, ...]) -> list[str]:
    """Measures of a panel that the record has."""
    names = [str(name) for name in record.columns]
    return [
        name for start in starts for name in names if name == start or (start.endswith("_") and name.startswith(start))
    ]
