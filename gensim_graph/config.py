"""Configuration of a training run: Hydra composes the groups in ``configs/``, the schema here checks them.

``operator``, ``data``, ``trainer``, ``sampler`` and ``objective`` are groups: a group is chosen by name
(``operator=small``), any of its keys is overridden with ``group.key=value``, ``+experiment=NAME`` sets several keys at
once, and a file of the user (:func:`compose_config`, ``file``) may do all of this. Unknown keys and wrong types are
errors.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path as FilePath
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gensim_graph.data import SamplingConfig
from gensim_graph.errors import POSITIVE, InputError, Rule, at_least, check_values
from gensim_graph.flow import SamplerConfig
from gensim_graph.nn import BASELINES, PRESETS, OperatorConfig, compile_choice
from gensim_graph.system import resource
from gensim_graph.typing import Path

OBJECTIVES = ("flow", "consistency", "crps")
"""Names of the objectives."""

_USER_FILE = "user_file"
"""Config group under which Hydra finds the file of the user."""


@dataclass(frozen=True)
class TrainerConfig:
    """Settings of the optimisation.

    Attributes:
        max_steps: optimisation steps; with more of them, a finished run goes on.
        learning_rate: peak rate of the network, reached after ``warmup`` steps; a cosine takes it to a hundredth.
        scale_learning_rate: rate of the scale model.
        warmup: steps over which the rate rises.
        weight_decay: decay of the matrices (AdamW).
        clip: largest norm of the network's gradient.
        ema: decay of the average of the weights; until it is reached, (1 + n) / (10 + n) after n steps.
        seed: seed of weights, samples and noise.
        deterministic: train the deterministic twin instead of the flow.
        save_every: steps between checkpoints.
        compile: compile the network (torch.compile): ``auto`` on a GPU, ``true`` or ``false``. The first step then
            takes minutes, the others less time; all batches are padded to equal sizes.
        checkpoint_blocks: compute every block again in the backward pass instead of keeping what is inside: less
            memory, more time, the same gradients.
        accelerator: device in the words of Lightning: ``auto``, ``cpu`` or ``gpu``.
        precision: precision in the words of Lightning: ``32-true``, ``bf16-mixed``.
        devices: devices of each machine; every process makes its part of each batch.
        num_nodes: machines. Start the same command on each, with torchrun or SLURM.
        strategy: how the devices share the work, in the words of Lightning: ``auto`` (ddp), ``ddp``, ``fsdp``.
        logger: where the measures go besides ``metrics.csv``: ``tensorboard``, ``wandb``, ``mlflow``, with commas.
        log_every: steps between two rows of ``metrics.csv``.
        validate_every: steps between two validations; 0 takes a twentieth of the run, at least 100.
        forecast_every: steps between two small ensemble forecasts of the validation data; 0 takes a fifth of the run,
            at least 500. Forecasts that would take more than 2 % of the time are left out.
        patience: validations without improvement after which the training ends; 0 trains to ``max_steps``.
        profile: write where the time went to ``profile.txt``.

    Raises:
        InputError: a value that makes no sense.
    """

    max_steps: int = 2000
    learning_rate: float = 2e-3
    scale_learning_rate: float = 2e-3
    warmup: int = 100
    weight_decay: float = 1e-2
    clip: float = 1.0
    ema: float = 0.9999
    seed: int = 0
    deterministic: bool = False
    save_every: int = 200
    compile: bool | str = "auto"
    checkpoint_blocks: bool = False
    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    logger: str = "csv"
    log_every: int = 50
    validate_every: int = 0
    forecast_every: int = 0
    patience: int = 0
    profile: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        object.__setattr__(self, "compile", compile_choice(self.compile, "trainer.compile"))
        rules: dict[str, Rule] = {
            "max_steps": at_least(1),
            "learning_rate": POSITIVE,
            "scale_learning_rate": POSITIVE,
            "warmup": at_least(0),
            "weight_decay": at_least(0),
            "clip": POSITIVE,
            "ema": (lambda came: 0 <= came <= 1, "a number from 0 to 1"),
            "seed": at_least(0),
            "save_every": at_least(1),
            "devices": at_least(1),
            "num_nodes": at_least(1),
            "log_every": at_least(1),
            "validate_every": at_least(0),
            "forecast_every": at_least(0),
            "patience": at_least(0),
        }
        check_values(self, "trainer", rules)

    @property
    def steps_between_validations(self) -> int:
        """Steps between two validations."""
        return self.validate_every or max(100, self.max_steps // 20)

    @property
    def steps_between_forecasts(self) -> int:
        """Steps between two forecasts of the validation data; a multiple of those between validations."""
        every = self.steps_between_validations
        wanted = self.forecast_every or max(500, self.max_steps // 5)
        return max(1, round(wanted / every)) * every


@dataclass(frozen=True)
class ObjectiveConfig:
    """What the weights are trained for.

    Attributes:
        name: ``flow`` learns the velocity of the flow. The others train students, with ``sampler.steps=1``:
            ``consistency`` lets a network land where a trained flow leads; ``crps`` scores the members of a small
            ensemble after one step or several (``data.rollout``), and goes on from a flow or a student.
        members: members of the ensemble.
        fairness: part of the fair form in the score, see :func:`~gensim_graph.flow.almost_fair_crps`.
        averages: number of coarser scales that are scored besides the cells: means over 4, 16, 64, ... cells.
        gradients: weight of the score of the gradients of vectors, which shape the deformation; 0 leaves it out.
        deformation: weight of the score of the logarithm of the deformation, by which ice nearly at rest counts; 0
            leaves it out.
        growing: part of the run over which rollouts grow to their full length.

    Raises:
        InputError: a value that makes no sense.
    """

    name: str = "flow"
    members: int = 2
    fairness: float = 0.99
    averages: int = 3
    gradients: float = 0.5
    deformation: float = 0.5
    growing: float = 0.5

    def __post_init__(self) -> None:
        """Check the values."""
        share: Rule = (lambda came: 0 <= came <= 1, "a number from 0 to 1")
        rules: dict[str, Rule] = {
            "name": (lambda came: came in OBJECTIVES, f"one of {', '.join(OBJECTIVES)}"),
            "members": at_least(2),
            "fairness": share,
            "averages": at_least(0),
            "gradients": at_least(0),
            "deformation": at_least(0),
            "growing": share,
        }
        check_values(self, "objective", rules)


@dataclass(frozen=True)
class RunConfig:
    """Everything about a training run except its mesh and data."""

    operator: OperatorConfig = field(default_factory=OperatorConfig)
    data: SamplingConfig = field(default_factory=SamplingConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, to print a run and to compare runs."""
        return asdict(self)


def compose_config(
    preset: str | None = None, overrides: Sequence[str] | None = None, file: Path | None = None
) -> RunConfig:
    """Compose the configuration of a run; later sources win: file, preset, overrides.

    Args:
        preset: size of the operator, short for the override ``operator=...``; None leaves the choice to the others.
        overrides: Hydra overrides, for instance ``["trainer.max_steps=500", "+experiment=fine_tune"]``.
        file: a YAML file with the groups and keys that differ from the defaults; its ``defaults`` list may choose
            groups (``- operator: small``).

    Raises:
        InputError: unknown preset, group or key, a value of the wrong type or one that makes no sense; the message
            names it.

    Example:
        >>> config = compose_config("small", ["trainer.max_steps=500", "data.lead_time=6h"])
        >>> config.operator.width, config.trainer.max_steps, config.data.lead_time
        (160, 500, '6h')
    """
    chosen = list(overrides or [])
    if preset is not None:
        _check_preset(preset, chosen)
        chosen.insert(0, f"operator={preset}")

    if file is not None:
        chosen.insert(0, f"+{_USER_FILE}=given")

    _register(file)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(resource("configs"))):
            composed = compose("run", overrides=chosen)
        return OmegaConf.to_object(composed)  # type: ignore[return-value]
    except InputError:  # of the groups themselves; its message is clear already
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # Hydra raises ValueError for some overrides
        raise InputError(_explain(error, list(overrides or []), file)) from None


def sweep(overrides: Sequence[str]) -> list[list[str]]:
    """All combinations of overrides that give several values, as Hydra's ``--multirun`` makes them.

    Args:
        overrides: Hydra overrides; ``operator=tiny,small``, ``trainer.seed=range(3)`` and the like are sweeps.

    Returns:
        One list of overrides for each run; the values of the last override vary fastest.

    Raises:
        InputError: an override that Hydra cannot parse.

    Example:
        >>> sweep(["operator=tiny,small", "data.batch=8", "trainer.seed=0,1"])[1]
        ['operator=tiny', 'data.batch=8', 'trainer.seed=1']
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise InputError(_explain(error, list(overrides), None)) from None

    rows = []
    for override in parsed:
        if override.is_sweep_override():
            key = override.get_key_element()
            rows.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            rows.append([str(override.input_line)])
    return [list(row) for row in product(*rows)]


def _check_preset(preset: str, overrides: list[str]) -> None:
    known = [*PRESETS, *BASELINES]
    if preset not in known:
        raise InputError(f"preset '{preset}': expected one of {', '.join(known)}")
    if any(override.startswith("operator=") for override in overrides):
        raise InputError(f"preset '{preset}' and an override operator=...: both choose the size; give one of them")


def _register(file: Path | None) -> None:
    store = ConfigStore.instance()
    store.store("schema", _writable(RunConfig))
    if file is not None:
        store.store("given", _read(FilePath(file)), group=_USER_FILE, package="_global_")


def _read(file: FilePath) -> DictConfig:
    """The file of a user as a config of Hydra that goes on top of the groups.

    Entries of its ``defaults`` list override the choices of ``run.yaml``, so Hydra needs ``override`` before them.
    """
    try:
        content = OmegaConf.load(file)
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as a YAML configuration ({error})") from None
    if isinstance(content, ListConfig):
        raise InputError(f"{file}: expected groups and keys (trainer: ...), came a list")

    choices: list[Any] = []
    for entry in content.pop("defaults", []):
        if isinstance(entry, DictConfig):
            words = ((str(group).removeprefix("override ").strip("/ "), name) for group, name in entry.items())
            choices += [{f"/{group}" if group == "experiment" else f"override /{group}": name} for group, name in words]
        elif entry != "_self_":
            raise InputError(f"{file}: defaults: expected GROUP: NAME, for instance operator: small; came {entry}")

    if choices:  # Hydra wants overrides after what they may override
        choices.sort(key=lambda choice: next(iter(choice)).startswith("override"))
        content["defaults"] = [*choices, "_self_"]
    return content


def _writable(schema: object) -> DictConfig:
    """Typed configuration that overrides may change; frozen dataclasses make read-only ones."""
    config = OmegaConf.structured(schema)
    for node in (config, *(value for value in config.values() if isinstance(value, DictConfig))):
        OmegaConf.set_readonly(node, False)
    return config


def _explain(error: Exception, overrides: list[str], file: Path | None) -> str:
    lines = str(error).splitlines()
    reason = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    cause = error.__cause__
    if cause is not None:
        reason = f"{reason}: {str(cause).splitlines()[0]}"

    groups: dict[str, Any] = {
        "operator": OperatorConfig,
        "data": SamplingConfig,
        "trainer": TrainerConfig,
        "sampler": SamplerConfig,
        "objective": ObjectiveConfig,
    }
    keys = "; ".join(f"{name}.{{{', '.join(group.__dataclass_fields__)}}}" for name, group in groups.items())
    source = " ".join([*([str(file)] if file is not None else []), *overrides])
    return f"configuration {source}: {reason}. The keys are: {keys}"
