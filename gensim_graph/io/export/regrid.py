"""Fields on grids: the mean over what the mesh covers of each cell, and how much that is."""

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.export.placement import COMPASS, FieldLayout, Values, auxiliary, provenance, times_of, turned
from gensim_graph.io.export.target import TargetGrid, make_grid
from gensim_graph.io.fields import Fields
from gensim_graph.typing import Array

_AREA = {"long_name": "area of the cell that the mesh covers", "standard_name": "cell_area", "units": "m2"}


def on_grid(fields: Fields, word: str) -> FieldLayout:
    """Fields on a grid, see :func:`~gensim_graph.io.export.target.make_grid`.

    Cells of which nothing is covered are NaN. ``sea_area`` is what is covered: the sum of value times ``sea_area`` over
    the grid is the integral over the mesh.

    Raises:
        InputError: no such grid, or one that lies elsewhere.
    """
    grid = make_grid(word, fields.mesh)
    shared = grid.shared_areas(fields.mesh)
    area = np.asarray(shared.sum(axis=1)).ravel()

    if not area.any():
        raise InputError(f"the grid '{word}' covers nothing of the mesh")

    axes = {"face": grid.axes, "node": grid.axes}

    def mean(values: Array) -> Array:
        flat = values.reshape(-1, values.shape[-1]).T.astype(np.float64)
        with np.errstate(invalid="ignore"):
            cells = (shared @ flat).T / np.where(area > 0, area, np.nan)
        return cells.reshape(*values.shape[:-1], len(area))

    def bring(values: Values) -> Values:
        means = {name: mean(array) for name, array in fields.at_faces(values).items()}
        return {name: _spread(array, grid, np.nan) for name, array in turned(means, fields, axes).items()}

    frame = _frame(fields, grid).assign(sea_area=(grid.dims, _spread(area, grid, 0.0), _AREA))
    attrs = _attrs(fields, grid, frame)
    dims = {"face": grid.dims, "node": grid.dims}
    along = COMPASS if grid.is_geographic else ("along the grid x axis", "along the grid y axis")

    return FieldLayout(frame, dims, bring, {"face": attrs, "node": attrs}, along)


def _spread(cells: Array, grid: TargetGrid, elsewhere: float) -> Array:
    """(.., cells) -> (.., y, x)."""
    whole = np.full((*cells.shape[:-1], grid.shape[0] * grid.shape[1]), elsewhere)
    whole[..., grid.cells.faces.index] = cells
    return whole.reshape(*cells.shape[:-1], *grid.shape)


def _frame(fields: Fields, grid: TargetGrid) -> xr.Dataset:
    return grid.frame.assign_coords(times_of(fields)).assign_attrs(provenance(fields) | {"Conventions": "CF-1.8"})


def _attrs(fields: Fields, grid: TargetGrid, frame: xr.Dataset) -> dict[str, str]:
    flat = sorted(str(name) for name, column in grid.frame.coords.items() if column.ndim == 2)
    mapping = next((str(name) for name, one in frame.variables.items() if "grid_mapping_name" in one.attrs), None)
    attrs = {"cell_methods": "area: mean where sea", "cell_measures": "area: sea_area"} | auxiliary(fields, *flat)
    return attrs | ({"grid_mapping": mapping} if mapping else {})
