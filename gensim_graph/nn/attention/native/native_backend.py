"""Backend ``native``: a kernel in C++ that gathers, multiplies and normalises in one pass, compiled at its first use.

A cluster attends to the union of the tokens that its queries see. About half of these lie beyond the radius of any one
query. The kernel skips a key for each group of sixteen queries that do not see it, which saves a third of the
multiply-adds, and it writes neither logits nor gathered keys to memory.
"""

from dataclasses import dataclass

import torch

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.clusters import (
    QueryPositions,
    add_query_positions,
    moments_about_queries,
    query_positions,
    taper_steepness,
)
from gensim_graph.nn.attention.interface import (
    AttentionInputs,
    AttentionOutput,
    AttentionPlan,
    Backend,
    HeadWeights,
)
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.nn.attention.native.native_kernel import HaloTables, halo_tables, native_attention
from gensim_graph.nn.attention.native.native_tokens import native_join_heads, native_split_heads
from gensim_graph.nn.native import library, native_applies
from gensim_graph.system import CompilerError
from gensim_graph.typing import Float, Tensor


@dataclass(frozen=True)
class NativeTables:
    """Tables of the backend.

    Attributes:
        queries: positions of the queries.
        halo: keys of each cluster, in the order of the kernel.
    """

    queries: QueryPositions
    halo: HaloTables


class NativeBackend(Backend[NativeTables]):
    """Compiled attention for processors; in single precision the heads are split and joined in compiled code, too."""

    def tables(self, graph: MeshGraph) -> NativeTables:
        """Compile the library if needed, and sort the keys for the kernel.

        Raises:
            InputError: the graph is not on a processor, or the library cannot be compiled.
        """
        device = graph.token_pos.device.type
        if device != "cpu":
            raise InputError(f"attention backend 'native': needs a processor; the graph is on '{device}': take 'auto'")

        try:
            library()
        except CompilerError as error:
            raise InputError(f"attention backend 'native': {error}; or take 'clusters'") from error

        positions = graph.key_pos, graph.key_log_area, graph.query_pos, taper_steepness(graph)
        return NativeTables(query_positions(graph), halo_tables(graph.halo, graph.halo_valid, *positions))

    def arrange(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        localisation: Localisation,
        plan: AttentionPlan[NativeTables],
        tokens: slice,
    ) -> AttentionInputs:
        """Append positions to the queries, and put keys and values side by side.

        Args:
            query, key, value: (B, t, H, 56).
            localisation: of these queries.
            plan: of the graph.
            tokens: the range, of t tokens.

        Returns:
            Queries (B, t, H, 64) and pairs (B, t, H, 112).
        """
        queries = add_query_positions(query, localisation, plan.tables.queries.part(tokens))
        return queries, torch.cat((key, value), dim=-1)

    def attend(
        self, inputs: AttentionInputs, plan: AttentionPlan[NativeTables]
    ) -> Float[Tensor, "batch token head 64"]:
        """Attend in compiled code.

        Args:
            inputs: of :meth:`arrange`, for all tokens.
            plan: of the graph.

        Returns:
            Content, and moments about the centres of the clusters.
        """
        query, pairs = inputs
        return native_attention(query, pairs, *plan.tables.halo)[0]

    def finish(self, raw: Tensor, scale: Tensor, plan: AttentionPlan[NativeTables], tokens: slice) -> AttentionOutput:
        """Shift the moments to the queries.

        Args:
            raw: (B, t, H, 64) output of :meth:`attend`.
            scale: (H,) one over the width of each head.
            plan: of the graph.
            tokens: the range, of t tokens.
        """
        return moments_about_queries(raw, scale, plan.tables.queries.part(tokens))

    def split_heads(
        self, projected: Tensor, weights: HeadWeights, plan: AttentionPlan[NativeTables], tokens: slice
    ) -> AttentionInputs:
        """Make queries and pairs in one pass where compiled code can be used.

        Args:
            projected: (B, t, D) projected features.
            weights: of the heads.
            plan: of the graph.
            tokens: the range, of t tokens.
        """
        if native_applies(projected, *weights, *plan.tables.queries):
            return native_split_heads(projected, weights, plan.tables.queries.part(tokens))
        return super().split_heads(projected, weights, plan, tokens)

    def join_heads(self, raw: Tensor, weights: HeadWeights, plan: AttentionPlan[NativeTables], tokens: slice) -> Tensor:
        """Make features by spin in one pass where compiled code can be used.

        Args:
            raw: (B, t, H, 64) output of :meth:`attend`.
            weights: of the heads.
            plan: of the graph.
            tokens: the range, of t tokens.
        """
        if native_applies(raw, *weights, *plan.tables.queries):
            return native_join_heads(raw, weights.log_scale.exp(), plan.tables.queries.part(tokens))
        return super().join_heads(raw, weights, plan, tokens)


NATIVE = NativeBackend()
