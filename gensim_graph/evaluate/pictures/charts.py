"""Charts of the tables of an evaluation: curves over lead time with their intervals, histograms, scaling.

Every figure is a :class:`matplotlib.figure.Figure` of its own. Lines differ in colour, dash and marker; shaded bands
are the bootstrap intervals of :mod:`~gensim_graph.evaluate.bootstrap`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from gensim_graph.evaluate.pictures.maps import styled, with_units
from gensim_graph.evaluate.tally import TRUTH
from gensim_graph.typing import Array

# Colours of Okabe and Ito (2008); markers and dashes tell the lines apart without them.
MODEL_STYLES: dict[str, dict[str, Any]] = {
    TRUTH: {"color": "#000000", "marker": "", "linestyle": "-", "linewidth": 2.2, "zorder": 6},
    "forecast": {"color": "#0072B2", "marker": "o", "linestyle": "-", "linewidth": 2.2, "zorder": 5},
    "persistence": {"color": "#666666", "marker": "s", "linestyle": "--"},
    "linear": {"color": "#E69F00", "marker": "^", "linestyle": "-."},
    "twin": {"color": "#009E73", "marker": "D", "linestyle": "-"},
}
OTHER_COLOURS = ("#CC79A7", "#56B4E9", "#D55E00", "#8B6F00")
_DERIVED = {", ensemble mean": (0, (4, 1.5)), ", median": (0, (4, 1.5))}
_WIDE, _TALL = 3.6, 2.5  # inches of a panel


def style_of(model: str, models: Sequence[str]) -> dict[str, Any]:
    """Colour, marker and dash of a model among others; its mean has its colour, and dashes."""
    base = next((model.removesuffix(end) for end in _DERIVED if model.endswith(end)), model)
    known = [name for name in models if name not in MODEL_STYLES and not name.endswith(tuple(_DERIVED))]
    style = {"marker": "v", "linestyle": ":"} | MODEL_STYLES.get(base, {})

    if base not in MODEL_STYLES:
        style["color"] = OTHER_COLOURS[known.index(base) % len(OTHER_COLOURS)] if base in known else "#888888"

    if base != model:
        dash = next(dash for end, dash in _DERIVED.items() if model.endswith(end))
        style |= {"linestyle": dash, "marker": "", "linewidth": 1.3, "zorder": 4}

    return {"markersize": 4.0, "linewidth": 1.5} | style


class Panels:
    """A grid of axes that share a legend."""

    def __init__(self, rows: int, columns: int, height: float = _TALL) -> None:
        self.figure = Figure(figsize=(_WIDE * columns, height * rows + 0.5), layout="constrained")
        self.axes: Array = self.figure.subplots(rows, columns, squeeze=False)
        self._handles: dict[str, Artist] = {}

    def curves(self, ax: Axes, table: pd.DataFrame, x: str, y: str) -> None:
        """A line a model, with a band where the table has columns ``y_low`` and ``y_high``."""
        models = [*table["model"].unique()]
        for model in models:
            rows = table[(table["model"] == model) & np.isfinite(table[y])].sort_values(x)
            if rows.empty:
                continue

            style = style_of(model, models)
            every = max(1, len(rows) // 12)
            self._handles.setdefault(model, ax.plot(rows[x], rows[y], markevery=every, **style)[0])

            if f"{y}_low" in rows and rows[f"{y}_low"].notna().any():
                band = {"color": style["color"], "alpha": 0.16, "linewidth": 0}
                ax.fill_between(rows[x], rows[f"{y}_low"], rows[f"{y}_high"], **band)

        ax.grid(axis="y", color="#dddddd", linewidth=0.7)
        ax.set_axisbelow(True)

    def done(self) -> Figure:
        """The figure with its legend."""
        order = sorted(self._handles, key=lambda name: name != TRUTH)
        if order:
            columns = min(len(order), 4)
            handles = [self._handles[name] for name in order]
            self.figure.legend(handles, order, loc="outside upper center", ncols=columns, fontsize=9.5)

        return self.figure


def _over_lead_time(ax: Axes, hours: Sequence[float]) -> None:
    ax.set_xlabel("lead time (h)")
    ticks = sorted({*hours})
    ax.set_xticks(ticks[:: max(1, len(ticks) // 6)])


@styled
def score_curves(scores: pd.DataFrame, units: Mapping[str, str] | None = None) -> Figure:
    """RMSE, fair CRPS and spread-skill over lead time, a row a variable, a line a model, bands the intervals.

    Args:
        scores: what :func:`gensim_graph.evaluate.verify.scores.evaluate` returns.
        units: variable -> units, for the axes.
    """
    variables = list(scores["variable"].unique())
    columns = {"rmse": "RMSE of the ensemble mean", "crps": "fair CRPS", "spread_skill": "spread-skill ratio"}
    panels = Panels(len(variables), 3, 2.1)

    for row, variable in enumerate(variables):
        of_variable = scores[scores["variable"] == variable]
        for ax, (metric, title) in zip(panels.axes[row], columns.items(), strict=True):
            panels.curves(ax, of_variable, "lead_hours", metric)
            _finish_score_axes(ax, metric, variable, title if row == 0 else "", (units or {}).get(variable, ""))

    for ax in panels.axes.ravel():
        _over_lead_time(ax, scores["lead_hours"].tolist())

    for ax in panels.axes[:-1].ravel():
        ax.set_xlabel("")

    return panels.done()


def _finish_score_axes(ax: Axes, metric: str, variable: str, title: str, units: str) -> None:
    ax.set_title(title)
    if metric == "spread_skill":
        ax.axhline(1.0, color="#222222", linewidth=1.0, linestyle=(0, (1, 2)))
        ax.set_ylim(0.0, float(np.clip(ax.get_ylim()[1], 1.5, 4.0)))
        ax.set_ylabel(variable)
    else:
        ax.set_ylim(bottom=0.0)
        ax.set_ylabel(with_units(variable, units))


@styled
def calibration_chart(ranks: pd.DataFrame, spread_error: pd.DataFrame, reliability: pd.DataFrame) -> Figure:
    """Rank histograms and error by spread of the forecast, a column a variable, and reliability of ice; at two leads.

    Args:
        ranks, spread_error, reliability: tables of :func:`~gensim_graph.evaluate.assessment.assess`.
    """
    variables = list(ranks["variable"].unique())
    leads = sorted(ranks["lead_hours"].unique())
    shown = dict(zip(dict.fromkeys((leads[0], leads[-1])), ("#0072B2", "#D55E00"), strict=False))
    reliable = reliability[reliability["model"] == "forecast"]
    count = len(variables) + (not reliable.empty)
    columns = min(count, 4)
    blocks = -(-count // columns)
    figure = Figure(figsize=(2.9 * columns, 5.0 * blocks + 0.4), layout="constrained")
    axes = figure.subplots(2 * blocks, columns, squeeze=False)
    above, below = (axes[row::2].ravel() for row in range(2))

    for upper, lower, variable in zip(above, below, variables, strict=False):
        for (lead, colour), dash in zip(shown.items(), ("-", "--"), strict=False):
            style = {"color": colour, "linestyle": dash}
            _rank_histogram(upper, _of(ranks, variable, lead), style, f"+{lead:g} h")
            _spread_error(lower, _of(spread_error, variable, lead), style)
        upper.set(title=variable, xlabel="rank of the truth", ylabel="share of the area", ylim=(0, None))
        lower.set(xlabel="spread", ylabel="error")

    if not reliable.empty:
        _reliability((above[count - 1], below[count - 1]), reliable, shown)

    for ax in (*above[count:], *below[count:]):
        ax.set_axis_off()

    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)

    return figure


def _of(table: pd.DataFrame, variable: str, lead: float) -> pd.DataFrame:
    keep = (table["model"] == "forecast") & (table["variable"] == variable) & (table["lead_hours"] == lead)
    return table[keep]


def _rank_histogram(ax: Axes, rows: pd.DataFrame, style: Mapping[str, Any], label: str) -> None:
    ax.stairs(rows["frequency"], np.arange(len(rows) + 1) - 0.5, label=label, linewidth=1.6, **style)
    if len(rows):
        ax.axhline(rows["expected"].iloc[0], color="#222222", linewidth=1.0, linestyle=(0, (1, 2)))


def _spread_error(ax: Axes, rows: pd.DataFrame, style: Mapping[str, Any]) -> None:
    rows = rows[(rows["spread"] > 0) & (rows["rmse"] > 0)]
    if rows.empty:
        return

    ax.loglog(rows["spread"], rows["rmse"], marker="o", markersize=3, **style)
    _plain_decades(ax)
    both = [*rows["spread"], *rows["rmse"]]
    ax.axline(
        (min(both), min(both)), (max(both) * 1.001, max(both) * 1.001), color="#222222", linestyle=(0, (1, 2)), lw=1
    )


def _plain_decades(ax: Axes) -> None:
    """Ticks of logarithmic axes as plain numbers that do not run into each other."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def _reliability(axes: tuple[Axes, Axes], rows: pd.DataFrame, shown: Mapping[float, str]) -> None:
    ax, below = axes
    for lead, colour in shown.items():
        part = rows[rows["lead_hours"] == lead]
        ax.plot(part["probability"], part["observed"], marker="o", markersize=3, color=colour)
        if part["low"].notna().any():
            ax.fill_between(part["probability"], part["low"], part["high"], color=colour, alpha=0.16, linewidth=0)
        below.semilogy(part["probability"], part["share"], marker="o", markersize=3, color=colour)

    ax.axline((0, 0), (1, 1), color="#222222", linestyle=(0, (1, 2)), linewidth=1)
    ax.set(
        title="P(sic > 15 %)", xlabel="probability", ylabel="frequency of ice", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02)
    )
    below.set(xlabel="probability", ylabel="share of the area", xlim=(-0.02, 1.02))


@styled
def curve_grid(table: pd.DataFrame, panels: Mapping[str, str], columns: int = 3, zero: Sequence[str] = ()) -> Figure:
    """Curves over lead time, a panel a column of the table.

    Args:
        table: columns model, lead_hours and those of the panels.
        panels: column -> title with units.
        columns: panels side by side.
        zero: columns whose axis begins at zero.
    """
    grid = Panels(-(-len(panels) // columns), min(columns, len(panels)))
    for ax, (column, title) in zip(grid.axes.ravel(), panels.items(), strict=False):
        grid.curves(ax, table, "lead_hours", column)
        ax.set_title(title)
        ax.ticklabel_format(axis="y", useOffset=False)
        if column in zero:
            ax.set_ylim(bottom=0.0)
        _over_lead_time(ax, table["lead_hours"].tolist())

    for ax in grid.axes.ravel()[len(panels) :]:
        ax.set_axis_off()

    return grid.done()


@styled
def distribution_chart(distribution: pd.DataFrame, hours: float) -> Figure:
    """Density of the deformation rates at one lead time, logarithmic.

    Args:
        distribution: see :meth:`~gensim_graph.evaluate.physics.deformation_rates.DeformationTally.distribution`.
        hours: the lead time.
    """
    grid = Panels(1, 3, 3.1)
    at = distribution[(distribution["lead_hours"] == hours) & (distribution["density"] > 0)]
    quantities = {"total": "total deformation", "opening": "opening", "closing": "closing"}

    for ax, (quantity, title) in zip(grid.axes[0], quantities.items(), strict=True):
        grid.curves(ax, at[at["quantity"] == quantity], "rate", "density")
        ax.set(xscale="log", yscale="log", title=title, xlabel="rate (day⁻¹)", xlim=(1e-4, None))
        ax.set_ylim(bottom=max(ax.get_ylim()[0], 1e-5))

    grid.axes[0, 0].set_ylabel("share of the area a decade")
    return grid.done()


@styled
def scaling_chart(scaling: pd.DataFrame, intermittency: pd.DataFrame, hours: float) -> Figure:
    """Moments of the deformation over box size and over time, and their exponents.

    Args:
        scaling, intermittency: tables of :func:`~gensim_graph.evaluate.assessment.assess`; the second may be empty.
        hours: the lead time of the first.
    """
    found = [(scaling[scaling["lead_hours"] == hours], "length_km", "box (km)", "beta", "in space")]
    if not intermittency.empty:
        found.append((intermittency, "duration_hours", "window (h)", "alpha", "in time"))

    grid = Panels(len(found), 3)
    for row, (table, length, title, exponent, where) in zip(grid.axes, found, strict=True):
        for ax, order in zip(row, (1.0, 2.0), strict=False):
            grid.curves(ax, table[table["order"] == order], length, "moment")
            ax.set(xscale="log", yscale="log", xlabel=title, title=f"mean of e^{order:g} {where}")
            _plain_decades(ax)

        once = table.drop_duplicates(["model", "order"])
        grid.curves(row[2], once, "order", exponent)
        row[2].set(xlabel="order q", title=f"exponent {exponent}(q) {where}")

    return grid.done()


@styled
def scale_chart(table: pd.DataFrame, scale: str, hours: float, title: str) -> Figure:
    """Ratio of forecasts to the truth over scales at one lead time, a panel a variable.

    Args:
        table: structure functions or spectra, with columns variable, ``scale`` and ratio.
        scale: column of the scales, km.
        hours: the lead time.
        title: of the ratio.
    """
    at = table[(table["lead_hours"] == hours) & (table["model"] != TRUTH)]
    variables = list(at["variable"].unique())
    columns = min(3, len(variables))
    grid = Panels(-(-len(variables) // columns), columns)

    for ax, variable in zip(grid.axes.ravel(), variables, strict=False):
        grid.curves(ax, at[at["variable"] == variable], scale, "ratio")
        ax.axhline(1.0, color="#222222", linewidth=1.0)
        ax.axhline(0.5, color="#222222", linewidth=1.0, linestyle=(0, (1, 2)))
        ax.set(xscale="log", title=variable, xlabel=scale.replace("_km", " (km)"))
        ax.set_ylim(0.0, float(np.clip(ax.get_ylim()[1], 1.2, 3.0)))

    for ax in grid.axes.ravel()[len(variables) :]:
        ax.set_axis_off()

    for ax in grid.axes[:, 0]:
        ax.set_ylabel(title)

    return grid.done()
