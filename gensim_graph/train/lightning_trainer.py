"""Lightning's trainer: built from our configuration, fed with our samples, and silenced where our messages say more."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from gensim_graph.config import TrainerConfig
from gensim_graph.data import TrainingSamples, collate
from gensim_graph.errors import InputError
from gensim_graph.train.training_module import TrainingModule


def build_trainer(config: TrainerConfig, folder: Path, callbacks: list[Any]) -> lightning.Trainer:
    """Build the trainer of a run.

    Args:
        config: steps, accelerator and precision.
        folder: of the run.
        callbacks: called by Lightning in this order.

    Raises:
        InputError: the accelerator or the precision does not exist here.
    """
    try:
        return lightning.Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            precision=config.precision,  # type: ignore[arg-type]
            max_steps=config.max_steps,
            callbacks=callbacks,
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise InputError(
            f"trainer.accelerator={config.accelerator}, trainer.precision={config.precision}: {error}"
        ) from None


def load_batches(samples: TrainingSamples, batch: int, first_step: int, trainer: lightning.Trainer) -> DataLoader:
    """Return the batches of a run from one step on, always in the same order.

    Args:
        samples: all samples of the run.
        batch: samples in a batch.
        first_step: number of steps that are done.
        trainer: gives the number of processes and the rank of this one.
    """
    last_step = len(samples) // (batch * trainer.world_size)
    batches = _BatchNumbers(first_step, last_step, batch, trainer.global_rank, trainer.world_size)
    return DataLoader(samples, batch_sampler=batches, collate_fn=collate)


class _BatchNumbers:
    """Numbers of the samples in each batch. In every step, the process of rank r takes the r-th batch."""

    def __init__(self, start: int, stop: int, size: int, rank: int, world: int) -> None:
        self.start, self.stop, self.size = start, stop, size
        self.rank, self.world = rank, world

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.start, self.stop):
            first = (step * self.world + self.rank) * self.size
            yield list(range(first, first + self.size))


def run_trainer(
    trainer: lightning.Trainer, module: TrainingModule, batches: DataLoader, checkpoint: Path | None
) -> None:
    """Train until the last step.

    Args:
        trainer: from :func:`build_trainer`.
        module: what is trained.
        batches: from :func:`load_batches`.
        checkpoint: file to resume from; None starts at step 0.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed a second time.
    """
    try:
        trainer.fit(module, batches, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as error:  # Lightning turns an interruption into this
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's messages and warnings inside; ours say what a user needs."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning.*")
            yield
    finally:
        logger.setLevel(level)
