"""Figures of forecasts: maps on the native faces, and the mesh itself.

Every figure is a :class:`matplotlib.figure.Figure` of its own: nothing touches pyplot or needs a display. Panels that
are compared share their colour scale.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures.charts import OTHER_COLOURS
from gensim_graph.evaluate.pictures.maps import (
    COLOUR_MAPS,
    DIVERGING_MAP,
    arrows,
    colour_bar,
    face_map,
    label,
    label_rows,
    map_grid,
    shared_norm,
    styled,
    top_of,
    with_units,
)
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE
from gensim_graph.variables import Variable

SPREAD_MAP, DEFORMATION_MAP, DIVERGENCE_MAP = "inferno", "inferno", "PuOr"
BOUNDARY_COLOURS = {"coast": "#D55E00", "open": "#0072B2"}


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

    norm = shared_norm(list(columns.values()), variable)
    cmap = DIVERGING_MAP if variable.vector else COLOUR_MAPS.get(variable.name, "viridis")
    figure, axes = map_grid(mesh, len(leads), len(columns) + (spread is not None))
    longest = max((float(np.hypot(*pair).max()) for pair in (drift or {}).values()), default=0.0)

    for column, (name, fields) in enumerate(columns.items()):
        for row, ax in enumerate(axes[:, column]):
            image = face_map(ax, mesh, fields[row], cmap=cmap, norm=norm, title=name if row == 0 else "")
            source = name.split()[-1] if name != "forecast" else "member"
            if drift and longest > 0:
                arrows(ax, mesh, (drift[source][0][row], drift[source][1][row]), scale=longest / 1.6)

    colour_bar(figure, image, axes[:, : len(columns)], label(variable), norm, list(columns.values()))
    if spread is not None:
        scale = Normalize(0.0, top_of(spread, 0.995) or 1.0)
        for row, ax in enumerate(axes[:, -1]):
            image = face_map(ax, mesh, spread[row], cmap=SPREAD_MAP, norm=scale, title="spread" if row == 0 else "")
        colour_bar(figure, image, axes[:, -1:], with_units("spread", variable.units), scale, [spread])

    label_rows(axes, leads)
    return figure


@styled
def deformation_maps(mesh: Mesh, fields: Mapping[str, Array], quantity: str, leads: Sequence[float]) -> Figure:
    """Deformation rates on the native faces, a row a lead time, a column a source.

    Args:
        fields: name of the source -> (lead_time, face), 1/day.
        quantity: ``total_deformation`` or ``shear`` (logarithmic colours) or ``divergence`` (diverging).
    """
    pooled = np.concatenate([np.abs(values).ravel() for values in fields.values()])
    signed = quantity == "divergence"
    top = max(top_of(pooled, 0.98 if signed else 0.995), 1e-12)
    norm = TwoSlopeNorm(0.0, -top, top) if signed else LogNorm(top / 1e3, top)
    cmap = DIVERGENCE_MAP if signed else DEFORMATION_MAP
    figure, axes = map_grid(mesh, len(leads), len(fields))

    for column, (name, values) in enumerate(fields.items()):
        for row, ax in enumerate(axes[:, column]):
            shown = values[row] if signed else np.maximum(values[row], top / 1e3)
            image = face_map(ax, mesh, shown, cmap=cmap, norm=norm, title=name if row == 0 else "")

    colour_bar(figure, image, axes, f"{quantity.replace('_', ' ')} (day⁻¹)", norm, list(fields.values()))
    label_rows(axes, leads)

    return figure


@styled
def mesh_figure(mesh: Mesh) -> Figure:
    """Cell spacing with the named boundaries, and its distribution."""
    figure = Figure(figsize=(10.0, 4.4), layout="constrained")
    ax, histogram = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    spacing = mesh.spacing * KM_PER_METRE
    image = face_map(ax, mesh, spacing, cmap="cividis", title="cell spacing, square root of the area")

    if mesh.n_faces <= 20_000:
        image.set(antialiased=True, linewidth=0.25, edgecolor="#ffffff55")

    figure.colorbar(image, ax=ax, label="spacing (km)", shrink=0.85)
    kinds = mesh.boundary_kind

    for number, kind in enumerate(np.unique(kinds)):
        lines = mesh.nodes[mesh.boundary_edges[kinds == kind]] * KM_PER_METRE
        colour = BOUNDARY_COLOURS.get(str(kind), OTHER_COLOURS[number % len(OTHER_COLOURS)])
        ax.add_collection(
            LineCollection(list(lines), colors=colour, linewidths=2.2, label=f"{kind} ({len(lines)} edges)")
        )

    ax.set(xlabel="x (km)", ylabel="y (km)")
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.14), ncols=2)
    histogram.hist(spacing, bins=40, color="#0072B2", edgecolor="white", linewidth=0.4)
    histogram.axvline(np.median(spacing), color="#222222", linestyle="--", label=f"median {np.median(spacing):.3g} km")
    histogram.set(xlabel="spacing (km)", ylabel="faces", title=f"{mesh.n_faces:,} faces, {mesh.n_nodes:,} nodes")
    histogram.legend()

    return figure
