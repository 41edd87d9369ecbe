"""Figures of forecasts: maps on the native faces, score curves, the mesh itself.

Every figure is a :class:`matplotlib.figure.Figure` of its own: nothing touches pyplot or needs a display. Colour maps
are perceptually ordered and safe for the colour-blind: sequential for states, diverging around zero for velocities and
divergence. Panels that are compared share their colour scale.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap, LogNorm, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

KILOMETRE = 1e-3
COLOUR_MAPS = {"sic": "Blues_r", "sit": "viridis", "sid": "magma", "snt": "cividis"}
SPREAD_MAP, DIVERGING_MAP, SPEED_MAP, DEFORMATION_MAP = "inferno", "RdBu_r", "viridis", "inferno"
MODEL_STYLES = {  # colours of Okabe and Ito (2008); markers and dashes tell the lines apart without them
    "forecast": {"color": "#0072B2", "marker": "o", "linestyle": "-", "linewidth": 2.2, "zorder": 5},
    "persistence": {"color": "#666666", "marker": "s", "linestyle": "--"},
    "linear": {"color": "#E69F00", "marker": "^", "linestyle": "-."},
    "twin": {"color": "#009E73", "marker": "D", "linestyle": "-"},
}
OTHER_COLOURS = ("#CC79A7", "#56B4E9", "#D55E00", "#000000")
BOUNDARY_COLOURS = {"coast": "#D55E00", "open": "#0072B2"}
STYLE = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.titlesize": 10.5,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#222222",
    "legend.frameon": False,
    "savefig.dpi": 110,
    "figure.facecolor": "white",
    "image.composite_image": False,
}
_P = ParamSpec("_P")


def _styled(draw: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Draw within our style and leave the user's untouched."""

    @wraps(draw)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapped


def pretty_units(units: str) -> str:
    """Units for a label: ``m s-1`` as m s⁻¹, nothing for a plain number."""
    if units in ("", "1"):
        return ""
    superscripts = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return re.sub(r"(?<=[A-Za-z])-?\d+", lambda power: power.group().translate(superscripts), units)


def label(variable: Variable) -> str:
    """Name, meaning and units of a variable for a title."""
    units = pretty_units(variable.units)
    return f"{variable.name}: {variable.long_name or variable.name}" + (f" ({units})" if units else "")


def face_map(
    ax: Axes, mesh: Mesh, values: Array, *, cmap: str | Colormap = "viridis", norm: Normalize | None = None, title: str = ""
) -> PolyCollection:
    """Draw values on the native faces, axes in km with equal scale.

    Args:
        values: (face).
        norm: colour scale; the range of the values when not given.

    Returns:
        What a colour bar needs.
    """
    corners = np.where(mesh.faces >= 0, mesh.faces, mesh.faces[:, :1])
    # Without antialiasing neighbours meet without a seam of background between them.
    polygons = PolyCollection(list(mesh.nodes[corners] * KILOMETRE), cmap=cmap, norm=norm, antialiased=False, linewidth=0, rasterized=True)
    polygons.set_array(np.asarray(values, dtype=np.float64))
    ax.add_collection(polygons)
    _frame(ax, mesh)
    ax.set_title(title)
    return polygons


def _frame(ax: Axes, mesh: Mesh) -> None:
    low, high = mesh.nodes.min(axis=0) * KILOMETRE, mesh.nodes.max(axis=0) * KILOMETRE
    margin = 0.01 * (high - low).max()
    ax.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin), aspect="equal", facecolor="#e6e6e6")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4, integer=True))


def arrows(ax: Axes, mesh: Mesh, drift: tuple[Array, Array], *, scale: float, spacing: float = 1 / 14) -> None:
    """Draw drift arrows on an even subset of the faces.

    Args:
        drift: u, v along the mesh axes, each (face), m/s.
        scale: drift that is drawn as long as the arrows stand apart, m/s.
        spacing: distance between arrows as a share of the size of the mesh.
    """
    extent = np.ptp(mesh.nodes, axis=0).max()
    bins = np.floor((mesh.centres - mesh.nodes.min(axis=0)) / (spacing * extent)).astype(np.int64)
    middle = (bins + 0.5) * spacing * extent + mesh.nodes.min(axis=0)
    order = np.argsort(np.linalg.norm(mesh.centres - middle, axis=1), kind="stable")
    _, first = np.unique(bins[order], axis=0, return_index=True)
    chosen = order[first]
    x, y = mesh.centres[chosen].T * KILOMETRE
    length = scale / (spacing * extent * KILOMETRE)
    quiver = ax.quiver(x, y, drift[0][chosen], drift[1][chosen], angles="xy", scale_units="xy", scale=length, width=0.0042, pivot="mid")
    quiver.set(color="black", path_effects=[withStroke(linewidth=1.4, foreground="white")])  # readable on light and dark


@_styled
def forecast_maps(
    mesh: Mesh,
    truth: Array,
    member: Array,
    mean: Array,
    spread: Array | None,
    variable: Variable,
    leads: Sequence[float],
    drift: Mapping[str, tuple[Array, Array]] | None = None,
) -> Figure:
    """Truth, one member, ensemble mean and spread, a row a lead time.

    Truth, member and mean share one colour scale, the spread has its own.

    Args:
        truth, member, mean, spread: (lead_time, face) in the variable's units; spread is None for one member.
        leads: hours.
        drift: ``truth``, ``member``, ``mean`` -> u, v (lead_time, face) m/s, drawn as arrows.
    """
    columns = {"truth": truth, "one member": member, "ensemble mean": mean}
    if spread is None:
        columns = {"truth": truth, "forecast": member}
    norm = _shared_norm(list(columns.values()), variable)
    cmap = DIVERGING_MAP if variable.vector else COLOUR_MAPS.get(variable.name, "viridis")
    figure, axes = _grid(mesh, len(leads), len(columns) + (spread is not None))
    longest = max((float(np.hypot(*pair).max()) for pair in (drift or {}).values()), default=0.0)
    for column, (name, fields) in enumerate(columns.items()):
        for row, ax in enumerate(axes[:, column]):
            image = face_map(ax, mesh, fields[row], cmap=cmap, norm=norm, title=name if row == 0 else "")
            source = name.split()[-1] if name != "forecast" else "member"
            if drift and longest > 0:
                arrows(ax, mesh, (drift[source][0][row], drift[source][1][row]), scale=longest / 1.6)
    _colour_bar(figure, image, axes[:, : len(columns)], label(variable), norm, list(columns.values()))
    if spread is not None:
        scale = Normalize(0.0, _quantile(spread, 0.995) or 1.0)
        for row, ax in enumerate(axes[:, -1]):
            image = face_map(ax, mesh, spread[row], cmap=SPREAD_MAP, norm=scale, title="spread" if row == 0 else "")
        _colour_bar(figure, image, axes[:, -1:], _with_units("spread", variable.units), scale, [spread])
    _label_rows(axes, leads)
    return figure


@_styled
def deformation_maps(mesh: Mesh, fields: Mapping[str, Array], quantity: str, leads: Sequence[float]) -> Figure:
    """Deformation rates on the native faces, a row a lead time, a column a source.

    Args:
        fields: name of the source -> (lead_time, face), 1/day.
        quantity: ``total_deformation`` or ``shear`` (logarithmic colours) or ``divergence`` (diverging).
    """
    pooled = np.concatenate([np.abs(values).ravel() for values in fields.values()])
    top = max(float(np.quantile(pooled, 0.995)), 1e-12)
    signed = quantity == "divergence"
    norm = TwoSlopeNorm(0.0, -top, top) if signed else LogNorm(top / 1e3, top)
    figure, axes = _grid(mesh, len(leads), len(fields))
    for column, (name, values) in enumerate(fields.items()):
        for row, ax in enumerate(axes[:, column]):
            shown = values[row] if signed else np.maximum(values[row], top / 1e3)
            image = face_map(ax, mesh, shown, cmap="PuOr" if signed else DEFORMATION_MAP, norm=norm, title=name if row == 0 else "")
    _colour_bar(figure, image, axes, f"{quantity.replace('_', ' ')} (day⁻¹)", norm, list(fields.values()))
    _label_rows(axes, leads)
    return figure


@_styled
def score_curves(scores: pd.DataFrame, units: Mapping[str, str] | None = None) -> Figure:
    """RMSE, fair CRPS and spread-skill over lead time, a row a variable, a line a model.

    Args:
        scores: what :func:`gensim_graph.evaluate.scores.evaluate` returns.
        units: variable -> units, for the axes.
    """
    variables, models = list(scores["variable"].unique()), list(scores["model"].unique())
    figure = Figure(figsize=(11.0, 0.7 + 2.1 * len(variables)), layout="constrained")
    axes = figure.subplots(len(variables), 3, squeeze=False, sharex=True)
    columns = {"rmse": "RMSE of the ensemble mean", "crps": "fair CRPS", "spread_skill": "spread-skill ratio"}
    handles: dict[str, object] = {}
    for row, variable in enumerate(variables):
        for ax, (metric, title) in zip(axes[row], columns.items(), strict=True):
            for model in models:
                lines = scores[(scores["model"] == model) & (scores["variable"] == variable)].sort_values("lead_hours")
                handles[model] = ax.plot(lines["lead_hours"], lines[metric], **_model_style(model, models))[0]
            _finish_score_axes(ax, metric, variable, title if row == 0 else "", (units or {}).get(variable, ""))
    for ax in axes[-1]:
        ax.set_xlabel("lead time (h)")
        ax.set_xticks(sorted(scores["lead_hours"].unique())[:: max(1, scores["lead_hours"].nunique() // 8)])
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles), fontsize=10.5)
    return figure


@_styled
def mesh_figure(mesh: Mesh) -> Figure:
    """Cell spacing with the named boundaries, and its distribution."""
    figure = Figure(figsize=(10.0, 4.4), layout="constrained")
    ax, histogram = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    spacing = mesh.spacing * KILOMETRE
    image = face_map(ax, mesh, spacing, cmap="cividis", title="cell spacing, square root of the area")
    if mesh.n_faces <= 20_000:
        image.set(antialiased=True, linewidth=0.25, edgecolor="#ffffff55")
    figure.colorbar(image, ax=ax, label="spacing (km)", shrink=0.85)
    kinds = mesh.boundary_kind
    for number, kind in enumerate(np.unique(kinds)):
        lines = mesh.nodes[mesh.boundary_edges[kinds == kind]] * KILOMETRE
        colour = BOUNDARY_COLOURS.get(str(kind), OTHER_COLOURS[number % len(OTHER_COLOURS)])
        ax.add_collection(LineCollection(list(lines), colors=colour, linewidths=2.2, label=f"{kind} ({len(lines)} edges)"))
    ax.set(xlabel="x (km)", ylabel="y (km)")
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.14), ncols=2)
    histogram.hist(spacing, bins=40, color="#0072B2", edgecolor="white", linewidth=0.4)
    histogram.axvline(np.median(spacing), color="#222222", linestyle="--", label=f"median {np.median(spacing):.3g} km")
    histogram.set(xlabel="spacing (km)", ylabel="faces", title=f"{mesh.n_faces:,} faces, {mesh.n_nodes:,} nodes")
    histogram.legend()
    return figure


def _grid(mesh: Mesh, rows: int, columns: int) -> tuple[Figure, Array]:
    width, height = np.ptp(mesh.nodes, axis=0)
    panel = 2.75
    tall = panel * float(np.clip(height / width, 0.35, 1.6))
    figure = Figure(figsize=(panel * columns + 0.9, tall * rows + 0.75), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for ax in axes[-1]:
        ax.set_xlabel("x (km)")
    return figure, axes


def _label_rows(axes: Array, leads: Sequence[float]) -> None:
    for ax, lead in zip(axes[:, 0], leads, strict=True):
        ax.set_ylabel(f"+{lead:g} h\ny (km)")


def _shared_norm(fields: Sequence[Array], variable: Variable) -> Normalize:
    pooled = np.concatenate([values.ravel() for values in fields])
    if variable.vector:
        top = _quantile(np.abs(pooled), 0.995) or 1.0
        return TwoSlopeNorm(0.0, -top, top)
    low, high = np.quantile(pooled, [0.005, 0.995])
    return Normalize(low, high) if high > low else Normalize(low - 0.5, low + 0.5)


def _quantile(values: Array, level: float) -> float:
    return float(np.quantile(values, level))


def _colour_bar(figure: Figure, image: PolyCollection, axes: Array, text: str, norm: Normalize, fields: Sequence[Array]) -> None:
    """One bar below the panels, with pointed ends where values lie beyond its range."""
    below = min(float(values.min()) for values in fields) < float(norm.vmin or 0.0)
    above = max(float(values.max()) for values in fields) > float(norm.vmax or 0.0)
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]
    shrink = min(1.0, 1.4 / axes.shape[1]) if axes.shape[1] > 1 else 0.9
    bar = figure.colorbar(image, ax=list(axes.ravel()), location="bottom", shrink=shrink, aspect=24 * shrink * axes.shape[1] ** 0.5, extend=extend)
    bar.set_label(text, fontsize=10.5)


def _with_units(text: str, units: str) -> str:
    shown = pretty_units(units)
    return f"{text} ({shown})" if shown else text


def _model_style(model: str, models: Sequence[str]) -> dict[str, object]:
    common = {"markersize": 4.5, "linewidth": 1.5}
    if model in MODEL_STYLES:
        return common | MODEL_STYLES[model]
    others = [name for name in models if name not in MODEL_STYLES]
    return common | {"color": OTHER_COLOURS[others.index(model) % len(OTHER_COLOURS)], "marker": "v", "linestyle": ":"}


def _finish_score_axes(ax: Axes, metric: str, variable: str, title: str, units: str) -> None:
    ax.set_title(title)
    ax.grid(axis="y", color="#dddddd", linewidth=0.7)
    ax.set_axisbelow(True)
    if metric == "spread_skill":
        ax.axhline(1.0, color="#222222", linewidth=1.0, linestyle=(0, (1, 2)))
        ax.set_ylim(0.0, max(1.5, ax.get_ylim()[1]))
        ax.set_ylabel(variable)
    else:
        ax.set_ylim(bottom=0.0)
        ax.set_ylabel(_with_units(variable, units))
