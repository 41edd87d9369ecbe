"""Specific humidity from the dew point, which ERA5 has in its place."""

import numpy as np
import xarray as xr

from gensim_graph.io.names.unit_spelling import conversion

DEW_POINTS = ("d2m", "2d", "D2M", "VAR_2D", "2m_dewpoint_temperature")
_PRESSURES = ("sp", "ps", "SP", "surface_pressure", "msl", "psl", "MSL", "mean_sea_level_pressure")
"""Pressure at the surface, or reduced to sea level, which is the same over sea ice."""

_VAPOUR = 0.62198
"""Mass of a molecule of water over the mean mass of those of dry air."""


def humidity_from_dew_point(ds: xr.Dataset) -> tuple[xr.DataArray, str] | None:
    """Compute the specific humidity at 2 m, kg kg-1, from dew point and pressure.

    Vapour pressure over water with the coefficients of the IFS (part IV, section 7.2.1b):
    ``e = 611.21 exp(17.502 (T - 273.16) / (T - 32.19))``, and ``q = a e / (p - (1 - a) e)`` with ``a = 0.62198``.

    Args:
        ds: dataset with names of ERA5.

    Returns:
        The humidity, and the names that it comes from; None if one of the two is missing or in an unknown unit.
    """
    dew = next((name for name in DEW_POINTS if name in ds.variables), None)
    pressure = next((name for name in _PRESSURES if name in ds.variables), None)
    if dew is None or pressure is None or ds[dew].dims != ds[pressure].dims:
        return None

    to_kelvin = conversion(ds[dew].attrs.get("units", "K"), "K")
    to_pascal = conversion(ds[pressure].attrs.get("units", "Pa"), "Pa")
    if to_kelvin is None or to_pascal is None:
        return None

    temperature = ds[dew] * to_kelvin[0] + to_kelvin[1]
    pascal = ds[pressure] * to_pascal[0]
    vapour = 611.21 * xr.apply_ufunc(np.exp, 17.502 * (temperature - 273.16) / (temperature - 32.19))
    humidity = _VAPOUR * vapour / (pascal - (1.0 - _VAPOUR) * vapour)
    humidity.encoding = dict(ds[dew].encoding)

    return humidity.assign_attrs(units="kg kg-1"), f"{dew}, {pressure}"
