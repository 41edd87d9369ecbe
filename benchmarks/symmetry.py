"""Sensitivity of a trained operator's velocity to changes that should not matter, on a genuine state.

Usage: python benchmarks/symmetry.py --model bench/cyclone/model

The script prints the relative change (L2 over all cells and variables) of the velocity at several flow times when

- the frame turns together with its vectors,
- the faces are renumbered,
- the partition into clusters changes,
- the cells are grouped into other tokens (the only one of these steps that may matter),
- the plane is mirrored (this is other physics, because of the Coriolis force).
"""

from pathlib import Path

import numpy as np
import torch
from shared import build_parser

import gensim_graph as gg
from gensim_graph.data import cyclone_trajectories, stack_variables, turn_graph
from gensim_graph.graph import CellTable, graph_of_cells
from gensim_graph.io import mesh_from_dataset
from gensim_graph.nn import rotate_vectors
from gensim_graph.typing import Tensor


def main() -> None:
    """Print one line for each change."""
    parser = build_parser(__doc__)
    parser.add_argument("--model", type=Path, default=Path("bench/cyclone/model"), help="folder of a trained surrogate")
    model = gg.Surrogate.load(parser.parse_args().model)

    truth = gg.open_store(str(cyclone_trajectories("test")[0]))
    mesh = mesh_from_dataset(truth)
    normaliser = model.normaliser
    table = normaliser.table
    now = truth.isel(time=12)
    then = truth.isel(time=16)

    fields = [torch.from_numpy(stack_variables(now, group)) for group in (table.state, table.forcing, table.slow)]
    next_forcing = torch.from_numpy(stack_variables(then, table.forcing))
    conditions = normaliser.conditions(fields[0], fields[1], next_forcing, fields[2]).unsqueeze(0)
    noise = torch.randn(1, mesh.n_faces, len(table.state), generator=torch.Generator().manual_seed(0))
    residual = normaliser.residual(fields[0], torch.from_numpy(stack_variables(then, table.state)))

    graph = gg.build_graph(mesh)
    cells = CellTable.from_mesh(mesh)
    groups = np.unique((graph.slot // 4).numpy(), return_inverse=True)[1]
    state_pairs = normaliser.state_channels.vectors
    condition_pairs = normaliser.condition_channels.vectors

    def mirrored(values: Tensor, pairs: tuple[tuple[int, int], ...]) -> Tensor:
        values = values.clone()
        values[..., [y for _, y in pairs]] *= -1
        return values

    @torch.inference_mode()
    def compare(tau: float) -> dict[str, float]:
        noised = tau * residual + (1 - tau) * noise
        flow_time = torch.tensor([tau])
        base = model.operator(noised, conditions, flow_time, graph)

        def change(values: Tensor) -> float:
            return float((values - base).norm() / base.norm())

        angle = 0.7
        order = torch.from_numpy(np.random.default_rng(0).permutation(mesh.n_faces))
        renumbered = gg.build_graph(
            gg.Mesh.from_faces(mesh.nodes, mesh.faces[order.numpy()], boundaries=mesh.boundaries)
        )
        turned = model.operator(
            rotate_vectors(noised, state_pairs, angle),
            rotate_vectors(conditions, condition_pairs, angle),
            flow_time,
            turn_graph(graph, angle),
        )
        reflected = model.operator(
            mirrored(noised, state_pairs),
            mirrored(conditions, condition_pairs),
            flow_time,
            turn_graph(graph, 0.0, True),
        )
        shuffled = model.operator(noised[:, order], conditions[:, order], flow_time, renumbered)

        return {
            "frame turned by 0.7 rad": change(rotate_vectors(turned, state_pairs, -angle)),
            "faces renumbered": change(shuffled[:, order.argsort()]),
            "clusters of 32 tokens": change(model.operator(noised, conditions, flow_time, clusters(32, 0.0))),
            "clusters along other axes": change(model.operator(noised, conditions, flow_time, clusters(64, 0.5))),
            "other grouping into tokens": change(
                model.operator(noised, conditions, flow_time, gg.build_graph(mesh, angle=0.5))
            ),
            "mirrored": change(mirrored(reflected, state_pairs)),
        }

    def clusters(tokens: int, angle: float) -> gg.MeshGraph:
        return graph_of_cells(cells, cluster_tokens=tokens, angle=angle, groups=groups)

    columns = {tau: compare(tau) for tau in (0.1, 0.5, 0.9)}
    print(f"{'relative change of the velocity':32s}" + "".join(f"tau={tau:<10}" for tau in columns))
    for name in columns[0.5]:
        print(f"{name:32s}" + "".join(f"{column[name]:<14.2e}" for column in columns.values()))


if __name__ == "__main__":
    main()
