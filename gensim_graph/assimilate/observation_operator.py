"""The observation operator: what would be observed of a state of the ice.

It is linear, sparse and differentiable, and runs where its tensors are (:meth:`ObservationOperator.to`).
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from gensim_graph.assimilate.footprint_weights import Kernel, footprint_weights
from gensim_graph.assimilate.observations import Observations
from gensim_graph.assimilate.observed_places import faces_at, is_on_globe, is_on_land, positions_in_plane
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import east_north_at
from gensim_graph.typing import Array, Float, Int, Tensor
from gensim_graph.variables import VariableTable, vector_pairs

_ABSENT = "of a variable that the model does not have"
_LATE = "outside the times"
_LAND = "on land"
_OUTSIDE = "outside the mesh"


@dataclass(frozen=True)
class ObservationReport:
    """Counts of the observations that an operator uses, and of the others by reason.

    Attributes:
        used: variable -> number.
        unused: reason -> number.
    """

    used: Counter[str]
    unused: Counter[str]

    def __str__(self) -> str:
        count, left = self.used.total(), self.unused.total()
        names = ", ".join(f"{name} {number}" for name, number in self.used.items())
        reasons = ", ".join(f"{number} {reason}" for reason, number in self.unused.items())
        line = f"{count} of {count + left} observations used" + (f" ({names})" if names else "")

        return line + (f"; not used: {reasons}" if reasons else "")


@dataclass(frozen=True, eq=False, repr=False)
class ObservationOperator:
    """A sparse linear map H from states to observed values, in physical units.

    With the cells below the footprint of observation o and their weights, whose sum is 1,

        (H x)_o = sum_c turn_oc sum_k weights_ok x[index_ok, channels_oc]

    The sum over c has one term, except for a component of a vector towards east or north: it is the sum of the two
    components along the axes of the plane, times the cosine and the sine of the angle between them.

    Attributes:
        index: cells below each footprint, filled up with cells of weight 0.
        weights: of the cells; each row adds up to 1.
        channels: the one or two channels of the state that an observation sees.
        turn: factors of these channels; (1, 0) for all but vectors towards east or north.
        value: observed values.
        error: standard deviations of their errors, in the same units.
        variable: channel of the observed variable in the state.
        position: m, in the plane of the mesh.
        rows: row of each observation in the table it comes from.
        n_faces: number of cells of the mesh.
        names: of the channels of the state.
        report: how many observations are used, and why not the others.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> import pandas as pd
        >>> import torch
        >>> from gensim_graph.assimilate import ObservationOperator
        >>> mesh = gg.Mesh.from_grid(np.arange(4) * 10e3, np.arange(4) * 10e3)
        >>> table = pd.DataFrame({"variable": "sic", "x": [1e3, 9e9], "y": [1e3, 0.0], "value": [0.9, 0.5],
        ...                       "error": 0.05, "time": "2020-03-01T12:00"})
        >>> observed = gg.Observations.from_table(table)
        >>> operator = ObservationOperator.of(mesh, observed, gg.default_variables())
        >>> print(operator.report)
        1 of 2 observations used (sic 1); not used: 1 outside the mesh
        >>> state = torch.zeros(16, 6)
        >>> state[0, 1] = 0.7
        >>> operator.apply(state)
        tensor([0.7000])
    """

    index: Int[Tensor, "obs k"]
    weights: Float[Tensor, "obs k"]
    channels: Int[Tensor, "obs 2"]
    turn: Float[Tensor, "obs 2"]
    value: Float[Tensor, " obs"]
    error: Float[Tensor, " obs"]
    variable: Int[Tensor, " obs"]
    position: Float[Tensor, "obs 2"]
    rows: Int[Tensor, " obs"]
    n_faces: int
    names: tuple[str, ...]
    report: ObservationReport
    _is_turned: bool = field(default=False)

    @classmethod
    def of(
        cls,
        mesh: Mesh,
        observations: Observations,
        table: VariableTable,
        *,
        kernel: Kernel = "gaussian",
        present: Collection[str] | None = None,
        window: tuple[np.datetime64, np.datetime64] | None = None,
    ) -> "ObservationOperator":
        """Build the operator for a mesh.

        Observations outside of the mesh, on land, outside the times or of other variables are not used, and counted in
        ``report``.

        Args:
            mesh: the mesh of the states.
            observations: in the plane of this mesh, or in longitude and latitude.
            table: its state variables are the channels of the states.
            kernel: sensitivity of the instruments within their footprints, see
                :mod:`~gensim_graph.assimilate.footprint_weights`.
            present: names of the variables that the model forecasts, by default all.
            window: observations are used whose moment lies after the first time and not after the second.

        Raises:
            InputError: observations in longitude and latitude, and a mesh without a crs.
        """
        rows = observations.rows
        points = positions_in_plane(rows, mesh)
        faces = faces_at(mesh, points)
        reasons = _reasons(observations, mesh, points, faces, table, present, window)
        used = np.flatnonzero(reasons == "")
        chosen = rows.iloc[used]

        footprints = chosen["footprint"].to_numpy()
        index, weights = footprint_weights(mesh, points[used], faces[used], footprints, kernel)
        channels, turn = _components(chosen, mesh, table)
        report = ObservationReport(Counter(chosen["variable"]), Counter(reasons[reasons != ""].tolist()))

        names = tuple(variable.name for variable in table.state)
        return cls(
            index=_tensor(index),
            weights=_tensor(weights),
            channels=_tensor(channels),
            turn=_tensor(turn),
            value=_tensor(chosen["value"]),
            error=_tensor(chosen["error"]),
            variable=_tensor(np.array([names.index(name) for name in chosen["variable"]], dtype=np.int64)),
            position=_tensor(points[used]),
            rows=_tensor(used),
            n_faces=mesh.n_faces,
            names=names,
            report=report,
            _is_turned=bool((turn[:, 1] != 0).any()),
        )

    @property
    def used(self) -> int:
        """Number of observations that are used."""
        return self.report.used.total()

    @property
    def unused(self) -> Counter[str]:
        """Reason -> number of observations that are not used for it."""
        return self.report.unused

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        return f"ObservationOperator({self.report})"

    def to(self, device: torch.device | str) -> "ObservationOperator":
        """Return the operator on another device."""
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        moved: dict[str, Any] = {name: part.to(device) for name, part in parts.items() if isinstance(part, Tensor)}

        return replace(self, **moved)

    def apply(self, state: Float[Tensor, "*batch face state"]) -> Float[Tensor, "*batch obs"]:
        """Return what would be observed of states, H x.

        Args:
            state: in the units of the variable table, vectors along the axes of the mesh plane.
        """
        flat, weights, turn = state.flatten(-2), self.weights.to(state.dtype), self.turn.to(state.dtype)
        seen = (flat[..., self._places(0)] * weights).sum(-1)
        if not self._is_turned:
            return seen

        return seen * turn[:, 0] + (flat[..., self._places(1)] * weights).sum(-1) * turn[:, 1]

    def adjoint(self, values: Float[Tensor, "*batch obs"]) -> Float[Tensor, "*batch face state"]:
        """Return H^T y, with <H x, y> = <x, H^T y>.

        Args:
            values: one number for each observation.
        """
        weights, turn = self.weights.to(values.dtype), self.turn.to(values.dtype)
        result = values.new_zeros((*values.shape[:-1], self.n_faces * len(self.names)))

        for part in range(2 if self._is_turned else 1):
            spread = (values * turn[:, part])[..., None] * weights
            result = result.index_add(-1, self._places(part).flatten(), spread.flatten(-2))

        return result.unflatten(-1, (self.n_faces, len(self.names)))

    def _places(self, part: int) -> Int[Tensor, "obs k"]:
        """Places in the flat state."""
        return self.index * len(self.names) + self.channels[:, part, None]


def _tensor(values: Array | pd.Series) -> Tensor:
    array = np.asarray(values)
    return torch.from_numpy(np.array(array, dtype=np.int64 if array.dtype.kind in "iu" else np.float64))


def _reasons(
    observations: Observations,
    mesh: Mesh,
    points: Array,
    faces: Array,
    table: VariableTable,
    present: Collection[str] | None,
    window: tuple[np.datetime64, np.datetime64] | None,
) -> Array:
    """Why each observation is not used; an empty text if it is."""
    reasons = np.full(len(observations), "", dtype=object)
    outside = np.flatnonzero(faces < 0)
    reasons[outside] = np.where(is_on_land(mesh, points[outside]), _LAND, _OUTSIDE)

    has = {variable.name for variable in table.state if present is None or variable.name in present}
    needed = [{str(name), *_partner(str(name), table, one)} for name, one in _kinds(observations.rows)]
    reasons[[not names <= has for names in needed]] = _ABSENT

    if window is not None:
        moments = observations.moments
        reasons[(moments <= window[0]) | (moments > window[1])] = _LATE

    return reasons


def _kinds(rows: pd.DataFrame) -> list[tuple[str, bool]]:
    return list(zip(rows["variable"], is_on_globe(rows).tolist(), strict=True))


def _partner(name: str, table: VariableTable, on_globe: bool) -> set[str]:
    """The other component, which a component towards east or north needs too."""
    known = {variable.name: variable for variable in table.state}
    vector = known[name].vector if name in known else None
    return {vector} if vector is not None and on_globe else set()


def _components(rows: pd.DataFrame, mesh: Mesh, table: VariableTable) -> tuple[Array, Array]:
    """Channels (P, 2) of observations, and their factors (P, 2)."""
    channel = {variable.name: number for number, variable in enumerate(table.state)}
    own = rows["variable"].map(channel).to_numpy(dtype=np.int64)
    channels = np.repeat(own[:, None], 2, axis=1)
    turn = np.tile([1.0, 0.0], (len(rows), 1))
    on_globe = is_on_globe(rows)

    for pair in vector_pairs(table.state):
        for axis in (0, 1):
            chosen = on_globe & (own == pair[axis])
            if chosen.any() and mesh.crs is not None:
                degrees = rows.loc[chosen, ["lon", "lat"]].to_numpy()
                frame = east_north_at(degrees[:, 0], degrees[:, 1], mesh.crs)
                turn[chosen] = frame.first if axis == 0 else frame.second
                channels[chosen] = pair

    return channels, turn
