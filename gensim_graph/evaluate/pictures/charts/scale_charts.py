"""Charts of the deformation and of variability by scale: distribution, moments, and the ratio to the truth."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gensim_graph.evaluate.physics import RESOLVED_RATIO
from gensim_graph.evaluate.pictures.curve_panels import REFERENCE_LINE, CurvePanels, plain_decades
from gensim_graph.evaluate.pictures.map_panels import hide_unused
from gensim_graph.evaluate.pictures.style import styled, wrapped
from gensim_graph.evaluate.tally import TRUTH

_LETTERS = 40  # of a line of a title


@styled
def distribution_chart(distribution: pd.DataFrame, hours: float) -> Figure:
    """Draw the density of the deformation rates at one lead time on logarithmic axes.

    Args:
        distribution: table of
            :meth:`~gensim_graph.evaluate.physics.deformation_statistics.DeformationTally.distribution`.
        hours: the lead time, h.
    """
    panels = CurvePanels(1, 3, 3.1)
    shown = distribution[(distribution["lead_hours"] == hours) & (distribution["density"] > 0)]
    titles = {"total": "total deformation", "opening": "opening", "closing": "closing"}

    for ax, (quantity, title) in zip(panels.axes[0], titles.items(), strict=True):
        panels.curves(ax, shown[shown["quantity"] == quantity], "rate", "density")
        ax.set(xscale="log", yscale="log", title=title, xlabel="rate (day⁻¹)", xlim=(1e-4, None))
        ax.set_ylim(bottom=max(ax.get_ylim()[0], 1e-5))
        plain_decades(ax.xaxis, ax.yaxis)

    panels.axes[0, 0].set_ylabel("share of the area a decade")
    return panels.with_legend()


@styled
def scaling_chart(scaling: pd.DataFrame, intermittency: pd.DataFrame, hours: float) -> Figure:
    """Draw moments of the deformation over box size and over time, and their exponents.

    Args:
        scaling: table of :func:`~gensim_graph.evaluate.assessment.assess`.
        intermittency: table of the same; there is no row of it if it is empty.
        hours: lead time of ``scaling``, h.
    """
    panels = CurvePanels(1 if intermittency.empty else 2, 3)
    in_space = scaling[scaling["lead_hours"] == hours]
    _draw_moments(panels, 0, in_space, "length_km", "box (km)", "in space")
    _draw_exponents(panels, 0, in_space, "beta", "in space")

    if not intermittency.empty:
        _draw_moments(panels, 1, intermittency, "duration_hours", "window (h)", "in time")
        _draw_exponents(panels, 1, intermittency, "alpha", "in time")

    return panels.with_legend()


def _draw_moments(panels: CurvePanels, row: int, table: pd.DataFrame, length: str, label: str, domain: str) -> None:
    """Draw the moments of first and second order over the column ``length`` into the first two panels of a row."""
    for ax, order in zip(panels.axes[row], (1.0, 2.0), strict=False):
        panels.curves(ax, table[table["order"] == order], length, "moment")
        title = f"mean deformation {domain}" if order == 1.0 else f"mean square deformation {domain}"
        ax.set(xscale="log", yscale="log", xlabel=label, title=title)
        plain_decades(ax.xaxis, ax.yaxis)


def _draw_exponents(panels: CurvePanels, row: int, table: pd.DataFrame, exponent: str, domain: str) -> None:
    """Draw the column ``exponent`` over the order into the third panel of a row."""
    ax = panels.axes[row, 2]
    panels.curves(ax, table.drop_duplicates(["model", "order"]), "order", exponent)
    ax.set(xlabel="order q", title=f"exponent {exponent}(q) {domain}")


@styled
def scale_chart(
    table: pd.DataFrame, scale: str, hours: float, label: str, words: Mapping[str, str] | None = None
) -> Figure:
    """Draw the ratio of forecasts to the truth over scale at one lead time, one panel per variable.

    The grey band is the range of ratios that counts as resolved.

    Args:
        table: structure functions or spectra, with columns variable, ratio and that of the scale.
        scale: column of the scale, which ends in ``_km``.
        hours: the lead time, h.
        label: of the ordinate.
        words: variable -> its meaning, for the titles; by default its name.
    """
    shown = table[(table["lead_hours"] == hours) & (table["model"] != TRUTH)]
    variables = list(shown["variable"].unique())
    columns = min(3, len(variables))
    panels = CurvePanels(-(-len(variables) // columns), columns)

    for ax, variable in zip(panels.axes.ravel(), variables, strict=False):
        panels.curves(ax, shown[shown["variable"] == variable], scale, "ratio")
        low, high = ax.get_ylim()
        ax.axhline(1.0, **REFERENCE_LINE)
        ax.axhspan(RESOLVED_RATIO, 1 / RESOLVED_RATIO, color="#999999", alpha=0.18, linewidth=0)
        ax.set(xscale="log", yscale="log", title=wrapped((words or {}).get(variable, variable), _LETTERS))
        ax.set(xlabel=scale.replace("_km", " (km)"), ylim=(np.clip(low, 0.02, 0.3), np.clip(high, 3.0, 50.0)))
        plain_decades(ax.xaxis, ax.yaxis)

    hide_unused(panels.axes, len(variables))
    for ax in panels.axes[:, 0]:
        ax.set_ylabel(label)

    return panels.with_legend()
