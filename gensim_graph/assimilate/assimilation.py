"""Assimilation of observations along a forecast: how they act on each step, and the innovations that are kept.

Three methods:

- ``guided``: each member is pulled towards the observations while its step is sampled
  (:mod:`gensim_graph.flow.guidance`). It corrects what the step adds to the error, also where nothing is observed.
- ``letkf``: free steps, each followed by the local ensemble transform Kalman filter
  (:mod:`~gensim_graph.assimilate.letkf`). It corrects what the members have in common with their earlier errors.
- ``both``: the flow is guided with a part of the information, the filter uses the rest: with a ``share`` a, the guide
  takes the error variances divided by a, the filter those divided by 1 - a. The likelihood is the product of both, so
  no observation counts twice.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
import xarray as xr

from gensim_graph.assimilate.letkf import LETKF
from gensim_graph.assimilate.observation_operator import ObservationOperator
from gensim_graph.assimilate.observations import Observations
from gensim_graph.assimilate.state_likelihood import StateLikelihood
from gensim_graph.assimilate.step_innovations import StepInnovations
from gensim_graph.data import Normaliser
from gensim_graph.errors import Rule, check_values
from gensim_graph.flow import GuidanceConfig, GuidedVelocity, Velocity
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Guide, ObservedSteps, StepBase, StepTimes, steps_with
from gensim_graph.typing import Array, Float, Tensor

Method = Literal["guided", "letkf", "both"]

DEFAULT_FILTER = LETKF(radius=60e3, relaxation=0.3, groups=(("sit", "sic", "snt"), ("siu", "siv")))
"""Filter for ensembles of about 16 members. Ice and drift are corrected by observations of their own kind, damage is
not: in so small an ensemble, its correlations with them are accidental."""


@dataclass(eq=False)
class Assimilation(ObservedSteps):
    """Observations, and how they act on a forecast.

    Attributes:
        observations: all of them; each step takes those of its own time.
        method: ``guided``, ``letkf`` or ``both``.
        guidance: settings of the guide.
        filter: settings of the filter.
        share: part of the information that guides the flow, for ``both``.
        innovations: of the steps that were made, in their order; cleared by the one who writes them.

    Raises:
        InputError: an unknown method, or a share outside (0, 1).

    Example:
        >>> import gensim_graph as gg
        >>> import pandas as pd
        >>> from gensim_graph.assimilate import Assimilation
        >>> from gensim_graph.data import cyclone_trajectories
        >>> path = cyclone_trajectories("test")[0]
        >>> data, (x, y) = gg.open_store(path), gg.load_mesh(path).centres[100]
        >>> table = pd.DataFrame({"variable": ["sic"], "x": [x], "y": [y], "value": [0.9], "error": [0.02],
        ...                       "time": [data.time.values[12]]})
        >>> observed = Assimilation(gg.Observations.from_table(table))
        >>> model = gg.Surrogate.load("small")
        >>> analysis = model.forecast(data.isel(time=8), data, steps=1, members=2, observations=observed)
        >>> one = observed.innovations[0]
        >>> one.forecast.shape, one.analysis.shape
        (torch.Size([2, 1]), torch.Size([2, 1]))
    """

    observations: Observations
    method: Method = "guided"
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    filter: LETKF = DEFAULT_FILTER
    share: float = 0.5
    innovations: list[StepInnovations] = field(default_factory=list, init=False, repr=False)
    _last: tuple[tuple[str, np.datetime64], ObservationOperator] | None = field(default=None, init=False, repr=False)
    _forecast: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)  # by the first member

    def __post_init__(self) -> None:
        """Check the values."""
        rules: dict[str, Rule] = {
            "method": (lambda came: came in get_args(Method), f"one of {', '.join(get_args(Method))}"),
            "share": (lambda came: 0 < came < 1, "a number between 0 and 1"),
        }
        check_values(self, "assimilation", rules)

    @property
    def needs_ensemble(self) -> bool:  # type: ignore[override]
        """True if the filter is used."""
        return self.method != "guided"

    @property
    def guides(self) -> bool:  # type: ignore[override]
        """True unless the filter is used alone."""
        return self.method != "letkf"

    @property
    def identity(self) -> str:
        """Hash of all observations in their order, with the settings."""
        return self._identified(pd.util.hash_pandas_object(self.observations.rows, index=False).to_numpy())

    def identity_until(self, time: np.datetime64) -> str:
        """Return a hash of the observations up to a time in any order, with the settings.

        Args:
            time: of the last moment.
        """
        rows = self.observations.rows[self.observations.moments <= time]
        return self._identified(np.sort(pd.util.hash_pandas_object(rows, index=False).to_numpy()))

    def _identified(self, rows: Array) -> str:
        digest = hashlib.blake2b(rows.tobytes(), digest_size=8).hexdigest()
        settings = {"guided": [self.guidance], "letkf": [self.filter], "both": [self.guidance, self.filter, self.share]}
        return f"{digest} {self.method} {settings[self.method]}"

    def guide(self, times: StepTimes, members: range, mesh: Mesh, normaliser: Normaliser) -> Guide | None:
        """Return the guide of a step, see :class:`~gensim_graph.surrogate.ObservedSteps`."""
        operator = self.operator(times, mesh, normaliser)
        if not len(operator) or self.method == "letkf":
            return None

        share = 1.0 if self.method == "guided" else self.share
        if members.start == 0:
            self._forecast.clear()  # of a step that was not finished
        observed = _with_share(operator, share)
        return lambda base, velocity, to_mesh: self._guided(base, velocity, to_mesh, observed, members.start)

    def _guided(
        self,
        base: StepBase,
        velocity: Velocity,
        to_mesh: Callable[[Tensor], Tensor],
        operator: ObservationOperator,
        first_member: int,
    ) -> Velocity:
        likelihood = StateLikelihood(base, operator, to_mesh)
        guided = GuidedVelocity(velocity, likelihood, self.guidance)

        def evaluate(state: Tensor, tau: float) -> Tensor:
            found = guided(state, tau)
            if tau == 0.0:  # the free end point: the forecast of each member, without noise
                self._forecast[first_member] = likelihood.predicted(state + found).detach()
            return found

        return evaluate

    def corrected(
        self, states: Float[Tensor, "member face state"], times: StepTimes, mesh: Mesh, normaliser: Normaliser
    ) -> Float[Tensor, "member face state"]:
        """Apply the filter, and keep the innovations, see :class:`~gensim_graph.surrogate.ObservedSteps`."""
        operator = self.operator(times, mesh, normaliser)
        if not len(operator):
            return states

        forecast = torch.cat(list(self._forecast.values())) if self._forecast else operator.apply(states)
        self._forecast.clear()
        result = states
        if self.needs_ensemble:
            share = 1.0 if self.method == "letkf" else 1 - self.share
            names = [one.name for one in normaliser.table.state if one.name in normaliser.statistics.values]
            table = normaliser.table
            result = self.filter.analysis(states, _with_share(operator, share), mesh, table, names).to(states.dtype)

        self.innovations.append(StepInnovations(times, operator, forecast, operator.apply(result)))
        return result

    def last_innovations(self, first_member: int) -> xr.Dataset | None:
        """Return the innovations of the last step, and forget them; None if nothing was observed.

        Args:
            first_member: number of the first of its members.
        """
        return self.innovations.pop().to_dataset(first_member) if self.innovations else None

    def operator(self, times: StepTimes, mesh: Mesh, normaliser: Normaliser) -> ObservationOperator:
        """Return the operator of the observations of a step; that of the last step is kept.

        Args:
            times: of the step.
            mesh: of the forecast.
            normaliser: of the model.
        """
        key = (mesh.hash, times.end)
        if self._last is None or self._last[0] != key:
            window = (times.start, times.end)
            present = list(normaliser.statistics.values)
            chosen = ObservationOperator.of(
                mesh, self.observations.window(*window), normaliser.table, present=present, window=window
            )
            self._last = key, chosen.to(normaliser.device)

        return self._last[1]


def _with_share(operator: ObservationOperator, share: float) -> ObservationOperator:
    """The observations with a part of their information."""
    return operator if share == 1.0 else replace(operator, error=operator.error / share**0.5)


@steps_with.register
def _(observations: Observations) -> ObservedSteps:
    return Assimilation(observations)
