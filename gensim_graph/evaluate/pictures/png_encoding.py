"""Figures as PNG files with a palette, which are a third as large as files with three bytes a pixel.

matplotlib's own ``savefig`` draws every figure twice, first to measure it. A picture of a report has a fixed size and
its layout is part of the drawing, so that once is enough.
"""

from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from gensim_graph.evaluate.pictures.style import STYLE

COLOURS = 256
"""Number of colours of a palette."""


def as_png(figure: Figure) -> bytes:
    """Draw a figure and encode it as a PNG file of at most ``COLOURS`` colours.

    The colours of large areas stay as they are. Only rare ones, such as the edges of letters, may change a little.
    """
    figure.set_dpi(STYLE["savefig.dpi"])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")

    stream = BytesIO()
    reduced = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    reduced.save(stream, format="PNG")

    return stream.getvalue()
