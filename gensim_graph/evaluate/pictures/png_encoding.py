"""Figures as small PNG files: with a palette of 256 colours, if the colours of the figure fit into it.

A palette takes one byte a pixel instead of three, and the files are less than half as large. matplotlib's own
``savefig`` draws some figures twice, to measure them first. A picture of a report has a fixed size, so once is enough.
"""

from functools import reduce
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageChops

from gensim_graph.evaluate.pictures.style import STYLE

COLOURS = 256
"""Number of colours of a palette."""

_VISIBLE, _TOLERATED = 12, 0.005
"""Change of a colour (of 255) that can be seen, and the share of pixels that may change that much."""


def as_png(figure: Figure) -> bytes:
    """Draw a figure and encode it as a PNG file.

    The file has a palette if at most 0.5 % of the pixels then change visibly: rare colours, such as those at the edges
    of letters. Maps in many colour maps keep all of their colours.
    """
    figure.set_dpi(STYLE["savefig.dpi"])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    reduced = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)

    stream = BytesIO()
    chosen = reduced if _changed(picture, reduced.convert("RGB")) <= _TOLERATED else picture
    chosen.save(stream, format="PNG")

    return stream.getvalue()


def _changed(first: Image.Image, second: Image.Image) -> float:
    """Share of the pixels that differ visibly between two pictures."""
    largest = reduce(ImageChops.lighter, ImageChops.difference(first, second).split())
    counts = largest.histogram()
    return sum(counts[_VISIBLE + 1 :]) / sum(counts)
