"""How much of the attention goes to places that are far by water: beyond an island, a peninsula, a strait.

    python benchmarks/attention_over_land.py MESH ...

For random tokens, with weights of area times the taper and nothing learned, prints the share of the weight that goes to
tokens with a way by water

- longer than the reach: the taper would leave them out if it measured distance by water (*beyond*),
- more than half as long again as the straight line (*detour*),

then the share of tokens with land within their reach and what goes beyond from these, the share of tokens of which more
than a tenth goes beyond, and the most that goes beyond from one. Ways go from cell to cell that share a node.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

import gensim_graph as gg
from gensim_graph.graph import MeshGraph
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

TOKENS = 400
DETOUR = 1.5


def main() -> None:
    """Print one line a mesh."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meshes", type=Path, nargs="+")
    print("mesh, reach in km, beyond, detour, of tokens that see land: their share, beyond; over a tenth, most")
    for path in parser.parse_args().meshes:
        print(path.name, *(f"{value:.3g}" for value in measured(gg.load_mesh(path))), sep=", ")


def measured(mesh: Mesh) -> tuple[float, ...]:
    """The numbers of a line."""
    graph = gg.build_graph(mesh)
    pos, token = graph.pos.double().numpy(), graph.slot.numpy() // 4
    places, lengths = graph.token_pos.double().numpy(), graph.token_length.double().numpy()
    areas, reach = graph.token_area.double().numpy(), float(graph.radius[0]) * lengths
    chosen = np.random.default_rng(0).choice(np.unique(token), TOKENS, replace=False)
    start = cKDTree(pos).query(places[chosen])[1]
    ways = ways_by_water(mesh, pos)
    coast = coast_of(graph, pos)
    rows = []
    for cell, query in zip(start, chosen, strict=True):
        straight = np.hypot(*(places - places[query]).T)
        keys = np.flatnonzero(graph.token_valid.numpy() & (straight < reach[query]))
        by_water = np.full(len(places), np.inf)
        np.minimum.at(by_water, token, dijkstra(ways, indices=cell, limit=DETOUR * reach[query]))
        weight = areas[keys] * (1 - (straight[keys] / reach[query]) ** 2) ** 2
        weight /= weight.sum()
        # The ends of a way are centres of cells, half a token from those of tokens.
        way = np.maximum(by_water[keys] - lengths[query] / 2, straight[keys])
        beyond = weight[way > reach[query]].sum()
        detour = weight[(way > DETOUR * straight[keys]) & (straight[keys] > 2 * lengths[query])].sum()
        rows.append((beyond, detour, np.hypot(*(coast - places[query]).T).min() < reach[query]))
    beyond, detour, near = np.array(rows).T
    sees = near > 0
    means = beyond.mean(), detour.mean(), sees.mean(), beyond[sees].mean(), (beyond > 0.1).mean(), beyond.max()
    return (float(np.median(reach[chosen])) / 1e3, *map(float, means))


def ways_by_water(mesh: Mesh, pos: Array) -> sparse.csr_array:
    """Distance between the centres of cells that share a node, m."""
    valid = mesh.faces >= 0
    cell = np.broadcast_to(np.arange(mesh.n_faces)[:, None], mesh.faces.shape)[valid]
    touches = sparse.csr_array((np.ones(valid.sum()), (cell, mesh.faces[valid])), shape=(mesh.n_faces, mesh.n_nodes))
    pairs = sparse.coo_array(touches @ touches.T)
    return sparse.csr_array((np.hypot(*(pos[pairs.row] - pos[pairs.col]).T), (pairs.row, pairs.col)))


def coast_of(graph: MeshGraph, pos: Array) -> Array:
    """Centres of the cells at a coast."""
    return pos[graph.boundary[:, 0].numpy() > 0]


if __name__ == "__main__":
    main()
