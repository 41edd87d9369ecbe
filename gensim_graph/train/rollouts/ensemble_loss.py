"""The loss of an ensemble: the almost fair CRPS of cells, of means over more and more cells, and of the deformation.

Scores of single cells alone do not see whether neighbouring cells err together. Scores of means over groups of cells
do: their spread is right only if the errors are correlated as they should be (Lang et al. 2024 and Alet et al. 2025
discuss it). The groups are those of the k-d order of the graph: 4, 16, 64, ... consecutive cells, which lie together.
The gradients of the drift are the deformation. Most ice hardly deforms, and in a score of gradients it hardly counts:
the logarithm of the total deformation is scored, too. Scores of vectors are energy scores: the loss does not depend on
the axes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gensim_graph.config import ObjectiveConfig
from gensim_graph.flow import almost_fair_crps, almost_fair_energy
from gensim_graph.graph import TOKEN_CELLS, MeshGraph
from gensim_graph.nn import stencil_sum
from gensim_graph.typing import Float, Tensor

_AT_REST = 0.02
"""Deformation below which ice counts as at rest: change of the drift, over its deviation, in a length unit."""


@dataclass(frozen=True)
class EnsembleLoss:
    """Loss of the members of one step.

    Attributes:
        config: what is scored.
        vectors: (x, y) channels of the vectors; all other channels are scored as scalars.
    """

    config: ObjectiveConfig
    vectors: Sequence[tuple[int, int]]

    def __call__(
        self,
        members: Float[Tensor, "member face state"],
        truth: Float[Tensor, "face state"],
        weight: Float[Tensor, "face state"],
        graph: MeshGraph,
    ) -> Float[Tensor, ""]:
        """Compute the mean loss, weighted by area.

        Args:
            members: states, each variable in units of the deviation of its residual.
            truth: true state, in the same units.
            weight: of each value, 0 or 1.
            graph: of the cells.
        """
        share = weight * (graph.area / graph.area.mean()).unsqueeze(-1)
        total = self._mean(members, truth, share)

        for scale in range(1, self.config.averages + 1):
            group = graph.slot // TOKEN_CELLS**scale
            count = len(graph.slot_weight) // TOKEN_CELLS**scale + 1
            size = share.new_zeros(count, share.shape[-1]).index_add(0, group, share)
            inverse = torch.where(size > 0, 1 / size.clamp(min=1e-12), 0.0)
            means, true_means = (
                one.new_zeros(*one.shape[:-2], count, one.shape[-1]).index_add(-2, group, one * share) * inverse
                for one in (members, truth)
            )
            total = total + self._mean(means, true_means, size)

        if self.vectors and (self.config.gradients or self.config.deformation):
            total = total + self._gradients(members, truth, share, graph)
        return total

    def _mean(self, members: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
        """Mean score of all scalars and vectors.

        Args:
            members, truth, weight: as in :meth:`__call__`.
        """
        scores, weights = [], []
        paired = {channel for pair in self.vectors for channel in pair}
        columns = [(channel,) for channel in range(truth.shape[-1]) if channel not in paired]

        for chosen in (*columns, *self.vectors):
            parts, true_parts = (torch.stack([one[..., each] for each in chosen], dim=-1) for one in (members, truth))
            scores.append(almost_fair_energy(parts, true_parts, self.config.fairness) * len(chosen))
            weights.append(weight[..., chosen[0]])

        every = torch.stack(weights)
        sizes = every.new_tensor([1.0] * len(columns) + [2.0] * len(self.vectors)).unsqueeze(-1)
        return (torch.stack(scores) * every).sum() / (sizes * every).sum().clamp(min=1e-12)

    def _gradients(self, members: Tensor, truth: Tensor, weight: Tensor, graph: MeshGraph) -> Tensor:
        """Weighted score of the gradients of all vectors and of the logarithm of their deformation.

        Gradients are differences over the length unit of the graph, that of the network.

        Args:
            members, truth, weight: as in :meth:`__call__`.
            graph: of the cells.
        """
        config, total = self.config, weight.new_zeros(())
        for pair in self.vectors:
            slopes, true_slopes = (_slopes(one[..., list(pair)], graph) for one in (members, truth.unsqueeze(0)))
            score = config.gradients * almost_fair_energy(slopes, true_slopes[0], config.fairness)
            if config.deformation:
                rates, true_rates = _log_deformation(slopes), _log_deformation(true_slopes[0])
                score = score + config.deformation * almost_fair_crps(rates, true_rates, config.fairness)
            own = weight[..., pair[0]]
            total = total + (score * own).sum() / own.sum().clamp(min=1e-12)
        return total / len(self.vectors)


def _slopes(vectors: Float[Tensor, "member face 2"], graph: MeshGraph) -> Float[Tensor, "member face 4"]:
    """Gradients of both components along both axes, per length unit of the graph."""
    return stencil_sum(vectors.contiguous(), graph.neighbours, graph.gradient, 0, graph.n_cells).flatten(2)


def _log_deformation(slopes: Float[Tensor, "*member face 4"]) -> Float[Tensor, "*member face"]:
    """Logarithm of the total deformation, the root of divergence squared plus shear squared."""
    along, across, other, along_y = slopes.unbind(-1)
    squared = 2 * (along.square() + along_y.square()) + (across + other).square()
    return 0.5 * torch.log(squared + _AT_REST**2)
