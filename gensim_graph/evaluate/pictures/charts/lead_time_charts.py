"""Charts of scores over lead time, one line per model.

Shaded bands are the bootstrap intervals of :mod:`~gensim_graph.evaluate.bootstrap`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures.curve_panels import REFERENCE_LINE, CurvePanels, lead_time_axis
from gensim_graph.evaluate.pictures.map_panels import hide_unused
from gensim_graph.evaluate.pictures.style import styled, with_units, wrapped

_LETTERS = 24  # of a line beside a panel


@styled
def score_curves(
    scores: pd.DataFrame, units: Mapping[str, str] | None = None, words: Mapping[str, str] | None = None
) -> Figure:
    """Draw RMSE, fair CRPS and spread-skill ratio over lead time, one row per variable.

    Args:
        scores: table of :func:`gensim_graph.evaluate.verify.scores.evaluate`.
        units: variable -> units, for the axes.
        words: variable -> its meaning, for the axes; by default its name.
    """
    variables = list(scores["variable"].unique())
    titles = {"rmse": "RMSE of the ensemble mean", "crps": "fair CRPS", "spread_skill": "spread-skill ratio"}
    panels = CurvePanels(len(variables), len(titles), 2.3)

    for row, variable in enumerate(variables):
        of_variable = scores[scores["variable"] == variable]
        for ax, (metric, title) in zip(panels.axes[row], titles.items(), strict=True):
            panels.curves(ax, of_variable, "lead_hours", metric)
            ax.set_title(title if row == 0 else "")
            _label_score_axis(ax, metric, (words or {}).get(variable, variable), (units or {}).get(variable, ""))

    for ax in panels.axes.ravel():
        lead_time_axis(ax, scores["lead_hours"].tolist())

    for ax in panels.axes[:-1].ravel():
        ax.set_xlabel("")

    return panels.with_legend()


def _label_score_axis(ax: Axes, metric: str, text: str, units: str) -> None:
    text = wrapped(text, _LETTERS)
    if metric == "spread_skill":
        ax.axhline(1.0, **REFERENCE_LINE)
        ax.set_ylim(0.0, float(np.clip(ax.get_ylim()[1], 1.5, 4.0)))
        ax.set_ylabel(text)
    else:
        ax.set_ylim(bottom=0.0)
        ax.set_ylabel(with_units(text, units))


@styled
def lead_time_chart(
    table: pd.DataFrame, titles: Mapping[str, str], columns: int = 3, zero: Sequence[str] = ()
) -> Figure:
    """Draw columns of a table over lead time, one panel per column of the table.

    Args:
        table: with columns model, lead_hours and those to draw.
        titles: column of the table -> title of its panel, with units.
        columns: number of panels side by side.
        zero: columns of the table whose axis starts at zero.
    """
    panels = CurvePanels(-(-len(titles) // columns), min(columns, len(titles)))

    for ax, (column, title) in zip(panels.axes.ravel(), titles.items(), strict=False):
        panels.curves(ax, table, "lead_hours", column)
        ax.set_title(title)
        ax.ticklabel_format(axis="y", useOffset=False)
        if column in zero:
            ax.set_ylim(bottom=0.0)
        lead_time_axis(ax, table["lead_hours"].tolist())

    hide_unused(panels.axes, len(titles))
    return panels.with_legend()
