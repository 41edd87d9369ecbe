"""Figures as small PNG files: with a palette of 256 colours, if the colours of the figure fit into it.

A palette takes one byte a pixel instead of three, and the files are less than half as large. matplotlib's own
``savefig`` draws some figures twice, to measure them first. A picture of a report has a fixed size, so once is enough.

The palette is chosen from the different colours of a figure, some thousands: to look at its million pixels one by one
would take a quarter of the time of drawing it.
"""

from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from scipy.spatial import KDTree

from gensim_graph.evaluate.pictures.style import STYLE
from gensim_graph.typing import Array

COLOURS = 256
"""Number of colours of a palette."""

_FREQUENT = 192
"""Number of colours of a palette that are the most frequent ones of the figure; the others represent all the rest."""

_VISIBLE, _TOLERATED = 12, 0.005
"""Change of a colour (of 255) that can be seen, and the share of pixels that may change that much."""

_CODES = 2**24
"""Number of codes of colours. A code has red, green and blue as its bytes, from the lowest."""

_COMPRESSION = 5
"""Level of compression, of 9. The usual level, 6, takes 1.6 times as long for files that are 2 % smaller."""


def as_png(figure: Figure) -> bytes:
    """Draw a figure and encode it as a PNG file.

    The file has a palette if at most 0.5 % of the pixels then change visibly: rare colours, such as those at the edges
    of letters. Maps in many colour maps keep all of their colours.
    """
    figure.set_dpi(STYLE["savefig.dpi"])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    picture = _with_palette(pixels) or Image.fromarray(pixels).convert("RGB")

    stream = BytesIO()
    picture.save(stream, format="PNG", compress_level=_COMPRESSION)

    return stream.getvalue()


def _with_palette(pixels: Array) -> Image.Image | None:
    """Reduce pixels (height, width, 4) to a palette; return None if too many of them would change visibly."""
    colours, numbers = _different_colours(pixels)
    counts = np.bincount(numbers.ravel())
    palette = _choose_palette(colours, counts)

    _, nearest = KDTree(palette).query(colours)
    change = np.abs(palette[nearest].astype(np.int64) - colours).max(axis=1)
    if counts[change > _VISIBLE].sum() > _TOLERATED * numbers.size:
        return None

    picture = Image.fromarray(nearest.astype(np.uint8)[numbers])
    picture.putpalette(palette.tobytes())

    return picture


def _different_colours(pixels: Array) -> tuple[Array, Array]:
    """Find the different colours of a picture; tables of all codes take a tenth of the time of sorting the pixels.

    Args:
        pixels: (height, width, 4) red, green, blue and opacity, 0 to 255.

    Returns:
        The colours (colour, 3), and the number of the colour of every pixel (height, width).
    """
    codes = pixels.view("<u4")[..., 0] & (_CODES - 1)
    present = np.zeros(_CODES, dtype=bool)
    present[codes] = True
    found = np.flatnonzero(present)

    number_of = np.empty(_CODES, dtype=np.int32)
    number_of[found] = np.arange(len(found))
    colours = np.stack([found, found >> 8, found >> 16], axis=1) & 255

    return colours.astype(np.uint8), number_of[codes]


def _choose_palette(colours: Array, counts: Array) -> Array:
    """Choose the colours (256 or fewer, 3) of a palette.

    Args:
        colours: (colour, 3) all different colours of a picture.
        counts: (colour,) number of pixels of each.
    """
    if len(colours) <= COLOURS:
        return colours

    order = np.argsort(-counts, kind="stable")
    frequent, rest = colours[order[:_FREQUENT]], colours[order[_FREQUENT:]]
    reduced = Image.fromarray(rest[None]).quantize(COLOURS - _FREQUENT, method=Image.Quantize.MEDIANCUT)
    chosen = np.array(reduced.getpalette(), dtype=np.uint8).reshape(-1, 3)

    return np.concatenate([frequent, chosen[: COLOURS - _FREQUENT]])
