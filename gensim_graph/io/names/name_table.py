"""Table of the names that other programs give to variables: the file that ships, files of the user, rows of a table.

Three sources say which names stand for a variable of the variable table:

1. ``configs/variables/names.yaml``, which ships;
2. files in the same form that the environment variable ``GENSIM_GRAPH_NAMES`` lists, for names of one's own;
3. ``names``, ``over_ice`` and ``standard_names`` in the rows of a variable table, which is saved with a model.

The names of 2 and 3 are tried before those that ship. A table of the user reaches the readers by :func:`reading`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from gensim_graph.errors import InputError
from gensim_graph.system import resource
from gensim_graph.variables import NAME_KEYS, Variable, VariableTable, default_variables

ENVIRONMENT = "GENSIM_GRAPH_NAMES"
"""Environment variable: a file of names, or several, separated as in PATH."""

Groups = tuple[tuple[str, ...], ...]

_read_table: ContextVar[VariableTable | None] = ContextVar("table that is read", default=None)


@dataclass(frozen=True)
class Names:
    """Names that other programs give to one variable of the table.

    Attributes:
        groups: names of the same quantity; the names of one group stand for the same data, the best one first.
        over_ice: names of its mean over the ice only.
        standard_names: standard names of CF that no other quantity has.
    """

    groups: Groups = ()
    over_ice: tuple[str, ...] = ()
    standard_names: tuple[str, ...] = ()


@contextmanager
def reading(table: VariableTable | None) -> Iterator[None]:
    """Let the readers look for the variables of a table, in addition to those of the default table.

    The readers of single formats do not know who reads. The table holds for this thread, inside ``with`` only.

    Args:
        table: table of the caller; None for the default table.
    """
    token = _read_table.set(table)
    try:
        yield
    finally:
        _read_table.reset(token)


def variables_to_read() -> tuple[Variable, ...]:
    """Return the variables that readers look for: those of the caller's table, then others of the default table."""
    own, default = _read_table.get(), default_variables()
    if own is None or own == default:
        return default.variables

    names = {variable.name for variable in own.variables}
    return (*own.variables, *(variable for variable in default.variables if variable.name not in names))


def shipped_names(variable: Variable) -> Names:
    """Return the names of a variable in the file that ships; of one that is not in it, its own standard name."""
    shipped = _shipped().get(variable.name)
    if shipped is not None:
        return shipped

    taken = {name for names in _shipped().values() for name in names.standard_names}
    taken |= {one.standard_name for one in default_variables().variables}
    own = variable.standard_name
    return Names(standard_names=(own,) if own and own not in taken else ())


def own_names(variable: Variable) -> Names:
    """Return the names that the user gives to a variable, in its row and in files.

    Args:
        variable: a variable of any table.

    Raises:
        InputError: a file of the environment variable cannot be read.
    """
    listed = _listed_files()
    if not listed and not any(getattr(variable, key) for key in NAME_KEYS):
        return Names()

    return _merged(variable, listed)


@lru_cache(maxsize=256)
def _merged(variable: Variable, listed: tuple[tuple[str, int], ...]) -> Names:
    """Names in the row of a variable, then those in files."""
    given = {key: getattr(variable, key) for key in NAME_KEYS}
    sources = [_names_from_row("variable table", variable.name, given)]
    sources += [rows[variable.name] for rows in map(_file_of_names, listed) if variable.name in rows]

    return Names(
        tuple(group for names in sources for group in names.groups),
        tuple(name for names in sources for name in names.over_ice),
        tuple(name for names in sources for name in names.standard_names),
    )


def rows_without_variable() -> list[str]:
    """Return sentences about rows in the user's files whose variable is in no table, for a warning."""
    known = {variable.name for variable in variables_to_read()}
    unknown = [name for rows in map(_file_of_names, _listed_files()) for name in rows if name not in known]
    return [f"'{name}' is no variable of the table ({', '.join(sorted(known))})" for name in unknown]


@cache
def _shipped() -> Mapping[str, Names]:
    """Variable -> its names, from ``configs/variables/names.yaml``."""
    with resource("configs", "variables", "names.yaml").open() as stream:
        rows = yaml.safe_load(stream)

    known = {variable.name for variable in default_variables().variables}
    if unknown := sorted(set(rows) - known):
        raise InputError(f"names.yaml: '{unknown[0]}' is no variable of the table ({', '.join(sorted(known))})")

    return {name: _names_from_row("names.yaml", name, row) for name, row in rows.items()}


def _listed_files() -> tuple[tuple[str, int], ...]:
    """Files of the user and the times of their last change; a file that has changed is read again."""
    listed = os.environ.get(ENVIRONMENT, "")
    return tuple((path, _changed(path)) for path in listed.split(os.pathsep) if path.strip())


def _changed(path: str) -> int:
    try:
        return Path(path).expanduser().stat().st_mtime_ns
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {ENVIRONMENT} names it") from None


@lru_cache(maxsize=16)
def _file_of_names(listed: tuple[str, int]) -> Mapping[str, Names]:
    """Variable -> its names, from a file of the user."""
    path = listed[0]
    try:
        rows = yaml.safe_load(Path(path).expanduser().read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: cannot be read as YAML ({reason}); {ENVIRONMENT} names it") from None

    if not isinstance(rows, dict):
        raise InputError(f"{path}: expected rows such as 'sic: {{names: [my_concentration]}}'")

    return {str(name): _names_from_row(path, str(name), row) for name, row in rows.items()}


def _names_from_row(source: str, variable: str, row: Any) -> Names:
    where = f"{source}, row '{variable}'"
    if not isinstance(row, Mapping):
        raise InputError(f"{where}: expected the keys {', '.join(NAME_KEYS)}, found {row!r}")
    if unknown := sorted(set(row) - set(NAME_KEYS)):
        raise InputError(f"{where}: unknown key '{unknown[0]}'; expected {', '.join(NAME_KEYS)}")

    for key, names in row.items():
        if not _are_names(names):
            raise InputError(f"{where}: '{key}' needs a list of names, such as [my_name], found {names!r}")

    groups = tuple((one,) if isinstance(one, str) else tuple(one) for one in row.get("names") or ())
    return Names(groups, tuple(row.get("over_ice") or ()), tuple(row.get("standard_names") or ()))


def _are_names(value: Any) -> bool:
    """Return True for a list of texts, and of lists of texts; for nothing too."""
    if not isinstance(value, list | tuple | type(None)):
        return False

    texts = [text for one in value or () for text in (one if isinstance(one, list | tuple) else [one])]
    return all(isinstance(text, str) for text in texts)
