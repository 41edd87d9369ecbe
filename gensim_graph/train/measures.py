"""Measures of the optimisation for the record: loss, gradient norm, learning rate, samples and steps a second."""

import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from gensim_graph.train.training_module import TrainingModule


class Measures(Callback):
    """Write the measures of a training at regular steps; the loss is the mean since the last time.

    Args:
        every: steps between two rows of the record.
        samples: samples in a step, of all processes together.
    """

    def __init__(self, every: int, samples: int) -> None:
        self.every, self.samples = every, samples
        self._losses: list[float] = []
        self._begin = time.perf_counter()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock.

        Args:
            trainer: Lightning's trainer, not used.
            pl_module: what is trained, not used.
        """
        self._begin = time.perf_counter()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Take the loss of a step, and write if it is due.

        Args:
            trainer: Lightning's trainer.
            pl_module: what is trained.
            *args: outputs, batch and its number, not used.
        """
        self._losses.append(float(trainer.callback_metrics["loss"]))
        if trainer.global_step % self.every and trainer.global_step != trainer.max_steps:
            return

        assert isinstance(pl_module, TrainingModule)
        seconds = time.perf_counter() - self._begin
        steps = len(self._losses)
        measures = {
            "loss": sum(self._losses) / steps,
            "gradient_norm": pl_module.gradient_norm,
            "learning_rate": pl_module.config.learning_rate * pl_module.rate(trainer.global_step - 1),
            "samples_per_second": steps * self.samples / seconds,
        }
        for logger in trainer.loggers:
            logger.log_metrics(measures, trainer.global_step)

        self._losses.clear()
        self._begin = time.perf_counter()
