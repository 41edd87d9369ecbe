"""The variable table: names, roles, units and bounds of the variables that the model forecasts and is driven by.

The default table is a file, ``configs/variables/default.yaml``. New variables are added to a table, not to the code.
The names that other programs give to variables are in ``configs/variables/names.yaml`` (:mod:`gensim_graph.io.names`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

import yaml

from gensim_graph.errors import InputError
from gensim_graph.system import resource

Role = Literal["state", "forcing", "slow"]

NAME_KEYS = ("names", "over_ice", "standard_names")
"""Attributes with the names that files of other programs give to a variable."""

RULE_KEYS = ("needs", "amount", "conserved", "transported")
"""Attributes that say which states can exist, and what moves with the ice."""

TABLE_ADVICE = "leave it out for the table that ships, or make one, gensim_graph.VariableTable((...))"
"""End of messages about arguments that are no variable table."""


@dataclass(frozen=True)
class Variable:
    """One physical quantity on the faces of a mesh.

    Attributes:
        name: short name, for instance ``sic``.
        role: ``state`` is forecast, ``forcing`` is given at t and t + lead, ``slow`` at t only.
        units: units of the values everywhere in the package, as a udunits string.
        long_name: description, for files and figures.
        standard_name: CF name, empty if there is none.
        lower: lower physical bound, -inf if there is none.
        upper: upper physical bound, inf if there is none.
        vector: name of the other component of a vector, None for a scalar.
        range: plausible values; values outside are taken as a sign of wrong units.
        needs: names of variables that are above zero wherever this one is: no snow without ice.
        amount: True for a quantity per area, whose sum over the area is a total, such as the volume of the ice.
        conserved: True for an amount whose total changes by sources and through open boundaries alone.
        transported: True for what moves with the ice: an amount, or a property of the ice such as damage and age.
        names: names of the variable in files of other programs, in addition to those that the package knows. Names in
            a tuple of their own stand for the same data, the best one first.
        over_ice: names of its mean over the ice only.
        standard_names: further standard names of CF.

    Example:
        >>> import gensim_graph as gg
        >>> thickness = gg.Variable("sit", role="state", units="m", lower=0.0)
        >>> thickness.is_bounded
        True
        >>> thickness.attrs
        {'units': 'm'}
    """

    name: str
    role: Role
    units: str
    long_name: str = ""
    standard_name: str = ""
    lower: float = -math.inf
    upper: float = math.inf
    vector: str | None = None
    range: tuple[float, float] = (-math.inf, math.inf)
    needs: Sequence[str] = ()
    amount: bool = False
    conserved: bool = False
    transported: bool = False
    names: Sequence[str | Sequence[str]] = ()
    over_ice: Sequence[str] = ()
    standard_names: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Make tuples of lists, which YAML and JSON have."""
        for key in (*NAME_KEYS, "needs"):
            listed = getattr(self, key)
            if isinstance(listed, str):
                raise InputError(f"variable '{self.name}': '{key}' needs a list of names, such as ['{listed}']")
            object.__setattr__(self, key, tuple(one if isinstance(one, str) else tuple(one) for one in listed))

    @property
    def is_bounded(self) -> bool:
        """True if the variable has a lower or an upper bound."""
        return math.isfinite(self.lower) or math.isfinite(self.upper)

    @property
    def attrs(self) -> dict[str, str]:
        """CF attributes for a file; empty ones are left out."""
        named = {"standard_name": self.standard_name, "long_name": self.long_name, "units": self.units}
        return {key: value for key, value in named.items() if value}


@dataclass(frozen=True)
class VariableTable:
    """An ordered set of variables; the channels of fields have the same order.

    Args:
        variables: the x component of a vector directly before the y component.

    Raises:
        InputError: the components of a vector do not follow each other, or a name appears twice.

    Example:
        >>> import gensim_graph as gg
        >>> default = gg.default_variables()
        >>> default["sic"].units, default["sic"].upper
        ('1', 1.0)
        >>> salinity = gg.Variable("sss", role="slow", units="1e-3")
        >>> table = gg.VariableTable((*default.variables, salinity))
        >>> table.slow[-1].name
        'sss'
    """

    variables: tuple[Variable, ...]

    def __post_init__(self) -> None:
        names = [variable.name for variable in self.variables]
        if len(set(names)) != len(names):
            raise InputError(f"variable table: a name appears twice in {names}; every variable needs a name of its own")
        for role in ("state", "forcing", "slow"):
            _check_pairs(self.select(role))

    def __getitem__(self, name: str) -> Variable:
        for variable in self.variables:
            if variable.name == name:
                return variable
        known = ", ".join(variable.name for variable in self.variables)
        raise InputError(f"unknown variable '{name}'; the variable table has: {known}")

    def select(self, role: Role) -> tuple[Variable, ...]:
        """Variables of one role, in order."""
        return tuple(variable for variable in self.variables if variable.role == role)

    @property
    def state(self) -> tuple[Variable, ...]:
        """Variables that the model forecasts."""
        return self.select("state")

    @property
    def forcing(self) -> tuple[Variable, ...]:
        """Variables that drive the ice, given at t and at t + lead."""
        return self.select("forcing")

    @property
    def slow(self) -> tuple[Variable, ...]:
        """Variables that drive the ice and change slowly, given at t only."""
        return self.select("slow")

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return plain data for JSON: name -> attributes. Infinite bounds are left out."""
        rows = {}
        for variable in self.variables:
            row = {
                key: value
                for key, value in asdict(variable).items()
                if value is not False and value not in (None, "", (), -math.inf, math.inf)
            }
            name = row.pop("name")
            row["range"] = [bound if math.isfinite(bound) else None for bound in variable.range]
            for key in NAME_KEYS:
                if key in row:
                    row[key] = [one if isinstance(one, str) else list(one) for one in row[key]]
            if variable.role == "state":
                # Also an empty list or False: tables of earlier versions have no such keys.
                row |= {"needs": list(variable.needs), "transported": variable.transported}
            rows[name] = row

        return rows

    @classmethod
    def from_dict(cls, rows: Mapping[str, Mapping[str, Any]]) -> "VariableTable":
        """Read what :meth:`to_dict` returned, or a table from a YAML file."""
        return cls(tuple(_variable_from_row(name, row) for name, row in rows.items()))


def with_default_rules(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add the rules for states that can exist to the rows of a table that was saved before there were any.

    Args:
        rows: variable -> attributes. A row without the keys ``needs`` and ``transported`` takes the rules of the
            default variable of the same name and unit.
    """
    known = {variable.name: variable for variable in default_variables().state}
    completed = {name: dict(row) for name, row in rows.items()}

    for name, row in completed.items():
        default = known.get(name)
        if default is None or row.get("units") != default.units:
            continue
        lacking = [key for key in RULE_KEYS if "needs" not in row or (key == "transported" and key not in row)]
        row.update({key: getattr(default, key) for key in lacking})

    return completed


def _variable_from_row(name: str, row: Mapping[str, Any]) -> Variable:
    fields = dict(row)
    low, high = fields.pop("range", (None, None))
    limits = (-math.inf if low is None else float(low), math.inf if high is None else float(high))

    try:
        return Variable(name=name, range=limits, **fields)
    except TypeError as error:
        raise InputError(f"variable table, row '{name}': {error}; see configs/variables/default.yaml") from None


def _check_pairs(variables: tuple[Variable, ...]) -> None:
    names = [variable.name for variable in variables]
    for index, variable in enumerate(variables):
        if variable.vector is None:
            continue

        partner = names.index(variable.vector) if variable.vector in names else None
        if partner is None or abs(partner - index) != 1 or variables[partner].vector != variable.name:
            raise InputError(
                f"variable table: '{variable.name}' says its partner is '{variable.vector}'; the two components of a "
                "vector must name each other and stand one after the other (x component first)"
            )


def vector_pairs(variables: Iterable[Variable]) -> tuple[tuple[int, int], ...]:
    """Return the positions of the two components (x, y) of each vector among ``variables``."""
    rows = list(variables)
    return tuple((i, i + 1) for i, row in enumerate(rows[:-1]) if row.vector == rows[i + 1].name)


@cache
def default_variables() -> VariableTable:
    """Return the table that ships: the state of GenSIM and its forcing (Finn et al. 2025, section 2).

    Example:
        >>> import gensim_graph as gg
        >>> [variable.name for variable in gg.default_variables().state]
        ['sit', 'sic', 'sid', 'siu', 'siv', 'snt']
    """
    with resource("configs", "variables", "default.yaml").open() as stream:
        return VariableTable.from_dict(yaml.safe_load(stream))
