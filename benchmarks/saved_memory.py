"""Memory that a training step keeps for its backward pass, with and without ``trainer.checkpoint_blocks``.

Usage: python benchmarks/saved_memory.py [PRESET...] [--samples 32]

The tensors that PyTorch saves during the forward pass of a batch of the built-in cyclone are counted, each storage
once, without the weights. The result does not depend on the machine.
"""

import numpy as np
import torch
from shared import build_parser

import gensim_graph as gg
from gensim_graph.config import compose_config
from gensim_graph.data import (
    Normaliser,
    SamplingConfig,
    TrainingBatch,
    TrainingSamples,
    Trajectories,
    collate,
    cyclone_trajectories,
    statistics_of,
)
from gensim_graph.nn import build_operator
from gensim_graph.train.training_module import TrainingModule


def main() -> None:
    """Print a table."""
    parser = build_parser(__doc__)
    parser.add_argument("presets", nargs="*", default=["small", "base"], metavar="PRESET", help="sizes of the network")
    parser.add_argument("--samples", type=int, default=32, help="samples in the batch")
    options = parser.parse_args()
    normaliser, batch = cyclone_batch(options.samples)

    print(f"{options.samples} samples, {batch.graph.n_cells:,} cells")
    print("| preset | kept, GB | with checkpoint_blocks, GB |\n|---|---|---|")
    for preset in options.presets:
        sizes = [saved_bytes(preset, normaliser, batch, checkpoint) for checkpoint in (False, True)]
        print(f"| {preset} | {sizes[0] / 1e9:.2f} | {sizes[1] / 1e9:.2f} |", flush=True)


def cyclone_batch(samples: int) -> tuple[Normaliser, TrainingBatch]:
    """Return a batch of the built-in cyclone on its own mesh, and its scales.

    Args:
        samples: number of samples.
    """
    table = gg.default_variables()
    data = [
        Trajectories.from_dataset(gg.open_store(path), table, np.timedelta64(12, "h"))
        for path in cyclone_trajectories("train")
    ]
    normaliser = Normaliser(table, statistics_of(data, table, 12.0))
    config = SamplingConfig(batch=samples, levels=[1.0])
    drawn = TrainingSamples(data, normaliser, config, seed=0, count=samples)

    return normaliser, collate([drawn[number] for number in range(samples)])


def saved_bytes(preset: str, normaliser: Normaliser, batch: TrainingBatch, checkpoint: bool) -> int:
    """Return the size of what the forward pass of a training step saves.

    Args:
        preset: size of the network.
        normaliser: scales of the data.
        batch: training samples.
        checkpoint: ``trainer.checkpoint_blocks``.
    """
    config = compose_config(preset, [f"trainer.checkpoint_blocks={str(checkpoint).lower()}"])
    operator = build_operator(config.operator, normaliser.state_channels, normaliser.condition_channels)
    module = TrainingModule(operator, config.trainer)
    weights = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    sizes: dict[int, int] = {}
    kept = []

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and storage.data_ptr() not in sizes:
            sizes[storage.data_ptr()] = storage.nbytes()
            kept.append(storage)  # its address is not used again
        return tensor

    prepared = operator.plan(batch.graph)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        operator.velocity(batch.noised, batch.flow_time, operator.prepare(batch.conditions, prepared))

    return sum(sizes.values())


if __name__ == "__main__":
    main()
