"""Everything that the steps of a forecast need of its models: each with its members, tables, forcing and guard."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gensim_graph.data import Forcing
from gensim_graph.forecast.several_models.model_set import ModelSet, digest_of_drivers
from gensim_graph.mesh import Mesh
from gensim_graph.nn import GraphPlan
from gensim_graph.surrogate import StepBudget, Surrogate
from gensim_graph.surrogate.guard import ForecastGuard, guard_of
from gensim_graph.typing import Tensor


@dataclass(frozen=True)
class ModelShare:
    """One model of a forecast, and its members.

    Attributes:
        model: the surrogate, for the variables that its forcing has.
        members: numbers of its members.
        forcing: of the forecast, in the order of its variables.
        mesh: of the forecast.
        guard: compares its states with its training data; None for none.
    """

    model: Surrogate
    members: range
    forcing: Forcing
    mesh: Mesh
    guard: ForecastGuard | None

    @cached_property
    def plan(self) -> GraphPlan:
        """Tables of the model for the mesh, made when its first member is computed."""
        return self.model.plan(self.mesh)

    @cached_property
    def budget(self) -> StepBudget:
        """Splits the change in a step into transport and source."""
        return StepBudget(self.model.normaliser, self.plan, self.mesh)

    def drivers(self, time: np.datetime64, members: range) -> tuple[Tensor, Tensor]:
        """Return forcing and slow inputs at a valid time, on the device.

        Args:
            time: valid time.
            members: numbers of the members.
        """
        drivers = self.model.drivers_at(self.forcing, time, members)
        return drivers.forcing, drivers.slow


class UnitPart(NamedTuple):
    """Members of a work unit that one model computes.

    Attributes:
        share: the model with all its members.
        members: numbers of those of the work unit.
    """

    share: ModelShare
    members: range


@dataclass(frozen=True)
class ModelShares:
    """The models of a forecast, each with its members.

    Attributes:
        shares: in the order of the members.
    """

    shares: tuple[ModelShare, ...]

    @classmethod
    def of(cls, models: ModelSet, forcings: Sequence[Forcing], mesh: Mesh, members: int, guard: bool) -> "ModelShares":
        """Prepare the models of a forecast.

        Args:
            models: of the forecast.
            forcings: of each of them.
            mesh: of the forecast.
            members: number of members.
            guard: with the guards of those that know the ranges of their training data.
        """
        shares = []
        for model, forcing, block in zip(models.models, forcings, models.blocks(members), strict=True):
            driven = model.driven_by(forcing)
            watch = guard_of(driven.normaliser, mesh) if guard else None
            shares.append(ModelShare(driven, block, forcing, mesh, watch))

        return cls(tuple(shares))

    @property
    def first(self) -> Surrogate:
        """The first model, for all that the models have in common."""
        return self.shares[0].model

    @property
    def guards(self) -> list[ForecastGuard | None]:
        """Guard of each model."""
        return [share.guard for share in self.shares]

    def parts(self, members: range, together: int = 0) -> Iterator[UnitPart]:
        """Yield the members of a work unit model by model, in their order.

        Args:
            members: of the work unit.
            together: largest number of members of a part; they are counted from the first one of the forecast, as in
                work units of that size. 0 for all.
        """
        size = together or members.stop
        for first in range(members.start - members.start % size, members.stop, size):
            for share in self.shares:
                some = range(
                    max(first, members.start, share.members.start),
                    min(first + size, members.stop, share.members.stop),
                )
                if some:
                    yield UnitPart(share, some)

    def digest_at(self, members: range, time: np.datetime64) -> str:
        """Return the digest of the forcing of some members.

        Args:
            members: their numbers.
            time: valid time.
        """
        parts = self.parts(members)
        return digest_of_drivers([one.model.drivers_at(one.forcing, time, some).read for one, some in parts])
