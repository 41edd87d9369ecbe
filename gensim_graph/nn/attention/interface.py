"""The interface of a backend: three stages, and the plan that carries the tables of the backend.

Only the second stage, ``attend``, lets tokens see each other. The first and the last work token by token and can be
done for a few thousand tokens at a time, which saves memory.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.localisation import Localisation, localise
from gensim_graph.nn.attention.split import join_heads, split_heads
from gensim_graph.nn.graph_plan import GraphPlan
from gensim_graph.typing import Float, Tensor

Tables = TypeVar("Tables")
"""Type of the tables of a backend."""


@dataclass(frozen=True)
class AttentionPlan(GraphPlan, Generic[Tables]):
    """Everything that all blocks and all evaluations share on one graph.

    Attributes:
        graph: positions, areas, halos and the radius of the taper.
        backend: name of the backend.
        tables: made from the graph by that backend.
    """

    backend: str
    tables: Tables


class HeadWeights(NamedTuple):
    """Weights of the heads, ready for use by the stages.

    Attributes:
        query_scale: (H, 56) scales of the queries after their RMS norm (Henry et al. 2020), with the temperature.
        key_scale: (H, 56) scales of the keys.
        log_scale: (H,) logarithm of one over the width of each head, in token lengths.
    """

    query_scale: Tensor
    key_scale: Tensor
    log_scale: Tensor


AttentionInputs = tuple[Tensor, ...]
"""Tensors (B, T, ...) that ``attend`` reads: queries, keys and values in the layout of a backend."""

AttentionOutput = tuple[Float[Tensor, "batch token head content"], Float[Tensor, "batch token head moments"]]
"""Content (B, T, H, 56) and moments (B, T, H, 8) of every query."""


class Backend(ABC, Generic[Tables]):
    """One way to compute the attention.

    A backend implements ``tables`` and the stages ``arrange``, ``attend`` and ``finish``. The attention layer calls
    ``split_heads``, ``attend`` and ``join_heads``; a backend overrides the first and the last only if it has a faster
    way from projected features to its inputs, or from its output to features.
    """

    @abstractmethod
    def tables(self, graph: MeshGraph) -> Tables:
        """Prepare everything that depends on the graph alone.

        Raises:
            InputError: the backend cannot run on this machine, or on the device of the graph.
        """

    @abstractmethod
    def arrange(
        self,
        query: Float[Tensor, "batch some head content"],
        key: Float[Tensor, "batch some head content"],
        value: Float[Tensor, "batch some head content"],
        localisation: Localisation,
        plan: AttentionPlan[Tables],
        tokens: slice,
    ) -> AttentionInputs:
        """Arrange a range of tokens as inputs of :meth:`attend`.

        Args:
            query: (B, t, H, 56), normalised and scaled.
            key: (B, t, H, 56), normalised and scaled.
            value: (B, t, H, 56).
            localisation: coefficients of these queries.
            plan: of the graph.
            tokens: the range, of t tokens.
        """

    @abstractmethod
    def attend(self, inputs: AttentionInputs, plan: AttentionPlan[Tables]) -> Float[Tensor, "batch token head any"]:
        """Attend: every query to the tokens of its cluster and of the halo.

        Args:
            inputs: of all tokens.
            plan: of the graph.

        Returns:
            (B, T, H, channels), in a layout that :meth:`finish` knows.
        """

    @abstractmethod
    def finish(
        self,
        raw: Float[Tensor, "batch some head any"],
        scale: Float[Tensor, " head"],
        plan: AttentionPlan[Tables],
        tokens: slice,
    ) -> AttentionOutput:
        """Separate the output of :meth:`attend` into content and moments about the query.

        Args:
            raw: output of a range of tokens.
            scale: (H,) one over the width of each head, the unit of the moments.
            plan: of the graph.
            tokens: the range.
        """

    def split_heads(
        self,
        projected: Float[Tensor, "batch some channel"],
        weights: HeadWeights,
        plan: AttentionPlan[Tables],
        tokens: slice,
    ) -> AttentionInputs:
        """Make the inputs of :meth:`attend` from projected features.

        Args:
            projected: (B, t, D) as in :func:`~gensim_graph.nn.attention.split.split_heads`.
            weights: of the heads.
            plan: of the graph.
            tokens: the range, of t tokens.
        """
        query, key, value, predicted = split_heads(projected, weights.query_scale, weights.key_scale)
        localisation = localise(weights.log_scale, predicted[..., 0], predicted[..., 1:3], predicted[..., 3:5])
        return self.arrange(query, key, value, localisation, plan, tokens)

    def join_heads(
        self,
        raw: Float[Tensor, "batch some head any"],
        weights: HeadWeights,
        plan: AttentionPlan[Tables],
        tokens: slice,
    ) -> Float[Tensor, "batch some channel"]:
        """Make features by spin from the output of :meth:`attend`.

        Args:
            raw: output of a range of tokens.
            weights: of the heads.
            plan: of the graph.
            tokens: the range.
        """
        return join_heads(*self.finish(raw, weights.log_scale.exp(), plan, tokens))
