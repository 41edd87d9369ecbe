"""Bilinear interpolation from the points of a grid of longitude and latitude, across its seam and the poles."""

import numpy as np
from scipy.sparse import csr_array, diags_array

from gensim_graph.io.cf.lonlat_axes import LonLatAxes
from gensim_graph.typing import Array


def bilinear_weights(axes: LonLatAxes, lon: Array, lat: Array) -> csr_array:
    """Compute the weights of bilinear interpolation from the points of a grid.

    Args:
        axes: axes of the grid.
        lon: (P,) longitudes, degrees.
        lat: (P,) latitudes, degrees. Those beyond the last row are taken at half a step from it at most, or between
            it and the pole.

    Returns:
        (P, ny * nx) matrix to multiply with the values of the grid, row by row.
    """
    along = _lon_weights(axes, lon)
    across = _axis_weights(axes.lat, lat)
    points = np.arange(len(lon))[:, None, None]
    cells = across[0][:, :, None] * len(axes.lon) + along[0][:, None, :]
    share = across[1][:, :, None] * along[1][:, None, :]
    shape = (len(lon), len(axes.lat) * len(axes.lon))
    grid = csr_array((share.ravel(), (np.broadcast_to(points, share.shape).ravel(), cells.ravel())), shape=shape)

    return _with_caps(axes, lat, grid)


def _lon_weights(axes: LonLatAxes, lon: Array) -> tuple[Array, Array]:
    """Two columns (P, 2) around each longitude, and their weights (P, 2)."""
    low, high = axes.lon.min(), axes.lon.max()
    middle = 0.5 * (low + high)
    inside = middle + (lon - middle + 180.0) % 360.0 - 180.0
    if not axes.is_closed:
        return _axis_weights(axes.lon, inside)

    order = np.argsort(axes.lon)
    ring = np.append(axes.lon[order], low + 360.0)
    columns, share = _axis_weights(ring, low + (lon - low) % 360.0)
    return order[columns % len(order)], share


def _axis_weights(axis: Array, values: Array) -> tuple[Array, Array]:
    """Two numbers (P, 2) on an axis around each value, and their weights (P, 2); values beyond take the end."""
    order = np.argsort(axis)
    ordered = axis[order]
    right = np.clip(np.searchsorted(ordered, values), 1, len(axis) - 1)
    share = np.clip((values - ordered[right - 1]) / (ordered[right] - ordered[right - 1]), 0.0, 1.0)

    return order[np.stack([right - 1, right], axis=1)], np.stack([1.0 - share, share], axis=1)


def _with_caps(axes: LonLatAxes, lat: Array, grid: csr_array) -> csr_array:
    """Mix the last row with its mean, which is the value at the pole, for points between the row and the pole."""
    for pole, row in ((90.0, int(axes.lat.argmax())), (-90.0, int(axes.lat.argmin()))):
        gap = abs(pole - axes.lat[row])
        beyond = (lat - axes.lat[row]) * np.sign(pole)
        near = np.flatnonzero(beyond > 0.0)
        if not len(near) or not reaches_pole(axes, pole):
            continue

        nx = len(axes.lon)
        to_pole = np.zeros(len(lat))
        to_pole[near] = beyond[near] / gap
        columns = np.tile(row * nx + np.arange(nx), len(near))
        values = np.repeat(to_pole[near] / nx, nx)
        cap = csr_array((values, (np.repeat(near, nx), columns)), shape=grid.shape)
        grid = (diags_array(1.0 - to_pole) @ grid + cap).tocsr()

    return grid


def reaches_pole(axes: LonLatAxes, pole: float) -> bool:
    """Return True if a grid goes around the globe, and its last row is the last one before a pole.

    Args:
        axes: axes of the grid.
        pole: 90 or -90 degrees.
    """
    return axes.is_closed and float(np.abs(pole - axes.lat).min()) < 1.5 * axes.step
