"""Maps of large meshes as pixels: each shows the face in its middle.

Beyond some ten thousand faces a face is as small as a pixel, and drawing polygons takes a second a map.
"""

from functools import lru_cache

import numpy as np

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.paths import Locator
from gensim_graph.typing import Array

PIXELS = 720
"""Of the longer side."""


@lru_cache(maxsize=2)
def pixel_faces(mesh: Mesh, pixels: int = PIXELS) -> Array:
    """Face under the middle of each pixel of the frame around the nodes, (rows, columns) from below; -1 outside."""
    low, high = mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)
    size = (high - low).max() / pixels
    columns, rows = np.maximum(np.ceil((high - low) / size).astype(np.int64), 1)
    x, y = (start + (np.arange(count) + 0.5) * size for start, count in zip(low, (columns, rows), strict=True))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    locator = Locator(mesh)
    places = locator.locate(points, locator.nearest(points))

    return np.where(places.inside, locator.faces[places.triangles], -1).reshape(rows, columns)


def raster(mesh: Mesh, values: Array) -> tuple[Array, tuple[float, float, float, float]]:
    """Values (face) as pixels, NaN outside, and the edges left, right, bottom and top of the picture in m."""
    faces = pixel_faces(mesh)
    low = mesh.nodes.min(axis=0)
    size = float(np.ptp(mesh.nodes, axis=0).max()) / PIXELS
    right, top = low + size * np.array(faces.shape[::-1])
    shown = np.where(faces >= 0, np.asarray(values, dtype=np.float64)[faces], np.nan)

    return shown, (float(low[0]), float(right), float(low[1]), float(top))
