"""Satellite products on grids as rows of a table: one observation for each cell and record that has a value.

The products are read as for the evaluation (:func:`~gensim_graph.evaluate.open_observations`): flags, units, gaps,
displacements as mean velocities, vectors along the axes of the mesh.
"""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.assimilate.observation_columns import Errors
from gensim_graph.errors import InputError
from gensim_graph.evaluate.observations import ObservedProduct, open_products
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable

log = logging.getLogger(__name__)

_EVER = (np.datetime64("1678-01-01", "ns"), np.datetime64("2262-01-01", "ns"))


def product_rows(ds: xr.Dataset, mesh: Mesh, table: VariableTable, error: Errors | None) -> pd.DataFrame:
    """Return the observations of a gridded product near a mesh.

    The footprint of a value is the spacing of its cell; it is 0 for fields on the cells of the mesh itself.

    Args:
        ds: the product, as it is in its file.
        mesh: mesh of the forecast.
        table: the variable table.
        error: standard deviation of the errors where the product gives none.

    Raises:
        InputError: the product cannot be read, has no value near the mesh, or no errors.
    """
    names = tuple(variable.name for variable in table.state)
    products = open_products(ds, mesh, *_EVER, names)
    parts = [_rows(product, name, mesh, error) for product in products for name in _usable(product)]
    if not parts:
        raise InputError(
            "its thickness is that of the ice alone, which is not linear in the state; expected a product that gives "
            "the concentration too"
        )

    return pd.concat(parts, ignore_index=True)


def _usable(product: ObservedProduct) -> list[str]:
    """Variables that are linear in the state."""
    names = [name for name in product.fields if not (name == "sit" and product.is_over_ice)]
    if len(names) < len(product.fields):
        log.warning(
            "%s: its thickness is left out: it is that of the ice alone, without the concentration", product.name
        )
    return names


def _rows(product: ObservedProduct, name: str, mesh: Mesh, error: Errors | None) -> pd.DataFrame:
    """Rows of one variable."""
    field, cells, periods = product.fields[name], product.cells, product.periods
    errors = _errors(field.error, field.values.shape, error.get(name) if isinstance(error, Mapping) else error)
    if errors is None:
        raise InputError(f"{product.name}: it gives no errors of '{name}'; give one, error={{'{name}': 0.1}}")

    known = np.isfinite(field.values)
    usable = known & np.isfinite(errors) & (errors > 0)
    if usable.sum() < known.sum():
        log.warning(
            "%s: %d values of %s left out, their error is missing or not positive",
            product.name, known.sum() - usable.sum(), name,
        )  # fmt: skip

    record, cell = np.nonzero(usable)
    begin, end = periods.bounds[record].T
    return pd.DataFrame(
        {
            "variable": name,
            "x": cells.centres[cell, 0],
            "y": cells.centres[cell, 1],
            "time": end if periods.is_mean else begin + (end - begin) / 2,
            "start": begin if periods.is_mean else np.datetime64("NaT", "ns"),
            "value": field.values[usable],
            "error": errors[usable],
            "footprint": 0.0 if mesh.matches(cells) else cells.spacing[cell],
        }
    )


def _errors(stored: Array | None, shape: tuple[int, ...], given: float | None) -> Array | None:
    """Errors of the product, and the given one where there is none."""
    if stored is None:
        return None if given is None else np.full(shape, float(given))

    return stored if given is None else np.where(np.isfinite(stored), stored, given)
