"""Reading of one file of a product: the records near the forecast in time and the cells near its mesh.

Values that are missing or flagged stay NaN; nothing is filled. Names and units become those of the variable table, and
vectors are turned to the axes of the mesh of the forecast, by the readers of :mod:`gensim_graph.io`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.observations.observed import ObservedField, ObservedProduct, Periods
from gensim_graph.evaluate.observations.products.displacements import as_velocity, displacement_names
from gensim_graph.evaluate.observations.products.ice_thickness import find_ice_thickness, with_volume
from gensim_graph.evaluate.observations.products.product_cells import ProductCells
from gensim_graph.evaluate.observations.products.product_errors import error_of, flat_values, has_error
from gensim_graph.evaluate.observations.products.product_flags import flagged_values, has_flags
from gensim_graph.evaluate.observations.products.product_periods import product_periods
from gensim_graph.io.cf import on_faces_of
from gensim_graph.io.names import find_name, known_names, list_known_names, with_known_names
from gensim_graph.io.times import times_of, with_time
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

_OBSERVED_ONLY = ("analysis_sea_ice_thickness", "analysis_ice_thickness", "analysis_thickness")


def is_product(ds: xr.Dataset) -> bool:
    """Return True if a dataset has signs of observations: displacements, flags of quality or uncertainties.

    Args:
        ds: the dataset as it is in the file.
    """
    if displacement_names(ds) is not None or find_ice_thickness(ds) in _OBSERVED_ONLY:
        return True

    fields = [name for name in known_names(ds) if ds[name].ndim >= 2]
    return any(has_flags(ds, name) or has_error(ds, name) for name in fields)


@dataclass
class ProductReader:
    """Reader of the files of one product, for one forecast.

    Args:
        cells: finder of the cells near the mesh of the forecast.
        first: start of the forecast.
        last: its last valid time.
        names: variables of the forecast.

    Attributes:
        seen: first and last time of each file that was read.
    """

    cells: ProductCells
    first: np.datetime64
    last: np.datetime64
    names: tuple[str, ...]
    seen: list[tuple[np.datetime64, np.datetime64]] = field(default_factory=list)

    def read(self, name: str, stored: xr.Dataset) -> ObservedProduct | None:
        """Read one file; None if none of its records lies in the time of the forecast.

        Args:
            name: of the file.
            stored: the file, open.

        Raises:
            InputError: no variable of the forecast, no times, an unknown unit, or cells elsewhere.
        """
        pair = displacement_names(stored)
        ds = with_time(stored if pair is None else stored.rename({pair[0]: "siu", pair[1]: "siv"}))
        times = times_of(ds)
        periods = product_periods(stored, times)
        self.seen.append((times.min(), times.max()))
        records = np.flatnonzero((periods.bounds[:, 1] > self.first) & (periods.bounds[:, 0] <= self.last))

        if not len(records):
            return None

        ds = ds.isel(time=records)
        return self._observations(name, ds, periods[records], pair)

    def _observations(
        self, name: str, ds: xr.Dataset, periods: Periods, pair: tuple[str, str] | None
    ) -> ObservedProduct:
        """Observations of the records that were chosen."""
        ds, notes, is_over_ice = _with_table_thickness(ds)
        if is_over_ice and "sic" not in self.names:
            raise InputError(
                "its thickness is that of the ice alone; a comparison with sit, the volume per area, needs the "
                "concentration, which neither it nor the forecast has"
            )

        original = {one: found for one in self.names for found in [_name_in(ds, one)] if found is not None}
        if not original:
            raise InputError(_no_variable(ds, self.names))

        flags = {one: flagged_values(ds, found, one == "sic") for one, found in original.items()}
        units = {one: _unit_of_error(one, pair) for one in original}
        errors = {one: error_of(ds, found, units[one]) for one, found in original.items()}
        clean = ds.assign({original[one]: ds[original[one]].where(~found.rejected) for one, found in flags.items()})

        if pair is not None:
            seconds = xr.DataArray(periods.hours * 3600.0, dims="time")
            clean = as_velocity(clean, ("siu", "siv"), periods)
            errors = {one: None if found is None else found / seconds for one, found in errors.items()}

        known = with_known_names(clean)
        source = self.cells.find(known)
        on_faces = on_faces_of(source, known[[*original, *_without_fields(known)]])
        count = len(periods.bounds)

        def at_cells(column: xr.DataArray) -> Array:
            return flat_values(column, count, source.faces.dims, source.faces.index)

        usable = [one for one in original if one in on_faces and on_faces[one].dims == ("time", "face")]
        missing = _missing({one: at_cells(known[one]) for one in usable})
        fields = {}
        for one in usable:
            error = errors[one]
            rejected, meanings = at_cells(flags[one].rejected), flags[one].meanings
            seen = None if error is None else at_cells(error)
            fields[one] = _field(on_faces[one].values, missing[one], seen, int(rejected.sum()), meanings)

        return ObservedProduct(name, source.mesh, periods, fields, pair is not None, is_over_ice, notes)


def _with_table_thickness(ds: xr.Dataset) -> tuple[xr.Dataset, tuple[str, ...], bool]:
    """Thickness over the ice as ``sit``; what was done in words; True if it stays a thickness over the ice."""
    name = None if "sit" in ds.variables else find_ice_thickness(ds)
    if name is None:
        return ds, (), False

    rest = ds.drop_vars(name)
    found = _name_in(rest, "sic")
    if found is None:
        return with_volume(ds, name, None), (f"'{name}' is compared with sit / sic of the forecast",), True

    keep = ~flagged_values(ds, found, True).rejected
    fraction = with_known_names(rest[[found]].where(keep), report=False)["sic"]
    return with_volume(ds, name, fraction), (f"'{name}' times '{found}' is sit",), False


def _name_in(ds: xr.Dataset, variable: str) -> str | None:
    """Name of a variable of the table in a product; None if it has none."""
    table = {one.name: one for one in default_variables().state}
    found = find_name(ds, table[variable]) if variable in table else None
    return found if found is not None and ds[found].ndim >= 2 else None


def _unit_of_error(name: str, pair: tuple[str, str] | None) -> str:
    return "m" if pair is not None else default_variables()[name].units


def _without_fields(ds: xr.Dataset) -> list[str]:
    """Coordinates and grid mappings, which the readers of grids need."""
    return [str(name) for name, column in ds.data_vars.items() if "time" not in column.dims]


def _missing(values: dict[str, Array]) -> dict[str, Array]:
    """True where a field, or the other component of its vector, has no value."""
    table = default_variables()
    missing = {name: ~np.isfinite(array) for name, array in values.items()}
    return {name: gaps | missing.get(str(table[name].vector), gaps) for name, gaps in missing.items()}


def _field(values: Array, missing: Array, error: Array | None, flagged: int, flags: tuple[str, ...]) -> ObservedField:
    """Field with its gaps: readers of models may have filled some, such as the drift where there is no ice."""
    kept = np.where(missing, np.nan, values).astype(np.float64)
    return ObservedField(kept, None if error is None else error.astype(np.float64), flagged, flags)


def _no_variable(ds: xr.Dataset, names: Iterable[str]) -> str:
    known = sorted(known_names(ds))
    has = ", ".join(known or [str(name) for name, column in ds.data_vars.items() if column.ndim >= 2]) or "no fields"
    return (
        f"none of its variables can be compared with the forecast, which has {', '.join(names)}; it has {has}; known "
        f"names are {list_known_names(4)}, and dX, dY for displacements"
    )
