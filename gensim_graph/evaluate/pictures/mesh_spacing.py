"""The mesh in a report: a map of its spacing with the named boundaries, and a histogram of the spacing."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures.curve_panels import OTHER_COLOURS
from gensim_graph.evaluate.pictures.graticule import draw_graticule
from gensim_graph.evaluate.pictures.maps import face_map
from gensim_graph.evaluate.pictures.style import styled
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE

BOUNDARY_COLOURS = {"coast": "#D55E00", "open": "#0072B2"}
_OUTLINES_UP_TO = 20_000
"""Number of faces up to which the outlines of the faces are drawn."""


@styled
def mesh_figure(mesh: Mesh) -> Figure:
    """Draw the cell spacing with the named boundaries, and its distribution."""
    figure = Figure(figsize=(10.0, 4.4), layout="constrained")
    ax, histogram = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    spacing = mesh.spacing * KM_PER_METRE
    image = face_map(ax, mesh, spacing, cmap="cividis", title="cell spacing, square root of the area")

    if mesh.n_faces <= _OUTLINES_UP_TO:
        image.set(antialiased=True, linewidth=0.25, edgecolor="#ffffff55")

    figure.colorbar(image, ax=ax, label="spacing (km)", shrink=0.85)
    _draw_named_boundaries(ax, mesh)
    draw_graticule(ax, mesh)
    _draw_histogram(histogram, mesh, spacing)

    return figure


def _draw_named_boundaries(ax: Axes, mesh: Mesh) -> None:
    """Draw each kind of boundary in a colour of its own, with a legend below."""
    kinds = mesh.boundary_kind

    for number, kind in enumerate(np.unique(kinds)):
        lines = mesh.nodes[mesh.boundary_edges[kinds == kind]] * KM_PER_METRE
        colour = BOUNDARY_COLOURS.get(str(kind), OTHER_COLOURS[number % len(OTHER_COLOURS)])
        text = f"{kind} ({len(lines):,} edges)"
        ax.add_collection(LineCollection(list(lines), colors=colour, linewidths=2.2, label=text))

    ax.set(xlabel="x (km)", ylabel="y (km)")
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.14), ncols=2)


def _draw_histogram(ax: Axes, mesh: Mesh, spacing: Array) -> None:
    """Draw the histogram of the spacing (F,), km."""
    median = np.median(spacing)
    margin = 1e-3 * median  # the cells of a regular grid differ by rounding errors only
    limits = (spacing.min() - margin, spacing.max() + margin)
    ax.hist(spacing, bins=40, range=limits, color="#0072B2", edgecolor="white", linewidth=0.4)
    ax.axvline(median, color="#222222", linestyle="--", label=f"median {median:.3g} km")
    ax.set(xlabel="spacing (km)", ylabel="faces", title=f"{mesh.n_faces:,} faces, {mesh.n_nodes:,} nodes")
    ax.legend()
