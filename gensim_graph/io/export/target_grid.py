"""The grid to which fields of a mesh are brought: longitude and latitude, a grid in a plane, or the grid of a file.

A word describes it: ``0.25deg``; ``25km`` in the plane of the mesh, ``25km@EPSG:3413`` in another; a file on a grid.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import read_grid
from gensim_graph.io.coordinates import find_coordinates
from gensim_graph.io.export.grid_coordinates import degree_coordinates, metre_coordinates
from gensim_graph.io.file_mesh import FileMesh
from gensim_graph.io.safe import opened_dataset
from gensim_graph.mesh import Mesh, as_crs
from gensim_graph.mesh.operators import areal_scale, overlaps
from gensim_graph.mesh.planes import Frame

_WORD = re.compile(r"(?P<step>[0-9.]+(e-?\d+)?)\s*(?P<unit>deg|km|m)(@(?P<crs>.+))?")
_BOUNDS_DIMS = ("bnds", "bounds", "nv", "nvertex", "vertices", "corners")


@dataclass(frozen=True)
class TargetGrid:
    """A grid over a mesh.

    Attributes:
        template: coordinates with their CF attributes and the grid mapping, without fields.
        cells: its cells as a mesh in the plane of the source mesh, and their positions in the grid.
        dims: names of the dimensions of the grid, y first.
        shape: number of cells along these dimensions.
        is_geographic: True if vectors on the grid point east and north, False if along its axes.
    """

    template: xr.Dataset
    cells: FileMesh
    dims: tuple[str, str]
    shape: tuple[int, int]
    is_geographic: bool

    @property
    def axes(self) -> Frame:
        """Directions of the two components of a vector on the grid, along the axes of the plane of the source mesh."""
        if self.is_geographic and self.cells.faces.east_north is not None:
            return self.cells.faces.east_north
        return self.cells.faces.axes

    def shared_areas(self, source: Mesh) -> csr_array:
        """Return the true area that each cell shares with each face of the source mesh, (cells, F) in m2.

        Without a crs the areas are those in the plane.
        """
        mesh = self.cells.mesh
        shared = overlaps(source, mesh)
        areas = shared.areas if mesh.crs is None else shared.areas / areal_scale(shared.centres, mesh.crs)

        return csr_array((areas, (shared.target, shared.source)), shape=(mesh.n_faces, source.n_faces))


def make_grid(word: str, source: Mesh) -> TargetGrid:
    """Make the grid that a word describes; a new grid is as large as the mesh.

    Args:
        word: ``0.25deg``, ``25km``, ``25km@EPSG:3413`` or the path of a netCDF file or zarr store on a grid.
        source: the mesh of the fields.

    Raises:
        InputError: another word, no such file, or a grid in longitude and latitude for a mesh without a crs.
    """
    found = _WORD.fullmatch(word.strip())
    if found is None:
        return _grid_of_file(word, source)

    step = float(found["step"])
    if not 0.0 < step < np.inf:
        raise InputError(f"grid '{word}': expected a spacing above 0")

    if found["unit"] == "deg":
        return _grid_from(degree_coordinates(step, source), source, is_geographic=True)

    metres = step * (1000.0 if found["unit"] == "km" else 1.0)
    crs = as_crs(found["crs"]) if found["crs"] else source.crs

    return _grid_from(metre_coordinates(metres, source, crs), source, is_geographic=False)


def _grid_of_file(word: str, source: Mesh) -> TargetGrid:
    path = FilePath(word)
    if not path.exists():
        raise InputError(
            f"grid '{word}': expected a spacing such as 0.25deg, 25km or 25km@EPSG:3413, or a file on a grid; there is "
            "no such file"
        )

    with naming(path), opened_dataset(path) as ds:
        coordinates = find_coordinates(ds)
        if len(coordinates.dims) != 2:
            raise InputError(f"is no grid: its cells lie along '{coordinates.dims[0]}'")

        allowed = {*coordinates.dims, *_BOUNDS_DIMS}
        static = [name for name, column in ds.variables.items() if set(map(str, column.dims)) <= allowed]
        content = ds[static].load()
        names = {str(coordinates.x.name), str(coordinates.y.name), *map(str, ds.coords)}
        grid = _grid_from(content, source, is_geographic=coordinates.kind != "plane")

    return replace(grid, template=content[_coordinate_names(content, names)])


def _coordinate_names(content: xr.Dataset, names: set[str]) -> list[str]:
    """Return the names of coordinates, their bounds and grid mappings, as far as they are in the file."""
    bounds = {str(content[name].attrs.get("bounds", "")) for name in names if name in content.variables}
    mappings = {str(name) for name, column in content.variables.items() if "grid_mapping_name" in column.attrs}

    return sorted((names | bounds | mappings) & set(map(str, content.variables)))


def _grid_from(template: xr.Dataset, source: Mesh, is_geographic: bool) -> TargetGrid:
    if is_geographic and source.crs is None:
        raise InputError("a grid in longitude and latitude needs a mesh with a crs; load it with crs=")

    cells = read_grid(template, source.crs)
    coordinates = find_coordinates(template)
    dims = (coordinates.dims[0], coordinates.dims[1])
    shape = (coordinates.shape[0], coordinates.shape[1])

    return TargetGrid(template, cells, dims, shape, is_geographic)
