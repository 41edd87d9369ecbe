"""Maps of processes: events, and the terms of the volume budget."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gensim_graph.evaluate.physics import EVENTS
from gensim_graph.evaluate.pictures.map_panels import colour_bar, draw_graticules, label_rows, map_grid
from gensim_graph.evaluate.pictures.maps import face_map
from gensim_graph.evaluate.pictures.style import DIVERGING_MAP, styled
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

EVENT_COLOURS = {"nothing": "#f2f2f2", "opening": "#0072B2", "ridging": "#D55E00", "healing": "#009E73"}


@styled
def event_maps(mesh: Mesh, events: Mapping[str, Mapping[str, Array]], hours: Sequence[float]) -> Figure:
    """Draw opening, ridging and healing, one row per lead time, one column per source.

    Args:
        mesh: the mesh.
        events: source -> event -> (lead_time, F), True where it happens.
        hours: lead times, h.
    """
    figure, axes = map_grid(mesh, len(hours), len(events))
    cmap = ListedColormap([*EVENT_COLOURS.values()])
    norm = BoundaryNorm(np.arange(len(EVENT_COLOURS) + 1) - 0.5, cmap.N)

    for column, (source, found) in enumerate(events.items()):
        number = np.sum([(code + 1) * found[name].astype(np.int64) for code, name in enumerate(EVENTS)], axis=0)
        for row, ax in enumerate(axes[:, column]):
            face_map(ax, mesh, number[row], cmap=cmap, norm=norm, title=source if row == 0 else "")

    label_rows(axes, [f"+{lead:g} h" for lead in hours])
    draw_graticules(axes, mesh)
    handles = [Patch(facecolor=colour, edgecolor="#555555", label=name) for name, colour in EVENT_COLOURS.items()]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles))

    return figure


@styled
def budget_maps(mesh: Mesh, terms: Mapping[str, Mapping[str, Array]], units: str) -> Figure:
    """Draw the terms of a budget at one time, one row per source, one column per term.

    Args:
        mesh: the mesh.
        terms: source -> term -> (F,) in units of the variable per day.
        units: label of the colour bar.
    """
    titles = [*next(iter(terms.values()))]
    figure, axes = map_grid(mesh, len(terms), len(titles))
    fields = [field for of_source in terms.values() for field in of_source.values()]
    top = max(float(np.quantile(np.abs(np.concatenate(fields)), 0.99)), 1e-12)
    norm = TwoSlopeNorm(0.0, -top, top)

    for row, of_source in zip(axes, terms.values(), strict=True):
        for ax, field in zip(row, of_source.values(), strict=True):
            image = face_map(ax, mesh, field, cmap=DIVERGING_MAP, norm=norm)

    label_rows(axes, [*terms])
    draw_graticules(axes, mesh)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title)

    colour_bar(figure, image, axes, units, norm, fields)
    return figure
