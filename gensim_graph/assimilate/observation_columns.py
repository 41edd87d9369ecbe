"""Columns of a table of observations: checked, in the units of the variable table, with one kind of time.

======================= ==============================================================================================
column                  meaning
======================= ==============================================================================================
``variable``            name in the variable table
``x``, ``y``            m, in the plane of the mesh; vectors are then along its axes
``lon``, ``lat``        degrees, in place of x and y; vectors are then towards east (siu) and north (siv)
``time``                of the observation, or the end of its period
``start``               begin of the period that the value is a mean of; not a time (NaT) for an instant
``value``, ``error``    observed value and the standard deviation of its error, in the same unit
``footprint``           m, length over which the instrument averages; 0 for the cell that contains the point
======================= ==============================================================================================

A further column ``units`` gives the unit of value and error; without it they are in that of the variable table.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gensim_graph.errors import InputError
from gensim_graph.io import parse_date
from gensim_graph.io.names import conversion
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable

COLUMNS = ("variable", "x", "y", "lon", "lat", "time", "start", "value", "error", "footprint")
"""Columns of checked rows, in order."""

Errors = float | Mapping[str, float]
"""Standard deviation of the errors of all observations, or by variable, in the units of the variable table."""

_OTHER_NAMES = {"longitude": "lon", "latitude": "lat"}
_CONSTANT = "--error sic=0.05 (in Python error={'sic': 0.05})"
_BEYOND = 5.0  # a value may lie so many errors beyond the plausible range: noise goes beyond the bounds


def checked_rows(raw: pd.DataFrame, table: VariableTable, error: Errors | None = None) -> pd.DataFrame:
    """Return the rows of a table of observations with all columns of :data:`COLUMNS`, without missing values.

    Args:
        raw: one row for each observation.
        table: the variable table; state variables can be observed.
        error: of rows that give none.

    Raises:
        InputError: a column or time is missing, a variable or unit is unknown, an error is not positive, a place is no
            place, or all values are missing.
    """
    raw = raw.rename(columns=_OTHER_NAMES).reset_index(drop=True)
    _check_columns(raw, error)
    names = raw["variable"].map(_as_text)
    _check_names(names, table)

    rows = pd.DataFrame({"variable": names})
    for name in ("x", "y", "lon", "lat", "footprint"):
        rows[name] = _numbers(raw, name, 0.0 if name == "footprint" else np.nan)
    rows["time"] = _times(raw["time"])
    rows["start"] = _times(raw["start"]) if "start" in raw else np.datetime64("NaT", "ns")
    rows["value"], rows["error"] = _in_table_units(raw, names, table, error)

    kept = rows[np.isfinite(rows["value"])].reset_index(drop=True)[list(COLUMNS)]
    if len(rows) and not len(kept):
        raise InputError(f"all {len(rows)} values are missing (masked or NaN); there is nothing to assimilate")
    _check_places(kept)
    _check_periods(kept)
    _check_values(kept, table)

    return kept


def _check_columns(raw: pd.DataFrame, error: Errors | None) -> None:
    lacking = [name for name in ("variable", "value", "time") if name not in raw]
    if "error" not in raw and error is None:
        lacking.append("error")
    if not {"x", "y"} <= set(raw) and not {"lon", "lat"} <= set(raw):
        lacking.append("x and y (m), or lon and lat (degrees)")
    if lacking:
        raise InputError(
            f"a table of observations needs columns {', '.join(lacking)}; it has {', '.join(map(str, raw.columns))}"
            + (f"; a constant error can be given too, {_CONSTANT}" if "error" in lacking else "")
        )


def _check_names(names: pd.Series, table: VariableTable) -> None:
    known = [variable.name for variable in table.state]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(f"unknown variable '{unknown[0]}' in the observations; expected one of {', '.join(known)}")


def _as_text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name).strip()


def _numbers(raw: pd.DataFrame, name: str, default: float) -> Array:
    if name not in raw:
        return np.full(len(raw), default)

    try:
        numbers = pd.to_numeric(raw[name]).to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as reason:
        raise InputError(f"column '{name}' of the observations: expected numbers ({reason})") from None

    return np.where(np.isnan(numbers), default, numbers)


def _times(column: pd.Series) -> Array:
    """Times as datetime64[ns]; texts are read, numbers refused."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if column.dtype.kind == "M":
        return column.to_numpy().astype("datetime64[ns]")
    if column.dtype.kind in "iuf" and not column.isna().all():
        raise InputError(
            f"column '{column.name}' of the observations holds numbers such as {column.iloc[0]}; expected times, "
            "for instance 2020-03-01T12:00"
        )

    known = {one: parse_date(str(one)) for one in column.dropna().unique()}
    return np.array([known.get(one, np.datetime64("NaT", "ns")) for one in column], dtype="datetime64[ns]")


def _in_table_units(
    raw: pd.DataFrame, names: pd.Series, table: VariableTable, error: Errors | None
) -> tuple[Array, Array]:
    """Values and errors in the units of the variable table."""
    values, errors = _numbers(raw, "value", np.nan), _numbers(raw, "error", np.nan)
    units = raw["units"].map(_as_text) if "units" in raw else pd.Series("", index=raw.index)

    for (name, unit), rows in raw.groupby([names, units]).indices.items():
        factor, offset = _change(unit, table[name])
        values[rows] = values[rows] * factor + offset
        errors[rows] = errors[rows] * factor

        given = error.get(name) if isinstance(error, Mapping) else error
        if given is not None:
            errors[rows] = np.where(np.isnan(errors[rows]), given, errors[rows])

    return values, errors


def _change(unit: str, variable: Variable) -> tuple[float, float]:
    if unit in ("", "nan", "None"):
        return 1.0, 0.0

    change = conversion(unit, variable.units)
    if change is None:
        raise InputError(
            f"observations of '{variable.name}' are in '{unit}'; expected a unit that converts to '{variable.units}'"
        )
    return change


def _check_places(rows: pd.DataFrame) -> None:
    in_plane = np.isfinite(rows[["x", "y"]]).all(axis=1)
    on_globe = np.isfinite(rows[["lon", "lat"]]).all(axis=1) & (rows["lat"].abs() <= 90.0)
    if not (in_plane | on_globe).all():
        raise InputError(
            f"{_rows_where(~(in_plane | on_globe))}: no place; expected x and y in m, or lon and lat in degrees"
        )
    if (rows["footprint"] < 0).any() or not np.isfinite(rows["footprint"]).all():
        raise InputError(f"{_rows_where(~(rows['footprint'] >= 0))}: the footprint must be 0 or a length in m")


def _check_periods(rows: pd.DataFrame) -> None:
    if rows["time"].isna().any():
        raise InputError(f"{_rows_where(rows['time'].isna())}: no time; every observation needs one")
    if (rows["start"] >= rows["time"]).any():
        raise InputError(f"{_rows_where(rows['start'] >= rows['time'])}: the period starts after its end 'time'")


def _check_values(rows: pd.DataFrame, table: VariableTable) -> None:
    wrong = ~(rows["error"] > 0) | ~np.isfinite(rows["error"])
    if wrong.any():
        came = rows["error"][wrong].iloc[0]
        raise InputError(
            f"{_rows_where(wrong)}: the error is {came:g}; expected a standard deviation above 0, in the unit of the "
            f"value. If it is not known, leave it empty and give a constant, {_CONSTANT}"
        )

    for name, chosen in rows.groupby("variable"):
        variable = table[str(name)]
        low, high = (chosen["value"] + sign * _BEYOND * chosen["error"] for sign in (1.0, -1.0))
        if (low < variable.range[0]).any() or (high > variable.range[1]).any():
            extremes = f"{chosen['value'].min():.4g} to {chosen['value'].max():.4g}"
            raise InputError(
                f"observations of '{name}' run from {extremes}; expected {variable.range[0]:g} to "
                f"{variable.range[1]:g} {variable.units}. Give their unit in a column 'units'"
            )


def _rows_where(wrong: pd.Series | Sequence[bool]) -> str:
    """Name the first rows that are wrong."""
    numbers = np.flatnonzero(np.asarray(wrong))
    more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
    return f"observation {', '.join(str(one) for one in numbers[:3])}{more}"
