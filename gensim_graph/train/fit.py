"""Train a surrogate: plan, check, fit, resume by running the same command again.

The folder of a run holds ``run.json`` (what it is), ``last.ckpt`` (the whole state of the training) and, at the end,
the surrogate (``weights.safetensors``, ``surrogate.json``).
"""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import lightning
import numpy as np
import torch
import xarray as xr
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from gensim_graph.config import RunConfig, TrainerConfig, compose_config
from gensim_graph.data import (
    Normaliser,
    SamplingConfig,
    TrainingSamples,
    Trajectories,
    collate,
    open_stores,
    statistics_of,
)
from gensim_graph.data.sample import cyclone_trajectories
from gensim_graph.data.store import Source
from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.nn import VelocityOperator
from gensim_graph.surrogate import Surrogate
from gensim_graph.train.callbacks import Checkpoint, StopOnInterrupt, TrainingProgress
from gensim_graph.train.module import TrainingModule
from gensim_graph.typing import Path
from gensim_graph.variables import VariableTable, default_variables
from gensim_graph.writing import write_atomically

log = logging.getLogger(__name__)

FORMAT_VERSION = 1
"""Of ``run.json``."""


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that is known before the first step.

    Attributes:
        config: resolved configuration.
        data: trajectories, by mesh.
        normaliser: variable table and statistics of the data.
    """

    config: RunConfig
    data: list[Trajectories]
    normaliser: Normaliser

    def operator(self) -> VelocityOperator:
        """The network with its initial weights, a function of the seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.config.trainer.seed)
            return VelocityOperator(
                self.config.operator, self.normaliser.state_channels, self.normaliser.condition_channels
            )

    def identity(self) -> dict[str, Any]:
        """What makes two runs the same: configuration, meshes, data, variables."""
        return {
            "format_version": FORMAT_VERSION,
            "config": json.loads(json.dumps(self.config.to_dict())),
            "meshes": [part.mesh.hash for part in self.data],
            "pairs": [part.n_pairs for part in self.data],
            "statistics": json.loads(json.dumps(self.normaliser.statistics.to_dict())),
            "variables": [variable.name for variable in self.normaliser.table.variables],
        }


def plan_training(
    mesh: Mesh | None = None,
    data: Source | Sequence[Source] | None = None,
    config: RunConfig | None = None,
    variables: VariableTable | None = None,
) -> TrainingPlan:
    """Read and check everything that a training needs.

    Args:
        mesh: the mesh to train on; data on another mesh of the same domain are remapped. None trains on the meshes
            that the data come on, together.
        data: files or datasets; None takes the training part of the built-in cyclone.
        config: configuration; None for the ``tiny`` preset.
        variables: the variable table; None for the default.

    Raises:
        InputError: anything wrong with the data, see :func:`~gensim_graph.open_store`.
    """
    config, table = config or compose_config(), variables or default_variables()
    sources = [str(path) for path in cyclone_trajectories("train")] if data is None else data
    lead = config.data.lead
    stores: list[xr.Dataset] = open_stores(sources, mesh, table)
    trajectories = [Trajectories.from_dataset(store, table, lead) for store in stores]
    statistics = statistics_of(trajectories, table, lead / np.timedelta64(1, "h"))
    return TrainingPlan(config, trajectories, Normaliser(table, statistics))


def train(
    mesh: Mesh | None = None,
    data: Source | Sequence[Source] | None = None,
    preset: str = "tiny",
    max_steps: int | None = None,
    *,
    out: Path = "run",
    overrides: Sequence[str] = (),
    variables: VariableTable | None = None,
    progress: bool = True,
) -> Surrogate:
    """Train a surrogate, or go on with a training that was cut off.

    Args:
        mesh, data, variables: see :func:`plan_training`.
        preset: size of the operator.
        max_steps: optimisation steps; short for ``trainer.max_steps=...``.
        out: folder of the run. The same call on a folder with an unfinished run resumes it, bit for bit on a CPU.
        overrides: Hydra overrides, for instance ``["data.batch=16", "trainer.seed=1"]``.
        progress: show a progress bar.

    Returns:
        The surrogate with the averaged weights, also saved in ``out``.

    Raises:
        InputError: wrong data or configuration, or a folder that holds something else.
    """
    steps = [] if max_steps is None else [f"trainer.max_steps={max_steps}"]
    config = compose_config(preset, [*steps, *overrides])
    folder = FilePath(out)
    check_folder(folder)
    plan = plan_training(mesh, data, config, variables)
    return fit(plan, folder, progress)


def check_folder(folder: FilePath) -> None:
    """Refuse a folder that is neither empty nor a run of ours, or that cannot be."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / "run.json").exists()):
        raise InputError(f"{folder}: exists and is not a training run; choose another folder with --out")
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if not above.is_dir():
        raise InputError(f"{folder}: {above} is a file, not a folder; choose another folder with --out")


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
        _open_folder(folder, plan)
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)  # the scale model starts from the seed too
            module = TrainingModule(plan.operator(), config)
        start = _steps_done(checkpoint, module, config.max_steps)
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


def _open_folder(folder: FilePath, plan: TrainingPlan) -> None:
    """Begin a run, or make sure that what it goes on with is the same; a start that came to nothing is forgotten."""
    check_folder(folder)
    identity, path = plan.identity(), folder / "run.json"
    if (folder / "last.ckpt").exists() or (folder / "surrogate.json").exists():
        changed = _differences(_previous_run(path), identity)
        if changed:
            raise InputError(
                f"{folder}: holds a run with other settings ({', '.join(changed)}); choose another folder with "
                "--out, or give the settings it was started with to resume it"
            )
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda part: part.write_text(json.dumps(identity, indent=1)))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error}); choose another folder with --out") from None


def _previous_run(path: FilePath) -> dict[str, Any]:
    try:
        previous = json.loads(path.read_text())
        version = previous["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error!r}), so the run cannot be resumed; choose another folder with --out"
        ) from None
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path}: expected format_version {FORMAT_VERSION}, came {version}; resume it with the version of "
            "gensim_graph that began it, or choose another folder with --out"
        )
    return previous


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [row for key in keys for row in _differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))]
    return [] if old == new else [name.removeprefix("config.")]


def _steps_done(checkpoint: FilePath, module: TrainingModule, max_steps: int) -> int:
    """Steps in the checkpoint of this module, 0 without one."""
    if not checkpoint.exists():
        return 0
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=False, mmap=True)
        steps, weights = state["global_step"], {name: value.shape for name, value in state["state_dict"].items()}
        missing = {"optimizer_states", "lr_schedulers", "loops"} - state.keys()
    except Exception as error:
        raise InputError(f"{checkpoint}: cannot be read ({error!r}); delete it to start the run anew") from None
    if not isinstance(steps, int) or not 1 <= steps <= max_steps:
        missing.add(f"a global_step from 1 to {max_steps}, came {steps!r}")
    if weights != {name: value.shape for name, value in module.state_dict().items()}:
        missing.add("the weights of this operator")
    if missing:
        raise InputError(f"{checkpoint}: lacks {'; '.join(sorted(missing))}; delete it to start the run anew")
    return steps


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
    operator = plan.operator()
    operator.load_state_dict(module.average.module.state_dict())
    information = {
        "steps": config.trainer.max_steps,
        "batch": config.data.batch,
        "seed": config.trainer.seed,
        "parameters": operator.n_parameters,
        "trained_on": [f"{part.mesh.n_faces} faces, {len(part.state)} trajectories" for part in plan.data],
    }
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
