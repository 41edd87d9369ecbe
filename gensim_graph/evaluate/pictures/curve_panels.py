"""Panels of curves, one line per model: the line styles of the models, the legend the panels share, and their axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from gensim_graph.evaluate.pictures.style import SUPERSCRIPTS
from gensim_graph.evaluate.tally import TRUTH
from gensim_graph.typing import Array

MODEL_STYLES: dict[str, dict[str, Any]] = {
    TRUTH: {"color": "#000000", "marker": "", "linestyle": "-", "linewidth": 2.2, "zorder": 6},
    "forecast": {"color": "#0072B2", "marker": "o", "linestyle": "-", "linewidth": 2.2, "zorder": 5},
    "persistence": {"color": "#666666", "marker": "s", "linestyle": "--"},
    "linear": {"color": "#E69F00", "marker": "^", "linestyle": "-."},
    "twin": {"color": "#009E73", "marker": "D", "linestyle": "-"},
}
"""Line styles of known models; colours of Okabe and Ito (2008). Markers and dashes differ too, for print in grey."""

OTHER_COLOURS = ("#CC79A7", "#56B4E9", "#D55E00", "#8B6F00")
"""Colours of all other models."""

REFERENCE_LINE: dict[str, Any] = {"color": "#222222", "linewidth": 1.0, "linestyle": (0, (1, 2))}
"""Dotted line at the ideal value of a score."""

_DERIVED = (", ensemble mean", ", median")
_DERIVED_STYLE = {"linestyle": (0, (4, 1.5)), "marker": "", "linewidth": 1.3, "zorder": 4}
_WIDTH, _HEIGHT = 3.6, 2.5  # inches of a panel
_LEFT, _RIGHT, _ABOVE, _BELOW, _LEGEND = 0.82, 0.12, 0.32, 0.5, 0.42  # inches around a panel, and above all
_MARKERS = 12  # at most, on one line
_SUBDIVIDED_UP_TO = 50.0  # largest ratio of the ends of a logarithmic axis that has ticks at 2 and 5 too


def style_of(model: str, models: Sequence[str]) -> dict[str, Any]:
    """Return colour, marker and dash of the line of a model.

    The ensemble mean and the median of a model have its colour, dashed and without markers.

    Args:
        model: name of the model.
        models: names of all models of the chart.
    """
    base = next((model.removesuffix(ending) for ending in _DERIVED if model.endswith(ending)), model)
    style = {"markersize": 4.0, "linewidth": 1.5, "marker": "v", "linestyle": ":"} | MODEL_STYLES.get(base, {})

    if base not in MODEL_STYLES:
        others = [name for name in models if name not in MODEL_STYLES and not name.endswith(_DERIVED)]
        style["color"] = OTHER_COLOURS[others.index(base) % len(OTHER_COLOURS)] if base in others else "#888888"

    return style | _DERIVED_STYLE if base != model else style


def panel_grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, Array]:
    """Make a figure with rows and columns of panels, and room above them for a legend.

    The panels are placed by hand: an automatic layout measures every label several times, which takes longer than to
    draw them.

    Args:
        rows: number of rows.
        columns: number of columns.
        width: of a panel with its labels, inches.
        height: of a panel with its labels, inches.

    Returns:
        The figure, and its axes (rows, columns).
    """
    total_width, total_height = width * columns, height * rows + _LEGEND
    inner_width, inner_height = width - _LEFT - _RIGHT, height - _ABOVE - _BELOW
    figure = Figure(figsize=(total_width, total_height))
    grid = figure.add_gridspec(
        rows,
        columns,
        left=_LEFT / total_width,
        right=1 - _RIGHT / total_width,
        bottom=_BELOW / total_height,
        top=1 - (_ABOVE + _LEGEND) / total_height,
        wspace=(_LEFT + _RIGHT) / inner_width,
        hspace=(_ABOVE + _BELOW) / inner_height,
    )

    return figure, grid.subplots(squeeze=False)


class CurvePanels:
    """A grid of panels with curves, and one legend for all of them.

    Args:
        rows: number of rows.
        columns: number of columns.
        height: of a panel, inches.

    Attributes:
        figure: the figure.
        axes: (rows, columns) the panels.
    """

    def __init__(self, rows: int, columns: int, height: float = _HEIGHT) -> None:
        self.figure, self.axes = panel_grid(rows, columns, _WIDTH, height)
        self._handles: dict[str, Artist] = {}

    def curves(self, ax: Axes, table: pd.DataFrame, x: str, y: str) -> None:
        """Draw one line per model, with a shaded band if the table has columns ``y_low`` and ``y_high``.

        Args:
            ax: the panel.
            table: rows of all models, with a column ``model``.
            x: column of the abscissa.
            y: column of the ordinate.
        """
        models = [*table["model"].unique()]
        for model in models:
            rows = table[(table["model"] == model) & np.isfinite(table[y])].sort_values(x)
            if rows.empty:
                continue

            style = style_of(model, models)
            every = max(1, len(rows) // _MARKERS)
            self._handles.setdefault(model, ax.plot(rows[x], rows[y], markevery=every, **style)[0])

            if f"{y}_low" in rows and rows[f"{y}_low"].notna().any():
                band = {"color": style["color"], "alpha": 0.16, "linewidth": 0}
                ax.fill_between(rows[x], rows[f"{y}_low"], rows[f"{y}_high"], **band)

        ax.grid(axis="y", color="#dddddd", linewidth=0.7)
        ax.set_axisbelow(True)

    def with_legend(self) -> Figure:
        """Draw the legend and return the figure."""
        order = sorted(self._handles, key=lambda name: name != TRUTH)
        if order:
            columns = min(len(order), 4)
            handles = [self._handles[name] for name in order]
            self.figure.legend(handles, order, loc="upper center", ncols=columns, fontsize=9.5)

        return self.figure


def lead_time_axis(ax: Axes, hours: Sequence[float]) -> None:
    """Label the abscissa of a panel as lead time.

    Args:
        ax: the panel.
        hours: lead times that are shown, h.
    """
    ticks = sorted({*hours})
    ax.set_xlabel("lead time (h)")
    ax.set_xticks(ticks[:: max(1, len(ticks) // 6)])


def plain_decades(*axes: Axis) -> None:
    """Write the ticks of logarithmic axes as plain numbers that do not overlap.

    Args:
        axes: abscissa or ordinate of a panel, after everything is drawn into it.
    """
    for axis in axes:
        low, high = axis.get_view_interval()
        subdivisions = (1.0, 2.0, 5.0) if high < _SUBDIVIDED_UP_TO * low else (1.0,)
        axis.set_major_locator(LogLocator(subs=subdivisions))
        axis.set_major_formatter(FuncFormatter(power_text))
        axis.set_minor_locator(NullLocator())


def power_text(value: float, _position: object = None) -> str:
    """Format a tick of a logarithmic axis: 0.05, 20, but 10⁻⁴.

    Args:
        value: the tick.
        _position: number of the tick, which matplotlib passes.
    """
    if value <= 0 or 9e-4 < value < 1e5:
        return f"{value:g}"

    digits, power = f"{value:.0e}".split("e")
    raised = "10" + str(int(power)).translate(SUPERSCRIPTS)

    return raised if digits == "1" else f"{digits}·{raised}"
