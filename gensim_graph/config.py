"""Configuration of a run: frozen groups with their defaults, Hydra overrides on top, unknown keys refused.

``operator`` is chosen by name (``operator=tiny``); any key of any group can be overridden (``data.batch=16
trainer.max_steps=500``).
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from hydra import compose, initialize
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gensim_graph.data import SamplingConfig
from gensim_graph.errors import POSITIVE, InputError, Rule, at_least, check_values
from gensim_graph.flow import SamplerConfig
from gensim_graph.nn import BASELINES, PRESETS, OperatorConfig

_SIZES = PRESETS | BASELINES


@dataclass(frozen=True)
class TrainerConfig:
    """How the weights are found.

    Attributes:
        max_steps: optimisation steps.
        learning_rate: peak of the network's rate, after ``warmup`` steps; a cosine brings it to a hundredth.
        scale_learning_rate: of the scale model.
        warmup: steps.
        weight_decay: of the matrices (AdamW).
        clip: largest norm of the network's gradient.
        ema: decay of the average of the weights, reached slowly: (1 + n) / (10 + n) until then.
        seed: of weights, samples and noise.
        deterministic: train the deterministic twin instead of the flow.
        save_every: steps between checkpoints.
        compile: compile the network (torch.compile); minutes at the first step, then faster, on a GPU most of all.
        accelerator, precision: of Lightning.
        devices: 1; several are not supported yet.

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
    compile: bool = False
    accelerator: str = "auto"
    devices: int = 1
    precision: str = "32-true"

    def __post_init__(self) -> None:
        """Check the values."""
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
            "devices": (lambda came: came == 1, "1, as training on several devices is not supported yet"),
        }
        check_values(self, "trainer", rules)


@dataclass(frozen=True)
class RunConfig:
    """Everything about a training run but its mesh and data."""

    operator: OperatorConfig = field(default_factory=OperatorConfig)
    data: SamplingConfig = field(default_factory=SamplingConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for printing and for comparing runs."""
        return asdict(self)


def compose_config(preset: str = "tiny", overrides: list[str] | None = None) -> RunConfig:
    """Configuration of a preset with Hydra overrides.

    Raises:
        InputError: unknown preset or key, a value of the wrong type or one that makes no sense; the message names it.
    """
    if preset not in _SIZES:
        raise InputError(f"preset '{preset}': expected one of {', '.join(_SIZES)}")

    _register()
    GlobalHydra.instance().clear()

    try:
        with initialize(version_base="1.3", config_path=None):
            composed = compose("run", overrides=[f"operator={preset}", *(overrides or [])])
        return OmegaConf.to_object(composed)  # type: ignore[return-value]
    except InputError:  # of the groups themselves, clear as it is
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # Hydra says some things as ValueError
        raise InputError(_explain(error, overrides or [])) from None


def _register() -> None:
    store = ConfigStore.instance()
    store.store("schema", _writable(RunConfig))
    store.store("run", {"defaults": ["schema", {"operator": "tiny"}, "_self_"]})
    for name, config in _SIZES.items():
        store.store(name, _writable(config), group="operator")


def _writable(schema: object) -> DictConfig:
    """Typed configuration that overrides may change; frozen dataclasses make read-only ones."""
    config = OmegaConf.structured(schema)
    for node in (config, *(value for value in config.values() if isinstance(value, DictConfig))):
        OmegaConf.set_readonly(node, False)
    return config


def _explain(error: Exception, overrides: list[str]) -> str:
    reason = str(error).splitlines()[0]
    cause = error.__cause__
    if cause is not None:
        reason = f"{reason}: {str(cause).splitlines()[0]}"

    groups: dict[str, Any] = {
        "operator": OperatorConfig,
        "data": SamplingConfig,
        "trainer": TrainerConfig,
        "sampler": SamplerConfig,
    }
    keys = "; ".join(f"{name}.{{{', '.join(group.__dataclass_fields__)}}}" for name, group in groups.items())

    return f"configuration {' '.join(overrides)}: {reason}. The keys are: {keys}"
