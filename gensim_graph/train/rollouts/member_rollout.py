"""Steps of the members of an ensemble through a batch of samples, as in a forecast, but with gradients.

Gradients go through the network, the base of each step and the bounds. Through the transport they are those of ice that
stays where it is (:meth:`~gensim_graph.transport.StateTransport.moved`): the transport moves ice by about a cell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from gensim_graph.data import Normaliser
from gensim_graph.data.rollouts import RolloutBatch, RolloutPart
from gensim_graph.flow import Bounds, SamplerConfig, sample
from gensim_graph.nn import GraphPlan
from gensim_graph.surrogate import StateRules, StepBase
from gensim_graph.typing import Float, Tensor

Evaluate = Callable[[Tensor, Tensor, Tensor, GraphPlan], Tensor]
"""Velocity of noised residual, conditions, flow time and plan."""


@dataclass(frozen=True)
class PartOfStep:
    """What one step needs to know of one sample.

    Attributes:
        part: the sample.
        cells: its cells in the batch.
        normaliser: without the variables that its data lack.
    """

    part: RolloutPart
    cells: slice
    normaliser: Normaliser


class MemberRollout:
    """Steps of a model on the samples of a batch.

    Args:
        normaliser: of all training data.
        sampler: integration of the flow in one step.
    """

    def __init__(self, normaliser: Normaliser, sampler: SamplerConfig) -> None:
        self.sampler = sampler
        self._normaliser = normaliser
        self._known: dict[tuple[tuple[str, ...], torch.device], Normaliser] = {}

    def parts(self, batch: RolloutBatch) -> list[PartOfStep]:
        """Return the samples of a batch, with their cells and normalisers."""
        found, begin = [], 0
        for part in batch.parts:
            cells = slice(begin, begin + part.cells)
            found.append(PartOfStep(part, cells, self._normaliser_without(part.absent, batch.state.device)))
            begin += part.cells
        return found

    def _normaliser_without(self, absent: tuple[str, ...], device: torch.device) -> Normaliser:
        key = absent, device
        if key not in self._known:
            self._known[key] = self._normaliser.without(absent).to(device)
        return self._known[key]

    def step(
        self,
        evaluate: Evaluate,
        plan: GraphPlan,
        batch: RolloutBatch,
        number: int,
        state: Float[Tensor, "member face state"],
        noise: Float[Tensor, "member face state"],
    ) -> Float[Tensor, "member face state"]:
        """Return the states of the members one lead time later.

        Args:
            evaluate: velocity of the network.
            plan: of the graph of the batch.
            batch: gives the forcing.
            number: of the step in the batch.
            state: of the members now.
            noise: of the members, standard normal.
        """
        parts = self.parts(batch)
        members = len(state)
        now, later, slow = (
            one.expand(members, -1, -1)
            for one in (batch.forcing[number], batch.forcing[number + 1], batch.slow[number])
        )
        inputs = [[one[:, part.cells] for one in (state, now, later, slow)] for part in parts]
        bases = [_base(part, *given[:3]) for part, given in zip(parts, inputs, strict=True)]
        conditions = _joined(
            [part.normaliser.conditions(*given) for part, given in zip(parts, inputs, strict=True)], state.shape[1]
        )

        def velocity(noised: Tensor, flow_time: float) -> Tensor:
            return evaluate(noised, conditions, noised.new_full((members,), flow_time), plan).to(noised.dtype)

        def bounds(residual: Tensor) -> Bounds:
            own = [_bounds(base, residual[:, part.cells]) for part, base in zip(parts, bases, strict=True)]
            return Bounds(*(_joined(list(each), state.shape[1]) for each in zip(*own, strict=True)))

        residual = sample(velocity, noise, self.sampler, bounds if self.sampler.steps > 1 else None)
        advanced = [
            _possible(part, base, residual[:, part.cells], plan) for part, base in zip(parts, bases, strict=True)
        ]
        return torch.where(batch.is_held.unsqueeze(-1), batch.state[number + 1], _joined(advanced, state.shape[1]))

    def scaled(
        self, batch: RolloutBatch, values: Float[Tensor, "*member face state"]
    ) -> Float[Tensor, "*member face state"]:
        """Return states in units of the deviation of the residual of each variable; absent variables become zero.

        Args:
            batch: to which the cells belong.
            values: in the units of the variable table.
        """
        scaled = []
        for part in self.parts(batch):
            scale = part.normaliser.residual_scale
            factor = torch.where(scale > 0, 1 / scale.clamp(min=torch.finfo(scale.dtype).tiny), 0.0)
            scaled.append(values[..., part.cells, :] * factor)
        return _joined(scaled, values.shape[-2])


def _base(part: PartOfStep, state: Tensor, forcing: Tensor, next_forcing: Tensor) -> StepBase:
    expected = part.normaliser.expected(state, forcing, next_forcing)
    return StepBase(part.normaliser, part.part.transport, state, expected)


def _bounds(base: StepBase, residual: Tensor) -> Bounds:
    bounds = base.bounds
    found = bounds if isinstance(bounds, Bounds) else bounds(residual)
    return Bounds(*(one.expand_as(residual) for one in found))


def _possible(part: PartOfStep, base: StepBase, residual: Tensor, plan: GraphPlan) -> Tensor:
    """The next state that can exist; in a part of a mesh no totals are kept."""
    table = part.normaliser.table.state
    rules = StateRules(table, part.normaliser.statistics.present(table).tolist())
    return rules.applied(base.next_state(residual), base.state, plan.graph.area[part.cells], conserve=False)


def _joined(parts: Sequence[Tensor], cells: int) -> Tensor:
    """Join the cells of all samples; those of the padding become zero.

    Args:
        parts: (..., cells of the sample, channel) each.
        cells: of the batch.
    """
    joined = torch.cat(list(parts), dim=-2)
    return torch.nn.functional.pad(joined, (0, 0, 0, cells - joined.shape[-2]))
