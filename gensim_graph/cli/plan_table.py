"""The plan of a training, as ``gensim-graph train`` prints it before it begins."""

import numpy as np
from rich.console import Console
from rich.table import Table

from gensim_graph.nn import OperatorConfig
from gensim_graph.train import TrainingPlan


def print_plan(plan: TrainingPlan, screen: Console) -> None:
    """Print what a training will do: its data, the size of the network, and the memory that it needs.

    Args:
        plan: of the training.
        screen: console to print on.
    """
    table = Table("mesh", "faces", "trajectories", "pairs", "spacing km", title="training data")
    for index, part in enumerate(plan.data):
        row = (part.mesh.n_faces, part.n_trajectories, part.n_pairs, f"{np.median(part.mesh.spacing) / 1e3:.1f}")
        table.add_row(str(index), *map(str, row))
    screen.print(table)

    config, operator = plan.config, plan.operator()
    present = [v.name for v in plan.normaliser.table.variables if v.name in plan.normaliser.statistics.values]
    cells = config.data.batch * min(config.data.clusters * 256, max(part.mesh.n_faces for part in plan.data))
    memory = _gigabytes(cells, config.operator, operator.n_parameters)
    screen.print(
        f"variables {', '.join(present)}; lead time {config.data.lead_time}; held back for validation: "
        f"{plan.held_out}\n"
        f"operator: {operator.n_parameters:,} weights; "
        f"{config.trainer.max_steps} steps of {config.data.batch} samples; "
        f"about {memory:.1f} GB at {cells:,} cells a batch",
        highlight=False,
    )


def _gigabytes(cells: int, config: OperatorConfig, weights: int) -> float:
    """Rough peak of a training step in GB, fitted to the peaks of ``tiny`` and ``small`` in float32 on a CPU.

    0.6 GB for the libraries, 16 bytes a weight (value, gradient, two moments), and for each cell of the batch 710 bytes
    a feature and layer on the cells and 28 a feature and block on the tokens.
    """
    per_cell = 710 * config.cell_width * config.cell_layers + 28 * config.width * config.blocks
    return 0.6 + (cells * per_cell + 16 * weights) / 1e9
