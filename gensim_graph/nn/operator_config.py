"""Configuration of the operator, and its sizes by name."""

from dataclasses import dataclass

import yaml

from gensim_graph.errors import POSITIVE, Rule, at_least, check_values
from gensim_graph.nn.attention import AUTO, CHOICES
from gensim_graph.system import resource

NETWORKS = ["attention", "meshgraphnet"]
"""Names of the networks; :func:`~gensim_graph.nn.networks.register_network` adds more."""


@dataclass(frozen=True)
class OperatorConfig:
    """Network and size of the operator.

    Attributes:
        network: ``attention``, or ``meshgraphnet`` for the baseline, which uses only width, blocks and embedding.
        width: number of features of a token, a multiple of 8: half scalars, a quarter vectors, a quarter tensors.
            Larger widths forecast better; the cost grows with the square.
        blocks: number of attention blocks; each extends the reach by 18 cells.
        heads: number of attention heads, of 64 channels each.
        cell_width: number of features of a cell in encoder and decoder, a multiple of 8.
        cell_layers: number of graph-kernel layers in the encoder, and also in the decoder.
        embedding: number of features of the flow time, an even number.
        expansion: ratio of hidden to outer width in the gated networks.
        unit_km: length unit (km) of gradients and boundaries, the same for every spacing, so that they have the same
            meaning on every mesh. The cells then do not know their spacing, but the tokens do, and the attention
            reaches the same number of cells on every mesh. None: each cell takes its own spacing as unit and knows it.
        backend: attention backend; ``auto`` takes the one for the device.

    Raises:
        InputError: a value outside its range, or an unknown name.
    """

    network: str = "attention"
    width: int = 512
    blocks: int = 8
    heads: int = 8
    cell_width: int = 128
    cell_layers: int = 2
    embedding: int = 256
    expansion: float = 2.0
    unit_km: float | None = 16.0
    backend: str = AUTO

    def __post_init__(self) -> None:
        """Check the values."""
        width: Rule = (lambda came: came >= 8 and came % 8 == 0, "a positive multiple of 8")
        rules: dict[str, Rule] = {
            "network": (lambda came: came in NETWORKS, f"one of {', '.join(NETWORKS)}"),
            "width": width,
            "blocks": at_least(1),
            "heads": at_least(1),
            "cell_width": width,
            "cell_layers": at_least(1),
            "embedding": (lambda came: came >= 2 and came % 2 == 0, "a positive even number"),
            "expansion": POSITIVE,
            "unit_km": (lambda came: came is None or POSITIVE[0](came), "a positive number of km, or null"),
            "backend": (lambda came: came in CHOICES, f"one of {', '.join(CHOICES)}"),
        }
        check_values(self, "operator", rules)


def _read(name: str) -> OperatorConfig:
    """Size of this name in ``configs/operator``."""
    return OperatorConfig(**yaml.safe_load(resource("configs", "operator", f"{name}.yaml").read_text()))


PRESETS = {name: _read(name) for name in ("tiny", "small", "medium", "base", "large")}
"""Sizes of the attention network, by name: ``configs/operator`` says what each is for."""

BASELINES = {"meshgraphnet": _read("meshgraphnet")}
"""Networks to compare with, by name."""
