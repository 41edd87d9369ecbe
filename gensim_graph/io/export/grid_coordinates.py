"""Coordinates of a new grid around a mesh: longitudes and latitudes, or x and y in a plane."""

import numpy as np
import shapely
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.grid_mapping import crs_variable
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import polygons
from gensim_graph.mesh.planes import lonlat, project, unproject
from gensim_graph.typing import Array

_MAX_CELLS = 100_000_000


def degree_coordinates(step: float, source: Mesh) -> xr.Dataset:
    """Return longitudes and latitudes with cell edges at whole multiples of a step, around all of a mesh.

    Args:
        step: spacing in degrees.
        source: the mesh.

    Returns:
        ``lat`` and ``lon`` in degrees at the centres of the cells, their bounds, and the ellipsoid ``crs``.

    Raises:
        InputError: the mesh has no crs, or the grid would have too many cells.
    """
    if source.crs is None:
        raise InputError("a grid in longitude and latitude needs a mesh with a crs; load it with crs=")

    lon, lat = lonlat(unproject(source.nodes, source.crs))
    south = -90.0 if _contains_pole(source, -90.0) else np.floor(lat.min() / step) * step
    north = 90.0 if _contains_pole(source, 90.0) else np.ceil(lat.max() / step) * step
    west, east = _longitude_range(lon, step, has_pole=bool(north == 90.0 or south == -90.0))

    lat_edges = _edges(max(south, -90.0), min(north, 90.0), step, "latitude")
    lon_edges = _edges(west, east, step, "longitude")
    _check_size(lat_edges, lon_edges)

    grid = _with_bounds(xr.Dataset(), "lat", lat_edges, {"standard_name": "latitude", "units": "degrees_north"}, "Y")
    grid = _with_bounds(grid, "lon", lon_edges, {"standard_name": "longitude", "units": "degrees_east"}, "X")

    ellipsoid = source.crs.geodetic_crs
    assert ellipsoid is not None  # every projection has one

    return grid.assign(crs=crs_variable(ellipsoid))


def metre_coordinates(step: float, source: Mesh, crs: CRS | None) -> xr.Dataset:
    """Return x and y in a plane, with cell edges at whole multiples of a step, around all of a mesh.

    Args:
        step: spacing in m.
        source: the mesh.
        crs: the plane of the grid; None for a mesh without a crs.

    Returns:
        ``x`` and ``y`` in m at the centres of the cells; with a crs also the grid mapping ``crs``, and ``lon`` and
        ``lat`` (y, x) in degrees.

    Raises:
        InputError: a crs for a mesh without one, a plane that cannot show all of the mesh, or too many cells.
    """
    points = _nodes_in_plane(source, crs)
    low = np.floor(points.min(axis=0) / step)
    high = np.ceil(points.max(axis=0) / step)

    if ((high - low) > _MAX_CELLS).any():
        raise InputError(
            f"a grid of {step:g} m has more than {_MAX_CELLS} cells along an axis; choose a larger spacing"
        )

    high = np.maximum(high, low + 2)
    x, y = (step * (np.arange(first, last) + 0.5) for first, last in zip(low, high, strict=True))
    _check_size(x, y)

    grid = xr.Dataset()
    for name, values in (("y", y), ("x", x)):
        attrs = {"units": "m", "axis": name.upper(), "long_name": f"{name} of the cell centre"}
        if crs is not None:
            attrs["standard_name"] = f"projection_{name}_coordinate"
        grid = grid.assign_coords({name: (name, values, attrs)})

    if crs is None:
        return grid

    lon, lat = lonlat(unproject(np.stack(np.meshgrid(x, y), axis=-1), crs))
    return grid.assign(crs=crs_variable(crs)).assign_coords(
        lat=(("y", "x"), lat, {"standard_name": "latitude", "units": "degrees_north"}),
        lon=(("y", "x"), lon, {"standard_name": "longitude", "units": "degrees_east"}),
    )


def _contains_pole(source: Mesh, latitude: float) -> bool:
    """Return True if the pole at 90 or -90 degrees lies in the mesh."""
    assert source.crs is not None
    pole = project(np.array([[0.0, 0.0, np.sign(latitude)]]), source.crs)[0]
    if not np.isfinite(pole).all():
        return False

    origin = source.nodes.mean(axis=0)
    tree = shapely.STRtree(polygons(source, origin))

    return bool(len(tree.query(shapely.points(pole - origin), predicate="intersects")))


def _longitude_range(lon: Array, step: float, has_pole: bool) -> tuple[float, float]:
    """Return the western and eastern edge: the range without the widest gap between nodes.

    The range is the full circle around a pole, and if no gap is wider than two steps and 5 degrees.
    """
    if has_pole:
        return -180.0, 180.0

    sorted_lon = np.unique(lon)
    gaps = np.diff(np.append(sorted_lon, sorted_lon[0] + 360.0))
    widest = int(np.argmax(gaps))

    if gaps[widest] < max(2.0 * step, 5.0):
        return -180.0, 180.0

    west = sorted_lon[(widest + 1) % len(sorted_lon)]
    east = sorted_lon[widest] + (360.0 if sorted_lon[widest] < west else 0.0)

    return float(np.floor(west / step) * step), float(np.ceil(east / step) * step)


def _edges(low: float, high: float, step: float, what: str) -> Array:
    count = max(2, round((high - low) / step))
    if count > _MAX_CELLS:
        raise InputError(f"the grid has {count} cells along {what}; choose a larger spacing")

    if high > low:
        return low + (high - low) * np.arange(count + 1) / count

    return low + step * np.arange(count + 1)


def _with_bounds(grid: xr.Dataset, name: str, edges: Array, attrs: dict[str, str], axis: str) -> xr.Dataset:
    """Add a coordinate at the centres between edges, and its bounds."""
    centres = 0.5 * (edges[1:] + edges[:-1])
    bounds = np.stack([edges[:-1], edges[1:]], axis=1)
    grid = grid.assign_coords({name: (name, centres, attrs | {"axis": axis, "bounds": f"{name}_bnds"})})

    return grid.assign({f"{name}_bnds": ((name, "bnds"), bounds)})


def _check_size(first: Array, second: Array) -> None:
    if len(first) * len(second) > _MAX_CELLS:
        raise InputError(f"the grid has {len(second) - 1} x {len(first) - 1} cells; choose a larger spacing")


def _nodes_in_plane(source: Mesh, crs: CRS | None) -> Array:
    """Return the nodes of a mesh in the plane of the grid, (N, 2) in m."""
    if crs is None or crs == source.crs:
        return source.nodes
    if source.crs is None:
        raise InputError("a grid in another plane needs a mesh with a crs; load it with crs=")

    points = project(unproject(source.nodes, source.crs), crs)
    if not np.isfinite(points).all():
        raise InputError(f"the plane '{crs.name}' does not reach all of the mesh; choose one around it")

    return points
