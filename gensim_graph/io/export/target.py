"""Grids to bring fields of a mesh to: longitude and latitude, a grid in a plane, or that of a file.

Said in a word: ``0.25deg``; ``25km`` in the plane of the mesh; ``25km@EPSG:3413`` in another one; or a path of a file.
"""

import re
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import shapely
import xarray as xr
from pyproj import CRS
from scipy.sparse import csr_array

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import read_grid
from gensim_graph.io.coordinates import find_coordinates
from gensim_graph.io.file_mesh import FileMesh
from gensim_graph.io.safe import opened_dataset
from gensim_graph.mesh import Mesh, as_crs
from gensim_graph.mesh.operators import areal_scale, overlaps, polygons
from gensim_graph.mesh.planes import Frame, lonlat, project, unproject
from gensim_graph.typing import Array

_WORD = re.compile(r"(?P<step>[0-9.]+(e-?\d+)?)\s*(?P<unit>deg|km|m)(@(?P<crs>.+))?")
_MOST_CELLS = 100_000_000


@dataclass(frozen=True)
class TargetGrid:
    """A grid over a mesh.

    Attributes:
        frame: coordinates with their CF attributes and the grid mapping, without fields.
        cells: its cells as a mesh in the plane of the source mesh, and where they lie in the grid.
        dims, shape: of the grid.
        is_geographic: whether vectors on it point east and north, or along its axes.
    """

    frame: xr.Dataset
    cells: FileMesh
    dims: tuple[str, str]
    shape: tuple[int, int]
    is_geographic: bool

    @property
    def axes(self) -> Frame:
        """Axes of vectors on the grid, along the axes of the plane of the source mesh."""
        if self.is_geographic and self.cells.faces.compass is not None:
            return self.cells.faces.compass
        return self.cells.faces.axes

    def shared_areas(self, source: Mesh) -> csr_array:
        """True area that each cell shares with each face of the source: (cells, F) m2; in the plane without a crs."""
        mesh = self.cells.mesh
        shared = overlaps(source, mesh)
        areas = shared.areas if mesh.crs is None else shared.areas / areal_scale(shared.centres, mesh.crs)
        return csr_array((areas, (shared.target, shared.source)), shape=(mesh.n_faces, source.n_faces))


def make_grid(word: str, source: Mesh) -> TargetGrid:
    """The grid that a word describes, as large as the mesh.

    Args:
        word: ``0.25deg``, ``25km``, ``25km@EPSG:3413`` or the path of a netCDF file or zarr store on a grid.
        source: the mesh that has the fields.

    Raises:
        InputError: another word, no such file, or a grid on the globe for a mesh that lies nowhere on it.
    """
    found = _WORD.fullmatch(word.strip())
    if found is None:
        return _grid_of_file(word, source)

    step, unit = float(found["step"]), found["unit"]
    if not 0.0 < step < np.inf:
        raise InputError(f"grid '{word}': expected a spacing above 0")

    if unit == "deg":
        frame = _degrees(step, source)
    else:
        crs = as_crs(found["crs"]) if found["crs"] else source.crs
        frame = _metres(step * (1000.0 if unit == "km" else 1.0), source, crs)

    return _grid(frame, source, unit == "deg")


def _grid_of_file(word: str, source: Mesh) -> TargetGrid:
    path = FilePath(word)
    if not path.exists():
        raise InputError(
            f"grid '{word}': expected a spacing such as 0.25deg, 25km or 25km@EPSG:3413, or a file on a grid; there is "
            "no such file"
        )

    with naming(path), opened_dataset(path) as ds:
        where = find_coordinates(ds)
        if len(where.dims) != 2:
            raise InputError(f"is no grid: its cells lie along '{where.dims[0]}'")

        kept = [name for name, column in ds.variables.items() if set(map(str, column.dims)) <= {*where.dims, *_SIDES}]
        frame = ds[kept].load()
        names = {str(where.x.name), str(where.y.name), *map(str, ds.coords)}
        names |= {str(frame[name].attrs.get("bounds", "")) for name in names if name in frame.variables}
        names |= {str(name) for name, column in frame.variables.items() if "grid_mapping_name" in column.attrs}
        grid = _grid(frame, source, where.kind != "plane")

    return TargetGrid(frame[sorted(names & set(map(str, frame.variables)))], grid.cells, grid.dims, grid.shape,
                      grid.is_geographic)  # fmt: skip


_SIDES = ("bnds", "bounds", "nv", "nvertex", "vertices", "corners")


def _grid(frame: xr.Dataset, source: Mesh, geographic: bool) -> TargetGrid:
    if geographic and source.crs is None:
        raise InputError("a grid in longitude and latitude needs a mesh with a crs; load it with crs=")

    cells = read_grid(frame, source.crs)
    where = find_coordinates(frame)
    dims, shape = where.dims, where.shape

    return TargetGrid(frame, cells, (dims[0], dims[1]), (shape[0], shape[1]), geographic)


def _degrees(step: float, source: Mesh) -> xr.Dataset:
    """Longitudes and latitudes at whole multiples of the step, around all of the mesh."""
    if source.crs is None:
        raise InputError("a grid in longitude and latitude needs a mesh with a crs; load it with crs=")

    lon, lat = lonlat(unproject(source.nodes, source.crs))
    south, north = np.floor(lat.min() / step) * step, np.ceil(lat.max() / step) * step
    if _holds(source, 90.0):
        north = 90.0

    if _holds(source, -90.0):
        south = -90.0

    west, east = _range_of_longitudes(lon, step, bool(north == 90.0 or south == -90.0))
    axes = {
        "lat": _edges(max(south, -90.0), min(north, 90.0), step, "latitude"),
        "lon": _edges(west, east, step, "longitude"),
    }
    _refuse_too_many(*axes.values())
    frame = xr.Dataset()

    for name, (standard, unit) in {"lat": ("latitude", "degrees_north"), "lon": ("longitude", "degrees_east")}.items():
        edges = axes[name]
        attrs = {"standard_name": standard, "units": unit, "axis": "Y" if name == "lat" else "X",
                 "bounds": f"{name}_bnds"}  # fmt: skip
        frame = frame.assign_coords({name: (name, 0.5 * (edges[1:] + edges[:-1]), attrs)})
        frame[f"{name}_bnds"] = ((name, "bnds"), np.stack([edges[:-1], edges[1:]], axis=1))

    ellipsoid = source.crs.geodetic_crs
    assert ellipsoid is not None  # of every projection
    frame["crs"] = ((), np.int32(0), {key: value for key, value in ellipsoid.to_cf().items() if value is not None})

    return frame


def _holds(source: Mesh, latitude: float) -> bool:
    """Whether a pole lies in the mesh."""
    assert source.crs is not None
    pole = project(np.array([[0.0, 0.0, np.sign(latitude)]]), source.crs)[0]
    if not np.isfinite(pole).all():
        return False

    origin = source.nodes.mean(axis=0)
    tree = shapely.STRtree(polygons(source, origin))

    return bool(len(tree.query(shapely.points(pole - origin), predicate="intersects")))


def _range_of_longitudes(lon: Array, step: float, whole: bool) -> tuple[float, float]:
    """From the end of the widest gap to its beginning; all around where there is none of two steps."""
    if whole:
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
    if count > _MOST_CELLS:
        raise InputError(f"the grid has {count} cells along {what}; choose a larger spacing")
    return low + (high - low) * np.arange(count + 1) / count if high > low else low + step * np.arange(count + 1)


def _refuse_too_many(first: Array, second: Array) -> None:
    if len(first) * len(second) > _MOST_CELLS:
        raise InputError(f"the grid has {len(second) - 1} x {len(first) - 1} cells; choose a larger spacing")


def _metres(step: float, source: Mesh, crs: CRS | None) -> xr.Dataset:
    """Axes in the plane of ``crs``, corners at whole multiples of the step."""
    points = source.nodes
    if crs is not None and source.crs is None:
        raise InputError("a grid in another plane needs a mesh with a crs; load it with crs=")

    if crs is not None and source.crs is not None and crs != source.crs:
        points = project(unproject(points, source.crs), crs)
        if not np.isfinite(points).all():
            raise InputError(f"the plane '{crs.name}' does not reach all of the mesh; choose one around it")

    low, high = np.floor(points.min(axis=0) / step), np.ceil(points.max(axis=0) / step)
    if ((high - low) > _MOST_CELLS).any():
        raise InputError(
            f"a grid of {step:g} m has more than {_MOST_CELLS} cells along an axis; choose a larger spacing"
        )

    high = np.maximum(high, low + 2)
    x, y = (step * (np.arange(first, last) + 0.5) for first, last in zip(low, high, strict=True))
    _refuse_too_many(x, y)
    frame = xr.Dataset()

    for name, values in (("y", y), ("x", x)):
        attrs = {"units": "m", "axis": name.upper(), "long_name": f"{name} of the cell centre"}
        if crs is not None:
            attrs["standard_name"] = f"projection_{name}_coordinate"
        frame = frame.assign_coords({name: (name, values, attrs)})

    if crs is None:
        return frame

    frame["crs"] = ((), np.int32(0), {key: value for key, value in crs.to_cf().items() if value is not None})
    lon, lat = lonlat(unproject(np.stack(np.meshgrid(x, y), axis=-1), crs))

    return frame.assign_coords(
        lat=(("y", "x"), lat, {"standard_name": "latitude", "units": "degrees_north"}),
        lon=(("y", "x"), lon, {"standard_name": "longitude", "units": "degrees_east"}),
    )
