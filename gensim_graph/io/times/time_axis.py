"""The time of the fields of a dataset, whatever the program that wrote it calls its dimension and its variable.

The dimension is one along which variables of the variable table lie; its times are its coordinate or another variable
on it: ``valid_time`` (Climate Data Store), ``time_counter`` (NEMO), the texts ``xtime`` (MPAS) and ``Times`` (WRF), or
any variable with the standard name ``time`` or units such as ``days since 1979-01-01``. Dates are needed for
fields only: a mesh is read from a dataset whose times nobody understands.
"""

import logging

import cftime
import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.names import known_names
from gensim_graph.io.times.calendar_dates import dates_of, has_time_units, other_calendar_of
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_NAMES = ("time", "valid_time", "time_counter", "Time", "xtime", "Times", "t", "TIME", "XTIME", "ocean_time", "date")
_REFERENCE = "forecast_reference_time"
_FORECAST = ("time", "step", _REFERENCE, "forecast_period")
"""Dimensions of forecasts from the Climate Data Store; where one has a single value, the time runs along the other."""

_ENSEMBLE = ("number", "expver", "member", "members", "ens", "ensemble", "ensemble_member", "realization",
             "realisation")  # fmt: skip
_NO_DATES = "it needs units such as 'hours since 2000-01-01'"


def times_of(ds: xr.Dataset, name: str = "time") -> Array:
    """Return the times of a dataset as datetime64[ns].

    Args:
        ds: the dataset.
        name: its variable of times.

    Raises:
        InputError: the variable has no dates, or dates that the Gregorian calendar does not have.
    """
    try:
        return dates_of(ds[name])
    except InputError as error:
        raise InputError(f"'{name}' {error}") from None


def with_time(ds: xr.Dataset) -> xr.Dataset:
    """Return the dataset with a dimension ``time`` and its dates, whatever the file calls it.

    A dataset with a single time that is no dimension becomes one record. Dimensions of ensembles with one member are
    dropped.

    Raises:
        InputError: there is no dimension of time, it has no dates, or the fields have several members.
    """
    ds = _without_single(ds)
    found = with_time_dimension(ds)
    if "time" in _field_dims(found):
        return found

    _check_steps(found)
    dims = set(_field_dims(found))
    single = [str(name) for name, column in found.variables.items() if column.size == 1 and not dims & set(column.dims)]
    scalar = next(iter(_ranked(found, single)), None)
    if scalar is None:
        raise InputError(f"no dimension 'time' (dimensions: {', '.join(map(str, ds.dims))})")

    fields = {name: ds[name].expand_dims("time") for name in known_names(ds) if ds[name].ndim >= 1}
    times = _rounded(times_of(ds, scalar)).reshape(1)
    return ds.drop_vars("time", errors="ignore").assign(fields).assign_coords(time=("time", times))


def with_time_dimension(ds: xr.Dataset) -> xr.Dataset:
    """Return the dataset with the dimension of its times renamed to ``time``; unchanged if it has none.

    Args:
        ds: the dataset.

    Raises:
        InputError: the dimension has no records or no dates, or there are several such dimensions.
    """
    dim = _time_dimension(ds)
    if dim is None:
        return ds

    if ds.sizes[dim] == 0:
        raise InputError(f"its fields have no record, the dimension '{dim}' is empty; is the file complete?")

    name, times = _times_along(ds, dim)
    _report(ds, name, times)

    if dim != "time":
        ds = ds.drop_dims("time") if "time" in ds.dims else ds.drop_vars("time", errors="ignore")
        ds = ds.rename_dims({dim: "time"})
        ds = ds.drop_vars(dim, errors="ignore")

    return ds.assign_coords(time=("time", times, {"standard_name": "time"}))


def with_own_time(ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset in the layout of this package with dates; forecasts, which have lead times, stay as they are.

    Args:
        ds: fields on the dimensions ``face`` or ``node``.

    Raises:
        InputError: see :func:`with_time_dimension`.
    """
    is_forecast = "lead_time" in ds.dims
    has_dates = "time" in ds.dims and ("time" not in ds.coords or ds["time"].dtype.kind == "M")
    return ds if is_forecast or has_dates else with_time_dimension(ds)


def _field_dims(ds: xr.Dataset) -> list[str]:
    """Dimensions of the variables of the variable table; of all variables, if there are none of the table."""
    names = sorted(known_names(ds)) or list(map(str, ds.variables))
    return list(dict.fromkeys(str(dim) for name in names for dim in ds[name].dims))


def _without_single(ds: xr.Dataset) -> xr.Dataset:
    """Drop dimensions of ensembles and forecasts that have one value.

    Raises:
        InputError: a dimension of an ensemble has several.
    """
    dims = _field_dims(ds)
    for dim in dims:
        standard = ds[dim].attrs.get("standard_name") if dim in ds.variables else None
        if dim not in _ENSEMBLE and standard != "realization":
            continue
        if ds.sizes[dim] > 1:
            raise InputError(
                f"its fields have {ds.sizes[dim]} values along '{dim}' and are no single state; choose one, "
                f"ds.isel({dim}=0) or ncks -d {dim},0{_advice_for(dim)}"
            )
        ds = ds.squeeze(dim)

    forecast = [dim for dim in dims if dim in _FORECAST and dim in ds.dims]
    if len(forecast) > 1:
        single = sorted((dim for dim in forecast if ds.sizes[dim] == 1), key=lambda dim: bool(_names_along(ds, dim)))
        ds = ds.squeeze(single[: len(forecast) - 1])

    return ds


def _advice_for(dim: str) -> str:
    return "; ERA5 and ERA5T: ds.sel(expver=1).combine_first(ds.sel(expver=5))" if dim == "expver" else ""


def _time_dimension(ds: xr.Dataset) -> str | None:
    """Dimension of the fields that has times, or the name of one."""
    dims = _field_dims(ds)
    found = [dim for dim in dims if _names_along(ds, dim) or dim in _NAMES]
    found = [dim for dim in found if _is_plain(ds, dim)] or found
    several = [dim for dim in found if ds.sizes[dim] > 1] or found[:1]
    if len(several) > 1:
        lengths = " and ".join(f"'{dim}' ({ds.sizes[dim]})" for dim in several)
        raise InputError(f"its fields have times along {lengths}; choose one value of all but one, ds.isel(...)")

    return several[0] if several else None


def _is_plain(ds: xr.Dataset, dim: str) -> bool:
    """Return True if a dimension is one of times by its name or that of its times; cells may have a date as well."""
    best = next(iter(_names_along(ds, dim)), dim)
    return dim in _NAMES or best == dim or best in _NAMES or ds[best].attrs.get("standard_name") == "time"


def _check_steps(ds: xr.Dataset) -> None:
    """Refuse steps of forecasts whose times no variable gives."""
    for dim in _field_dims(ds):
        if dim in _FORECAST and ds.sizes[dim] > 1:
            raise InputError(
                f"its fields lie along '{dim}' ({ds.sizes[dim]}), and no variable gives the times along it; add one, "
                f"valid_time ({dim})"
            )


def _names_along(ds: xr.Dataset, dim: str) -> list[str]:
    """Variables with times along a dimension, the best first."""
    names = [str(name) for name, column in ds.variables.items() if column.dims == (dim,)]
    return _ranked(ds, names, dim)


def _ranked(ds: xr.Dataset, names: list[str], dim: str = "") -> list[str]:
    """Names of variables that hold times; first the coordinate of the dimension, then by CF and known names."""
    bounds = {str(column.attrs.get(key)) for column in ds.variables.values() for key in ("bounds", "climatology")}
    likely = [name for name in names if name not in bounds and _has_times(ds[name])]

    def rank(name: str) -> tuple[bool, bool, bool, int]:
        standard = ds[name].attrs.get("standard_name")
        known = _NAMES.index(name) if name in _NAMES else len(_NAMES)
        return standard == _REFERENCE or name == _REFERENCE, name != dim, standard != "time", known

    return sorted(likely, key=rank)


def _has_times(column: xr.DataArray) -> bool:
    """Return True if a variable has dates, or is called like times and may have some."""
    if column.dtype.kind == "M" or (column.dtype.kind in "iuf" and has_time_units(column.attrs.get("units"))):
        return True
    if column.dtype.kind == "O" and column.size and isinstance(column.values.ravel()[0], cftime.datetime):
        return True

    return column.name in _NAMES and column.dtype.kind in "SUO"


def _times_along(ds: xr.Dataset, dim: str) -> tuple[str, Array]:
    """Return the variable that gives the times along a dimension, and the times.

    The first variable that has dates is taken, the others need not be understood.
    """
    names = _names_along(ds, dim)
    if not names and dim not in ds.variables:
        raise InputError(f"the dimension '{dim}' has no coordinate; {_NO_DATES}")

    failures = []
    for name in names or [dim]:
        try:
            times = times_of(ds, name)
        except InputError as error:
            failures.append(str(error))
        else:
            if failures:
                log.warning("%s: the times are those of '%s'", failures[0], name)
            return name, _rounded(times)

    raise InputError(failures[0])


def _rounded(times: Array) -> Array:
    """Times to the millisecond: an hour as 1/24 of a day is off by nanoseconds, and then no time of a user."""
    half_millisecond = np.timedelta64(500, "us")
    return np.asarray((times + half_millisecond).astype("datetime64[ms]").astype("datetime64[ns]"))


def _report(ds: xr.Dataset, name: str, times: Array) -> None:
    """Log where the times lie in the periods of means, and times that may mean something else."""
    if ds[name].attrs.get("standard_name") == _REFERENCE:
        log.warning("'%s' gives the starts of forecasts: they are taken as the times of the fields", name)

    calendar = other_calendar_of(ds[name])
    if calendar is not None:
        log.warning("'%s' is in the calendar '%s': its dates are taken as Gregorian ones", name, calendar)
    if "climatology" in ds[name].attrs:
        log.warning("'%s' is a climatology: its dates stand for the same days of several years", name)

    bounds = _bounds_of(ds, name, times)
    if bounds is None or not (bounds[:, 1] > bounds[:, 0]).all():
        return

    hours = float(np.median(bounds[:, 1] - bounds[:, 0]) / np.timedelta64(1, "h"))
    bounds = _rounded(bounds)
    if (times == bounds[:, 0]).all():
        log.warning("fields are means over %.4g h; their times, kept as in the file, are the beginning", hours)
    elif (times == bounds[:, 1]).all():
        log.warning("fields are means over %.4g h; their times, kept as in the file, are the end", hours)
    else:
        log.info("fields are means over %.4g h; their times, kept as in the file, lie inside", hours)


def _bounds_of(ds: xr.Dataset, name: str, times: Array) -> Array | None:
    """Bounds of the times (n, 2); None if there are none, or they cannot be read: they are not needed."""
    bounds = str(ds[name].attrs.get("bounds", ""))
    if bounds not in ds.variables or ds[bounds].shape != (len(times), 2):
        return None

    inherited = {key: ds[name].attrs[key] for key in ("units", "calendar") if key in ds[name].attrs}
    try:
        return dates_of(ds[bounds].assign_attrs(inherited | ds[bounds].attrs))
    except InputError:
        return None
