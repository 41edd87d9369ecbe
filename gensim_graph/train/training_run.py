"""Train a surrogate. The same call resumes a run that was interrupted; with more steps, a finished run goes on.

The folder of a run holds ``run.json`` (its settings), ``last.ckpt`` (the whole state of the training), ``metrics.csv``
and ``curves.png`` (its record), ``best/`` (the surrogate with the smallest validation loss) and, at the end, the
surrogate itself (``weights.safetensors``, ``surrogate.json``).
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path as FilePath

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from gensim_graph.config import compose_config
from gensim_graph.data import TrainingData, TrainingSamples
from gensim_graph.data.on_device import DeviceAssembly, belongs_on_device
from gensim_graph.data.rollouts import RolloutSamples
from gensim_graph.io import Source
from gensim_graph.mesh import Mesh
from gensim_graph.nn import is_compiled_on
from gensim_graph.surrogate import Surrogate, hemisphere_of_all
from gensim_graph.train.batch_loader import BatchLoader, BatchPadding, Share, spare_cores
from gensim_graph.train.callbacks import Checkpoint, StopOnInterrupt, TrainingProgress
from gensim_graph.train.learning_curves import draw_curves
from gensim_graph.train.lightning_trainer import build_trainer, quiet_lightning, run_trainer
from gensim_graph.train.loop import WaitingTime
from gensim_graph.train.measures import Measures
from gensim_graph.train.plan import TrainingPlan, config_of, plan_training
from gensim_graph.train.processes import is_first_process
from gensim_graph.train.rollouts import ConsistencyTraining, RolloutTraining
from gensim_graph.train.run_folder import (
    check_folder,
    keep_settings,
    lock_folder,
    open_folder,
    record_settings,
    training_steps_done,
)
from gensim_graph.train.sharded_training import averaged_network, build_module
from gensim_graph.train.simulated_data import plan_simulation
from gensim_graph.train.training_module import AnyBatch, TrainingModule
from gensim_graph.train.training_record import build_loggers, cut_record, has_record
from gensim_graph.train.validating import Forecaster, Validation
from gensim_graph.typing import Path
from gensim_graph.variables import VariableTable

log = logging.getLogger(__name__)

BEST = "best"
"""Folder within a run with the weights of the smallest validation loss."""

_VALIDATION_BATCHES = 4
_VALIDATION_SEED = 20_000_101
"""Seed of the noise and flow times of the validation, the same in every run."""

_BYTES_PER_WEIGHT = 36
"""Of a run folder: two checkpoints for a moment (value, average, two moments), and the model."""


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
    validation: Source | Sequence[Source] | None = None,
    forcing: Source | Sequence[Source] | None = None,
    progress: bool = True,
) -> Surrogate:
    """Train a surrogate, or resume a training that was interrupted.

    Args:
        mesh: the mesh to train on; data on another mesh of the same domain are remapped. None trains on the meshes of
            the data.
        data: files or datasets. None takes the built-in cyclone for its own meshes or without a mesh; for any other
            mesh it simulates ice, once, into ``out``.
        preset: size of the network.
        max_steps: optimisation steps; short for ``trainer.max_steps=...``.
        out: folder of the run. The same call on a folder with an unfinished run resumes it, bit for bit on a CPU; with
            more ``max_steps``, a finished run goes on.
        overrides: Hydra overrides, for instance ``["data.batch=16", "trainer.seed=1"]``.
        variables: the variable table; None for the default table, or the one of ``start``.
        start: a trained model to continue from with these data: a folder, the name of a model that ships (``small``),
            or the surrogate. Its size, variables and statistics are kept; ``preset`` is ignored.
        validation: files or datasets for the validation; None holds back a part of the data (``data.validation``).
        forcing: files or datasets with winds and temperatures on any grid and with any time step, such as ERA5; they
            are remapped and interpolated in time while the training reads them, and replace those of the data.
        progress: show a progress bar.

    Returns:
        The surrogate with the averaged weights, which is also saved in ``out``.

    Raises:
        InputError: wrong data or configuration, or the folder holds something else.

    Example:
        >>> import tempfile
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> path = str(cyclone_trajectories("train")[0])
        >>> small = ["operator.width=16", "operator.heads=1", "operator.blocks=2", "data.batch=1"]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model = gg.train(data=path, max_steps=2, out=folder, overrides=small, progress=False)
        >>> model.information["steps"], model.information["trained_on"]
        (2, '29 pairs on 2392 faces')
    """
    steps = [] if max_steps is None else [f"trainer.max_steps={max_steps}"]
    config = compose_config(preset, [*steps, *overrides])
    model = start if start is None or isinstance(start, Surrogate) else Surrogate.load(start)

    if model:
        config = config_of(model, config, overrides)

    folder = FilePath(out)
    check_folder(folder)
    config = keep_settings(folder, config)
    simulated = plan_simulation(mesh, folder, config.trainer.seed) if data is None else None

    if simulated is not None:
        if not simulated.exists:
            simulated.announce()
        data = simulated.write(progress)

    plan = plan_training(mesh, data, config, variables, model, validation, forcing=forcing)
    return fit(plan, folder, progress)


def fit(plan: TrainingPlan, folder: FilePath, progress: bool = True) -> Surrogate:
    """Carry out a training plan, or what is left of it.

    Args:
        plan: from :func:`plan_training`.
        folder: of the run.
        progress: show a progress bar.

    Returns:
        The surrogate with the averaged weights, which is also saved in ``folder``.

    Raises:
        InputError: the folder holds another run, or the loss is not finite; the last checkpoint stays.
        KeyboardInterrupt: Ctrl-C was pressed; the step was finished and saved before.
        SystemExit: SIGTERM came (exit code 143); the step was finished and saved before.
    """
    config = plan.config.trainer
    checkpoint = folder / "last.ckpt"
    module = _initial_module(plan)
    interrupt = StopOnInterrupt()

    measures = Measures(config.log_every, plan.config.data.batch)
    callbacks = _callbacks(plan, folder, interrupt, measures, progress)

    with ExitStack() as stack:
        stack.enter_context(quiet_lightning())
        trainer = build_trainer(config, folder, callbacks, build_loggers(config.logger, folder))
        if is_first_process():
            stack.enter_context(lock_folder(folder))
            open_folder(folder, plan)

        done = training_steps_done(checkpoint, module, config.max_steps)
        if is_first_process():
            _announce_longer_run(folder, module, done)
            record_settings(folder, plan)
            cut_record(folder, done)

        if done < config.max_steps:
            measures.waiting = WaitingTime(trainer.strategy.root_device)
            batches = _batches(plan, done, trainer, measures.waiting)
            run_trainer(trainer, module, batches, checkpoint if done else None)
            done = trainer.global_step
        else:
            log.warning("%s: is trained for %d steps already; more trainer.max_steps go on with it", folder, done)
            module.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])

        if interrupt.stopped and done < config.max_steps:
            log.warning("%s: stopped after %d steps; the same command goes on from there", folder, done)
            interrupt.exit()

        surrogate = _surrogate(plan, module, done)
        surrogate.name = folder.absolute().name
        if trainer.is_global_zero:
            surrogate.save(folder)
            if has_record(folder):  # runs that ended before there were records have none
                draw_curves(folder)

    return surrogate


def _callbacks(
    plan: TrainingPlan, folder: FilePath, interrupt: StopOnInterrupt, measures: Measures, progress: bool
) -> list[Callback]:
    """What happens beside the steps, in this order: the checkpoint has to know the results of the validation."""
    config = plan.config.trainer
    callbacks: list[Callback] = [interrupt, measures]
    if plan.validation:
        callbacks.append(_validation(plan, folder))

    callbacks.append(Checkpoint(folder / "last.ckpt", config.save_every))
    if progress and is_first_process():
        callbacks.append(TrainingProgress(config.max_steps, plan.config.data.batch))

    return callbacks


def _validation(plan: TrainingPlan, folder: FilePath) -> Validation:
    config, sampling = plan.config.trainer, plan.config.data
    samples = _samples(plan, plan.validation, _VALIDATION_SEED, _VALIDATION_BATCHES)

    # Files are read in another process: those of the training start later, as copies of this one, and reading from
    # a prepared store is slow in the copy of a process that has read from it.
    workers = 0 if all(part.is_in_memory for part in plan.validation) else 1

    def make_batches(share: Share) -> list[AnyBatch]:
        return list(BatchLoader(samples, sampling.batch, share=share, workers=workers))

    def averaged(module: TrainingModule) -> Surrogate:
        return _surrogate(plan, module, module.global_step).to(module.device).record(False)  # forecasts are short

    def save_best(module: TrainingModule) -> None:
        _surrogate(plan, module, module.global_step).save(folder / BEST)

    return Validation(
        make_batches,
        config.steps_between_validations,
        config.patience,
        save_best,
        Forecaster(averaged, list(plan.validation), config.steps_between_forecasts),
    )


def _batches(plan: TrainingPlan, done: int, trainer: lightning.Trainer, waiting: WaitingTime) -> BatchLoader:
    config, sampling = plan.config.trainer, plan.config.data
    samples = _samples(plan, plan.data, config.seed, config.max_steps)
    share = Share(trainer.global_rank, trainer.world_size)
    device = trainer.strategy.root_device
    is_on_gpu = device.type == "cuda"
    devices = max(1, trainer.num_devices)
    chosen, spare = sampling.workers // devices, spare_cores() // devices
    workers = chosen if sampling.workers >= 0 else samples.default_workers(spare, is_on_gpu)
    padding = None
    if is_compiled_on(str(config.compile), device):
        padding = BatchPadding.of_run(samples, sampling.batch, share.of(sampling.batch), with_lists=is_on_gpu)

    is_kept = belongs_on_device(str(sampling.on_device), plan.data, plan.normaliser.table, device)
    assembly = DeviceAssembly(samples, device) if is_kept and isinstance(samples, TrainingSamples) else None

    return BatchLoader(
        samples,
        sampling.batch,
        done,
        share,
        workers,
        pinned=is_on_gpu,
        padding=padding,
        assembly=assembly,
        waiting=waiting,
    )


def _samples(
    plan: TrainingPlan, data: Sequence[TrainingData], seed: int, steps: int
) -> TrainingSamples | RolloutSamples:
    """Samples of the kind that the objective needs.

    Args:
        plan: of the training.
        data: from which they are drawn.
        seed: of everything random.
        steps: batches.
    """
    config = plan.config
    count = steps * config.data.batch
    if config.objective.name == "crps":
        # Validations are comparable through a run only if all of them have the full length and begin from the truth.
        if data is not plan.data:
            return RolloutSamples(list(data), plan.normaliser, replace(config.data, chain=1), seed, count)
        return RolloutSamples(list(data), plan.normaliser, config.data, seed, count, config.objective.growing)
    return TrainingSamples(list(data), plan.normaliser, config.data, seed, count, config.trainer.deterministic)


def _announce_longer_run(folder: FilePath, module: TrainingModule, done: int) -> None:
    """Log how a finished run goes on: its learning rate had ended at a hundredth of the peak, and rises again."""
    steps = module.config.max_steps
    if (folder / "surrogate.json").exists() and 0 < done < steps:
        rate = module.config.learning_rate * module.rate(done)
        log.warning("%s: goes on from step %d to %d, with a learning rate of %.2g now", folder, done, steps, rate)


def _initial_module(plan: TrainingPlan) -> TrainingModule:
    with torch.random.fork_rng():
        torch.manual_seed(plan.config.trainer.seed)  # for the scale model; the plan seeds the network itself
        if plan.config.objective.name == "crps":
            return RolloutTraining(plan.operator(), plan.config, plan.normaliser)
        if plan.config.objective.name == "consistency":
            return ConsistencyTraining(plan.operator(), plan.config.trainer)
        return build_module(plan.operator(), plan.config.trainer)


def _surrogate(plan: TrainingPlan, module: TrainingModule, steps: int) -> Surrogate:
    """The surrogate with the averaged weights."""
    config = plan.config
    operator = averaged_network(module)
    information: dict[str, object] = {
        "steps": steps,
        "batch": config.data.batch,
        "seed": config.trainer.seed,
        "parameters": operator.n_parameters,
        "trained_on": "; ".join(f"{part.n_pairs} pairs on {part.mesh.n_faces} faces" for part in plan.data),
    }

    if config.objective.name != "flow":
        information |= {"objective": config.objective.name, "rollout": config.data.rollout, "chain": config.data.chain}

    hemisphere = hemisphere_of_all([part.mesh for part in plan.data])
    if plan.start:
        information["started_from"] = plan.start.information
        hemisphere = hemisphere or plan.start.information.get("hemisphere")  # type: ignore[assignment]
    if hemisphere is not None:  # idealised planes lie on neither
        information["hemisphere"] = hemisphere

    return Surrogate(operator.eval(), plan.normaliser, config.sampler, config.trainer.deterministic, information)
