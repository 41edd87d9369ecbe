"""Dates from the texts, numbers and calendars that files and users write them in.

All functions return ``datetime64[ns]`` in UTC or raise an error that says why a date is none. Models count in calendars
that differ from ours: years of 365 days (``noleap``), of 366 (``all_leap``), of twelve months of 30 days (``360_day``).
A date of such a calendar keeps its year, month, day and time of day, if the Gregorian calendar has that day.
"""

import re
from typing import Any

import cftime
import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.typing import Array

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})"
    r"(?:[T _]\s*(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:\.(?P<part>\d*))?)?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?)?",
    re.IGNORECASE,
)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T _]?(?P<hour>\d{2})(?P<minute>\d{2})?(?P<second>\d{2})?(?P<part>)?)?(?P<zone>Z)?",
    re.IGNORECASE,
)
_SINCE = re.compile(r"\s*(?P<unit>\w+)\s+since\s+(?P<start>\S.*?)\s*", re.IGNORECASE)
_ABSOLUTE = re.compile(r"\s*day as %Y%m%d(\.%f)?\s*")
"""Units of ICON and CDO: 20000131.25 is six o'clock on 31 January 2000."""

_YEARS = {"year", "years", "yr", "yrs"}
_MONTHS = {"month", "months", "mon", "mons"}

_CALENDARS = {
    "gregorian": "standard",
    "thirty_day_months": "360_day",
    "360": "360_day",
    "360day": "360_day",
    "no_leap": "noleap",
    "gregorian_noleap": "noleap",
    "365": "noleap",
    "365day": "noleap",
    "365_days": "noleap",
    "365_day": "noleap",
    "allleap": "all_leap",
    "366": "all_leap",
    "366day": "all_leap",
    "366_day": "all_leap",
}
"""Spelling of a calendar in lower case -> its name in CF; those of FMS (MOM6, SIS2), MPAS and NCL."""

_KNOWN_CALENDARS = ("standard", "proleptic_gregorian", "julian", "noleap", "all_leap", "360_day")
_GREGORIAN = ("standard", "proleptic_gregorian")
_FIRST_YEAR, _LAST_YEAR = 1678, 2261
"""Years that are complete in datetime64[ns]."""

_SHIFT = (
    f"dates from {_FIRST_YEAR} to {_LAST_YEAR} can be used; shift the years of a model that counts from year 1, for "
    "instance: cdo shifttime,1900years"
)
_RECKON = "give the file times such as 'hours since 2000-01-01' in the standard calendar"


def parse_date(text: str) -> np.datetime64:
    """Return the time that a text stands for, datetime64[ns] in UTC.

    ISO 8601, with a blank or an underscore in place of the ``T`` (MPAS, WRF), as ``20000102`` or ``20000102T06``, and
    with ``Z`` or an offset such as ``+01:00``. Missing parts are zero; a year alone is its first instant.

    Raises:
        InputError: the text is no date, or lies outside the years 1678 to 2261.

    Example:
        >>> parse_date("2000-01-02T00:30+01:00")
        np.datetime64('2000-01-01T23:30:00.000000000')
    """
    match = _DATE.fullmatch(text.strip()) or _COMPACT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"'{text}' is no time; expected times such as 2000-01-02T00:00")

    part = match.groupdict()
    year = int(part["year"])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise InputError(f"'{text}' is a time that cannot be used; {_SHIFT}")

    day = f"{year:04d}-{int(part['month'] or 1):02d}-{int(part['day'] or 1):02d}"
    clock = f"{int(part['hour'] or 0):02d}:{int(part['minute'] or 0):02d}:{int(part['second'] or 0):02d}"

    try:
        time = np.datetime64(f"{day}T{clock}.{(part['part'] or '0')[:9]}", "ns")
    except ValueError:
        raise InputError(f"'{text}' is no time: the calendar has no {day} {clock}") from None

    return time - _offset(part["zone"])


def has_time_units(units: object) -> bool:
    """Return True for units of a time axis, such as ``days since 1979-01-01``."""
    return isinstance(units, str) and bool(_SINCE.fullmatch(units) or _ABSOLUTE.fullmatch(units))


def dates_of(column: xr.DataArray | xr.Variable) -> Array:
    """Return the values of a time variable as datetime64[ns], whatever form they have.

    Args:
        column: decoded dates, dates of cftime, numbers with the attributes ``units`` and ``calendar``, or texts.

    Raises:
        InputError: the values are no dates, or dates that the Gregorian calendar does not have; the message has no name
            of the variable.
    """
    values = np.asarray(column.values)
    units = column.attrs.get("units", "")
    calendar = str(column.attrs.get("calendar", column.attrs.get("calendar_type", "standard")))

    if values.dtype.kind == "M":
        return _nanoseconds(values)
    if values.dtype.kind in "iuf" and has_time_units(units):
        return _from_numbers(values, str(units), _known_calendar(calendar))
    if values.dtype.kind in "SUO" and values.size:
        return _from_objects(values)

    raise InputError("has no calendar dates; it needs units such as 'hours since 2000-01-01'")


def other_calendar_of(column: xr.DataArray) -> str | None:
    """Return the calendar of a time variable with dates; None for that of Gregory, or texts."""
    first = np.asarray(column[:1].values).ravel()
    if first.size and isinstance(first[0], cftime.datetime):
        name = str(first[0].calendar)
    elif column.dtype.kind in "iuf":
        name = str(column.attrs.get("calendar", column.attrs.get("calendar_type", "standard")))
    else:
        return None

    known = _known_calendar(name)
    return None if known in _GREGORIAN else known


def _from_objects(values: Array) -> Array:
    """Dates from texts or objects of cftime."""
    first = values.ravel()[0]
    if isinstance(first, cftime.datetime):
        return _exact(values)
    if not isinstance(first, bytes | str):
        raise InputError(f"has no calendar dates, but objects such as {first!r}")

    texts = [one.decode("ascii", "replace") if isinstance(one, bytes) else str(one) for one in values.ravel()]
    return np.array([parse_date(one.strip("\0 ")) for one in texts], dtype="datetime64[ns]").reshape(values.shape)


def _from_numbers(values: Array, units: str, calendar: str) -> Array:
    if not np.isfinite(values.astype(np.float64)).all():
        raise InputError("has records without a time (NaN)")
    if _ABSOLUTE.fullmatch(units):
        return _from_absolute(values)

    match = _SINCE.fullmatch(units)
    assert match is not None
    unit, start = match["unit"].lower(), match["start"]

    if unit in _YEARS | _MONTHS:
        return _from_months(values, unit, start, calendar)

    attrs = {"units": f"{unit} since {start}", "calendar": calendar}
    try:
        stored = xr.Variable([f"d{axis}" for axis in range(values.ndim)], values, attrs)
        decoded = np.asarray(xr.conventions.decode_cf_variable("time", stored, decode_timedelta=False).values)
    except Exception as error:  # xarray, pandas and cftime each raise their own
        reason = " ".join(str(error).split())[:80]
        raise InputError(f"are no dates in '{units}', calendar '{calendar}' ({reason}); {_RECKON}") from None

    return _nanoseconds(decoded) if decoded.dtype.kind == "M" else _exact(decoded)


def _from_months(values: Array, unit: str, start: str, calendar: str) -> Array:
    """Dates from whole months or years after a date; with months of 30 days, from any number of them."""
    months = values.astype(np.float64) * (12.0 if unit in _YEARS else 1.0)
    if calendar == "360_day":
        return _from_numbers(months * 30.0, f"days since {start}", calendar)

    first = _reference_date(start, calendar)
    if (months % 1.0).any():
        broken = values.ravel()[np.flatnonzero((months % 1.0).ravel())[0]]
        raise InputError(f"counts {broken:g} {unit} since {start}, and parts of months have no fixed length; {_RECKON}")
    if first.day > 28:
        raise InputError(f"counts {unit} since {start}, and not every month has a day {first.day}; {_RECKON}")

    dates = []
    for count in months.ravel().astype(np.int64):
        years, month = divmod(first.month - 1 + int(count), 12)
        _check_year(first.year + years, f"{first.year + years:04d}-{month + 1:02d}")
        clock = f"{first.hour:02d}:{first.minute:02d}:{first.second:02d}.{first.microsecond:06d}"
        dates.append(f"{first.year + years:04d}-{month + 1:02d}-{first.day:02d}T{clock}")

    return np.array(dates, dtype="datetime64[ns]").reshape(values.shape)


def _reference_date(start: str, calendar: str) -> Any:
    try:
        return cftime.num2date(0, f"days since {start}", calendar)
    except Exception as error:  # cftime raises ValueError and others
        reason = " ".join(str(error).split())[:80]
        raise InputError(f"counts from '{start}', which is no date ({reason}); {_RECKON}") from None


def _from_absolute(values: Array) -> Array:
    """Dates from numbers such as 20000131.25."""
    days = np.floor(values.astype(np.float64)).astype(np.int64)
    dates = np.array([parse_date(f"{day:08d}") for day in days.ravel()], dtype="datetime64[ns]").reshape(values.shape)
    seconds = np.round((values - days) * 86400.0).astype(np.int64)  # a double keeps about 0.3 ms of such a number

    return np.asarray(dates + seconds * np.timedelta64(1, "s"))


def _exact(values: Array) -> Array:
    """Dates of any calendar as Gregorian dates with the same year, month and day."""
    result = np.empty(values.size, dtype="datetime64[ns]")

    for index, date in enumerate(values.ravel()):
        if not isinstance(date, cftime.datetime):
            raise InputError("has records without a time")

        _check_year(date.year, str(date))
        day = f"{date.year:04d}-{date.month:02d}-{date.day:02d}"
        try:
            first = np.datetime64(day, "ns")
        except ValueError:
            raise InputError(
                f"is in the calendar '{date.calendar}', whose {day} the Gregorian calendar does not have; leave such "
                "days out, or convert the times: xarray's ds.convert_calendar('standard', align_on='year')"
            ) from None

        seconds = 3600 * date.hour + 60 * date.minute + date.second
        result[index] = first + np.timedelta64(seconds * 1_000_000 + date.microsecond, "us")

    return result.reshape(values.shape)


def _nanoseconds(values: Array) -> Array:
    """Dates of any precision as datetime64[ns], without overflow."""
    if np.isnat(values).any():
        raise InputError("has records without a time (NaT)")
    if values.size:
        for end in (values.min(), values.max()):
            _check_year(int(end.astype("datetime64[Y]").astype(int)) + 1970, str(end))

    return values.astype("datetime64[ns]")


def _known_calendar(name: str) -> str:
    """Return the name of a calendar in CF."""
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    known = _CALENDARS.get(plain, plain) or "standard"
    if known not in _KNOWN_CALENDARS:
        raise InputError(f"is in the calendar '{name}'; known are {', '.join(_KNOWN_CALENDARS)}; {_RECKON}")

    return known


def _check_year(year: int, text: str) -> None:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise InputError(f"has the date {text}; {_SHIFT}")


def _offset(zone: str | None) -> np.timedelta64:
    """Distance of a time zone to UTC."""
    if not zone or zone[0] not in "+-":
        return np.timedelta64(0, "m")

    digits = zone[1:].replace(":", "").ljust(4, "0")
    minutes = 60 * int(digits[:2]) + int(digits[2:])
    return np.timedelta64(-minutes if zone[0] == "-" else minutes, "m")
