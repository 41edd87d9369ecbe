"""Maps of the state of the ice: truth, members, ensemble mean and spread, and the deformation rates.

Every figure is a :class:`matplotlib.figure.Figure` of its own: nothing uses pyplot or needs a display. Panels that are
to be compared share their colour scale.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LogNorm, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures.map_panels import colour_bar, hide_unused, label_rows, map_grid
from gensim_graph.evaluate.pictures.maps import arrows, face_map
from gensim_graph.evaluate.pictures.style import colour_map, shared_norm, styled, variable_label, with_units
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

SPREAD_MAP, DEFORMATION_MAP, DIVERGENCE_MAP = "inferno", "inferno", "PuOr"
"""Colour maps of spread, deformation rates and divergence."""

_STAMPS_PER_ROW = 6
_SOURCES = {"truth": "truth", "one member": "member", "forecast": "member", "ensemble mean": "mean"}
"""Column of a figure -> key of the drift that is drawn in it."""


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
) -> Figure:
    """Draw truth, one member, ensemble mean and spread, one row per lead time.

    Truth, member and mean share one colour scale, the spread has its own.

    Args:
        mesh: the mesh.
        truth: (lead_time, F) in the units of the variable, as are all fields.
        member: (lead_time, F).
        mean: (lead_time, F) ensemble mean.
        spread: (lead_time, F); None for a forecast of one member.
        variable: the variable.
        leads: lead times, h.
        drift: ``truth``, ``member`` and ``mean`` -> u and v (lead_time, F) in m/s along the axes of the plane, drawn
            as arrows.
    """
    columns = {"truth": truth, "one member": member, "ensemble mean": mean}
    if spread is None:
        columns = {"truth": truth, "forecast": member}

    norm = shared_norm(list(columns.values()), variable)
    cmap = colour_map(variable)
    figure, axes = map_grid(mesh, len(leads), len(columns) + (spread is not None))
    fastest = max((float(np.hypot(*pair).max()) for pair in (drift or {}).values()), default=0.0)

    for column, (name, fields) in enumerate(columns.items()):
        for row, ax in enumerate(axes[:, column]):
            image = face_map(ax, mesh, fields[row], cmap=cmap, norm=norm, title=name if row == 0 else "")
            if drift and fastest > 0:
                u, v = drift[_SOURCES[name]]
                arrows(ax, mesh, (u[row], v[row]), scale=fastest / 1.6)

    colour_bar(figure, image, axes[:, : len(columns)], variable_label(variable), norm, list(columns.values()))
    if spread is not None:
        _draw_spread(figure, axes[:, -1:], mesh, spread, variable)

    label_rows(axes, leads)
    return figure


def _draw_spread(figure: Figure, axes: Array, mesh: Mesh, spread: Array, variable: Variable) -> None:
    """Draw the spread (lead_time, F) into a column of panels (lead_time, 1)."""
    norm = Normalize(0.0, float(np.quantile(spread, 0.995)) or 1.0)
    for row, ax in enumerate(axes[:, 0]):
        image = face_map(ax, mesh, spread[row], cmap=SPREAD_MAP, norm=norm, title="spread" if row == 0 else "")

    colour_bar(figure, image, axes, with_units("spread", variable.units), norm, [spread])


@styled
def stamp_maps(mesh: Mesh, truth: Array, members: Array, variable: Variable) -> Figure:
    """Draw the truth and all members of one variable at one time as small maps in one colour scale.

    Args:
        mesh: the mesh.
        truth: (F,) in the units of the variable.
        members: (member, F) in the units of the variable.
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
        fields: name of the source -> (lead_time, F), 1/day.
        quantity: ``total_deformation`` or ``shear`` (logarithmic colours) or ``divergence`` (diverging colours).
        leads: lead times, h.
    """
    signed = quantity == "divergence"
    magnitudes = np.concatenate([np.abs(values).ravel() for values in fields.values()])
    top = max(float(np.quantile(magnitudes, 0.98 if signed else 0.995)), 1e-12)
    bottom = -np.inf if signed else top / 1e3

    norm = TwoSlopeNorm(0.0, -top, top) if signed else LogNorm(bottom, top)
    cmap = DIVERGENCE_MAP if signed else DEFORMATION_MAP
    figure, axes = map_grid(mesh, len(leads), len(fields))

    for column, (name, values) in enumerate(fields.items()):
        for row, ax in enumerate(axes[:, column]):
            shown = np.maximum(values[row], bottom)
            image = face_map(ax, mesh, shown, cmap=cmap, norm=norm, title=name if row == 0 else "")

    colour_bar(figure, image, axes, f"{quantity.replace('_', ' ')} (day⁻¹)", norm, list(fields.values()))
    label_rows(axes, leads)

    return figure
