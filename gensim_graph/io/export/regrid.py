"""Layout of fields on a grid: means over the part of each cell that the mesh covers, and the area of that part."""

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.export.placement import (
    EAST_NORTH_WORDS,
    FieldLayout,
    FieldValues,
    coordinates_attribute,
    global_attributes,
    time_coordinates,
    turn_vectors,
)
from gensim_graph.io.export.target_grid import TargetGrid, make_grid
from gensim_graph.io.fields import Fields
from gensim_graph.typing import Array

_AREA_ATTRS = {"long_name": "area of the cell that the mesh covers", "standard_name": "cell_area", "units": "m2"}
_GRID_AXES_WORDS = ("along the grid x axis", "along the grid y axis")


def on_grid(fields: Fields, word: str) -> FieldLayout:
    """Return the layout of fields on a grid.

    A cell that the mesh does not touch is NaN. The variable ``sea_area`` is the area that the mesh covers in each cell:
    the sum of value times ``sea_area`` over the grid is the integral over the mesh.

    Args:
        fields: fields on a mesh.
        word: the grid, see :func:`~gensim_graph.io.export.target_grid.make_grid`.

    Raises:
        InputError: no such grid, or a grid that does not touch the mesh.
    """
    grid = make_grid(word, fields.mesh)
    shared = grid.shared_areas(fields.mesh)
    area = np.asarray(shared.sum(axis=1)).ravel()

    if not area.any():
        raise InputError(f"the grid '{word}' covers nothing of the mesh")

    axes = {"face": grid.axes, "node": grid.axes}

    def cell_means(values: Array) -> Array:
        flat = values.reshape(-1, values.shape[-1]).T.astype(np.float64)
        with np.errstate(invalid="ignore"):
            cells = (shared @ flat).T / np.where(area > 0, area, np.nan)
        return cells.reshape(*values.shape[:-1], len(area))

    def convert(values: FieldValues) -> FieldValues:
        means = {name: cell_means(array) for name, array in fields.at_faces(values).items()}
        return {name: _on_whole_grid(array, grid, np.nan) for name, array in turn_vectors(means, fields, axes).items()}

    template = _grid_template(fields, grid, area)
    attrs = _grid_attrs(fields, grid, template)
    dims = {"face": grid.dims, "node": grid.dims}
    words = EAST_NORTH_WORDS if grid.is_geographic else _GRID_AXES_WORDS

    return FieldLayout(template, dims, convert, {"face": attrs, "node": attrs}, words)


def _on_whole_grid(cells: Array, grid: TargetGrid, fill: float) -> Array:
    """Place values (.., cell) on the whole grid, (.., y, x)."""
    whole = np.full((*cells.shape[:-1], grid.shape[0] * grid.shape[1]), fill)
    whole[..., grid.cells.faces.index] = cells
    return whole.reshape(*cells.shape[:-1], *grid.shape)


def _grid_template(fields: Fields, grid: TargetGrid, area: Array) -> xr.Dataset:
    attrs = global_attributes(fields) | {"Conventions": "CF-1.8"}
    template = grid.template.assign_coords(time_coordinates(fields)).assign_attrs(attrs)

    return template.assign(sea_area=(grid.dims, _on_whole_grid(area, grid, 0.0), _AREA_ATTRS))


def _grid_attrs(fields: Fields, grid: TargetGrid, template: xr.Dataset) -> dict[str, str]:
    two_dimensional = sorted(str(name) for name, column in grid.template.coords.items() if column.ndim == 2)
    mapping = next((str(name) for name, one in template.variables.items() if "grid_mapping_name" in one.attrs), None)
    attrs = {"cell_methods": "area: mean where sea", "cell_measures": "area: sea_area"}
    attrs |= coordinates_attribute(fields, *two_dimensional)

    return attrs | ({"grid_mapping": mapping} if mapping else {})
