"""Measures of the optimisation for the record: loss, gradient norm, learning rate, samples a second, waiting."""

import logging
import time
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from gensim_graph.train.loop import WaitingTime
from gensim_graph.train.training_module import TrainingModule
from gensim_graph.typing import Tensor

log = logging.getLogger(__name__)

_LONG_WAITING = 0.1
"""Part of the time above which the user is told that the training waits for its samples."""


class Measures(Callback):
    """Write the measures of a training at regular steps; the loss is the mean since the last time.

    Args:
        every: steps between two rows of the record.
        samples: samples in a step, of all processes together.
        waiting: clock of the loader; None records no waiting.
    """

    def __init__(self, every: int, samples: int, waiting: WaitingTime | None = None) -> None:
        self.every, self.samples, self.waiting = every, samples, waiting
        self._rows: list[tuple[float, float]] = []  # seconds in all and waited, of every row
        self._losses: list[Tensor] = []  # on the device; to read one makes the processor wait for it
        self._begin, self._steps = time.perf_counter(), 0  # steps since then

    def state_dict(self) -> dict[str, Any]:
        """Return the losses since the last row, for the checkpoint."""
        return {"losses": self._read_losses()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint; those of earlier versions have no losses."""
        self._losses = [torch.tensor(loss) for loss in state_dict.get("losses", [])]

    def _read_losses(self) -> list[float]:
        if not self._losses:
            return []
        device = self._losses[-1].device  # those of a checkpoint are on the processor
        return torch.stack([loss.to(device) for loss in self._losses]).tolist()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clocks.

        Args:
            trainer: Lightning's trainer, not used.
            pl_module: what is trained, not used.
        """
        self._begin, self._steps = time.perf_counter(), 0
        if self.waiting:
            self.waiting.take()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Keep the loss of a step, and write if it is due.

        Args:
            trainer: Lightning's trainer.
            pl_module: what is trained.
            *args: outputs, batch and its number, not used.
        """
        self._losses.append(trainer.callback_metrics["loss"])
        self._steps += 1
        if trainer.global_step % self.every and trainer.global_step != trainer.max_steps:
            return

        assert isinstance(pl_module, TrainingModule)
        pl_module.check_finite()
        losses = self._read_losses()
        seconds = time.perf_counter() - self._begin  # after the device has done the steps
        measures = {
            "loss": sum(losses) / len(losses),
            "gradient_norm": float(pl_module.gradient_norm),
            "learning_rate": pl_module.config.learning_rate * pl_module.rate(trainer.global_step - 1),
            "samples_per_second": self._steps * self.samples / seconds,
        }
        if self.waiting:
            waited = self.waiting.take()
            self._rows.append((seconds, waited))
            measures["waiting"] = waited / seconds
        for logger in trainer.loggers:
            logger.log_metrics(measures, trainer.global_step)

        self._losses.clear()
        self._begin, self._steps = time.perf_counter(), 0

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Warn once if the training waited long for its samples; the first row, with all preparations, does not count.

        Args:
            trainer: Lightning's trainer.
            pl_module: what is trained, not used.
        """
        seconds, waited = (sum(column) for column in zip((0.0, 0.0), *self._rows[1:], strict=True))
        if trainer.is_global_zero and waited > _LONG_WAITING * seconds:
            log.warning(
                "the training waited for its samples in %.0f %% of the time; more processes make them faster: raise "
                "data.workers, in a job of a cluster together with the number of its cores",
                100 * waited / seconds,
            )
