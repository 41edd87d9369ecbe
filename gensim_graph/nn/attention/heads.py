"""What all backends of the local-subgraph attention share: the layout of a head, the plan and the seam."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.typing import Float, Int, Tensor

HEAD_CONTENT = 56
"""Content channels of a head; with eight for positions they make 64."""

HEAD_CHANNELS = HEAD_CONTENT + 8

HEAD_SPINS = (28, 7, 7)
"""Scalars, vectors and tensors among the content channels."""

LIFTED = (0, 1, 28, 35)
"""Channels of the values whose first moment is taken: two scalars and a vector (Re, Im)."""


@dataclass(frozen=True)
class AttentionPlan:
    """What all blocks and all evaluations on one graph share.

    Attributes:
        graph: positions, areas, halos and the radius of the taper.
        backend: name of the backend that it was made for.
        taper: (C, W, K) taper of the clusters, or None where it is too large to keep.
        place: (C, 2, K, 8) position channels of the keys of each cluster, and factors of their lifted values.
        steepness: (C, W) (reach of the cluster / reach of the query)^2, 0 for padding.
        ratio: (T,) reach of the cluster over the length of the query.
        counts: (C,) keys of each cluster up to the last one that is meant; None without the kernel that asks for it.
        blocks: what a backend of its own keeps.
    """

    graph: MeshGraph
    backend: str
    taper: Float[Tensor, "cluster query key"] | None = None
    place: Float[Tensor, "cluster 2 key 8"] | None = None
    steepness: Float[Tensor, "cluster query"] | None = None
    ratio: Float[Tensor, " token"] | None = None
    counts: Int[Tensor, " cluster"] | None = None
    blocks: object = None

    @property
    def places(self) -> tuple[Float[Tensor, " token"], Float[Tensor, "token 2"]]:
        """Of every query ``ratio`` and its position about the centre of the cluster, where a backend needs them."""
        assert self.ratio is not None
        return self.ratio, self.graph.query_pos.flatten(0, 1)


class HeadWeights(NamedTuple):
    """Weights of the heads.

    Attributes:
        query_scale, key_scale: (H, 56) of the RMS norm of each head (Henry et al. 2020), the query's with the
            temperature.
        log_scale: (H,) logarithm of one over the width of each head.
    """

    query_scale: Tensor
    key_scale: Tensor
    log_scale: Tensor


AttentionOutput = tuple[Float[Tensor, "batch token head content"], Float[Tensor, "batch token head moments"]]
Packed = tuple[Tensor, ...]


@dataclass(frozen=True)
class Backend:
    """A way to compute the attention, in three stages: only the second looks at other tokens.

    Attributes:
        plan: graph -> plan, once a graph.
        pack: query, key, value (B, t, H, 56), localisation, plan and the range of tokens they are of -> what the
            backend wants to have of them, tensors (B, t, ...).
        attend: packed (B, T, ...) and plan -> (B, T, H, channels).
        finish: a range of that, scale of the moments (H,), plan and range -> content (B, t, H, 56) and moments
            (B, t, H, 8).
        look: projected features (B, t, channel), weights, plan, range -> as ``split_heads``, ``localise`` and
            ``pack`` one after the other, in compiled code; None where there is none.
        see: the outcome of ``attend``, weights, plan and range -> features by spin (B, t, channel), likewise.
    """

    plan: Callable[[MeshGraph], AttentionPlan]
    pack: Callable[[Tensor, Tensor, Tensor, Localisation, AttentionPlan, slice], Packed]
    attend: Callable[[Packed, AttentionPlan], Tensor]
    finish: Callable[[Tensor, Tensor, AttentionPlan, slice], AttentionOutput]
    look: Callable[[Tensor, HeadWeights, AttentionPlan, slice], Packed] | None = None
    see: Callable[[Tensor, HeadWeights, AttentionPlan, slice], Tensor] | None = None
