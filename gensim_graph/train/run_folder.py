"""The folder of a training run: checks before it is written, and before the run in it is resumed.

A run is the same run if its settings, meshes and data are the same. Some settings may change, those of
:data:`CHANGEABLE`: they say how long and where a run is computed.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from filelock import FileLock, Timeout

from gensim_graph.config import ObjectiveConfig, RunConfig
from gensim_graph.data import SamplingConfig
from gensim_graph.errors import InputError
from gensim_graph.system import check_space, write_atomically
from gensim_graph.train.plan import RUN_FORMAT, TrainingPlan
from gensim_graph.train.simulated_data import STORE
from gensim_graph.train.training_module import TrainingModule

CHANGEABLE = (
    "data.on_device",
    "data.workers",
    "trainer.accelerator",
    "trainer.checkpoint_blocks",
    "trainer.compile",
    "trainer.devices",
    "trainer.forecast_every",
    "trainer.log_every",
    "trainer.logger",
    "trainer.max_steps",
    "trainer.num_nodes",
    "trainer.patience",
    "trainer.profile",
    "trainer.save_every",
    "trainer.strategy",
    "trainer.validate_every",
)
"""Settings that a run may be resumed with other values of."""

_EARLIER: dict[str, Any] = {"validation": 0.0, "transport": "false", "drift_response": False}
"""Settings of the data in runs of earlier versions, which did not have them."""

_CHAINS = {"rollout": 1, "chain": 1, "chains": SamplingConfig.chains}
_ADDED: dict[str, Any] = {"data": {**_EARLIER, **_CHAINS}, "objective": asdict(ObjectiveConfig())}
"""Settings that runs of earlier versions did not have, with the values that they were trained with."""

_LOCK = ".lock"


def check_folder(folder: Path) -> None:
    """Refuse a folder for a run.

    Raises:
        InputError: the folder holds other files than a training run, it cannot be written, or a file is in the way.
    """
    if folder.is_file() or (folder.is_dir() and not _may_hold_a_run(folder)):
        raise InputError(f"{folder}: exists and is not a training run; choose another folder with --out")

    check_space(folder)


def _may_hold_a_run(folder: Path) -> bool:
    """Return True for a run, or an empty folder; simulated data, complete or interrupted, may be there."""
    ours = (STORE, _LOCK)
    others = [path for path in folder.iterdir() if path.name not in ours and not path.name.startswith(f".{STORE}.")]
    return not others or (folder / "run.json").exists()


def open_folder(folder: Path, plan: TrainingPlan) -> None:
    """Write the settings of a new run, or check those of the run that is resumed.

    A run without a checkpoint is started anew.

    Args:
        folder: of the run.
        plan: of the training.

    Raises:
        InputError: the folder holds something else or a run with other settings, or it cannot be written.
    """
    check_folder(folder)
    path = folder / "run.json"

    if (folder / "last.ckpt").exists() or (folder / "surrogate.json").exists():
        _check_same_run(folder, _previous_run(path), plan.identity())
        return

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error}); choose another folder with --out") from None

    record_settings(folder, plan)


def record_settings(folder: Path, plan: TrainingPlan) -> None:
    """Write the settings of a run into its folder, unless they stand there already.

    Args:
        folder: of the run.
        plan: of the training; its steps, checkpoints and device may differ from those of the run so far.

    Raises:
        InputError: the folder cannot be written.
    """
    path = folder / "run.json"
    text = json.dumps(plan.identity(), indent=1)

    try:
        if not path.exists() or path.read_text() != text:
            write_atomically(path, lambda part: part.write_text(text))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error}); choose another folder with --out") from None


def keep_settings(folder: Path, config: RunConfig) -> RunConfig:
    """Return the configuration with which a run goes on that was begun before there were some of its settings.

    Args:
        folder: of the run; it may not exist yet.
        config: of the training.
    """
    path = folder / "run.json"
    if not path.exists() or not (folder / "last.ckpt").exists():
        return config

    began_with = _previous_run(path)["config"]["data"]
    kept = {key: value for key, value in _EARLIER.items() if began_with[key] == value}
    return replace(config, data=replace(config.data, **kept))


def _check_same_run(folder: Path, previous: dict[str, Any], identity: dict[str, Any]) -> None:
    allowed = {*CHANGEABLE, "statistics.ranges"}  # runs that began before there were ranges know none
    changed = [name for name in _differences(previous, identity) if name not in allowed]
    if not changed:
        return

    hint = "; the unit was null in runs begun before there was a choice" if "operator.unit_km" in changed else ""
    raise InputError(
        f"{folder}: holds a run with other settings ({', '.join(changed)}); choose another folder with "
        f"--out, or give the settings it was started with to resume it{hint}"
    )


def _previous_run(path: Path) -> dict[str, Any]:
    try:
        previous = json.loads(path.read_text())
        version = previous["format_version"]
        if previous["config"].get("objective", {}).get("name") == "crps":  # scored without it, if it is not named
            previous["config"]["objective"].setdefault("deformation", 0.0)
        for group, values in _ADDED.items():
            previous["config"][group] = values | previous["config"].get(group, {})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error!r}), so the run cannot be resumed; choose another folder with --out"
        ) from None

    if version != RUN_FORMAT:
        raise InputError(
            f"{path}: expected format_version {RUN_FORMAT}, came {version}; resume it with the version of "
            "gensim_graph that began it, or choose another folder with --out"
        )

    return previous


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Names of the settings with another value, in nested dictionaries."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [row for key in keys for row in _differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))]
    return [] if old == new else [name.removeprefix("config.")]


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder; the lock goes with the process, however it ends.

    Raises:
        InputError: another training is writing into the folder, or it cannot be written.
    """
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{folder}: another training is writing here; wait for it, or choose another folder with --out"
        ) from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error}); choose another folder with --out") from None

    try:
        yield
    finally:
        (folder / _LOCK).unlink(missing_ok=True)  # still locked: nobody else holds it
        lock.release()


def training_steps_done(checkpoint: Path, module: TrainingModule, max_steps: int) -> int:
    """Return the number of steps in a checkpoint, 0 if there is none.

    Args:
        checkpoint: the file.
        module: what is trained; the checkpoint has the same weights.
        max_steps: steps of the whole run.

    Raises:
        InputError: the checkpoint cannot be read, lacks something, or has more steps than the run shall have.
    """
    if not checkpoint.exists():
        return 0

    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        steps = state["global_step"]
        weights = {name: value.shape for name, value in state["state_dict"].items()}
        missing = {"optimizer_states", "lr_schedulers", "loops"} - state.keys()
    except UnpicklingError:
        raise InputError(
            f"{checkpoint}: holds something other than tensors, numbers and text, which might run code when it is "
            "read; delete it to start the run anew"
        ) from None
    except Exception as error:
        raise InputError(f"{checkpoint}: cannot be read ({error!r}); delete it to start the run anew") from None

    if not isinstance(steps, int) or steps < 1:
        missing.add(f"a global_step of 1 or more, came {steps!r}")
    if weights != {name: value.shape for name, value in module.state_dict().items()}:
        missing.add("the weights of this operator")
    if missing:
        raise InputError(f"{checkpoint}: lacks {'; '.join(sorted(missing))}; delete it to start the run anew")

    if steps > max_steps:
        raise InputError(
            f"{checkpoint.parent}: is trained for {steps} steps already, and came trainer.max_steps={max_steps}. "
            "Give more steps to go on with it, or train a shorter run in another folder with --out"
        )

    return int(steps)
