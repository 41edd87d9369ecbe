"""Lightning's trainer: built from our configuration, fed with our samples, and silenced where our messages say more."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.profilers import SimpleProfiler
from lightning.pytorch.strategies import Strategy

from gensim_graph.config import TrainerConfig
from gensim_graph.errors import InputError
from gensim_graph.train.batch_loader import BatchLoader
from gensim_graph.train.processes import check_launch
from gensim_graph.train.sharded_training import FullySharded, is_sharded
from gensim_graph.train.training_module import TrainingModule

_PROFILE = "profile"
"""Lightning writes ``fit-profile.txt``."""

_LOST_PROCESS = ("Connection closed by peer", "Connection reset", "Broken pipe", "NCCL", "Socket Timeout", "gloo")
"""Parts of the messages of PyTorch when a process of a distributed training is gone."""


def build_trainer(config: TrainerConfig, folder: Path, callbacks: list[Any], loggers: list[Any]) -> lightning.Trainer:
    """Build the trainer of a run.

    Args:
        config: steps, devices and precision.
        folder: of the run.
        callbacks: called by Lightning in this order.
        loggers: get the measures of the training.

    Raises:
        InputError: the accelerator or the precision does not exist here, or torchrun or srun started another number
            of processes.
    """
    check_launch(config.devices, config.num_nodes)
    try:
        return lightning.Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=_strategy(config),
            precision=config.precision,  # type: ignore[arg-type]
            max_steps=config.max_steps,
            default_root_dir=folder,
            callbacks=callbacks,
            logger=loggers,
            profiler=SimpleProfiler(dirpath=folder, filename=_PROFILE) if config.profile else None,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise InputError(
            f"trainer.accelerator={config.accelerator}, trainer.devices={config.devices}, "
            f"trainer.strategy={config.strategy}, trainer.precision={config.precision}: {error}"
        ) from None


def _strategy(config: TrainerConfig) -> str | Strategy:
    """Strategy of Lightning for the configured devices.

    ``ddp``: some weights have no gradient in some networks, for instance those of the scale model of a deterministic
    twin; PyTorch has to look for them.

    ``fsdp``: see :mod:`~gensim_graph.train.sharded_training`. Lightning's own ``fsdp`` needs a GPU, and cuts weights
    and their average at different places, so that the average could not be updated.
    """
    if is_sharded(config):
        processes = config.devices * config.num_nodes
        return FullySharded(processes, tensor_parallel_size=1, save_distributed_checkpoint=False)
    if config.devices * config.num_nodes > 1 and config.strategy in ("auto", "ddp"):
        return "ddp_find_unused_parameters_true"
    return "auto" if config.strategy == "fsdp" else config.strategy


def run_trainer(
    trainer: lightning.Trainer, module: TrainingModule, batches: BatchLoader, checkpoint: Path | None
) -> None:
    """Train until the last step.

    Args:
        trainer: from :func:`build_trainer`.
        module: what is trained.
        batches: the batches of this process.
        checkpoint: file to resume from; None starts at step 0.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed a second time.
        InputError: another process of a distributed training ended.
    """
    try:
        trainer.fit(module, batches, ckpt_path=checkpoint, weights_only=True)
    except RuntimeError as error:
        if trainer.world_size == 1 or not any(word in str(error) for word in _LOST_PROCESS):
            raise
        raise InputError(
            f"another process of this training ended at step {trainer.global_step} "
            f"({' '.join(str(error).split())[:120]}); the same command goes on from the last checkpoint"
        ) from error
    except SystemExit as error:  # Lightning turns an interruption into this
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's messages and warnings inside; ours say what a user needs."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
