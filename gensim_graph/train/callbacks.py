"""Callbacks of the training: complete checkpoints, a stop on Ctrl-C, and a progress bar with loss and time left."""

import math
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from gensim_graph.system import one_line_bar, write_atomically
from gensim_graph.train.processes import any_process
from gensim_graph.train.training_module import TrainingModule
from gensim_graph.typing import Tensor

_SECONDS_BETWEEN_READINGS = 0.5
"""Of the loss in the progress bar."""


class Checkpoint(Callback):
    """Save the whole state of the training at regular steps, at the end, and when it is stopped.

    Args:
        path: the file; it is replaced as a whole.
        every: steps between checkpoints.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self._saved = -1

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Save if this step is due.

        Args:
            trainer: Lightning's trainer.
            *args: module, outputs, batch and its number, not used.
        """
        if trainer.global_step % self.every == 0 or trainer.should_stop:
            self._save(trainer)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the last step.

        Args:
            trainer: Lightning's trainer.
            pl_module: what is trained, not used.
        """
        self._save(trainer)

    def _save(self, trainer: lightning.Trainer) -> None:
        if trainer.global_step != self._saved:
            cast(TrainingModule, trainer.lightning_module).check_finite()
            self._saved = trainer.global_step
            self._write(trainer)

    def _write(self, trainer: lightning.Trainer) -> None:
        """Write the checkpoint; all processes take part in it, and the first one writes."""
        if trainer.is_global_zero:
            write_atomically(self.path, lambda path: trainer.save_checkpoint(path))
        else:
            trainer.save_checkpoint(self.path.with_suffix(".unused"))


class StopOnInterrupt(Callback):
    """Stop the training on Ctrl-C or SIGTERM at the end of the step, so that a complete step is saved.

    A second signal stops at once. This callback has to come before :class:`Checkpoint` in the list.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._signal = signal.SIGINT
        self._previous: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Replace the handlers of the signals; only the main thread may do so.

        Args:
            trainer: Lightning's trainer, not used.
            pl_module: what is trained, not used.
        """
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._signal = signal.Signals(number)
        if self.stopped:
            self.exit()
        self.stopped = True

    def exit(self) -> NoReturn:
        """End the program in the way that belongs to the signal.

        Raises:
            KeyboardInterrupt: after Ctrl-C.
            SystemExit: after SIGTERM, with exit code 143.
        """
        if self._signal == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Stop after this step if a signal came.

        Args:
            trainer: Lightning's trainer.
            *args: not used.
        """
        self.stopped = any_process(self.stopped, trainer.strategy.root_device)
        trainer.should_stop = trainer.should_stop or self.stopped

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Restore the handlers of the signals.

        Args:
            trainer: Lightning's trainer, not used.
            pl_module: what is trained, not used.
        """
        self._restore_handlers()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Restore the handlers of the signals.

        Args:
            trainer: Lightning's trainer, not used.
            pl_module: what is trained, not used.
            *args: the error, not used.
        """
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}


class TrainingProgress(Callback):
    """Progress bar in one line: steps, smoothed loss, samples per second, time left.

    Args:
        max_steps: steps of the run.
        samples: samples in a step.
    """

    def __init__(self, max_steps: int, samples: int) -> None:
        self.max_steps, self.samples = max_steps, samples
        self.loss: float | None = None  # smoothed
        self._unread: list[Tensor] = []  # losses on the device; to read one makes the processor wait for it
        self._read = -math.inf  # time of the last reading
        details = [
            ("{task.completed:.0f}/{task.total:.0f}", 2 * len(str(max_steps)) + 1),
            ("loss {task.fields[loss]}", 11),
            ("{task.fields[rate]} samples/s", 15),
        ]
        self.bar = one_line_bar("training", details)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the bar.

        Args:
            trainer: Lightning's trainer.
            pl_module: what is trained, not used.
        """
        self.task = self.bar.add_task("", total=self.max_steps, completed=trainer.global_step, loss="-", rate="-")
        self.bar.start()

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Advance the bar by a step.

        Args:
            trainer: Lightning's trainer.
            *args: not used.
        """
        self._unread.append(trainer.callback_metrics["loss"])
        now = time.perf_counter()
        if now - self._read < _SECONDS_BETWEEN_READINGS and trainer.global_step < self.max_steps:
            self.bar.update(self.task, completed=trainer.global_step)
            return

        for loss in torch.stack(self._unread).tolist():
            self.loss = loss if self.loss is None else 0.98 * self.loss + 0.02 * loss
        self._unread, self._read = [], now
        speed = self.bar.tasks[self.task].speed
        rate = f"{speed * self.samples:.1f}" if speed else "-"
        self.bar.update(self.task, completed=trainer.global_step, loss=f"{self.loss:+.3f}", rate=rate)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the bar; its last line stays on the screen.

        Args:
            trainer: Lightning's trainer, not used.
            pl_module: what is trained, not used.
        """
        self.bar.stop()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Stop the bar, so that the terminal can be used again.

        Args:
            trainer: Lightning's trainer, not used.
            pl_module: what is trained, not used.
            *args: the error, not used.
        """
        self.bar.stop()
