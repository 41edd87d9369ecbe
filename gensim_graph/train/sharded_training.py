"""Training with weights that are distributed over the processes: ``trainer.strategy=fsdp``.

Every process keeps a part of the weights, of their average and of the moments of the optimiser (``fully_shard`` of
PyTorch). :class:`FullySharded` goes into Lightning's trainer, and :class:`ShardedTraining` is what it trains.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, cast

import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict, set_optimizer_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from gensim_graph.config import TrainerConfig
from gensim_graph.nn import Operator
from gensim_graph.train.training_module import TrainingModule
from gensim_graph.typing import Tensor


def is_sharded(config: TrainerConfig) -> bool:
    """Return True if the weights of a training are distributed over several processes.

    Args:
        config: the strategy, devices and machines decide.
    """
    return config.strategy == "fsdp" and config.devices * config.num_nodes > 1


class FullySharded(ModelParallelStrategy):
    """Lightning's strategy, which also resumes a run that one process began, or several with other strategies."""

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Load weights and moments into their parts.

        Lightning numbers the weights as the module has them, and here they are numbered as the optimiser has them.

        Args:
            checkpoint_path: the file.
            weights_only: given by Lightning; nothing but tensors, numbers and text is read.
        """
        assert self.model is not None
        checkpoint = torch.load(self.broadcast(checkpoint_path), map_location="cpu", weights_only=True, mmap=True)
        options = StateDictOptions(full_state_dict=True, strict=False)  # weights without gradients have no moments
        set_model_state_dict(self.model, checkpoint["state_dict"], options=options)

        name_of = {weight: name for name, weight in self.model.named_parameters()}
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            numbers = [number for group in saved["param_groups"] for number in group["params"]]
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            names = {number: name_of[weight] for number, weight in zip(numbers, weights, strict=True)}

            groups = [
                {**group, "params": [names[number] for number in group["params"]]} for group in saved["param_groups"]
            ]
            moments = {names[number]: state for number, state in saved["state"].items()}
            named: dict[str, Any] = {"state": moments, "param_groups": groups}
            set_optimizer_state_dict(self.model, optimizer, named, options=options)

        return cast(dict[str, Any], checkpoint)


class ShardedTraining(TrainingModule):
    """Training with weights, average and optimiser state that are distributed over the processes (FSDP2).

    The network is not compiled. Checkpoints contain the whole state, in the form in which one process saves it.
    """

    _whole: list[Operator]
    """The network with the averaged weights of the last :meth:`gather_average`; a list is no part of the module."""

    def configure_model(self) -> None:
        """Distribute the weights; Lightning calls this when the processes are connected."""
        operator = cast(Operator, self.average.module)
        self._whole = [deepcopy(operator)]
        processes = cast(ModelParallelStrategy, self.trainer.strategy).device_mesh["data_parallel"]

        shard(self.scale_model, processes)
        shard(self.operator, processes, ["prepare", "velocity"])
        shard(operator, processes, ["prepare", "velocity"])

    def _network(self) -> Callable[..., Tensor]:
        return self._evaluate

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *args: Any, **keywords: Any) -> None:
        """Clip the gradient of the network by its norm over all processes.

        Args:
            optimizer, *args, **keywords: given by Lightning, not used.
        """
        self.gradient_norm = whole(nn.utils.clip_grad_norm_(self.operator.parameters(), self.config.clip))
        if self.trainer.precision != "16-mixed":
            self._remember("gradient", self.gradient_norm)

    def on_train_end(self) -> None:
        """Collect the averaged weights while the processes are still connected."""
        self.gather_average()

    def gather_average(self) -> None:
        """Collect the averaged weights from all processes, all of which have to call this."""
        state = self.average.module.state_dict()
        self._whole[0].load_state_dict({name: whole(value) for name, value in state.items()})

    @property
    def averaged(self) -> Operator:
        """The network with the averaged weights of the last :meth:`gather_average`."""
        return self._whole[0] if hasattr(self, "_whole") else cast(Operator, self.average.module)


def build_module(operator: Operator, config: TrainerConfig) -> TrainingModule:
    """Build what is trained.

    Args:
        operator: the network.
        config: the strategy chooses the class.
    """
    return ShardedTraining(operator, config) if is_sharded(config) else TrainingModule(operator, config)


def gather_average(module: TrainingModule) -> None:
    """Collect distributed averaged weights; all processes have to call this before :func:`averaged_network`.

    Args:
        module: what is trained; without distributed weights, nothing happens.
    """
    if isinstance(module, ShardedTraining):
        module.gather_average()


def averaged_network(module: TrainingModule) -> Operator:
    """Return the network with the averaged weights.

    Args:
        module: what is trained.
    """
    return module.averaged if isinstance(module, ShardedTraining) else cast(Operator, module.average.module)


def shard(module: nn.Module, processes: DeviceMesh, methods: Sequence[str] = ()) -> None:
    """Give every process a part of each weight; the whole weights exist only while the module computes.

    Args:
        module: its weights become distributed tensors.
        processes: that share the weights.
        methods: names of the methods that compute, besides ``forward``.
    """
    # Networks have weights without any value, for channels that they lack; PyTorch cannot distribute those.
    empty = {weight for weight in module.parameters() if not weight.numel()}
    for weight in empty:
        weight.requires_grad_(False)

    fully_shard(module, mesh=processes, reshard_after_forward=True, ignored_params=empty)
    for method in methods:
        register_fsdp_forward_method(module, method)


def whole(value: Tensor) -> Tensor:
    """Return a tensor with the parts of all processes, all of which have to call this; others are returned unchanged.

    Args:
        value: any tensor, distributed or not.
    """
    return value.full_tensor() if isinstance(value, DTensor) else value
