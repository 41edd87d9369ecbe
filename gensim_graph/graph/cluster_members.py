"""Members of each cluster: lists of cells or edges by cluster, so that a part of a graph is found without a search."""

import torch

from gensim_graph.typing import Int, Tensor


class ClusterMembers:
    """Lists of the elements (cells or edges) of each cluster.

    Args:
        cluster: (n,) cluster of each element.
        count: number of clusters.
    """

    def __init__(self, cluster: Int[Tensor, " element"], count: int) -> None:
        self._order = cluster.argsort(stable=True)
        self._bounds = [0, *torch.bincount(cluster, minlength=count).cumsum(0).tolist()]

    def of(self, clusters: Int[Tensor, " chosen"]) -> Int[Tensor, " some"]:
        """Return the elements of some clusters, in ascending order.

        Args:
            clusters: numbers of the clusters.
        """
        parts = [self._order[self._bounds[one] : self._bounds[one + 1]] for one in clusters.tolist()]
        return torch.cat(parts).sort().values
