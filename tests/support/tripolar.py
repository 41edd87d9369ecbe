"""A grid with two northern poles and a fold, in closed form, in the layouts that ocean models store."""

import numpy as np
import xarray as xr


def tripolar(ny: int = 16, nx: int = 64, fold: str = "F", rows: int = 0, columns: int = 0) -> xr.Dataset:
    """The northern hemisphere with two poles on the equator, at 0 and 180 E, and a fold over the north pole.

    Lines of the grid are the meridians and parallels of a globe whose axis lies in the equator.

    Args:
        ny, nx: rows and columns of cells of their own.
        fold: ``F``: the fold runs along the upper side of the last row, ``T``: through its centres.
        rows: rows stored again from beyond the fold.
        columns: columns stored again from the other end.
    """
    x = np.arange(nx + columns)
    y = np.arange(ny + rows)
    return (
        _points(x, y, ny, nx, fold, "")
        .merge(_points(x + 0.5, y + 0.5, ny, nx, fold, "f"))
        .assign(tmask=(("y", "x"), _ocean(x, y, nx)))
    )


def _points(x: np.ndarray, y: np.ndarray, ny: int, nx: int, fold: str, kind: str) -> xr.Dataset:
    column, row = np.meshgrid((x + 0.5) % nx, y + 0.5)
    around = 90.0 * row / (ny if fold == "F" else ny - 0.5)  # 0 at the equator, 90 on the fold, on beyond it
    first = column < nx / 2
    along = np.where(first, -90.0 + 180.0 * column / (nx / 2), 270.0 - 180.0 * column / (nx / 2))
    side = np.where(first, around, 180.0 - around)
    axis, p, z = np.sin(np.radians(along)), np.cos(np.radians(along)), np.radians(side)
    vectors = np.stack([axis, -p * np.cos(z), p * np.sin(z)])
    lon = np.degrees(np.arctan2(vectors[1], vectors[0]))
    lat = np.degrees(np.arcsin(np.clip(vectors[2], -1, 1)))
    names = ("glamf", "gphif") if kind else ("nav_lon", "nav_lat")
    return xr.Dataset({names[0]: (("y", "x"), lon), names[1]: (("y", "x"), lat)})


def _ocean(x: np.ndarray, y: np.ndarray, nx: int) -> np.ndarray:
    """Land around the two poles of the grid, where its cells shrink to nothing."""
    column = np.minimum(x % nx, nx - 1 - x % nx)
    land = (column < 3) | (np.abs(x % nx - (nx - 1) / 2) < 3)
    return np.broadcast_to(~land, (len(y), len(x))).astype(np.int8)
