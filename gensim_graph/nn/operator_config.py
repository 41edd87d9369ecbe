"""Sizes of the operator by name."""

from dataclasses import dataclass

from gensim_graph.errors import POSITIVE, Rule, at_least, check_values
from gensim_graph.nn.attention import AUTO, CHOICES

NETWORKS = ["attention", "meshgraphnet"]
"""Names of the networks that can be built; more are registered."""


@dataclass(frozen=True)
class OperatorConfig:
    """Size of the operator.

    Attributes:
        network: ``attention``, or ``meshgraphnet`` for the baseline, which looks at width, blocks and embedding alone.
        width: features of a token, a multiple of 8: half scalars, a quarter vectors, a quarter tensors. Wider:
            better and slower, with the square.
        blocks: attention blocks; each reaches 18 cells further.
        heads: attention heads of 64 channels.
        cell_width: features of a cell in encoder and decoder, a multiple of 8.
        cell_layers: graph-kernel layers in the encoder, and in the decoder.
        embedding: features of the flow time.
        expansion: hidden over outer width of the gated networks.
        unit_km: length unit of gradients and boundaries, whatever the spacing, so that they mean the same on every
            mesh; cells are not told their spacing then, tokens are, and attention reaches as many cells on all meshes.
            None: the spacing of each cell is its unit, and it is told.
        backend: attention backend; ``auto`` takes the one that suits the device.

    Raises:
        InputError: a value that makes no sense.
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


PRESETS: dict[str, OperatorConfig] = {
    "tiny": OperatorConfig(width=96, blocks=4, heads=2, cell_width=48, cell_layers=1, embedding=64),
    "small": OperatorConfig(width=160, blocks=6, heads=3, cell_width=64, cell_layers=1, embedding=96),
    "medium": OperatorConfig(width=320, blocks=8, heads=5, cell_width=96, embedding=192),
    "base": OperatorConfig(width=512, blocks=8, heads=8, cell_width=128, cell_layers=1, embedding=512),
    "large": OperatorConfig(width=768, blocks=8, heads=12, cell_width=192, embedding=512),
}
"""``tiny`` trains on a laptop in minutes, ``small`` (the size of the weights that ship) in two hours; ``medium`` and up
want a GPU. ``base`` has the width, depth and heads of GenSIM with half its weights (a map between spins has fewer),
``large`` about as many weights as GenSIM."""

BASELINES: dict[str, OperatorConfig] = {
    "meshgraphnet": OperatorConfig(network="meshgraphnet", width=64, blocks=9, embedding=32),
}
"""Networks to compare with, with as many weights as ``tiny``. They know no frames: give them ``data.rotate=true``."""
