"""Periods that the records of a product stand for: bounds of time, or what its attributes say about its coverage."""

import re

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.observations.observed import Periods
from gensim_graph.io import parse_date, times_of
from gensim_graph.typing import Array

_COVERAGE = (("time_coverage_start", "time_coverage_end"), ("start_date", "stop_date"), ("start_date", "end_date"))
"""Global attributes with the begin and end of a file of one record."""

_DURATION = re.compile(r"P(?:(?P<days>\d+)D)?(?:T(?P<hours>\d+)H)?", re.IGNORECASE)
_HALF_DAY = np.timedelta64(12, "h").astype("timedelta64[ns]")
_SECOND = np.timedelta64(1, "s").astype("timedelta64[ns]")


def product_periods(ds: xr.Dataset, times: Array) -> Periods:
    """Return the period of each record of a product.

    The bounds of the times decide; then, for a single record, the coverage in the global attributes; then their
    ``time_coverage_duration``. Without any of these, the records are instants, and a valid time of the forecast fits
    within half of their step, at most 12 h.

    Args:
        ds: the dataset as it is in the file.
        times: (R,) datetime64[ns] of its records.
    """
    bounds = _stored_bounds(ds, times)
    if bounds is not None:
        return Periods(bounds, True, "bounds of its times")

    coverage = _coverage(ds) if len(times) == 1 else None
    if coverage is not None:
        return Periods(coverage, True, "its time_coverage attributes")

    length = _duration(str(ds.attrs.get("time_coverage_duration", "")))
    if length is not None:
        return Periods(_around(times, length), True, "its time_coverage_duration")

    step = np.diff(times).min() / 2 if len(times) > 1 else _HALF_DAY
    reach = min(step, _HALF_DAY)

    return Periods(np.stack([times - reach, times + reach], axis=1), False, "none given")


def _stored_bounds(ds: xr.Dataset, times: Array) -> Array | None:
    """Bounds (R, 2) of the times, if there are some and they have a length."""
    for column in ds.variables.values():
        bounds = str(column.attrs.get("bounds", column.encoding.get("bounds", "")))
        if bounds not in ds.variables or ds[bounds].shape not in ((len(times), 2), (2,)):
            continue

        inherited = {key: column.attrs[key] for key in ("units", "calendar") if key in column.attrs}
        try:
            found = times_of(ds.assign({bounds: ds[bounds].assign_attrs(inherited | ds[bounds].attrs)}), bounds)
        except InputError:  # bounds of another coordinate, or dates that nobody understands
            continue

        found = found.reshape(-1, 2)
        if (found[:, 1] > found[:, 0]).all():
            return _rounded(found)

    return None


def _rounded(times: Array) -> Array:
    """Times to the second: files that count in days are off by parts of it."""
    return np.asarray((times + _SECOND // 2).astype("datetime64[s]").astype("datetime64[ns]"))


def _coverage(ds: xr.Dataset) -> Array | None:
    for keys in _COVERAGE:
        if not set(keys) <= set(ds.attrs):
            continue
        try:
            first, last = (parse_date(str(ds.attrs[key])) for key in keys)
        except InputError:
            continue
        if last > first:
            return np.array([[first, last]])

    return None


def _duration(text: str) -> np.timedelta64 | None:
    """Length of a duration such as ``P1D`` or ``PT12H``; None if the text is none."""
    match = _DURATION.fullmatch(text.strip())
    hours = 24 * int(match["days"] or 0) + int(match["hours"] or 0) if match else 0
    return np.timedelta64(hours, "h").astype("timedelta64[ns]") if hours else None


def _around(times: Array, length: np.timedelta64) -> Array:
    """Periods of one length: the day that a time lies in, else around the time."""
    is_day = length == 2 * _HALF_DAY
    begin = times.astype("datetime64[D]").astype("datetime64[ns]") if is_day else times - length / 2
    return np.stack([begin, begin + length], axis=1)
