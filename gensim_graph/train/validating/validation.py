"""Validation during a training: the loss on data held back, and now and then a small ensemble forecast of them.

Noise and flow times of the validation are the same every time, so that its loss changes with the weights alone. It is
the loss of the averaged weights, those of the surrogate.
"""

import time
from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from gensim_graph.data import TrainingData
from gensim_graph.surrogate import Surrogate
from gensim_graph.train.batch_loader import Share
from gensim_graph.train.processes import sum_over_processes
from gensim_graph.train.sharded_training import gather_average
from gensim_graph.train.training_module import AnyBatch, TrainingModule
from gensim_graph.train.validating.validation_forecast import forecast_scores

_FORECAST_SHARE = 0.02
"""Largest share of the computing time that forecasts may take; a forecast that would exceed it is left out."""


class Validation(Callback):
    """Compute the validation loss at regular steps, keep the best weights, and stop when they get no better.

    This callback has to come before :class:`~gensim_graph.train.callbacks.Checkpoint` in the list, which saves its
    state.

    Args:
        make_batches: makes the validation samples of one process.
        every: steps between two validations.
        patience: number of validations without improvement after which the training ends; 0 trains to the end.
        save_best: called when the weights are the best so far.
        forecaster: makes the scores of a forecast; None for losses only.
    """

    def __init__(
        self,
        make_batches: Callable[[Share], list[AnyBatch]],
        every: int,
        patience: int = 0,
        save_best: Callable[[TrainingModule], None] | None = None,
        forecaster: "Forecaster | None" = None,
    ) -> None:
        self.make_batches, self.every, self.patience = make_batches, every, patience
        self.save_best, self.forecaster = save_best, forecaster
        self.batches: list[AnyBatch] = []
        self.best, self.without_improvement = float("inf"), 0

    def state_dict(self) -> dict[str, Any]:
        """Return the best loss so far and how long ago it was, for the checkpoint."""
        return {"best": self.best, "without_improvement": self.without_improvement}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.best = float(state_dict["best"])
        self.without_improvement = int(state_dict["without_improvement"])

    @property
    def is_exhausted(self) -> bool:
        """True if the loss has not improved for as long as the patience lasts."""
        return 0 < self.patience <= self.without_improvement

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Make the samples; end a run at once that had lost its patience when it was saved.

        Args:
            trainer: Lightning's trainer.
            pl_module: what is trained, not used.
        """
        self.batches = self.make_batches(Share(trainer.global_rank, trainer.world_size))
        trainer.should_stop = trainer.should_stop or self.is_exhausted

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Validate if this step is due, or the last one.

        Args:
            trainer: Lightning's trainer.
            pl_module: what is trained.
            *args: outputs, batch and its number, not used.
        """
        step = trainer.global_step
        if step % self.every and step != trainer.max_steps:
            return

        assert isinstance(pl_module, TrainingModule)
        pl_module.check_finite()
        loss = validation_loss(pl_module, self.batches)
        measures = {"validation_loss": loss}
        gather_average(pl_module)

        if self.forecaster and trainer.is_global_zero:
            measures |= self.forecaster.scores(pl_module, step)

        self._keep_if_best(loss, pl_module, trainer)
        for logger in trainer.loggers:
            logger.log_metrics(measures, step)

    def _keep_if_best(self, loss: float, module: TrainingModule, trainer: lightning.Trainer) -> None:
        if loss >= self.best:
            self.without_improvement += 1
            trainer.should_stop = trainer.should_stop or self.is_exhausted
            return

        self.best, self.without_improvement = loss, 0
        if self.save_best and trainer.is_global_zero:
            self.save_best(module)


@torch.no_grad()
def validation_loss(module: TrainingModule, batches: list[AnyBatch]) -> float:
    """Compute the mean loss of the averaged weights, over the batches of all processes.

    Args:
        module: what is trained.
        batches: validation samples of this process.
    """
    sums = torch.zeros(2, dtype=torch.float64, device=module.device)
    for batch in batches:
        loss, weight = module.loss_of_average(module.transfer_batch_to_device(batch, module.device, 0))
        sums += torch.stack([loss, weight]).double()

    total, weight = sum_over_processes(sums).tolist()
    return total / weight


class Forecaster:
    """Makes small ensemble forecasts of validation data while a network is trained.

    Args:
        model: makes a step with the averaged weights of a module.
        data: validation data; the smallest mesh is used.
        every: steps of the training between two forecasts.
    """

    def __init__(self, model: Callable[[TrainingModule], Surrogate], data: list[TrainingData], every: int) -> None:
        self.model, self.every = model, every
        self.part = min(data, key=lambda part: part.mesh.n_faces)
        self._begin = time.process_time()
        self._spent = self._last = 0.0

    def scores(self, module: TrainingModule, step: int) -> dict[str, float]:
        """Return the scores of a forecast, or nothing if none is due or it would take too much time.

        Args:
            module: what is trained.
            step: number of steps that are done.
        """
        elapsed = time.process_time() - self._begin
        if step % self.every or self._spent + self._last > _FORECAST_SHARE * max(elapsed, 60.0):
            return {}

        begin = time.process_time()
        scores = forecast_scores(self.model(module), self.part)
        self._last = time.process_time() - begin
        self._spent += self._last

        return scores
