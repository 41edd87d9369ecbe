"""Rows and columns of maps that belong together: the grid of panels, their labels and the colour bar they share."""

from collections.abc import Sequence

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import BoundaryNorm, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from gensim_graph.evaluate.pictures.curve_panels import power_text
from gensim_graph.evaluate.pictures.graticule import draw_graticule
from gensim_graph.evaluate.pictures.style import bar_ends, wrapped
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

# Inches around the panels, and between them.
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.85, 0.15, 0.55, 1.2
_GAP, _BAR_BELOW, _BAR_HEIGHT, _LONGEST_BAR = 0.14, 0.61, 0.12, 4.2
_LETTERS_AN_INCH, _TICKS_AN_INCH = 14, 1.7  # of the label of a colour bar

BETWEEN_BARS = 1.25
"""Distance between rows of panels that have a colour bar each, inches."""


def map_grid(mesh: Mesh, rows: int, columns: int, panel: float = 2.75, between: float = _GAP) -> tuple[Figure, Array]:
    """Make a figure with rows and columns of panels in the shape of the mesh.

    Args:
        mesh: the mesh.
        rows: number of rows.
        columns: number of columns.
        panel: width of a panel, inches.
        between: distance between the rows, inches.

    Returns:
        The figure, and its axes (rows, columns).
    """
    width, height = np.ptp(mesh.nodes, axis=0)
    panel_height = panel * float(np.clip(height / width, 0.35, 1.6))
    figure_width = _LEFT + columns * panel + (columns - 1) * _GAP + _RIGHT
    figure_height = _TOP + rows * panel_height + (rows - 1) * between + _BOTTOM

    # The panels are placed by hand: an automatic layout measures every label, which takes longer than to draw the maps.
    figure = Figure(figsize=(figure_width, figure_height))
    grid = figure.add_gridspec(
        rows,
        columns,
        left=_LEFT / figure_width,
        right=1 - _RIGHT / figure_width,
        bottom=_BOTTOM / figure_height,
        top=1 - _TOP / figure_height,
        wspace=_GAP / panel,
        hspace=between / panel_height,
    )
    axes = grid.subplots(squeeze=False)  # all maps have the limits of the mesh; shared axes would only cost time
    for ax in axes[-1]:
        ax.set_xlabel("x (km)")

    # Ticks without labels would take half of the time of a picture.
    for ax in axes[:-1].ravel():
        ax.xaxis.set_visible(False)
    for ax in axes[:, 1:].ravel():
        ax.yaxis.set_visible(False)

    return figure, axes


def label_rows(axes: Array, texts: Sequence[str]) -> None:
    """Write the lead time or the source of every row at its left.

    Args:
        axes: (rows, columns) panels.
        texts: (rows,) one for each row.
    """
    for ax, text in zip(axes[:, 0], texts, strict=True):
        ax.set_ylabel(f"{text}\ny (km)")


def draw_graticules(axes: Array, mesh: Mesh) -> None:
    """Draw meridians and parallels into all panels, with their labels in the first one.

    Args:
        axes: (...) panels, in which maps are drawn.
        mesh: the mesh.
    """
    for number, ax in enumerate(axes.ravel()):
        draw_graticule(ax, mesh, labels=number == 0, smooth=False)


def hide_unused(axes: Array, used: int) -> None:
    """Hide the panels that are left over in the last row.

    Args:
        axes: (rows, columns) panels.
        used: number of panels that show something.
    """
    for ax in axes.ravel()[used:]:
        ax.set_axis_off()


def colour_bar(
    figure: Figure, image: PolyCollection | AxesImage, axes: Array, text: str, norm: Normalize, fields: Sequence[Array]
) -> None:
    """Draw one colour bar below some panels; its ends are pointed if values lie beyond its range.

    Args:
        figure: the figure.
        image: one of the maps in this colour scale, see :func:`face_map`.
        axes: (rows, columns) the panels that share the bar.
        text: label of the bar.
        norm: the colour scale.
        fields: all values that are drawn in this scale.
    """
    first, last = axes[-1, 0].get_position(), axes[-1, -1].get_position()
    width, height = figure.get_size_inches()
    length = min(0.92 * (last.x1 - first.x0), _LONGEST_BAR / width)
    left = (first.x0 + last.x1 - length) / 2

    box = figure.add_axes((left, first.y0 - _BAR_BELOW / height, length, _BAR_HEIGHT / height))
    bar = figure.colorbar(image, cax=box, orientation="horizontal", extend=bar_ends(norm, fields))
    bar.set_label(wrapped(text, round(_LETTERS_AN_INCH * length * width)), parse_math=False)

    if isinstance(norm, LogNorm):
        bar.ax.xaxis.set_major_formatter(FuncFormatter(power_text))
        bar.ax.xaxis.set_minor_locator(NullLocator())
    elif not isinstance(norm, BoundaryNorm):
        bar.locator = MaxNLocator(max(3, round(length * width * _TICKS_AN_INCH)))
        bar.update_ticks()
