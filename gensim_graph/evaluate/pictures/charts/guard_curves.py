"""Distance of a forecast from its training data over lead time."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures.curve_panels import REFERENCE_LINE, CurvePanels, lead_time_axis
from gensim_graph.evaluate.pictures.style import styled, wrapped

_COLUMNS = 3
_LETTERS = 34
"""Letters in a line of a title."""


@styled
def guard_chart(table: pd.DataFrame, quantities: Sequence[str]) -> Figure:
    """Draw how far the members lie beyond the range of the training data, one panel for each quantity.

    A dotted line marks half of the width of the range, at which a value is 1.5 times the largest of the training data
    where the smallest is 0.

    Args:
        table: columns ``model`` (now, extrapolated), ``lead_hours``, ``quantity`` and ``beyond``.
        quantities: those that are drawn.
    """
    panels = CurvePanels(-(-len(quantities) // _COLUMNS), min(_COLUMNS, len(quantities)))

    for ax, quantity in zip(panels.axes.ravel(), quantities, strict=False):
        rows = table[table["quantity"] == quantity]
        panels.curves(ax, rows, "lead_hours", "beyond")
        ax.axhline(0.5, **REFERENCE_LINE)
        ax.set_title(wrapped(quantity, _LETTERS))
        ax.set_ylim(0.0, max(0.6, 1.1 * float(rows["beyond"].max())))
        lead_time_axis(ax, rows["lead_hours"].tolist())

    for ax in panels.axes.ravel()[len(quantities) :]:
        ax.set_visible(False)

    return panels.with_legend()
