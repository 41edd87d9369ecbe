"""Chart of the calibration of an ensemble: rank histograms, error by spread, and reliability of the ice."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures.curve_panels import REFERENCE_LINE, panel_grid, plain_decades
from gensim_graph.evaluate.pictures.style import styled, wrapped
from gensim_graph.typing import Array

_COLUMNS, _WIDTH, _HEIGHT = 4, 3.0, 2.6  # panels side by side; inches of a panel
_LETTERS = 34  # of a line of a title
_LEAD_STYLES = ({"color": "#0072B2", "linestyle": "-"}, {"color": "#D55E00", "linestyle": "--"})
"""Line styles of the first and the last lead time."""


@styled
def calibration_chart(
    ranks: pd.DataFrame,
    spread_error: pd.DataFrame,
    reliability: pd.DataFrame,
    words: Mapping[str, str] | None = None,
) -> Figure:
    """Draw rank histograms and error by spread of the forecast, one column per variable, and the reliability of ice.

    The first and the last lead time are shown.

    Args:
        ranks: table of :func:`~gensim_graph.evaluate.assessment.assess`.
        spread_error: table of the same.
        reliability: table of the same; there is no panel of it if it has no rows of the forecast.
        words: variable -> its meaning, for the titles; by default its name.
    """
    variables = list(ranks["variable"].unique())
    leads = sorted(ranks["lead_hours"].unique())
    styles = dict(zip(dict.fromkeys((leads[0], leads[-1])), _LEAD_STYLES, strict=False))
    reliable = reliability[reliability["model"] == "forecast"]
    count = len(variables) + (not reliable.empty)
    figure, above, below = _paired_panels(count)

    for upper, lower, variable in zip(above, below, variables, strict=False):
        for lead, style in styles.items():
            _draw_ranks(upper, _rows(ranks, variable, lead), style, f"+{lead:g} h")
            _draw_spread_error(lower, _rows(spread_error, variable, lead), style)
        title = wrapped((words or {}).get(variable, variable), _LETTERS)
        upper.set_title(title, fontsize=9.5)
        upper.set(xlabel="rank of the truth", ylabel="share of the area", ylim=(0, None))
        lower.set(xlabel="spread", ylabel="error")

    if not reliable.empty:
        _draw_reliability(above[count - 1], below[count - 1], reliable, styles)

    for ax in (*above[count:], *below[count:]):
        ax.set_axis_off()

    handles, labels = above[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=2)

    return figure


def _paired_panels(count: int) -> tuple[Figure, Array, Array]:
    """Figure with ``count`` pairs of panels, one panel of a pair above the other: figure, upper and lower panels."""
    columns = min(count, _COLUMNS)
    blocks = -(-count // columns)
    figure, axes = panel_grid(2 * blocks, columns, _WIDTH, _HEIGHT)
    return figure, axes[0::2].ravel(), axes[1::2].ravel()


def _rows(table: pd.DataFrame, variable: str, lead: float) -> pd.DataFrame:
    """Rows of the forecast for one variable and lead time."""
    keep = (table["model"] == "forecast") & (table["variable"] == variable) & (table["lead_hours"] == lead)
    return table[keep]


def _draw_ranks(ax: Axes, rows: pd.DataFrame, style: Mapping[str, Any], label: str) -> None:
    """Draw a rank histogram; the dotted line is that of a calibrated ensemble."""
    ax.stairs(rows["frequency"], np.arange(len(rows) + 1) - 0.5, label=label, linewidth=1.6, **style)
    if len(rows):
        ax.axhline(rows["expected"].iloc[0], **REFERENCE_LINE)


def _draw_spread_error(ax: Axes, rows: pd.DataFrame, style: Mapping[str, Any]) -> None:
    """Draw the error by spread on logarithmic axes; the dotted diagonal is that of a calibrated ensemble."""
    rows = rows[(rows["spread"] > 0) & (rows["rmse"] > 0)]
    if rows.empty:
        return

    ax.loglog(rows["spread"], rows["rmse"], marker="o", markersize=3, **style)
    plain_decades(ax.xaxis, ax.yaxis)
    both = [*rows["spread"], *rows["rmse"]]
    low, high = min(both), max(both) * 1.001
    ax.axline((low, low), (high, high), **REFERENCE_LINE)


def _draw_reliability(upper: Axes, lower: Axes, rows: pd.DataFrame, styles: Mapping[float, Mapping[str, Any]]) -> None:
    """Draw the observed frequency of ice by forecast probability, and below it how often each probability occurs."""
    for lead, style in styles.items():
        of_lead = rows[rows["lead_hours"] == lead]
        line = {"marker": "o", "markersize": 3, "color": style["color"]}
        upper.plot(of_lead["probability"], of_lead["observed"], **line)
        if of_lead["low"].notna().any():
            band = {"color": style["color"], "alpha": 0.16, "linewidth": 0}
            upper.fill_between(of_lead["probability"], of_lead["low"], of_lead["high"], **band)
        lower.semilogy(of_lead["probability"], of_lead["share"], **line)

    plain_decades(lower.yaxis)
    upper.axline((0, 0), (1, 1), **REFERENCE_LINE)
    upper.set(title="P(ice concentration > 15 %)", xlabel="probability", ylabel="frequency of ice")
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    lower.set(xlabel="probability", ylabel="share of the area", xlim=(-0.02, 1.02))
