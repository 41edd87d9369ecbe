"""Backend ``native``: a kernel in C++ that gathers, multiplies and softens in one go, compiled at its first use.

A cluster attends to the union of what its queries see, about half of which is beyond the radius of any one of them.
The kernel leaves out what no query of a group of sixteen sees, a third of the multiply-adds, and writes no logits and
no gathered keys to memory.
"""

import torch

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.clusters import about_queries, placed_queries, ratio_of, steepness_of
from gensim_graph.nn.attention.heads import AttentionPlan, Backend, Packed
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.nn.attention.native.native_kernel import HaloTables, halo_tables, native_attention
from gensim_graph.nn.attention.native.native_tokens import look, see
from gensim_graph.nn.native import library
from gensim_graph.system import CompilerError
from gensim_graph.typing import Float, Tensor


def _plan(graph: MeshGraph) -> AttentionPlan:
    """Prepare the tables of the kernel.

    Raises:
        InputError: the graph is not on a processor, or there is no kernel.
    """
    device = graph.token_pos.device.type
    if device != "cpu":
        raise InputError(f"attention backend 'native': needs a processor; the graph is on '{device}': take 'auto'")

    try:
        library()
    except CompilerError as error:
        raise InputError(f"attention backend 'native': {error}; or take 'clusters'") from error

    places = graph.key_pos, graph.key_log_area, graph.query_pos, steepness_of(graph)
    tables = halo_tables(graph.halo, graph.halo_valid, *places)

    return AttentionPlan(graph, "native", ratio=ratio_of(graph), blocks=tables)


def _pack(
    query: Tensor, key: Tensor, value: Tensor, localisation: Localisation, plan: AttentionPlan, tokens: slice
) -> Packed:
    """Queries with their places, and keys and values side by side."""
    return placed_queries(query, localisation, plan, tokens), torch.cat((key, value), dim=-1)


def _attend(packed: Packed, plan: AttentionPlan) -> Float[Tensor, "batch token head 64"]:
    """Content, and moments about the centres of the clusters."""
    assert isinstance(plan.blocks, HaloTables)
    return native_attention(*packed, *plan.blocks)[0]


NATIVE = Backend(_plan, _pack, _attend, about_queries, look, see)
