"""A forecast as an animation: truth, one member and ensemble mean side by side, one frame per lead time, as a GIF."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from gensim_graph.evaluate.pictures.map_panels import colour_bar, map_grid
from gensim_graph.evaluate.pictures.maps import face_map, recolour
from gensim_graph.evaluate.pictures.open_water import ICE_ONLY, only_ice
from gensim_graph.evaluate.pictures.style import STYLE, colour_map, shared_norm, variable_label
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

MOST_FRAMES, MILLISECONDS = 40, 350
"""Largest number of frames, and the time that each is shown."""

_PREFERRED = ("sid", "sic", "sit")
"""Variable to show, in order of preference: damage shows best where the ice breaks."""

_SAMPLED_FRAMES = 8  # frames of which the colour scale is taken
_DPI = 80
_PALETTE = 200  # colours of the GIF


@dataclass(frozen=True)
class Animation:
    """A moving picture inside the page of a report.

    Attributes:
        heading: shown above it.
        caption: shown below it.
        alt: description for readers who cannot see it.
        source: the GIF as a data URL.
    """

    heading: str
    caption: str
    alt: str
    source: str
    kind: str = "animation"


def animate(matched: Verification, mesh: Mesh, start: int = 0) -> Animation | None:
    """Draw a forecast as an animated GIF.

    Args:
        matched: the forecast beside the truth.
        mesh: the mesh.
        start: number of the forecast.

    Returns:
        None if there are fewer than two lead times.
    """
    if len(matched.lead_hours) < 2:
        return None

    by_name = {variable.name: variable for variable in matched.variables}
    name = next((name for name in _PREFERRED if name in by_name), matched.variables[0].name)
    leads = np.unique(np.linspace(0, len(matched.lead_hours) - 1, MOST_FRAMES).round().astype(np.int64))
    hours = matched.lead_hours[leads]

    panels = [_panels(matched, name, start, int(lead)) for lead in leads]
    frames = [*_frames(mesh, by_name[name], panels, hours)]
    meaning = by_name[name].long_name or name

    return Animation(
        f"Animation of {name} ({meaning})",
        f"{meaning}, +{hours[0]:g} h to +{hours[-1]:g} h.",
        f"Animation of {name} ({meaning}), {len(hours)} frames: {', '.join(panels[0])}.",
        _as_gif(frames),
    )


def _panels(matched: Verification, name: str, start: int, lead: int) -> dict[str, Array]:
    """Fields (F,) of one frame: title of the panel -> values."""
    panels = _sources(*matched.pair(name, start, lead))
    if name not in ICE_ONLY or not matched.has("sic"):
        return panels

    concentrations = _sources(*matched.pair("sic", start, lead))
    return {title: only_ice(values, concentrations[title]) for title, values in panels.items()}


def _sources(ensemble: Array, truth: Array) -> dict[str, Array]:
    """Fields (F,) that are shown: title of the panel -> values."""
    if len(ensemble) == 1:
        return {"truth": truth, "forecast": ensemble[0]}

    return {"truth": truth, "one member": ensemble[0], "ensemble mean": ensemble.mean(axis=0)}


def _frames(mesh: Mesh, variable: Variable, panels: list[dict[str, Array]], hours: Array) -> Iterator[Image.Image]:
    """Draw the frames one after the other into the same figure."""
    titles = [*panels[0]]
    sampled = panels[:: max(1, len(panels) // _SAMPLED_FRAMES)]
    pooled = [np.concatenate([fields[title] for fields in sampled]) for title in titles]
    norm = shared_norm(pooled, variable)

    with mpl.rc_context(STYLE):
        figure, axes = map_grid(mesh, 1, len(titles))
        heading = figure.suptitle("+0 h", fontsize=12)

        maps = [
            face_map(ax, mesh, values, cmap=colour_map(variable), norm=norm, title=title)
            for ax, (title, values) in zip(axes[0], panels[0].items(), strict=True)
        ]
        for ax in axes[0]:
            ax.set(xticks=[], yticks=[])

        colour_bar(figure, maps[-1], axes, variable_label(variable), norm, pooled)

        for fields, lead in zip(panels, hours, strict=True):
            for drawn, values in zip(maps, fields.values(), strict=True):
                recolour(drawn, mesh, values)

            heading.set_text(f"+{lead:g} h")
            figure.set_dpi(_DPI)
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            yield Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _as_gif(frames: list[Image.Image]) -> str:
    """Encode frames as the data URL of a GIF, with one palette for all of them: otherwise colours would flicker."""
    palette = frames[len(frames) // 2].quantize(_PALETTE)
    images = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [MILLISECONDS] * (len(images) - 1) + [4 * MILLISECONDS]

    stream = BytesIO()
    images[0].save(stream, format="GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)

    return "data:image/gif;base64," + b64encode(stream.getvalue()).decode("ascii")
