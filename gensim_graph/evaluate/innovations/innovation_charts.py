"""Charts of innovations: their size over lead time, and the ranks of the observations."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures import (
    REFERENCE_LINE,
    CurvePanels,
    lead_time_axis,
    panel_grid,
    style_of,
    styled,
    wrapped,
)

_COLUMNS, _WIDTH, _HEIGHT = 4, 3.0, 2.6  # panels side by side; inches of a panel
_LETTERS = 34  # of a line of a title
_CURVES = {"rmse": "RMSE of the innovations", "spread": "spread", "rcrv_std": "deviation of the reduced variable"}


@styled
def innovation_curves(times: pd.DataFrame, words: Mapping[str, str] | None = None) -> Figure:
    """Draw root mean square innovation, spread and deviation of the reduced centred variable over lead time.

    One row for each variable; the dotted line is the deviation of a reliable forecast.

    Args:
        times: table ``innovation_times`` of :func:`~gensim_graph.evaluate.innovations.score_innovations`.
        words: variable -> its meaning; by default its name.
    """
    variables = list(times["variable"].unique())
    panels = CurvePanels(len(variables), len(_CURVES))

    for row, variable in enumerate(variables):
        rows = times[times["variable"] == variable]
        for ax, (column, title) in zip(panels.axes[row], _CURVES.items(), strict=True):
            panels.curves(ax, rows, "lead_hours", column)
            ax.set_title(title if row == 0 else "")
            ax.set_ylim(bottom=0.0)
            lead_time_axis(ax, rows["lead_hours"].tolist())

        panels.axes[row, 0].set_ylabel(wrapped((words or {}).get(variable, variable), _LETTERS))
        panels.axes[row, -1].axhline(1.0, **REFERENCE_LINE)

    return panels.with_legend()


@styled
def innovation_rank_chart(ranks: pd.DataFrame, words: Mapping[str, str] | None = None) -> Figure:
    """Draw the rank histograms of forecast and analysis, one panel for each variable; dotted: equally many of each.

    Args:
        ranks: table ``innovation_ranks`` of :func:`~gensim_graph.evaluate.innovations.score_innovations`.
        words: variable -> its meaning; by default its name.
    """
    variables, models = list(ranks["variable"].unique()), list(ranks["model"].unique())
    columns = min(len(variables), _COLUMNS)
    figure, axes = panel_grid(-(-len(variables) // columns), columns, _WIDTH, _HEIGHT)

    for ax, variable in zip(axes.ravel(), variables, strict=False):
        for model in models:
            rows = ranks[(ranks["variable"] == variable) & (ranks["model"] == model)]
            style = style_of(model, models)
            line = {"color": style["color"], "linestyle": style["linestyle"]}
            ax.stairs(rows["frequency"], np.arange(len(rows) + 1) - 0.5, label=model, linewidth=1.6, **line)
        ax.axhline(ranks["expected"].iloc[0], **REFERENCE_LINE)
        ax.set_title(wrapped((words or {}).get(variable, variable), _LETTERS), fontsize=9.5)
        ax.set(xlabel="rank of the observation", ylabel="share of the observations", ylim=(0, None))

    for ax in axes.ravel()[len(variables) :]:
        ax.set_axis_off()

    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=2)

    return figure
