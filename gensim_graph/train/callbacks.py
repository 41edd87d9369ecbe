"""Callbacks: checkpoints that are whole, a stop on Ctrl-C, and a progress bar with loss, rate and time left."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gensim_graph.system import write_atomically


class Checkpoint(Callback):
    """Save the whole state of the training every so many steps, when it ends and when it is told to stop.

    Args:
        path: the file; it is replaced in one go.
        every: steps between checkpoints.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self._saved = -1

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Save when it is time."""
        if trainer.global_step % self.every == 0 or trainer.should_stop:
            self._save(trainer)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the end."""
        self._save(trainer)

    def _save(self, trainer: lightning.Trainer) -> None:
        if trainer.global_step != self._saved:
            self._saved = trainer.global_step
            write_atomically(self.path, lambda path: trainer.save_checkpoint(path))


class StopOnInterrupt(Callback):
    """Let Ctrl-C stop the training at the end of the step, so that what is saved is a whole step.

    A second Ctrl-C stops at once. Stands before :class:`Checkpoint` among the callbacks.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._previous: Any = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take over the signal, which only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Stop after this step."""
        trainer.should_stop = trainer.should_stop or self.stopped

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Give the signal back."""
        self._give_back()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Give the signal back."""
        self._give_back()

    def _give_back(self) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None


class TrainingProgress(Callback):
    """One line: steps, loss (smoothed), samples a second, time left."""

    def __init__(self, max_steps: int, samples: int) -> None:
        self.max_steps, self.samples = max_steps, samples
        self.loss: float | None = None
        self.bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  {task.fields[rate]} samples/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            refresh_per_second=2,
        )

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the bar."""
        self.task = self.bar.add_task("", total=self.max_steps, completed=trainer.global_step, loss="-", rate="-")
        self.bar.start()

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Advance."""
        loss = float(trainer.callback_metrics["loss"])
        self.loss = loss if self.loss is None else 0.98 * self.loss + 0.02 * loss
        speed = self.bar.tasks[self.task].speed
        rate = f"{speed * self.samples:.1f}" if speed else "-"
        self.bar.update(self.task, completed=trainer.global_step, loss=f"{self.loss:+.3f}", rate=rate)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leave the last line standing."""
        self.bar.stop()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Give the terminal back."""
        self.bar.stop()
