"""Maps of the state of the ice: initial state, truth, members, ensemble mean and spread, and the deformation rates.

Every figure is a :class:`matplotlib.figure.Figure` of its own: nothing uses pyplot or needs a display. Panels that are
to be compared share their colour scale.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from gensim_graph.evaluate.pictures.map_panels import (
    BETWEEN_BARS,
    colour_bar,
    draw_graticules,
    hide_unused,
    label_rows,
    map_grid,
)
from gensim_graph.evaluate.pictures.maps import arrows, face_map, fastest_of
from gensim_graph.evaluate.pictures.style import (
    DIVERGING_MAP,
    colour_map,
    difference_norm,
    shared_norm,
    styled,
    variable_label,
    with_units,
)
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

SPREAD_MAP, DEFORMATION_MAP, DIVERGENCE_MAP = "inferno", "inferno", "PuOr"
"""Colour maps of spread, deformation rates and divergence."""

_STAMPS_PER_ROW, _INITIAL_PER_ROW = 6, 4
_FORECAST_PANEL = 2.3  # inches
_SOURCES = {"truth": "truth", "one member": "member", "forecast": "member", "ensemble mean": "mean"}
"""Column of a figure -> key of the drift that is drawn in it."""

_ERROR = "error"
"""Key of the drift that is drawn in the column of the differences."""


@styled
def forecast_maps(
    mesh: Mesh,
    truth: Array,
    member: Array,
    mean: Array,
    spread: Array | None,
    variable: Variable,
    leads: Sequence[float],
    drift: Mapping[str, tuple[Array, Array]] | None = None,
    norm: Normalize | None = None,
) -> Figure:
    """Draw truth, one member, ensemble mean, its difference to the truth, and spread, one row per lead time.

    Truth, member and mean share one colour scale, difference and spread have scales of their own.

    Args:
        mesh: the mesh.
        truth: (lead_time, F) in the units of the variable, as are all fields; NaN is drawn as open water.
        member: (lead_time, F).
        mean: (lead_time, F) ensemble mean.
        spread: (lead_time, F); None for a forecast of one member.
        variable: the variable.
        leads: lead times, h.
        drift: ``truth``, ``member``, ``mean`` and ``error`` (forecast minus truth) -> u and v (lead_time, F) in m/s
            along the axes of the plane, drawn as arrows.
        norm: colour scale of truth, member and mean; by default from these fields.
    """
    columns = {"truth": truth, "one member": member, "ensemble mean": mean}
    if spread is None:
        columns = {"truth": truth, "forecast": member}

    norm = norm or shared_norm([*columns.values()], variable)
    figure, axes = map_grid(mesh, len(leads), len(columns) + 1 + (spread is not None), panel=_FORECAST_PANEL)
    states, rest = axes[:, : len(columns)], axes[:, len(columns) :]

    for column, (name, fields) in zip(states.T, columns.items(), strict=True):
        image = _draw_column(column, mesh, fields, name, colour_map(variable), norm)
        if drift:
            _draw_arrows(column, mesh, drift, _SOURCES[name])

    colour_bar(figure, image, states, variable_label(variable), norm, [*columns.values()])
    _draw_difference(figure, rest[:, :1], mesh, [*columns.values()][-1] - truth, variable, [*columns][-1])
    if drift:
        _draw_arrows(rest[:, 0], mesh, drift, _ERROR)
    if spread is not None:
        _draw_spread(figure, rest[:, 1:], mesh, spread, variable)

    label_rows(axes, [f"+{lead:g} h" for lead in leads])
    draw_graticules(axes, mesh)

    return figure


def _draw_column(
    column: Array, mesh: Mesh, fields: Array, title: str, cmap: str, norm: Normalize
) -> PolyCollection | AxesImage:
    """Draw fields (lead_time, F) into a column of panels (lead_time,), with a title above."""
    for row, ax in enumerate(column):
        image = face_map(ax, mesh, fields[row], cmap=cmap, norm=norm, title=title if row == 0 else "")

    return image


def _draw_arrows(column: Array, mesh: Mesh, drift: Mapping[str, tuple[Array, Array]], source: str) -> None:
    """Draw the drift of one source into its column of panels; all sources share the scale of the arrows."""
    fastest = fastest_of(*drift.values())
    u, v = drift[source]

    for row, ax in enumerate(column):
        arrows(ax, mesh, (u[row], v[row]), scale=fastest / 1.6)


def _draw_difference(
    figure: Figure, axes: Array, mesh: Mesh, difference: Array, variable: Variable, source: str
) -> None:
    """Draw forecast minus truth (lead_time, F) into a column of panels (lead_time, 1)."""
    norm = difference_norm([difference])
    image = _draw_column(axes[:, 0], mesh, difference, f"{source} minus truth", DIVERGING_MAP, norm)
    colour_bar(figure, image, axes, with_units("difference", variable.units), norm, [difference])


def _draw_spread(figure: Figure, axes: Array, mesh: Mesh, spread: Array, variable: Variable) -> None:
    """Draw the spread (lead_time, F) into a column of panels (lead_time, 1)."""
    present = spread[np.isfinite(spread)]
    norm = Normalize(0.0, (float(np.quantile(present, 0.995)) if len(present) else 0.0) or 1.0)
    image = _draw_column(axes[:, 0], mesh, spread, "spread", SPREAD_MAP, norm)
    colour_bar(figure, image, axes, with_units("spread", variable.units), norm, [spread])


@styled
def initial_maps(
    mesh: Mesh,
    fields: Mapping[Variable, Array],
    norms: Mapping[str, Normalize] | None = None,
    drift: Mapping[str, tuple[Array, Array]] | None = None,
) -> Figure:
    """Draw the initial state, one panel and one colour bar per variable.

    Args:
        mesh: the mesh.
        fields: variable -> (F,) in its units; NaN is drawn as open water.
        norms: name of the variable -> colour scale, as in other figures of the same variable; by default from the
            field.
        drift: name of a variable -> u and v (F,) in m/s along the axes of the plane, drawn as arrows.
    """
    rows = -(-len(fields) // _INITIAL_PER_ROW)
    figure, axes = map_grid(mesh, rows, -(-len(fields) // rows), between=BETWEEN_BARS)

    norms, drift = norms or {}, drift or {}
    for ax, (variable, field) in zip(axes.ravel(), fields.items(), strict=False):
        norm = norms.get(variable.name) or shared_norm([field], variable)
        image = face_map(ax, mesh, field, cmap=colour_map(variable), norm=norm)
        colour_bar(figure, image, np.array([[ax]]), variable_label(variable), norm, [field])
        if variable.name in drift:
            arrows(ax, mesh, drift[variable.name], scale=fastest_of(drift[variable.name]) / 1.6)

    label_rows(axes, ["start"] * len(axes))
    hide_unused(axes, len(fields))
    draw_graticules(axes.ravel()[: len(fields)], mesh)

    return figure


@styled
def stamp_maps(mesh: Mesh, truth: Array, members: Array, variable: Variable) -> Figure:
    """Draw the truth and all members of one variable at one time as small maps in one colour scale.

    Args:
        mesh: the mesh.
        truth: (F,) in the units of the variable.
        members: (member, F) in the units of the variable; NaN, as in the truth, is drawn as open water.
        variable: the variable.
    """
    fields = {"truth": truth} | {f"member {number + 1}": field for number, field in enumerate(members)}
    columns = min(_STAMPS_PER_ROW, len(fields))
    figure, axes = map_grid(mesh, -(-len(fields) // columns), columns, panel=1.75, between=0.34)
    norm = shared_norm(list(fields.values()), variable)

    for ax, (name, field) in zip(axes.ravel(), fields.items(), strict=False):
        image = face_map(ax, mesh, field, cmap=colour_map(variable), norm=norm, title=name)
        if name == "truth":
            ax.spines[:].set(visible=True, linewidth=2.0, color="#000000")

    for ax in axes.ravel():
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="")

    hide_unused(axes, len(fields))
    colour_bar(figure, image, axes, variable_label(variable), norm, list(fields.values()))

    return figure


@styled
def deformation_maps(mesh: Mesh, fields: Mapping[str, Array], quantity: str, leads: Sequence[float]) -> Figure:
    """Draw deformation rates on the native faces, one row per lead time, one column per source.

    Args:
        mesh: the mesh.
        fields: name of the source -> (lead_time, F), 1/day; NaN is drawn as open water.
        quantity: ``total_deformation`` or ``shear`` (logarithmic colours) or ``divergence`` (diverging colours).
        leads: lead times, h.
    """
    signed = quantity == "divergence"
    magnitudes = np.concatenate([np.abs(values[np.isfinite(values)]) for values in fields.values()])
    top = max(float(np.quantile(magnitudes, 0.98 if signed else 0.995)) if len(magnitudes) else 0.0, 1e-12)
    bottom = -np.inf if signed else top / 1e3

    norm = TwoSlopeNorm(0.0, -top, top) if signed else LogNorm(bottom, top)
    cmap = DIVERGENCE_MAP if signed else DEFORMATION_MAP
    figure, axes = map_grid(mesh, len(leads), len(fields))

    for column, (name, values) in zip(axes.T, fields.items(), strict=True):
        image = _draw_column(column, mesh, np.maximum(values, bottom), name, cmap, norm)

    colour_bar(figure, image, axes, f"{quantity.replace('_', ' ')} (day⁻¹)", norm, list(fields.values()))
    label_rows(axes, [f"+{lead:g} h" for lead in leads])
    draw_graticules(axes, mesh)

    return figure
