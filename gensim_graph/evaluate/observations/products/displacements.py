"""Drift of products that give the displacement of the ice over one or two days, as its mean velocity.

The velocity is that along the shortest line on the Earth from the begin to the end of the drift. Where a product does
not give the end (``lat1``, ``lon1`` of OSI SAF), it follows from the components along the axes of its plane. Neither
the direction of these axes nor the scale of the plane matters then.
"""

import numpy as np
import xarray as xr
from pyproj import CRS, Geod, Transformer

from gensim_graph.errors import InputError
from gensim_graph.evaluate.observations.observed import Periods
from gensim_graph.io.coordinates import find_coordinates
from gensim_graph.io.names import conversion
from gensim_graph.typing import Array

_PAIRS = (("dX", "dY"), ("dx", "dy"), ("driftX", "driftY"))
_STANDARD_NAMES = ("sea_ice_x_displacement", "sea_ice_y_displacement")
_STARTS = (("lon", "lat"), ("lon0", "lat0"), ("lon_0", "lat_0"), ("longitude", "latitude"))
_ENDS = (("lon1", "lat1"), ("lon_1", "lat_1"))

_Places = tuple[xr.DataArray, xr.DataArray, xr.DataArray, xr.DataArray]
"""Longitude and latitude of the begin and of the end, degrees."""


def displacement_names(ds: xr.Dataset) -> tuple[str, str] | None:
    """Return the names of the x and y components of a displacement; None if the dataset has none."""
    by_standard = [
        [str(name) for name, column in ds.data_vars.items() if column.attrs.get("standard_name") == standard]
        for standard in _STANDARD_NAMES
    ]
    if all(by_standard):
        return by_standard[0][0], by_standard[1][0]

    return next((pair for pair in _PAIRS if set(pair) <= set(ds.data_vars)), None)


def as_velocity(ds: xr.Dataset, pair: tuple[str, str], periods: Periods) -> xr.Dataset:
    """Add the mean velocity ``siu``, ``siv`` (m/s) of a displacement, towards east and north if the plane is known.

    Args:
        ds: the product with a dimension ``time``.
        pair: names of the components of the displacement.
        periods: the period of each record.

    Raises:
        InputError: a unit that is no length, or neither an end nor a plane.
    """
    steps = [_in_metres(ds[name]) for name in pair]
    seconds = xr.DataArray(periods.hours * 3600.0, dims="time")
    places = _places(ds, steps)
    velocity = steps
    names = ("sea_ice_x_velocity", "sea_ice_y_velocity")

    if places is not None:
        velocity = _along_earth(*places, steps[0].notnull() & steps[1].notnull())
        names = ("eastward_sea_ice_velocity", "northward_sea_ice_velocity")

    attrs = [{"standard_name": name, "units": "m s-1"} for name in names]
    fields = {
        name: (part / seconds).transpose("time", ...).assign_attrs(one)
        for name, part, one in zip(("siu", "siv"), velocity, attrs, strict=True)
    }
    ends = [name for pair_of_ends in _ENDS for name in pair_of_ends if name in ds.variables]

    return ds.drop_vars([*pair, *ends]).assign(fields)


def _in_metres(column: xr.DataArray) -> xr.DataArray:
    unit = column.attrs.get("units", "no unit")
    change = conversion(unit, "m")
    if change is None:
        raise InputError(f"the displacement '{column.name}' is in '{unit}'; expected a length such as km")
    return column * change[0]


def _places(ds: xr.Dataset, steps: list[xr.DataArray]) -> _Places | None:
    """Longitude and latitude of begin and end, degrees; None in a plane that is nowhere on the Earth."""
    ends, starts = (
        next((pair for pair in pairs if set(pair) <= set(ds.variables)), None) for pairs in (_ENDS, _STARTS)
    )
    if ends is not None and starts is not None:
        return ds[starts[0]], ds[starts[1]], ds[ends[0]], ds[ends[1]]

    where = find_coordinates(ds.drop_vars([name for pair in _ENDS for name in pair if name in ds.variables]))
    if where.kind != "plane":
        raise InputError(
            "its displacements have no end (lat1, lon1) and its axes are no metres of a known plane: their direction "
            "is unknown; add the end, or a grid mapping and its x and y"
        )
    if where.crs is None:
        return None

    x, y = (where.x, where.y) if where.x.ndim > 1 else xr.broadcast(where.y, where.x)[::-1]
    return (*_degrees(x, y, where.crs), *_degrees(x + steps[0], y + steps[1], where.crs))


def _degrees(x: xr.DataArray, y: xr.DataArray, crs: CRS) -> tuple[xr.DataArray, xr.DataArray]:
    to_globe = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    x, y = xr.broadcast(x, y)
    return tuple(x.copy(data=part) for part in to_globe.transform(x.values, y.values))  # type: ignore[return-value]


def _along_earth(
    lon: xr.DataArray, lat: xr.DataArray, lon_end: xr.DataArray, lat_end: xr.DataArray, known: xr.DataArray
) -> list[xr.DataArray]:
    """Components towards east and north at the begin of the shortest line between two points, m; NaN if unknown."""
    degrees = xr.broadcast(lon, lat, lon_end, lat_end, known)
    is_known = degrees[4].values.astype(bool)
    is_known &= np.all([np.isfinite(part.values) for part in degrees[:4]], axis=0)
    begin_lon, begin_lat, end_lon, end_lat = (np.where(is_known, part.values, 0.0) for part in degrees[:4])
    azimuth, _, distance = Geod(ellps="WGS84").inv(begin_lon, begin_lat, end_lon, end_lat)
    angle = np.radians(azimuth)
    parts: list[Array] = [distance * np.sin(angle), distance * np.cos(angle)]

    return [degrees[4].copy(data=np.where(is_known, part, np.nan)) for part in parts]
