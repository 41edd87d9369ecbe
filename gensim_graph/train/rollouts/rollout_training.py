"""What Lightning trains with ``objective=crps``: members roll out, and their score is the loss."""

from collections.abc import Iterator
from typing import cast

import torch
from torch.utils.checkpoint import checkpoint

from gensim_graph.config import ObjectiveConfig, RunConfig
from gensim_graph.data import Normaliser
from gensim_graph.data.rollouts import RolloutBatch
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig, member_noise, noise_generator
from gensim_graph.nn import GraphPlan, Operator
from gensim_graph.train.rollouts.ensemble_loss import EnsembleLoss
from gensim_graph.train.rollouts.member_rollout import Evaluate, MemberRollout
from gensim_graph.train.sharded_training import is_sharded
from gensim_graph.train.training_module import TrainingModule
from gensim_graph.typing import Float, Tensor


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
        self._seed = config.trainer.seed
        self._rollout = MemberRollout(normaliser, config.sampler)
        self._loss = EnsembleLoss(config.objective, normaliser.state_channels.vectors)

    def _summed_loss_of(self, batch: RolloutBatch, evaluate: Evaluate, plan: GraphPlan) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses of all steps and the sum of their weights."""
        total, weights = batch.weight.new_zeros(()), batch.weight.new_zeros(())
        for number, members in enumerate(self._states(batch, evaluate, plan)):
            truth = self._rollout.scaled(batch, batch.state[number + 1])
            loss = self._loss(self._rollout.scaled(batch, members), truth, batch.weight[number], plan.graph)
            size = batch.weight[number].sum()
            total, weights = total + loss * size, weights + size
        return total, weights

    def _states(
        self, batch: RolloutBatch, evaluate: Evaluate, plan: GraphPlan
    ) -> Iterator[Float[Tensor, "member face state"]]:
        """Yield the states of the members after each step."""
        state = batch.state[0].expand(self.objective.members, -1, -1)

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
        return self._summed_loss_of(batch, self._network(), self.operator.plan(batch.graph))

    @torch.no_grad()
    def loss_of_average(self, batch: RolloutBatch) -> tuple[Tensor, Tensor]:
        """Compute the loss of the averaged weights, summed, and the sum of its weights.

        Args:
            batch: validation samples.
        """
        operator = cast(Operator, self.average.module)

        def evaluate(noised: Tensor, conditions: Tensor, flow_time: Tensor, plan: GraphPlan) -> Tensor:
            return operator.velocity(noised, flow_time, operator.prepare(conditions, plan))

        return self._summed_loss_of(batch, evaluate, operator.plan(batch.graph))


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
    if name != "crps" and config.data.rollout > 1:
        raise InputError(
            f"data.rollout={config.data.rollout}: objective={name} learns single steps; add objective=crps to train "
            "through several"
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
