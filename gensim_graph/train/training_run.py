"""Train a surrogate. The same call resumes a run that was interrupted.

The folder of a run holds ``run.json`` (its settings), ``last.ckpt`` (the whole state of the training) and, at the end,
the surrogate (``weights.safetensors``, ``surrogate.json``).
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path as FilePath
from typing import Any, cast

import torch

from gensim_graph.config import compose_config
from gensim_graph.data import TrainingSamples
from gensim_graph.io import Source
from gensim_graph.mesh import Mesh
from gensim_graph.nn import Operator
from gensim_graph.surrogate import Surrogate
from gensim_graph.train.callbacks import Checkpoint, StopOnInterrupt, TrainingProgress
from gensim_graph.train.lightning_trainer import build_trainer, load_batches, quiet_lightning, run_trainer
from gensim_graph.train.plan import TrainingPlan, config_of, plan_training
from gensim_graph.train.run_folder import check_folder, lock_folder, open_folder, training_steps_done
from gensim_graph.train.simulated_data import plan_simulation
from gensim_graph.train.training_module import TrainingModule
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
    """Train a surrogate, or resume a training that was interrupted.

    Args:
        mesh: the mesh to train on; data on another mesh of the same domain are remapped. None trains on the meshes of
            the data.
        data: files or datasets. None takes the built-in cyclone for its own meshes or without a mesh; for any other
            mesh it simulates ice, once, into ``out``.
        preset: size of the network.
        max_steps: optimisation steps; short for ``trainer.max_steps=...``.
        out: folder of the run. The same call on a folder with an unfinished run resumes it, bit for bit on a CPU.
        overrides: Hydra overrides, for instance ``["data.batch=16", "trainer.seed=1"]``.
        variables: the variable table; None for the default table, or the one of ``start``.
        start: a trained model to continue from with these data: a folder, the name of a model that ships (``small``),
            or the surrogate. Its size, variables and statistics are kept; ``preset`` is ignored.
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
    simulated = plan_simulation(mesh, folder, config.trainer.seed) if data is None else None

    if simulated is not None:
        if not simulated.exists:
            simulated.announce()
        data = simulated.write(progress)

    plan = plan_training(mesh, data, config, variables, model)
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

    interrupt = StopOnInterrupt()
    callbacks: list[Any] = [interrupt, Checkpoint(checkpoint, config.save_every)]
    if progress:
        callbacks.append(TrainingProgress(config.max_steps, plan.config.data.batch))

    with ExitStack() as stack:
        stack.enter_context(quiet_lightning())
        trainer = build_trainer(config, folder, callbacks)
        stack.enter_context(lock_folder(folder))
        open_folder(folder, plan)
        module = _initial_module(plan)

        done = training_steps_done(checkpoint, module, config.max_steps)
        if done < config.max_steps:
            batches = load_batches(_samples(plan), plan.config.data.batch, done, trainer)
            run_trainer(trainer, module, batches, checkpoint if done else None)
        else:
            log.warning("%s: already trained for %d steps", folder, done)
            module.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])

    if interrupt.stopped and trainer.global_step < config.max_steps:
        log.warning("%s: stopped after %d steps; the same command goes on from there", folder, trainer.global_step)
        interrupt.exit()

    return _save_surrogate(plan, module, folder)


def _initial_module(plan: TrainingPlan) -> TrainingModule:
    with torch.random.fork_rng():
        torch.manual_seed(plan.config.trainer.seed)  # for the scale model; the plan seeds the network itself
        return TrainingModule(plan.operator(), plan.config.trainer)


def _samples(plan: TrainingPlan) -> TrainingSamples:
    trainer = plan.config.trainer
    count = trainer.max_steps * plan.config.data.batch * trainer.devices
    return TrainingSamples(
        plan.data, plan.normaliser, plan.config.data, trainer.seed, count, deterministic=trainer.deterministic
    )


def _save_surrogate(plan: TrainingPlan, module: TrainingModule, folder: FilePath) -> Surrogate:
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
