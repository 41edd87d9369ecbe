"""Names and units that other programs use for the variables of the variable table.

The names are data, see :mod:`~gensim_graph.io.names.name_table`. Read :func:`with_known_names` first: it renames and
converts the variables of a dataset, and logs in one line what it did.
"""

import logging
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache

import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.names.field_values import in_table_unit, without_flags
from gensim_graph.io.names.humidity import DEW_POINTS, humidity_from_dew_point
from gensim_graph.io.names.name_table import (
    Names,
    own_names,
    rows_without_variable,
    shipped_names,
    variables_to_read,
)
from gensim_graph.variables import Role, Variable

log = logging.getLogger(__name__)

_AFFIXES = re.compile(r"^time\w*?_avg_|_(?:[dhmy1]|\d+h)$")
_OVER_ICE = re.compile(r"where \w*ice\b(?! over)")
_OVER_CELL = re.compile(r"where (?:sea|ocean|all_area)\b|where \w*ice over|area: mean(?! where)")


@dataclass
class _Report:
    """What is logged about the variables of one file, in one line."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def known_names(ds: xr.Dataset) -> set[str]:
    """Return the names of a dataset that stand for a variable of the variable table."""
    return {name for variable in variables_to_read() for name in _all_names_of(ds, variable)}


def known_fields(ds: xr.Dataset, role: Role | None = None) -> list[str]:
    """Return the names of a dataset that stand for a variable of the table, concentration first, then in its order.

    Args:
        ds: dataset of another program.
        role: of the variables; None for all.
    """
    wanted = [one for one in variables_to_read() if role in (None, one.role)]
    variables = sorted(wanted, key=lambda variable: variable.name != "sic")
    return [name for variable in variables for name in _all_names_of(ds, variable)]


def find_name(ds: xr.Dataset, variable: Variable) -> str | None:
    """Return the name under which a dataset has a variable of the table; None if it has none.

    Args:
        ds: dataset of another program.
        variable: row of the variable table.

    Raises:
        InputError: two variables of the dataset stand for it.
    """
    return _name_of(ds, variable, _Report())


def list_known_names(count: int = 6) -> str:
    """Return the first names of each variable of the state, for messages.

    Args:
        count: number of names for each variable.
    """
    texts = []
    for variable in (one for one in variables_to_read() if one.role == "state"):
        sources = (own_names(variable), shipped_names(variable))
        names = [name for one in sources for group in (*one.groups, one.over_ice) for name in group]
        flat = [variable.name, *names]
        texts.append("/".join(flat[:count]))

    return ", ".join(texts)


def with_known_names(ds: xr.Dataset, report: bool = True) -> xr.Dataset:
    """Rename the variables of a dataset to the names of the variable table, and convert them to its units.

    Variables that are not in the table stay as they are.

    Args:
        ds: dataset of another program.
        report: log what was renamed and converted, and refuse fractions and per cents whose values contradict their
            unit. False for further records of a dataset.

    Raises:
        InputError: two variables of the dataset stand for the same variable of the table, or a concentration is in
            another unit than the file says.
    """
    found: dict[str, xr.DataArray] = {}
    notes = _Report()

    for variable in variables_to_read():
        name = _name_of(ds, variable, notes)
        if name is not None and not _is_over_ice(ds, name, variable):
            found[variable.name] = _converted(ds[name], variable, notes, report)
    for variable in variables_to_read():
        thickness = None if variable.name in found else _name_of(ds, variable, _Report())
        if thickness is not None:
            _add_from_ice_only(found, ds[thickness], variable, notes, report)

    _add_humidity(found, ds, notes)
    if report:
        _log(notes)
        for sentence in rows_without_variable():
            log.warning("names of the user: %s", sentence)

    return ds.drop_vars([name for name in found if name in ds.variables]).assign(found)


def log_left_out(ds: xr.Dataset, renamed: xr.Dataset, read: set[str]) -> None:
    """Warn of fields of sea ice that a file has and that are not read, in one line.

    Args:
        ds: the dataset with the names of the file.
        renamed: the same after :func:`with_known_names`.
        read: variables of the table that are read.
    """
    used = set()
    for variable in variables_to_read():
        if variable.name in read:
            used |= {variable.name, str(_name_of(ds, variable, _Report()))}

    known = known_names(ds)
    left = []
    for name, column in ds.data_vars.items():
        is_ice = "sea_ice" in str(column.attrs.get("standard_name", "")) or name in known
        if is_ice and str(name) not in used and column.ndim and column.dtype.kind in "fiu":
            left.append(f"'{name}' ({', '.join(map(str, column.dims))})")

    if left and read:
        dims = ", ".join(map(str, renamed[min(read)].dims))
        log.warning("left out, because they are no variables of the table or not on (%s): %s", dims, ", ".join(left))


def _all_names_of(ds: xr.Dataset, variable: Variable) -> list[str]:
    """All names of a dataset that stand for a variable, the best one first."""
    sources = (own_names(variable), shipped_names(variable))
    own = [variable.name] if variable.name in ds.variables else []
    named = [name for one in sources for group in (*one.groups, one.over_ice) for name in _present(ds, group)]
    wanted = {name for one in sources for name in one.standard_names}
    standard = [str(name) for name, column in ds.variables.items() if column.attrs.get("standard_name") in wanted]

    return list(dict.fromkeys([*own, *named, *standard]))


def _present(ds: xr.Dataset, group: tuple[str, ...]) -> list[str]:
    """Names of a dataset that are in a group; with a prefix or suffix only if none is in it without."""
    exact = [name for name in group if name in ds.variables]
    if exact:
        return exact

    plain = _without_affixes(tuple(ds.data_vars))
    return [name for one in group for name in plain.get(one, ())]


@lru_cache(maxsize=16)
def _without_affixes(names: tuple[Hashable, ...]) -> dict[str, list[str]]:
    """Name without prefix and suffix -> names; kept, because it is asked for once for each name of the table."""
    plain: dict[str, list[str]] = {}
    for name in map(str, names):
        plain.setdefault(_AFFIXES.sub("", _AFFIXES.sub("", name)), []).append(name)

    return plain


def _name_of(ds: xr.Dataset, variable: Variable, notes: _Report) -> str | None:
    """The name of a variable in a dataset, or None."""
    if variable.name in ds.variables:
        return variable.name

    own, shipped = own_names(variable), shipped_names(variable)
    groups, others = _groups_of(ds, own)
    if not groups and not others:  # a name of the user wins
        groups, others = _groups_of(ds, shipped)

    candidates: list[str] = [group[0] for group in groups] or others[:1]
    if not candidates:
        candidates = [name for name in _all_names_of(ds, variable) if _is_clear(ds[name], variable)]
    if len(candidates) > 1:
        raise InputError(f"{' and '.join(candidates)} are both '{variable.name}'; drop one of them")
    if not candidates:
        return None

    rest = [name for name in _all_names_of(ds, variable) if name != candidates[0] and _is_named(ds, name, own, shipped)]
    if rest:
        notes.left.append(f"{', '.join(rest)} (in place of which '{candidates[0]}' is read)")

    return candidates[0]


def _groups_of(ds: xr.Dataset, names: Names) -> tuple[list[list[str]], list[str]]:
    """Names of a dataset in each group, without empty ones, and those of means over the ice.

    Names on the grid of the concentration come first: ROMS writes the drift on the sides of the cells and on the cells.
    """
    dims = _dims_of_concentration(ds)
    groups = [_present(ds, group) for group in (*names.groups, names.over_ice)]
    ordered = [sorted(group, key=lambda name: bool(dims) and ds[name].dims != dims) for group in groups]

    return [group for group in ordered[:-1] if group], ordered[-1]


def _dims_of_concentration(ds: xr.Dataset) -> tuple[Hashable, ...]:
    names = [name for one in variables_to_read() if one.name == "sic" for name in _all_names_of(ds, one)]
    return ds[names[0]].dims if names else ()


def _is_named(ds: xr.Dataset, name: str, *sources: Names) -> bool:
    """Return True if a variable is known by its name, not by its standard name only."""
    return any(name in _present(ds, group) for one in sources for group in (*one.groups, one.over_ice))


def _is_clear(column: xr.DataArray, variable: Variable) -> bool:
    """Return False for a thickness that may be averaged over the cell or over the ice."""
    return not shipped_names(variable).over_ice or _says_over_ice(column) is not None


def _says_over_ice(column: xr.DataArray) -> bool | None:
    """Return what the attribute cell_methods says of a mean: over the ice only or over the cell; None without it."""
    methods = " ".join(str(column.attrs.get("cell_methods", "")).split())
    if _OVER_CELL.search(methods):
        return False
    return True if _OVER_ICE.search(methods) else None


def _is_over_ice(ds: xr.Dataset, name: str, variable: Variable) -> bool:
    """Return True if a variable of a file is averaged over the ice only."""
    over_ice = (*own_names(variable).over_ice, *shipped_names(variable).over_ice)
    if not over_ice or name == variable.name:
        return False

    told = _says_over_ice(ds[name])
    return name in _present(ds, over_ice) if told is None else told


def _add_from_ice_only(
    found: dict[str, xr.DataArray], thickness: xr.DataArray, variable: Variable, notes: _Report, check: bool
) -> None:
    """Add a variable from its mean over the ice only; without a concentration it is not known."""
    if "sic" not in found:
        notes.left.append(f"{thickness.name} (a mean over the ice; '{variable.name}' needs the concentration too)")
        return

    in_metres = _converted(thickness, variable, _Report(), check)
    notes.done.append(f"{thickness.name} (averaged over the ice only) times the concentration to {variable.name}")
    found[variable.name] = (in_metres.fillna(0.0) * found["sic"]).assign_attrs(in_metres.attrs)
    found[variable.name].encoding = dict(thickness.encoding)


def _add_humidity(found: dict[str, xr.DataArray], ds: xr.Dataset, notes: _Report) -> None:
    dew_points = [name for name in DEW_POINTS if name in ds.variables]
    if not dew_points or "huss" in found:
        return

    computed = humidity_from_dew_point(ds)
    if computed is None:
        notes.left.append(f"{dew_points[0]} ('huss' needs the pressure sp or msl too)")
        return

    found["huss"] = computed[0]
    notes.done.append(f"{computed[1]} to huss")


def _log(notes: _Report) -> None:
    if notes.done:
        log.info("renamed or converted: %s", "; ".join(notes.done))
    if notes.left:
        log.warning("left out: %s", "; ".join(notes.left))


def _converted(column: xr.DataArray, variable: Variable, notes: _Report, check: bool) -> xr.DataArray:
    """The values in the unit of the table; what was done is noted."""
    unit = str(column.attrs.get("units", "no unit")).strip()
    result, is_changed = in_table_unit(without_flags(column), variable, check)
    if "eastward" in str(column.name).lower() and "standard_name" not in column.attrs:  # the name says it, as in ROMS
        result = result.assign_attrs(standard_name=f"eastward_{variable.name}")
    if column.name != variable.name or is_changed:
        change = "" if not is_changed else f" (no unit, taken as {variable.units})"
        if is_changed and "units" in column.attrs:
            change = f" ({unit} to {variable.units})"
        notes.done.append(f"{column.name} to {variable.name}{change}")

    return result
