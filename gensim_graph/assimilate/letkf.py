"""The local ensemble transform Kalman filter (LETKF) of Hunt et al. (2007), doi:10.1016/j.physd.2006.11.008.

Each cell has its own analysis: a linear combination of the members of the ensemble, from the observations near it.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from gensim_graph.assimilate.observation_operator import ObservationOperator
from gensim_graph.assimilate.taper import LocalObservations, gaspari_cohn, local_observations
from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import StateRules
from gensim_graph.typing import Bool, Float, Int, Tensor
from gensim_graph.variables import VariableTable

_NUMBERS_AT_ONCE = 16_000_000  # in the largest array of a group of cells: 128 MB


@dataclass(frozen=True)
class LETKF:
    """Settings of the filter.

    In each cell, with K members, their mean x and deviations X, the same at the observations, y and Y, observed values
    d, and error variances R of the observations, divided by the taper of the distance,

        P = [(K - 1) / inflation I + Y^T R^-1 Y]^-1
        w = P Y^T R^-1 (d - y)                        analysis mean        x + X w
        W = [(K - 1) P]^(1/2)                         analysis deviations  X W

    (Hunt et al. 2007, eqs. 20 to 24). Then the deviations are multiplied by 1 + relaxation (s_f - s_a) / s_a, with the
    spread s_f of the forecast and s_a of the analysis (relaxation to the prior spread, Whitaker and Hamill 2012,
    doi:10.1175/MWR-D-11-00276.1).

    The cost grows with cells x (observations nearby) x K^2 + cells x K^3.

    Attributes:
        radius: m, distance at which observations lose all influence; one number, or by observed variable. The taper
            falls like a Gaussian with a standard deviation of 0.27 radius. Larger: more observations help each cell,
            and more accidental correlations of a small ensemble do harm. Two to three times the distance over which the
            errors of the forecast are correlated is a good start; measured on 16 km triangles: 20 km for concentration,
            50 km for drift.
        inflation: factor of the variances of the forecast, 1 or more.
        relaxation: from 0 (spread of the analysis as computed) to 1 (spread of the forecast).
        groups: names of variables; observations change only the variables of the groups that the observed variable is
            in. Of variables that have little to do with each other, a small ensemble shows accidental correlations,
            which do harm (variable localisation, Kang et al. 2011, doi:10.1029/2010JD014673). By default all variables
            are one group.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> import pandas as pd
        >>> import torch
        >>> from gensim_graph.assimilate import LETKF, ObservationOperator
        >>> mesh = gg.Mesh.from_grid(np.arange(8) * 10e3, np.arange(8) * 10e3)
        >>> table = pd.DataFrame({"variable": "sic", "x": [0.0], "y": [0.0], "value": 0.9, "error": 0.01,
        ...                       "time": "2020-03-01"})
        >>> operator = ObservationOperator.of(mesh, gg.Observations.from_table(table), gg.default_variables())
        >>> states = torch.ones(3, 64, 6) * torch.tensor([0.4, 0.5, 0.6])[:, None, None]
        >>> analysis = LETKF(radius=50e3).analysis(states, operator, mesh, gg.default_variables())
        >>> [round(float(analysis[:, cell, 1].mean()), 2) for cell in (0, 2, 63)]
        [0.9, 0.89, 0.5]
    """

    radius: float | Mapping[str, float] = 60e3
    inflation: float = 1.0
    relaxation: float = 0.0
    groups: Sequence[Collection[str]] | None = None

    def __post_init__(self) -> None:
        radii = self.radius.values() if isinstance(self.radius, Mapping) else [self.radius]
        if not all(one > 0 for one in radii):
            raise InputError(f"radius: expected lengths above 0 m; came {self.radius}")
        if not 1.0 <= self.inflation < math.inf:
            raise InputError(f"inflation: expected a factor of 1 or more; came {self.inflation}")
        if isinstance(self.groups, str) or any(isinstance(group, str) for group in self.groups or ()):
            raise InputError(
                f"groups: expected lists of names, such as [['sic', 'sit'], ['siu', 'siv']]; came {self.groups}"
            )
        if not 0.0 <= self.relaxation <= 1.0:
            raise InputError(f"relaxation: expected a number from 0 to 1; came {self.relaxation}")

    @torch.no_grad()
    def analysis(
        self,
        states: Float[Tensor, "member face state"],
        operator: ObservationOperator,
        mesh: Mesh,
        table: VariableTable,
        present: Collection[str] | None = None,
    ) -> Float[Tensor, "member face state"]:
        """Return the ensemble after the observations were used.

        Computed in double precision. Values are brought to their bounds, and to states that can exist
        (:class:`~gensim_graph.surrogate.StateRules`; volume that this removes is spread over the cells that change).
        Cells without observations nearby stay as they are, bit for bit.

        Args:
            states: forecast, two members or more, in the units of the variable table.
            operator: of observations of the same time, on the device of the states.
            mesh: of the states.
            table: its state variables are the channels of the states.
            present: names of the variables that the model forecasts, by default all; the others stay.

        Raises:
            InputError: fewer than two members, or an observed variable without a radius.
        """
        if len(states) < 2:
            raise InputError(f"the filter needs an ensemble of two members or more; came {len(states)}")

        result = states.to(torch.float64, copy=True)
        touched = torch.zeros(states.shape[1], dtype=torch.bool, device=states.device)
        if not len(operator):
            return states.clone()

        radii = self._radii(operator)
        seen = operator.apply(result)
        mean = seen.mean(dim=0)
        everywhere = _AtObservations((seen - mean).T.contiguous(), operator.value - mean, operator.error**2, radii)

        for channels, used in self._channels(operator):
            some, positions = everywhere.of(used), operator.position[used].cpu().numpy()
            most = max(_NUMBERS_AT_ONCE // len(states), 1)
            for near in local_observations(mesh.centres, positions, float(some.radii.max()), most):
                cells, changed = self._update(result, channels, some, near)
                touched[cells] |= changed

        return _possible(result, states, touched, mesh, table, present)

    def _radii(self, operator: ObservationOperator) -> Float[Tensor, " obs"]:
        if not isinstance(self.radius, Mapping):
            return torch.full_like(operator.error, self.radius)

        lacking = sorted(set(operator.report.used) - set(self.radius))
        if lacking:
            raise InputError(f"radius: no length for the observed variable '{lacking[0]}'; came {dict(self.radius)}")
        by_channel = operator.error.new_tensor([self.radius.get(name, 1.0) for name in operator.names])
        return by_channel[operator.variable]

    def _channels(self, operator: ObservationOperator) -> Iterator[tuple[Int[Tensor, " some"], Int[Tensor, " used"]]]:
        """Channels of each group, and numbers of the observations of its variables; a group needs some."""
        groups = [operator.names] if self.groups is None else self.groups
        for group in groups:
            channels = operator.variable.new_tensor(
                [number for number, one in enumerate(operator.names) if one in group]
            )
            used = torch.isin(operator.variable, channels).nonzero().squeeze(1)
            if len(used):
                yield channels, used

    def _update(
        self,
        states: Float[Tensor, "member face state"],
        channels: Int[Tensor, " some"],
        ensemble: "_AtObservations",
        near: LocalObservations,
    ) -> tuple[Int[Tensor, " cell"], Bool[Tensor, " cell"]]:
        """Change the states of some cells in place; return the cells, and which of them have observations."""
        cells, index, distance = (part.to(states.device) for part in (near.cells, near.index, near.distance))
        precision = gaspari_cohn(distance / ensemble.radii[index]) / ensemble.variance[index]
        changed = (precision > 0).any(dim=1)
        weights = self._weights(ensemble.deviations[index], ensemble.innovation[index], precision)

        place = (slice(None), cells[:, None], channels)
        local = states[place]
        mean = local.mean(dim=0)
        before = local - mean
        moved = torch.einsum("kcs,ckm->mcs", before, weights)

        # Deviations of the analysis; the columns of the weights also carry the shift of the mean.
        shift = moved.mean(dim=0)
        after = self._relaxed(moved - shift, before)
        states[place] = torch.where(changed[:, None], mean + shift + after, local)

        return cells, changed

    def _weights(
        self,
        deviations: Float[Tensor, "cell near member"],
        innovation: Float[Tensor, "cell near"],
        precision: Float[Tensor, "cell near"],
    ) -> Float[Tensor, "cell member member"]:
        """Weights w + W of the members of the forecast (rows) in each member of the analysis (columns)."""
        members = deviations.shape[-1]
        scaled = deviations.transpose(1, 2) * precision[:, None]
        identity = torch.eye(members, dtype=deviations.dtype, device=deviations.device)
        values, vectors = torch.linalg.eigh((members - 1) / self.inflation * identity + scaled @ deviations)

        root = vectors * ((members - 1) / values).sqrt()[:, None] @ vectors.mT
        covariance = vectors / values[:, None] @ vectors.mT
        mean = covariance @ (scaled @ innovation[..., None])

        return mean + root

    def _relaxed(
        self, after: Float[Tensor, "member cell state"], before: Float[Tensor, "member cell state"]
    ) -> Float[Tensor, "member cell state"]:
        """Deviations with a part of the spread of the forecast."""
        if self.relaxation == 0.0:
            return after

        spread, prior = after.std(dim=0), before.std(dim=0)
        excess = torch.where(spread > 0, (prior - spread) / spread.clamp(min=1e-300), 0.0)
        return after * (1.0 + self.relaxation * excess)


@dataclass(frozen=True)
class _AtObservations:
    """The ensemble at the observations.

    Attributes:
        deviations: of the members from their mean.
        innovation: observed value minus the mean.
        variance: of the errors of the observations.
        radii: m.
    """

    deviations: Float[Tensor, "obs member"]
    innovation: Float[Tensor, " obs"]
    variance: Float[Tensor, " obs"]
    radii: Float[Tensor, " obs"]

    def of(self, used: Int[Tensor, " used"]) -> "_AtObservations":
        """Return the ensemble at some of the observations."""
        return _AtObservations(self.deviations[used], self.innovation[used], self.variance[used], self.radii[used])


def _possible(
    analysis: Float[Tensor, "member face state"],
    states: Float[Tensor, "member face state"],
    touched: Bool[Tensor, " face"],
    mesh: Mesh,
    table: VariableTable,
    present: Collection[str] | None,
) -> Float[Tensor, "member face state"]:
    """The states that can exist in the cells that were touched; all others as they were."""
    is_present = [present is None or variable.name in present for variable in table.state]
    lower, upper = (
        analysis.new_tensor([getattr(variable, name) for variable in table.state]) for name in ("lower", "upper")
    )
    area = torch.from_numpy(mesh.areas).to(analysis)[touched]
    before = states[:, touched]
    bounded = analysis[:, touched].clamp(lower, upper)

    allowed = StateRules(table.state, is_present).applied(bounded, before.double(), area, conserve=False)
    result = states.clone()
    result[:, touched] = torch.where(torch.tensor(is_present, device=states.device), allowed.to(states.dtype), before)

    return result
