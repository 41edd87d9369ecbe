"""Maps of what happens to the ice: members side by side, events, and the terms of the volume budget."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gensim_graph.evaluate.physics import EVENTS
from gensim_graph.evaluate.pictures.maps import (
    COLOUR_MAPS,
    DIVERGING_MAP,
    colour_bar,
    face_map,
    label,
    map_grid,
    shared_norm,
    styled,
    top_of,
)
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

EVENT_COLOURS = {"nothing": "#f2f2f2", "opening": "#0072B2", "ridging": "#D55E00", "healing": "#009E73"}
_ACROSS = 6


@styled
def stamp_maps(mesh: Mesh, truth: Array, members: Array, variable: Variable) -> Figure:
    """Truth and members of one variable at one time, small, in one colour scale.

    Args:
        truth: (face).
        members: (member, face).
    """
    fields = {"truth": truth} | {f"member {number + 1}": field for number, field in enumerate(members)}
    columns = min(_ACROSS, len(fields))
    figure, axes = map_grid(mesh, -(-len(fields) // columns), columns, panel=1.75, between=0.34)
    norm = shared_norm(list(fields.values()), variable)
    cmap = DIVERGING_MAP if variable.vector else COLOUR_MAPS.get(variable.name, "viridis")

    for ax, (name, field) in zip(axes.ravel(), fields.items(), strict=False):
        image = face_map(ax, mesh, field, cmap=cmap, norm=norm, title=name)
        if name == "truth":
            ax.spines[:].set(visible=True, linewidth=2.0, color="#000000")

    for ax in axes.ravel():
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="")

    for ax in axes.ravel()[len(fields) :]:
        ax.set_axis_off()

    colour_bar(figure, image, axes, label(variable), norm, list(fields.values()))
    return figure


@styled
def event_maps(mesh: Mesh, events: Mapping[str, Mapping[str, Array]], hours: Sequence[float]) -> Figure:
    """Opening, ridging and healing, a row a lead time, a column a source.

    Args:
        events: source -> event -> (lead_time, face), true or false.
        hours: lead times.
    """
    figure, axes = map_grid(mesh, len(hours), len(events))
    cmap = ListedColormap([*EVENT_COLOURS.values()])
    norm = BoundaryNorm(np.arange(len(EVENT_COLOURS) + 1) - 0.5, cmap.N)

    for column, (source, found) in enumerate(events.items()):
        code = sum((number + 1) * np.asarray(found[name], dtype=np.int64) for number, name in enumerate(EVENTS))
        for row, (ax, lead) in enumerate(zip(axes[:, column], hours, strict=True)):
            face_map(ax, mesh, np.asarray(code)[row], cmap=cmap, norm=norm, title=source if row == 0 else "")
            if column == 0:
                ax.set_ylabel(f"+{lead:g} h\ny (km)")

    handles = [Patch(facecolor=colour, edgecolor="#555555", label=name) for name, colour in EVENT_COLOURS.items()]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles))

    return figure


@styled
def budget_maps(mesh: Mesh, terms: Mapping[str, Mapping[str, Array]], units: str) -> Figure:
    """Terms of a budget at one time, a row a source, a column a term.

    Args:
        terms: source -> term -> (face), units of the variable per day.
        units: of the terms.
    """
    columns = [*next(iter(terms.values()))]
    figure, axes = map_grid(mesh, len(terms), len(columns))
    fields = [field for of_source in terms.values() for field in of_source.values()]
    top = max(top_of(np.abs(np.concatenate(fields)), 0.99), 1e-12)
    norm = TwoSlopeNorm(0.0, -top, top)

    for row, (source, of_source) in zip(axes, terms.items(), strict=True):
        for ax, field in zip(row, of_source.values(), strict=True):
            image = face_map(ax, mesh, field, cmap=DIVERGING_MAP, norm=norm)
        row[0].set_ylabel(f"{source}\ny (km)")

    for ax, term in zip(axes[0], columns, strict=True):
        ax.set_title(term)

    colour_bar(figure, image, axes, units, norm, fields)
    return figure
