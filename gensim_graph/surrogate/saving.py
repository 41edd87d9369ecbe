"""Files of a surrogate: a folder with its weights, and a description from which the network is built again.

The folder holds ``weights.safetensors`` and ``surrogate.json`` (sizes of the network, variable table, statistics,
sampler, format version). Nothing else is needed to use the model.
"""

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from gensim_graph.data import Normaliser, Statistics
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig
from gensim_graph.nn import NETWORKS, Operator, OperatorConfig, build_operator
from gensim_graph.surrogate.shipped import SHIPPED
from gensim_graph.system import write_atomically
from gensim_graph.variables import VariableTable, with_default_rules

MODEL_FORMAT = 2
"""Version of the folder. A model of another version is refused with a message that says what to do."""

_FORMAT_NAME = "gensim-graph surrogate"
_WEIGHTS = "weights.safetensors"
_DESCRIPTION = "surrogate.json"
_REQUIRED = ("operator", "variables", "statistics", "sampler", "deterministic", "information")


class ModelParts(NamedTuple):
    """Everything that is saved of a surrogate; attributes as in :class:`~gensim_graph.surrogate.Surrogate`."""

    operator: Operator
    normaliser: Normaliser
    sampler: SamplerConfig
    deterministic: bool
    information: dict[str, object]


def save_model(parts: ModelParts, folder: FilePath) -> None:
    """Write the two files of a model. Each file is replaced as a whole; a failure leaves the old one.

    Args:
        parts: what is written.
        folder: created if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in parts.operator.state_dict().items()}

    description = {
        "format": _FORMAT_NAME,
        "format_version": MODEL_FORMAT,
        "operator": asdict(parts.operator.config),
        "variables": parts.normaliser.table.to_dict(),
        "statistics": parts.normaliser.statistics.to_dict(),
        "sampler": asdict(parts.sampler),
        "deterministic": parts.deterministic,
        "information": parts.information,
    }

    write_atomically(folder / _WEIGHTS, lambda path: save_file(weights, path))
    description["weights_hash"] = _hash(folder / _WEIGHTS)
    write_atomically(folder / _DESCRIPTION, lambda path: path.write_text(json.dumps(description, indent=1)))


def load_model(folder: FilePath) -> ModelParts:
    """Read a folder that :func:`save_model` wrote, and build the network with its weights.

    Raises:
        InputError: the folder holds no model, a file is truncated or of another program, the format version is
            another one, or the network is of a kind that has not been registered.
    """
    description = _read_description(folder / _DESCRIPTION)

    try:
        table = VariableTable.from_dict(with_default_rules(description["variables"]))
        statistics = Statistics.from_dict(description["statistics"])
        config = _operator_config(folder, description["operator"])
        sampler = SamplerConfig(**description["sampler"])
        is_deterministic, information = bool(description["deterministic"]), dict(description["information"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / _DESCRIPTION}: not understood ({error}); train again") from None

    _check_statistics(folder / _DESCRIPTION, statistics)
    normaliser = Normaliser(table, statistics)
    _check_header(config, normaliser, folder / _WEIGHTS)
    operator = build_operator(config, normaliser.state_channels, normaliser.condition_channels)
    _load_weights(operator, folder / _WEIGHTS)
    _check_hash(folder / _WEIGHTS, description.get("weights_hash"))

    return ModelParts(operator.eval(), normaliser, sampler, is_deterministic, information)


def _operator_config(folder: FilePath, fields: dict[str, Any]) -> OperatorConfig:
    network = fields.get("network", NETWORKS[0])

    if network not in NETWORKS:
        raise InputError(
            f"{folder}: holds a network of your own, '{network}'; make it known first with "
            "gensim_graph.nn.register_network (for GenSIM's: "
            "gensim_graph.benchmark.resolutions.gensim_network.use_gensim)"
        )

    # Models without this key were trained before it existed, with the spacing of the cells as the unit of length.
    return OperatorConfig(**({"unit_km": None} | fields))


def _check_statistics(file: FilePath, statistics: Statistics) -> None:
    """Refuse statistics with which no forecast is possible."""
    hours = statistics.lead_hours
    if not isinstance(hours, int | float) or not 0 < hours < math.inf:
        raise InputError(f"{file}: lead_hours: expected a time above 0; came {statistics.lead_hours}")

    for group, rows in (("values", statistics.values), ("residuals", statistics.residuals)):
        for name, (mean, deviation) in rows.items():
            is_number = all(isinstance(value, int | float) and math.isfinite(value) for value in (mean, deviation))
            if not is_number or deviation <= 0:
                raise InputError(
                    f"{file}: statistics.{group}.{name}: expected a finite mean and a deviation above 0; "
                    f"came {mean}, {deviation}"
                )


def _check_header(config: OperatorConfig, normaliser: Normaliser, file: FilePath) -> None:
    """Compare the shapes in the header of the weights with those of the network before memory is taken for it."""
    try:
        with torch.device("meta"):
            network = build_operator(config, normaliser.state_channels, normaliser.condition_channels)
        with safe_open(file, "pt") as weights:
            came = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file}: cannot be read ({error}); is it complete, and from the same run?") from None
    except NotImplementedError:  # a network of the user that needs real memory
        return

    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    wrong = sorted(name for name in expected.keys() | came.keys() if expected.get(name) != came.get(name))
    if wrong:
        name = wrong[0]
        raise InputError(
            f"{file}: cannot be read into the network of {_DESCRIPTION}: {len(wrong)} weights do not fit, such as "
            f"{name} (expected {expected.get(name, 'none')}, came {came.get(name, 'none')}); are both files from the "
            "same run?"
        )


def _load_weights(operator: Operator, file: FilePath) -> None:
    try:
        operator.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{file}: cannot be read ({error}); is it complete, and from the same run?") from None

    broken = [name for name, value in operator.state_dict().items() if not torch.isfinite(value).all()]
    if broken:
        raise InputError(f"{file}: {len(broken)} weights are not finite, such as {broken[0]}; train again")


def _hash(file: FilePath) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()


def _check_hash(file: FilePath, expected: object) -> None:
    """Refuse weights that have changed since they were saved; a flipped bit is a number like any other."""
    if expected is not None and _hash(file) != expected:  # models of earlier versions have no hash
        raise InputError(
            f"{file}: is not the file that was saved with {_DESCRIPTION}: it is damaged, or of another "
            "run; copy both files again"
        )


def _read_description(file: FilePath) -> dict[str, Any]:
    if not file.exists():
        raise InputError(
            f"{file.parent}: no trained model here (no {file.name}); "
            f"train one with gensim-graph train --out {file.parent}, or take one that ships ({', '.join(SHIPPED)})"
        )

    try:
        description = json.loads(file.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({error}); is it complete?") from None

    _check_description(file, description)
    return description


def _check_description(file: FilePath, description: Any) -> None:
    if not isinstance(description, dict) or description.get("format") != _FORMAT_NAME:
        raise InputError(f"{file}: not the description of a gensim-graph model")

    version = description.get("format_version")
    if version != MODEL_FORMAT:
        raise InputError(
            f"{file}: format version {version}, this installation reads {MODEL_FORMAT}; "
            "install the version of gensim-graph that wrote it, or train again"
        )

    missing = [key for key in _REQUIRED if key not in description]
    if missing:
        raise InputError(f"{file}: incomplete, {', '.join(missing)} missing; train again")
