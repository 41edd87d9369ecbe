"""Share of the attention that goes to water behind land: beyond an island, a peninsula or a strait.

Usage: python benchmarks/attention_over_land.py MESH ...

For random tokens, the weight of a key is its area times the taper of the attention (no learned part). The script
prints, for each mesh, the share of the weight on keys

- whose path by water is longer than the reach (*beyond*): a taper that measured distance by water would exclude them,
- whose path by water is more than 1.5 times the straight line (*detour*),

then the share of tokens with land within their reach and their share *beyond*, the share of tokens with more than a
tenth *beyond*, and the largest share *beyond* of any token. Paths go from cell to cell over shared nodes.
"""

from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree
from shared import build_parser

import gensim_graph as gg
from gensim_graph.graph import MeshGraph
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

TOKENS = 400
"""Number of random tokens on each mesh."""

DETOUR = 1.5
"""A path by water that is longer than this times the straight line is a detour."""


def main() -> None:
    """Print one line for each mesh."""
    parser = build_parser(__doc__)
    parser.add_argument("meshes", type=Path, nargs="+", help="mesh files")
    meshes = parser.parse_args().meshes

    print("mesh, reach in km, beyond, detour, of tokens that see land: their share, beyond; over a tenth, most")
    for path in meshes:
        print(path.name, *(f"{value:.3g}" for value in measure_mesh(gg.load_mesh(path))), sep=", ")


def measure_mesh(mesh: Mesh) -> tuple[float, ...]:
    """Return the numbers of one line."""
    graph = gg.build_graph(mesh)
    centres = graph.pos.double().numpy()
    token_of_cell = graph.slot.numpy() // 4
    tokens = graph.token_pos.double().numpy()
    lengths = graph.token_length.double().numpy()
    areas = graph.token_area.double().numpy()
    reach = float(graph.radius[0]) * lengths

    chosen = np.random.default_rng(0).choice(np.unique(token_of_cell), TOKENS, replace=False)
    start = cKDTree(centres).query(tokens[chosen])[1]
    links = links_by_water(mesh, centres)
    coast = coastal_centres(graph, centres)

    rows = []
    for cell, query in zip(start, chosen, strict=True):
        straight = np.hypot(*(tokens - tokens[query]).T)
        keys = np.flatnonzero(graph.token_valid.numpy() & (straight < reach[query]))
        by_water = np.full(len(tokens), np.inf)
        np.minimum.at(by_water, token_of_cell, dijkstra(links, indices=cell, limit=DETOUR * reach[query]))
        weight = areas[keys] * (1 - (straight[keys] / reach[query]) ** 2) ** 2
        weight /= weight.sum()

        # Paths connect centres of cells, which are up to half a token away from those of tokens.
        path = np.maximum(by_water[keys] - lengths[query] / 2, straight[keys])
        beyond = weight[path > reach[query]].sum()
        detour = weight[(path > DETOUR * straight[keys]) & (straight[keys] > 2 * lengths[query])].sum()
        rows.append((beyond, detour, np.hypot(*(coast - tokens[query]).T).min() < reach[query]))

    beyond, detour, near = np.array(rows).T
    sees = near > 0
    means = beyond.mean(), detour.mean(), sees.mean(), beyond[sees].mean(), (beyond > 0.1).mean(), beyond.max()

    return (float(np.median(reach[chosen])) / 1e3, *map(float, means))


def links_by_water(mesh: Mesh, centres: Array) -> sparse.csr_array:
    """Distances in m between the centres of cells that share a node, (face, face) sparse.

    Args:
        mesh: the mesh.
        centres: (face, 2) coordinates in m.
    """
    valid = mesh.faces >= 0
    cell = np.broadcast_to(np.arange(mesh.n_faces)[:, None], mesh.faces.shape)[valid]
    touches = sparse.csr_array((np.ones(valid.sum()), (cell, mesh.faces[valid])), shape=(mesh.n_faces, mesh.n_nodes))
    pairs = sparse.coo_array(touches @ touches.T)
    distances = np.hypot(*(centres[pairs.row] - centres[pairs.col]).T)

    return sparse.csr_array((distances, (pairs.row, pairs.col)))


def coastal_centres(graph: MeshGraph, centres: Array) -> Array:
    """Centres of the cells at a coast, (coastal cell, 2) in m.

    Args:
        graph: graph of the mesh.
        centres: (face, 2) coordinates in m of all cells.
    """
    return centres[graph.boundary[:, 0].numpy() > 0]


if __name__ == "__main__":
    main()
