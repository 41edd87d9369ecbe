"""What Lightning trains with ``objective=crps``: members roll out, and their score is the loss."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from gensim_graph.config import ObjectiveConfig, RunConfig
from gensim_graph.data import Normaliser
from gensim_graph.data.rollouts import RolloutBatch
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig, member_noise, noise_generator
from gensim_graph.nn import GraphPlan, Operator
from gensim_graph.train.processes import gather_from_processes
from gensim_graph.train.rollouts.ensemble_loss import EnsembleLoss
from gensim_graph.train.rollouts.member_rollout import Evaluate, MemberRollout
from gensim_graph.train.sharded_training import is_sharded
from gensim_graph.train.training_module import TrainingModule
from gensim_graph.typing import Float, Tensor

_ENDED = "chained_members"
"""Key of a checkpoint."""


class RolloutTraining(TrainingModule):
    """Training of the members of an ensemble through the steps of a forecast.

    Args:
        operator: the network.
        config: of the run.
        normaliser: of all training data.
    """

    def __init__(self, operator: Operator, config: RunConfig, normaliser: Normaliser) -> None:
        super().__init__(operator, config.trainer)
        self.scale_model.requires_grad_(False)  # belongs to the loss of the flow
        self.objective: ObjectiveConfig = config.objective
        self.sampler: SamplerConfig = config.sampler
        self._seed, self._is_chained = config.trainer.seed, config.data.chain > 1
        self._rollout = MemberRollout(normaliser, config.sampler)
        self._loss = EnsembleLoss(config.objective, normaliser.state_channels.vectors)
        self._ended: dict[int, Tensor] = {}  # chain -> members at the end of its last batch, for the next one

    def _summed_loss_of(
        self, batch: RolloutBatch, evaluate: Evaluate, plan: GraphPlan, chained: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses of all steps and the sum of their weights.

        Args:
            batch: the samples.
            evaluate: velocity of the network.
            plan: of the graph of the batch.
            chained: go on with the members of the last batch of the chain, and keep those of this one.
        """
        total, weights = batch.weight.new_zeros(()), batch.weight.new_zeros(())
        members = begin = self._first_states(batch, chained)
        for number, members in enumerate(self._states(batch, begin, evaluate, plan)):
            truth = self._rollout.scaled(batch, batch.state[number + 1])
            loss = self._loss(self._rollout.scaled(batch, members), truth, batch.weight[number], plan.graph)
            size = batch.weight[number].sum()
            total, weights = total + loss * size, weights + size
        if chained:
            self._ended[batch.parts[0].chain] = members.detach()
        return total, weights

    def _first_states(self, batch: RolloutBatch, chained: bool) -> Float[Tensor, "member face state"]:
        """States from which the members start: the truth, or that in which they ended before."""
        state = batch.state[0].expand(self.objective.members, -1, -1)
        ended = self._ended.get(batch.parts[0].chain) if chained else None
        if ended is None or not any(part.continues for part in batch.parts):
            return state
        if ended.shape != state.shape:  # resumed by another number of processes, each with other samples
            return state

        sizes = [part.cells for part in batch.parts]
        continues = torch.tensor([part.continues for part in batch.parts]).repeat_interleave(torch.tensor(sizes))
        continues = torch.nn.functional.pad(continues, (0, state.shape[1] - len(continues)))
        return torch.where(continues.to(state.device).unsqueeze(-1), ended.to(state.device), state)

    def _states(
        self, batch: RolloutBatch, state: Tensor, evaluate: Evaluate, plan: GraphPlan
    ) -> Iterator[Float[Tensor, "member face state"]]:
        """Yield the states of the members after each step."""
        for number in range(batch.steps):
            noise = self._noise(batch, number)
            if batch.steps > 1 and torch.is_grad_enabled():  # keep the states between the steps only
                state = checkpoint(
                    self._rollout.step, evaluate, plan, batch, number, state, noise,
                    use_reentrant=False, preserve_rng_state=False,
                )  # fmt: skip
            else:
                state = self._rollout.step(evaluate, plan, batch, number, state, noise)
            yield state

    def _noise(self, batch: RolloutBatch, step: int) -> Float[Tensor, "member face state"]:
        """Noise of the members, which depends on the number of each sample and on the step alone."""
        variables, members = batch.state.shape[-1], self.objective.members
        noise = batch.state.new_zeros(members, batch.state.shape[1], variables)
        begin = 0

        for part in batch.parts:
            own = [noise_generator(self._seed, part.number * members + member, step) for member in range(members)]
            noise[:, begin : begin + part.cells] = member_noise(own, (part.cells, variables), noise.device)
            begin += part.cells
        return noise

    def training_loss(self, batch: RolloutBatch) -> tuple[Tensor, Tensor]:
        """Return the loss, summed, and the sum of its weights.

        Args:
            batch: training samples.
        """
        return self._summed_loss_of(batch, self._network(), self.operator.plan(batch.graph), self._is_chained)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the members of all processes, so that a chain goes on after an interruption.

        Args:
            checkpoint: that is saved.
        """
        if self._is_chained:
            checkpoint[_ENDED] = gather_from_processes({chain: one.cpu() for chain, one in self._ended.items()})

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the members of this process.

        Args:
            checkpoint: that was saved.
        """
        saved = checkpoint.get(_ENDED, [])
        self._ended = saved[self.global_rank] if self.global_rank < len(saved) else {}

    @torch.no_grad()
    def loss_of_average(self, batch: RolloutBatch) -> tuple[Tensor, Tensor]:
        """Compute the loss of the averaged weights, summed, and the sum of its weights.

        Args:
            batch: validation samples.
        """
        return self._summed_loss_of(batch, self._evaluate_average, self.operator.plan(batch.graph))


def check_objective(config: RunConfig, start: object = None) -> None:
    """Refuse settings that an objective cannot be trained with.

    Args:
        config: of the run.
        start: trained model from which the training starts, or None.

    Raises:
        InputError: several steps for the flow, a deterministic twin or distributed weights for a student, or no flow to
            learn from.
    """
    name = config.objective.name
    for key in ("rollout", "chain"):
        if name != "crps" and (steps := getattr(config.data, key)) > 1:
            raise InputError(
                f"data.{key}={steps}: objective={name} learns single steps; add objective=crps to train through several"
            )
    if name == "flow":
        return
    if config.trainer.deterministic:
        raise InputError(f"objective={name}: a deterministic twin has no noise; leave out trainer.deterministic=true")
    if is_sharded(config.trainer):
        raise InputError(f"objective={name}: the weights cannot be distributed; leave out trainer.strategy=fsdp")
    if name == "crps" and config.data.on_device == "true":
        raise InputError("objective=crps: its samples are made by processes; leave out data.on_device=true")
    if name == "consistency" and start is None:
        raise InputError("objective=consistency: a student learns from a trained flow; give one with --start")
