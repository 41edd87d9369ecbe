"""The module that Lightning trains: network, scale model and average of the weights, with loss and optimiser."""

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import lightning
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from gensim_graph.config import TrainerConfig
from gensim_graph.data import TrainingBatch
from gensim_graph.data.rollouts import RolloutBatch
from gensim_graph.errors import InputError
from gensim_graph.flow import ScaleModel, censored_nll
from gensim_graph.nn import (
    Channels,
    GraphPlan,
    Operator,
    Prepared,
    SpinLinear,
    compile_network,
    face_graph,
    is_compiled_on,
    log_length,
)
from gensim_graph.train.loop import build_adamw, suits_fused
from gensim_graph.train.processes import count_processes, own_part, sum_over_processes
from gensim_graph.typing import Tensor

log = logging.getLogger(__name__)

_MOST_UNCHECKED = 200
"""Values of which it is not known yet that they are finite: two for each step."""

AnyBatch = TrainingBatch | RolloutBatch
"""Samples of the flow, or of an ensemble."""

Rate = torch.optim.lr_scheduler.LambdaLR


class TrainingModule(lightning.LightningModule):
    """Censored flow matching, or the squared error for the deterministic twin.

    Args:
        operator: the network.
        config: learning rates, decay of the average, length of the run.
    """

    def __init__(self, operator: Operator, config: TrainerConfig) -> None:
        super().__init__()
        self.operator, self.config = operator, config
        self.scale_model = ScaleModel(_scale_groups(operator.state))
        self.average = WarmAverage(operator, config.ema).requires_grad_(False)
        self.operator.checkpoint_blocks = config.checkpoint_blocks
        self.gradient_norm = torch.tensor(math.nan)  # of the last step, before clipping
        self._compiled: Callable[..., Tensor] | None = None
        self._unchecked: list[_Unchecked] = []

    def training_step(self, batch: AnyBatch, batch_idx: int) -> Tensor:
        """Compute the mean loss over the core cells and the variables that the data have.

        Args:
            batch: training samples.
            batch_idx: number of the batch in the epoch, given by Lightning.

        Raises:
            InputError: the loss or gradient of an earlier step was not finite.
        """
        if len(self._unchecked) >= _MOST_UNCHECKED:
            self.check_finite()

        loss, weight = self.training_loss(batch)

        # The mean over the samples of all processes: each has other numbers of cells, and Lightning averages gradients.
        mean = loss * count_processes() / sum_over_processes(weight)
        shown = sum_over_processes(mean.detach()) / count_processes()
        self._remember("loss", shown)
        self.log("loss", shown, logger=False, batch_size=1)

        return mean

    def training_loss(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return the loss of the network, summed over cells and variables, and the sum of its weights.

        Args:
            batch: training samples.
        """
        plan = self.operator.plan(batch.graph)
        predicted = self._network()(batch.noised, batch.conditions, batch.flow_time, plan)
        return self._summed_loss(batch, predicted)

    def _network(self) -> Callable[..., Tensor]:
        """Return the network, compiled at its first use: only then the device is known."""
        if not is_compiled_on(str(self.config.compile), self.device):
            return self._evaluate
        if self._compiled is None:
            log.info(
                "the network is compiled in the first step, which takes minutes; trainer.compile=false spares them"
            )
            # Compiled for fixed sizes: the batches are padded to equal ones.
            self._compiled = partial(_velocity_of, *compile_network(self.operator, self.device, fullgraph=False))
        return self._compiled

    def _evaluate(self, noised: Tensor, conditions: Tensor, flow_time: Tensor, plan: GraphPlan) -> Tensor:
        """Compute the velocity on a plan."""
        return _velocity_of(self.operator.prepare, self.operator.velocity, noised, conditions, flow_time, plan)

    def _evaluate_average(self, noised: Tensor, conditions: Tensor, flow_time: Tensor, plan: GraphPlan) -> Tensor:
        """Compute the velocity of the averaged weights on a plan."""
        average = cast(Operator, self.average.module)
        return _velocity_of(average.prepare, average.velocity, noised, conditions, flow_time, plan)

    def transfer_batch_to_device(self, batch: AnyBatch, device: torch.device, dataloader_idx: int) -> AnyBatch:
        """Copy a batch to a device without waiting for the copies.

        Args:
            batch: in pinned memory, if the device is a GPU.
            device: that computes.
            dataloader_idx: given by Lightning, not used.
        """
        is_waiting = device.type == "cpu"
        return batch.to(device, non_blocking=not is_waiting)

    def loss_of_average(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Compute the loss of the averaged weights, summed over cells and variables, and the sum of its weights.

        Args:
            batch: validation samples.
        """
        plan = self.operator.plan(batch.graph)
        return self._summed_loss(batch, self._evaluate_average(batch.noised, batch.conditions, batch.flow_time, plan))

    def _summed_loss(self, batch: TrainingBatch, predicted: Tensor) -> tuple[Tensor, Tensor]:
        loss = self._squared_error(batch, predicted) if self.config.deterministic else self._nll(batch, predicted)
        return (loss * batch.weight).sum(), batch.weight.sum()

    def _remember(self, what: str, value: Tensor) -> None:
        """Keep a value for :meth:`check_finite`: to read it now would make the processor wait for a GPU."""
        rate = self.optimizers(use_pl_optimizer=False).param_groups[0]["lr"]  # type: ignore[union-attr]
        self._unchecked.append(_Unchecked(self.global_step + 1, what, rate, value.detach().float()))

    def check_finite(self) -> None:
        """Check the losses and gradients of the steps since the last call.

        It is called before anything is recorded or saved, so no file contains the weights of a broken step.

        Raises:
            InputError: one of them is not finite.
        """
        unchecked, self._unchecked = self._unchecked, []
        values = torch.stack([one.value for one in unchecked]).tolist() if unchecked else []

        for one, value in zip(unchecked, values, strict=True):
            if not math.isfinite(value):
                raise InputError(
                    f"training stopped at step {one.step}: the {one.what} is {value} (learning rate {one.rate:.3g}). "
                    "Look for extreme values in the data, or start another run with a lower trainer.learning_rate "
                    f"than {self.config.learning_rate:g}"
                )

    def _squared_error(self, batch: TrainingBatch, predicted: Tensor) -> Tensor:
        return (batch.velocity - predicted).square()

    def _nll(self, batch: TrainingBatch, predicted: Tensor) -> Tensor:
        flow_time = batch.flow_time[:, face_graph(batch.graph)]
        log_scale = self.scale_model(flow_time, log_length(batch.graph.length).unsqueeze(0))
        return censored_nll(batch.velocity, predicted, log_scale, batch.at_lower, batch.at_upper)

    def configure_optimizers(self) -> Any:
        """Return AdamW: weight decay for linear maps, none for scales and biases; the scale model has its own rate.

        On a GPU it is the fused form, which takes a few kernels for all weights.
        """
        config = self.config
        maps = linear_maps(self.operator)
        decayed = {id(weight) for weight in maps}
        others = [weight for weight in self.operator.parameters() if id(weight) not in decayed]

        groups = [
            {"params": maps, "lr": config.learning_rate, "weight_decay": config.weight_decay},
            {"params": others, "lr": config.learning_rate, "weight_decay": 0.0},
            {"params": self.scale_model.parameters(), "lr": config.scale_learning_rate, "weight_decay": 0.0},
        ]
        fused = suits_fused(next(self.operator.parameters()).device, config.precision)
        optimizer = build_adamw(groups, betas=(0.9, 0.99), fused=fused)

        return [optimizer], [{"scheduler": Rate(optimizer, lambda step: self.rate(step)), "interval": "step"}]

    def rate(self, step: int) -> float:
        """Return the learning rate as a fraction of its peak: linear warm-up, then a cosine down to 0.01.

        The cosine belongs to ``max_steps`` of this call. A finished run that goes on follows the longer cosine from its
        next step: the rate rises again.

        Args:
            step: number of steps that are done.
        """
        config = self.config
        if step < config.warmup:
            return (step + 1) / config.warmup
        progress = min(1.0, (step - config.warmup) / max(1, config.max_steps - config.warmup))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))

    def on_train_start(self) -> None:
        """Take the learning rate of the next step from the schedule: a checkpoint may have that of a shorter run."""
        for schedule in self.trainer.lr_scheduler_configs:
            rates = schedule.scheduler
            for group, peak in zip(rates.optimizer.param_groups, rates.base_lrs, strict=True):
                group["lr"] = peak * self.rate(rates.last_epoch)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient of the network, not that of the scale model, which would slow it down.

        Args:
            optimizer, gradient_clip_val, gradient_clip_algorithm: given by Lightning, not used.
        """
        self.gradient_norm = nn.utils.clip_grad_norm_(self.operator.parameters(), self.config.clip)
        if self.trainer.precision != "16-mixed":  # there, steps without a finite gradient are skipped
            self._remember("gradient", self.gradient_norm)

    def optimizer_step(self, *args: Any, **keywords: Any) -> None:
        """Update the average together with the weights; Lightning's later hooks run after the checkpoint is saved."""
        super().optimizer_step(*args, **keywords)
        self.average.update_parameters(self.operator)


def linear_maps(operator: nn.Module) -> list[Tensor]:
    """Return the weights that multiply features: matrices of linear layers and of :class:`SpinLinear`."""
    maps: list[Tensor] = []
    for module in operator.modules():
        if isinstance(module, nn.Linear):
            maps.append(module.weight)
        elif isinstance(module, SpinLinear):
            maps += [module.vector, module.tensor]

    return maps


class _Unchecked(NamedTuple):
    """A value of which is not known yet that it is finite, with step, name and learning rate for the message."""

    step: int
    what: str
    rate: float
    value: Tensor


def _velocity_of(
    prepare: Callable[..., Prepared],
    velocity: Callable[..., Tensor],
    noised: Tensor,
    conditions: Tensor,
    flow_time: Tensor,
    plan: GraphPlan,
) -> Tensor:
    """Compute the velocity with the two steps of a network, plain or compiled."""
    return velocity(noised, flow_time, prepare(conditions, plan))


class WarmAverage(AveragedModel):
    """Exponential moving average that starts with a smaller decay, min(decay, (1 + n) / (10 + n)) after n steps.

    The number of steps is counted in Python, too: to read it from a GPU would make the processor wait.

    Args:
        operator: the network.
        decay: of the average.
    """

    def __init__(self, operator: nn.Module, decay: float) -> None:
        super().__init__(operator)
        self.decay = decay
        self._steps: int | None = None

    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the weights of the network; the first time, take them as they are."""
        steps = int(self.n_averaged) if self._steps is None else self._steps
        averaged = [own_part(weight) for weight in self.module.parameters()]
        current = [own_part(weight) for weight in model.parameters()]

        if steps == 0:
            torch._foreach_copy_(averaged, current)
        else:
            torch._foreach_lerp_(averaged, current, 1 - min(self.decay, (1 + steps) / (10 + steps)))
        for buffer, value in zip(self.module.buffers(), model.buffers(), strict=True):
            buffer.copy_(value)

        self.n_averaged += 1
        self._steps = steps + 1

    def _load_from_state_dict(self, *args: Any, **keywords: Any) -> None:
        super()._load_from_state_dict(*args, **keywords)
        self._steps = None


def _scale_groups(channels: Channels) -> tuple[int, ...]:
    """Number of the scale of each variable; both components of a vector share one."""
    group = list(range(channels.count))
    for x, y in channels.vectors:
        group[y] = x

    numbers = sorted(set(group))
    return tuple(numbers.index(number) for number in group)
