"""The variable table: what the model forecasts, what drives it, and within which bounds.

The table is data (``configs/variables/default.yaml``): a user adds a variable there, never in code.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

import yaml

from gensim_graph.errors import InputError
from gensim_graph.system import resource

Role = Literal["state", "forcing", "slow"]


@dataclass(frozen=True)
class Variable:
    """One physical quantity on the faces of a mesh.

    Attributes:
        name: short name, for instance ``sic``.
        role: ``state`` is forecast, ``forcing`` is given at t and t + lead, ``slow`` at t only.
        units: udunits string of the values everywhere in the package.
        lower, upper: physical bounds; infinite where there is none.
        vector: the other component of a vector pair, or None for a scalar.
        range: plausible values; anything beyond is taken for a wrong unit.
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

    @property
    def is_bounded(self) -> bool:
        """Whether the variable has a lower or an upper bound."""
        return math.isfinite(self.lower) or math.isfinite(self.upper)

    @property
    def attrs(self) -> dict[str, str]:
        """CF attributes for a file."""
        named = {"standard_name": self.standard_name, "long_name": self.long_name, "units": self.units}
        return {key: value for key, value in named.items() if value}


@dataclass(frozen=True)
class VariableTable:
    """An ordered set of variables; the order is the order of the channels.

    Raises:
        InputError: a vector component without its partner directly after it, or a variable named twice.
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
        """What the model forecasts."""
        return self.select("state")

    @property
    def forcing(self) -> tuple[Variable, ...]:
        """What drives it, at t and at t + lead."""
        return self.select("forcing")

    @property
    def slow(self) -> tuple[Variable, ...]:
        """What drives it slowly, at t only."""
        return self.select("slow")

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain data for JSON: infinite bounds are left out."""
        rows = {}
        for variable in self.variables:
            row = {
                key: value for key, value in asdict(variable).items() if value not in (None, "", -math.inf, math.inf)
            }
            name = row.pop("name")
            row["range"] = [bound if math.isfinite(bound) else None for bound in variable.range]
            rows[name] = row

        return rows

    @classmethod
    def from_dict(cls, rows: Mapping[str, Mapping[str, Any]]) -> "VariableTable":
        """Inverse of :meth:`to_dict`, and the reader of the YAML table."""
        return cls(tuple(_variable_from_row(name, row) for name, row in rows.items()))


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
    """Positions of the vector pairs (x, y) among ``variables``."""
    rows = list(variables)
    return tuple((i, i + 1) for i, row in enumerate(rows[:-1]) if row.vector == rows[i + 1].name)


@cache
def default_variables() -> VariableTable:
    """The table that ships: the state of GenSIM and its forcing (Finn et al. 2025, section 2)."""
    with resource("configs", "variables", "default.yaml").open() as stream:
        return VariableTable.from_dict(yaml.safe_load(stream))
