"""The variables that an evaluation scores: those of the variable table, and those that a forecast has beside them.

A model may have been trained with variables of the user's own. Its forecasts contain them with their units, so that
they are scored without the table of the model.
"""

from collections.abc import Iterable

import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.variables import Variable, VariableTable, default_variables


def scored_table(forecast: xr.Dataset, variables: VariableTable | None = None) -> VariableTable:
    """Return the variable table of an evaluation.

    Args:
        forecast: dims (..., lead_time, face).
        variables: table to use as it is. By default the table that ships, and after it the other fields of the
            forecast, with their units and without bounds, except the terms of its budget, which no truth has.

    Example:
        >>> import xarray as xr
        >>> from gensim_graph.evaluate import scored_table
        >>> field = (("lead_time", "face"), [[0.1, 0.2]], {"units": "1", "long_name": "share of ridged ice"})
        >>> scored_table(xr.Dataset({"ridge": field})).state[-1].long_name
        'share of ridged ice'
    """
    if variables is not None:
        return variables

    table = default_variables()
    known = {variable.name for variable in table.variables}
    own = [
        _own_variable(forecast[name]) for name in forecast.data_vars if name not in known and _is_field(forecast, name)
    ]

    return VariableTable((*table.variables, *own))


def chosen_variables(table: VariableTable, names: Iterable[str]) -> VariableTable:
    """Return a table in which only the named variables have the role ``state``, so that only these are scored.

    Args:
        table: a variable table.
        names: variables of the state; both components of a vector.

    Raises:
        InputError: no name, an unknown name, or one component of a vector.
    """
    wanted = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    known = [variable.name for variable in table.state]
    unknown = [name for name in wanted if name not in known]

    if not wanted or unknown:
        came = f"unknown variable '{unknown[0]}'" if unknown else "no variable is named"
        raise InputError(f"--variables: {came}; expected some of {', '.join(known)}, for instance sic,sit")

    for variable in table.state:
        if variable.name in wanted and variable.vector is not None and variable.vector not in wanted:
            raise InputError(f"--variables: '{variable.name}' is a component of a vector; name '{variable.vector}' too")

    return VariableTable(tuple(one for one in table.variables if one.role != "state" or one.name in wanted))


def _is_field(forecast: xr.Dataset, name: object) -> bool:
    column = forecast[name]
    if _is_budget_term(forecast, str(name)):
        return False
    return "lead_time" in column.dims and bool({"face", "node"} & set(column.dims)) and column.dtype.kind == "f"


def _is_budget_term(forecast: xr.Dataset, name: str) -> bool:
    """True for ``sit_transport`` and ``sit_source``, which a forecast writes together."""
    amount, _, part = name.rpartition("_")
    return part in ("transport", "source") and {f"{amount}_transport", f"{amount}_source"} <= set(forecast.data_vars)


def _own_variable(column: xr.DataArray) -> Variable:
    """Row of the table for a field of a forecast, from its attributes."""
    long_name, standard_name = (str(column.attrs.get(key, "")) for key in ("long_name", "standard_name"))
    return Variable(str(column.name), "state", str(column.attrs.get("units", "1")), long_name, standard_name)
