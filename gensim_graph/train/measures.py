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
        self._begin, self._steps = time.perf_counter(), 0  # steps since then

    def state_dict(self) -> dict[str, Any]:
        """Return the losses since the last row, for the checkpoint."""
        return {"losses": list(self._losses)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint; those of earlier versions have no losses."""
        self._losses = list(state_dict.get("losses", []))

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock.

        Args:
            trainer: Lightning's trainer, not used.
            pl_module: what is trained, not used.
        """
        self._begin, self._steps = time.perf_counter(), 0

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Take the loss of a step, and write if it is due.

        Args:
            trainer: Lightning's trainer.
            pl_module: what is trained.
            *args: outputs, batch and its number, not used.
        """
        self._losses.append(float(trainer.callback_metrics["loss"]))
        self._steps += 1
        if trainer.global_step % self.every and trainer.global_step != trainer.max_steps:
            return

        assert isinstance(pl_module, TrainingModule)
        seconds = time.perf_counter() - self._begin
        measures = {
            "loss": sum(self._losses) / len(self._losses),
            "gradient_norm": pl_module.gradient_norm,
            "learning_rate": pl_module.config.learning_rate * pl_module.rate(trainer.global_step - 1),
            "samples_per_second": self._steps * self.samples / seconds,
        }
        for logger in trainer.loggers:
            logger.log_metrics(measures, trainer.global_step)

        self._losses.clear()
        self._begin, self._steps = time.perf_counter(), 0
