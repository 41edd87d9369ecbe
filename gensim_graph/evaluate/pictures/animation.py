"""A forecast that moves: truth, one member and the ensemble mean side by side, a frame a lead time, as a GIF."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.pictures.maps import (
    COLOUR_MAPS,
    DIVERGING_MAP,
    STYLE,
    colour_bar,
    face_map,
    label,
    map_grid,
    shared_norm,
)
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

MOST_FRAMES, MILLISECONDS = 40, 350
_PREFERRED = ("sid", "sic", "sit")
"""What moves best: damage shows where the ice breaks."""


@dataclass(frozen=True)
class Animation:
    """A moving picture of a report, inside the page.

    Attributes:
        heading, caption, alt: as of a :class:`~gensim_graph.evaluate.report.gallery.Picture`.
        source: the GIF as a data URL.
    """

    heading: str
    caption: str
    alt: str
    source: str
    kind: str = "animation"


def animate(matched: Verification, mesh: Mesh, start: int = 0) -> Animation | None:
    """A forecast as a GIF; None where it has fewer than two lead times."""
    if len(matched.lead_hours) < 2:
        return None

    chosen = next((v for name in _PREFERRED for v in matched.variables if v.name == name), matched.variables[0])
    leads = np.unique(np.linspace(0, len(matched.lead_hours) - 1, MOST_FRAMES).round().astype(np.int64))
    fields = [_panels(matched, chosen.name, start, int(lead)) for lead in leads]
    hours = matched.lead_hours[leads]
    meaning = chosen.long_name or chosen.name

    return Animation(
        f"{chosen.name} in motion",
        f"{meaning}, +{hours[0]:g} h to +{hours[-1]:g} h.",
        f"Animation of {chosen.name} ({meaning}), {len(hours)} frames: {', '.join(fields[0])}.",
        _as_gif([*_frames(mesh, chosen, fields, hours)]),
    )


def _panels(matched: Verification, name: str, start: int, lead: int) -> dict[str, Array]:
    ensemble, truth = matched.pair(name, start, lead)
    if len(ensemble) == 1:
        return {"truth": truth, "forecast": ensemble[0]}
    return {"truth": truth, "one member": ensemble[0], "ensemble mean": ensemble.mean(axis=0)}


def _frames(mesh: Mesh, variable: Variable, fields: list[dict[str, Array]], hours: Array) -> Iterator[Image.Image]:
    """Frames of one figure."""
    pooled = [np.concatenate([panel[name] for panel in fields[:: max(1, len(fields) // 8)]]) for name in fields[0]]
    norm = shared_norm(pooled, variable)
    cmap = DIVERGING_MAP if variable.vector else COLOUR_MAPS.get(variable.name, "viridis")

    with mpl.rc_context(STYLE):
        figure, axes = map_grid(mesh, 1, len(fields[0]))
        title = figure.suptitle("+0 h", fontsize=12)

        for number, (panels, lead) in enumerate(zip(fields, hours, strict=True)):
            for ax, (name, values) in zip(axes[0], panels.items(), strict=True):
                ax.clear()
                image = face_map(ax, mesh, values, cmap=cmap, norm=norm, title=name)
                ax.set(xticks=[], yticks=[])

            if number == 0:
                colour_bar(figure, image, axes, label(variable), norm, pooled)

            title.set_text(f"+{lead:g} h")
            figure.set_dpi(80)
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            yield Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _as_gif(frames: list[Image.Image]) -> str:
    """One palette for all frames, or colours would flicker."""
    palette = frames[len(frames) // 2].quantize(200)
    small = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    stream = BytesIO()
    durations = [MILLISECONDS] * (len(small) - 1) + [4 * MILLISECONDS]
    small[0].save(stream, format="GIF", save_all=True, append_images=small[1:], duration=durations, loop=0)

    return "data:image/gif;base64," + b64encode(stream.getvalue()).decode("ascii")
