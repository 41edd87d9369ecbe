"""Names and units that other programs use for the variables of the variable table.

The names are data, ``configs/variables/names.yaml``. Read :func:`with_known_names` first: it renames and converts the
variables of a dataset, and logs in one line what it did.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import xarray as xr
import yaml

from gensim_graph.errors import InputError
from gensim_graph.io.names.field_values import in_table_unit, without_flags
from gensim_graph.io.names.humidity import DEW_POINTS, humidity_from_dew_point
from gensim_graph.system import resource
from gensim_graph.variables import Variable, default_variables

log = logging.getLogger(__name__)

_AFFIXES = re.compile(r"^time\w*?_avg_|_(?:[dhmy1]|\d+h)$")
_OVER_ICE = re.compile(r"where \w*ice\b(?! over)")
_OVER_CELL = re.compile(r"where (?:sea|ocean|all_area)\b|where \w*ice over|area: mean(?! where)")


@dataclass(frozen=True)
class _Names:
    """Names that other programs give to one variable of the table.

    Attributes:
        groups: names of the same quantity; the names of one group stand for the same data, the best one first.
        over_ice: names of its mean over the ice only.
        standard_names: standard names of CF that no other quantity has.
    """

    groups: tuple[tuple[str, ...], ...] = ()
    over_ice: tuple[str, ...] = ()
    standard_names: tuple[str, ...] = ()


@dataclass
class _Report:
    """What is logged about the variables of one file, in one line."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@cache
def _name_table() -> Mapping[str, _Names]:
    """Variable -> its names, from ``configs/variables/names.yaml``."""
    with resource("configs", "variables", "names.yaml").open() as stream:
        rows = yaml.safe_load(stream)

    known = {variable.name for variable in default_variables().variables}
    if unknown := sorted(set(rows) - known):
        raise InputError(f"names.yaml: '{unknown[0]}' is no variable of the table ({', '.join(sorted(known))})")

    return {name: _names_from_row(name, row) for name, row in rows.items()}


def _names_from_row(name: str, row: Mapping[str, Any]) -> _Names:
    if unknown := sorted(set(row) - {"names", "over_ice", "standard_names"}):
        raise InputError(f"names.yaml, row '{name}': unknown key '{unknown[0]}'; see the head of the file")

    groups = tuple((one,) if isinstance(one, str) else tuple(one) for one in row.get("names", ()))
    return _Names(groups, tuple(row.get("over_ice", ())), tuple(row.get("standard_names", ())))


def known_names(ds: xr.Dataset) -> set[str]:
    """Return the names of a dataset that stand for a variable of the variable table."""
    return {name for variable in default_variables().variables for name in _all_names_of(ds, variable)}


def known_fields(ds: xr.Dataset) -> list[str]:
    """Return the names of a dataset that stand for a variable of the table, concentration first, then in its order."""
    variables = sorted(default_variables().variables, key=lambda variable: variable.name != "sic")
    return [name for variable in variables for name in _all_names_of(ds, variable)]


def list_known_names(count: int = 6) -> str:
    """Return the first names of each variable of the state, for messages.

    Args:
        count: number of names for each variable.
    """
    texts = []
    for variable in default_variables().state:
        names = _name_table().get(variable.name, _Names())
        flat = [variable.name, *(name for group in names.groups for name in group), *names.over_ice]
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

    for variable in default_variables().variables:
        name = _name_of(ds, variable, notes)
        if name is not None and not _is_over_ice(ds, name, variable):
            found[variable.name] = _converted(ds[name], variable, notes, report)
    for variable in default_variables().variables:
        thickness = None if variable.name in found else _name_of(ds, variable, _Report())
        if thickness is not None:
            _add_from_ice_only(found, ds[thickness], variable, notes, report)

    _add_humidity(found, ds, notes)
    if report:
        _log(notes)

    return ds.drop_vars([name for name in found if name in ds.variables]).assign(found)


def log_left_out(ds: xr.Dataset, renamed: xr.Dataset, read: set[str]) -> None:
    """Warn of fields of sea ice that a file has and that are not read, in one line.

    Args:
        ds: the dataset with the names of the file.
        renamed: the same after :func:`with_known_names`.
        read: variables of the table that are read.
    """
    used = set()
    for variable in default_variables().variables:
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
    table = _name_table().get(variable.name, _Names())
    own = [variable.name] if variable.name in ds.variables else []
    named = [name for group in (*table.groups, table.over_ice) for name in _present(ds, group)]
    standard = [
        str(name) for name, column in ds.variables.items() if column.attrs.get("standard_name") in table.standard_names
    ]

    return list(dict.fromkeys([*own, *named, *standard]))


def _present(ds: xr.Dataset, group: tuple[str, ...]) -> list[str]:
    """Names of a dataset that are in a group; with a prefix or suffix only if none is in it without."""
    exact = [name for name in group if name in ds.variables]
    if exact:
        return exact

    plain = {str(name): _AFFIXES.sub("", _AFFIXES.sub("", str(name))) for name in ds.data_vars}
    return [name for one in group for name, short in plain.items() if short == one]


def _name_of(ds: xr.Dataset, variable: Variable, notes: _Report) -> str | None:
    """The name of a variable in a dataset, or None."""
    if variable.name in ds.variables:
        return variable.name

    table = _name_table().get(variable.name, _Names())
    groups = [present for group in table.groups if (present := _present(ds, group))]
    others = _present(ds, table.over_ice)
    candidates: list[str] = [group[0] for group in groups] or others[:1]

    if not candidates:
        candidates = [name for name in _all_names_of(ds, variable) if _is_clear(ds[name], table)]
    if len(candidates) > 1:
        raise InputError(f"{' and '.join(candidates)} are both '{variable.name}'; drop one of them")
    if not candidates:
        return None

    rest = [name for group in [*groups, others] for name in group if name != candidates[0]]
    if rest:
        notes.left.append(f"{', '.join(rest)} (in place of which '{candidates[0]}' is read)")

    return candidates[0]


def _is_clear(column: xr.DataArray, table: _Names) -> bool:
    """Return False for a thickness that may be averaged over the cell or over the ice."""
    return not table.over_ice or _says_over_ice(column) is not None


def _says_over_ice(column: xr.DataArray) -> bool | None:
    """Return what the attribute cell_methods says of a mean: over the ice only or over the cell; None without it."""
    methods = " ".join(str(column.attrs.get("cell_methods", "")).split())
    if _OVER_CELL.search(methods):
        return False
    return True if _OVER_ICE.search(methods) else None


def _is_over_ice(ds: xr.Dataset, name: str, variable: Variable) -> bool:
    """Return True if a variable of a file is averaged over the ice only."""
    table = _name_table().get(variable.name, _Names())
    if not table.over_ice or name == variable.name:
        return False

    told = _says_over_ice(ds[name])
    return name in _present(ds, table.over_ice) if told is None else told


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
    if column.name != variable.name or is_changed:
        change = "" if not is_changed else f" (no unit, taken as {variable.units})"
        if is_changed and "units" in column.attrs:
            change = f" ({unit} to {variable.units})"
        notes.done.append(f"{column.name} to {variable.name}{change}")

    return result
