"""Maps of large meshes as pixels: each pixel shows the face at its middle.

On meshes of more than some ten thousand faces, a face is as small as a pixel, and a map of polygons takes a second.
"""

from functools import lru_cache

import numpy as np

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.paths import Locator
from gensim_graph.typing import Array

PIXELS = 720
"""Number of pixels along the longer side of a map."""


@lru_cache(maxsize=2)
def pixel_faces(mesh: Mesh, pixels: int = PIXELS) -> Array:
    """Face at the middle of each pixel of the bounding box of a mesh; the result is cached.

    Args:
        mesh: the mesh.
        pixels: number of pixels along the longer side.

    Returns:
        (rows, columns) face numbers, the lowest row first; -1 outside the mesh.
    """
    low, high = mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)
    size = (high - low).max() / pixels
    columns, rows = np.maximum(np.ceil((high - low) / size).astype(np.int64), 1)
    x, y = (start + (np.arange(count) + 0.5) * size for start, count in zip(low, (columns, rows), strict=True))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    locator = Locator(mesh)
    found = locator.locate(points, locator.nearest(points))

    return np.where(found.inside, locator.faces[found.triangles], -1).reshape(rows, columns)


def raster(mesh: Mesh, values: Array) -> tuple[Array, tuple[float, float, float, float]]:
    """Draw values on faces as pixels.

    Args:
        mesh: the mesh.
        values: (F,) values on the faces.

    Returns:
        (rows, columns) values of the pixels, the lowest row first, NaN outside the mesh; and the limits of the picture
        (left, right, bottom, top) in m.
    """
    faces = pixel_faces(mesh)
    low = mesh.nodes.min(axis=0)
    size = float(np.ptp(mesh.nodes, axis=0).max()) / PIXELS
    right, top = low + size * np.array(faces.shape[::-1])
    shown = np.where(faces >= 0, np.asarray(values, dtype=np.float64)[faces], np.nan)

    return shown, (float(low[0]), float(right), float(low[1]), float(top))
