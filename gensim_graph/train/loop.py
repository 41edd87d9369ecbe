"""Train a surrogate, and resume by running the same command again. Read plan, then folder, then this.

The folder of a run holds ``run.json`` (what it is), ``last.ckpt`` (the whole state of the training) and, at the end,
the surrogate (``weights.safetensors``, ``surrogate.json``).
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, cast

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from gensim_graph.config import TrainerConfig, compose_config
from gensim_graph.data import (
    SamplingConfig,
    TrainingSamples,
    collate,
)
from gensim_graph.errors import InputError
from gensim_graph.io import Source
from gensim_graph.mesh import Mesh
from gensim_graph.nn import Operator
from gensim_graph.surrogate import Surrogate
from gensim_graph.train.callbacks import Checkpoint, StopOnInterrupt, TrainingProgress
from gensim_graph.train.folder import check_folder, open_folder, training_steps_done
from gensim_graph.train.module import TrainingModule
from gensim_graph.train.plan import TrainingPlan, config_of, plan_training
from gensim_graph.train.simulated import plan_simulation
from gensim_graph.typing import Path
from gensim_graph.variables import VariableTable

log = logging.getLogger(__name__)


def train(
    mesh: Mesh | None = None,
    data: Source | Sequence[Source] | None = None,
    preset: str = "tiny",
    max_steps: int | None = None,
    *,
    out: Path = "run",
    overrides: Sequence[str] = (),
    variables: VariableTable | None = None,
    start: Path | Surrogate | None = None,
    progress: bool = True,
) -> Surrogate:
    """Train a surrogate, or go on with a training that was cut off.

    Args:
        mesh, variables: see :func:`plan_training`.
        data: files or datasets; None takes the built-in cyclone for its own meshes or without a mesh, and simulates ice
            on any other mesh, once, into ``out``.
        preset: size of the operator.
        max_steps: optimisation steps; short for ``trainer.max_steps=...``.
        out: folder of the run. The same call on a folder with an unfinished run resumes it, bit for bit on a CPU.
        overrides: Hydra overrides, for instance ``["data.batch=16", "trainer.seed=1"]``.
        start: a trained model to go on from with these data: a folder, the name of one that ships (``small``), or the
            surrogate. Its size, variables and statistics are kept, ``preset`` is not looked at.
        progress: show a progress bar.

    Returns:
        The surrogate with the averaged weights, also saved in ``out``.

    Raises:
        InputError: wrong data or configuration, or a folder that holds something else.
    """
    steps = [] if max_steps is None else [f"trainer.max_steps={max_steps}"]
    config = compose_config(preset, [*steps, *overrides])
    model = start if start is None or isinstance(start, Surrogate) else Surrogate.load(start)

    if model:
        config = config_of(model, config, overrides)

    folder = FilePath(out)
    check_folder(folder)
    simulated = plan_simulation(mesh, folder, config.trainer.seed) if data is None else None

    if simulated is not None:
        if not simulated.is_there:
            simulated.announce()
        data = simulated.write(progress)

    plan = plan_training(mesh, data, config, variables, model)
    return fit(plan, folder, progress)


def fit(plan: TrainingPlan, folder: FilePath, progress: bool = True) -> Surrogate:
    """Carry out a plan in a folder.

    Raises:
        InputError: the folder holds another run, or the loss is not finite; the last checkpoint stays.
        KeyboardInterrupt: Ctrl-C, once the step is done and saved.
    """
    config, checkpoint = plan.config.trainer, folder / "last.ckpt"
    interrupt = StopOnInterrupt()
    callbacks: list[Any] = [interrupt, Checkpoint(checkpoint, config.save_every)]

    if progress:
        callbacks.append(TrainingProgress(config.max_steps, plan.config.data.batch))

    with warnings.catch_warnings(), _quiet():
        warnings.filterwarnings("ignore", module="lightning.*")
        trainer = _trainer(config, folder, callbacks)
        open_folder(folder, plan)

        with torch.random.fork_rng():
            torch.manual_seed(config.seed)  # the scale model starts from the seed too
            module = TrainingModule(plan.operator(), config)

        start = training_steps_done(checkpoint, module, config.max_steps)
        if start < config.max_steps:
            loader = _loader(_samples(plan), plan.config.data, start, trainer)
            _run(trainer, module, loader, checkpoint if start else None)
        else:
            log.warning("%s: already trained for %d steps", folder, start)
            module.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"])

    if interrupt.stopped and trainer.global_step < config.max_steps:
        log.warning("%s: stopped after %d steps; the same command goes on from there", folder, trainer.global_step)
        raise KeyboardInterrupt

    return _finish(plan, module, folder)


def _run(trainer: lightning.Trainer, module: TrainingModule, loader: DataLoader, resume: FilePath | None) -> None:
    try:
        trainer.fit(module, loader, ckpt_path=resume, weights_only=False)
    except SystemExit as error:  # what Lightning makes of an interruption
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


def _trainer(config: TrainerConfig, folder: FilePath, callbacks: list[Any]) -> lightning.Trainer:
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


def _samples(plan: TrainingPlan) -> TrainingSamples:
    trainer = plan.config.trainer
    count = trainer.max_steps * plan.config.data.batch * trainer.devices
    return TrainingSamples(
        plan.data, plan.normaliser, plan.config.data, trainer.seed, count, deterministic=trainer.deterministic
    )


class _Batches:
    """Numbers of the samples of each batch, from a step on; a step of rank r takes the r-th batch of it."""

    def __init__(self, start: int, stop: int, size: int, rank: int, world: int) -> None:
        self.start, self.stop, self.size, self.rank, self.world = start, stop, size, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.start, self.stop):
            first = (step * self.world + self.rank) * self.size
            yield list(range(first, first + self.size))


def _loader(samples: TrainingSamples, config: SamplingConfig, start: int, trainer: lightning.Trainer) -> DataLoader:
    stop = len(samples) // (config.batch * trainer.world_size)
    batches = _Batches(start, stop, config.batch, trainer.global_rank, trainer.world_size)
    return DataLoader(samples, batch_sampler=batches, collate_fn=collate)


def _finish(plan: TrainingPlan, module: TrainingModule, folder: FilePath) -> Surrogate:
    config = plan.config
    operator = cast(Operator, module.average.module)
    information = {
        "steps": config.trainer.max_steps,
        "batch": config.data.batch,
        "seed": config.trainer.seed,
        "parameters": operator.n_parameters,
        "trained_on": "; ".join(f"{part.n_pairs} pairs on {part.mesh.n_faces} faces" for part in plan.data),
    }

    if plan.start:
        information["started_from"] = plan.start.information

    surrogate = Surrogate(operator.eval(), plan.normaliser, config.sampler, config.trainer.deterministic, information)
    surrogate.save(folder)

    return surrogate


class _quiet:  # noqa: N801 - a context manager reads like a function
    """Silence Lightning's announcements; ours say what a user needs."""

    def __enter__(self) -> None:
        self.logger = logging.getLogger("lightning.pytorch")
        self.level = self.logger.level
        self.logger.setLevel(logging.ERROR)

    def __exit__(self, *exception: object) -> None:
        self.logger.setLevel(self.level)
