"""Backends of the local-subgraph attention, behind one function.

All compute, for every query q and head,

    p_qk = softmax_k( q . k + localisation_qk + log a_k + taper_qk ),
    content_q = sum_k p_qk v_k,          moments_q = scale sum_k p_qk f_k (x_k - x_q) / h_q

with f the channels ``LIFTED`` of v. A new backend is one more row of ``BACKENDS``.
"""

import torch

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.clusters import CLUSTERS
from gensim_graph.nn.heads import AttentionPlan, Backend, Output
from gensim_graph.nn.localisation import Localisation
from gensim_graph.nn.reference import REFERENCE
from gensim_graph.nn.triton_backend import TRITON
from gensim_graph.typing import Float, Tensor

BACKENDS: dict[str, Backend] = {"clusters": CLUSTERS, "triton": TRITON, "reference": REFERENCE}


@torch.no_grad()
def plan_attention(graph: MeshGraph, backend: str = "clusters") -> AttentionPlan:
    """Prepare the attention on a graph, once for all evaluations.

    Raises:
        InputError: no such backend, or one that cannot run on this machine or where the graph is.
    """
    if backend not in BACKENDS:
        raise InputError(f"attention backend '{backend}': expected one of {', '.join(BACKENDS)}")
    return BACKENDS[backend].plan(graph)


def local_attention(
    query: Float[Tensor, "batch token head content"],
    key: Float[Tensor, "batch token head content"],
    value: Float[Tensor, "batch token head content"],
    localisation: Localisation,
    plan: AttentionPlan,
) -> Output:
    """Attend to the tokens of the own cluster and its halo.

    Args:
        query, key, value: (B, T, H, 56); queries carry their scale.
        localisation: coefficients of each query.
        plan: of :func:`plan_attention`; it says which backend.

    Returns:
        Content (B, T, H, 56) and moments (B, T, H, 8): the lifted channels times dx, then times dy. Rows of padded
        tokens are finite and mean nothing.
    """
    backend, tokens = BACKENDS[plan.backend], slice(0, query.shape[1])
    raw = backend.attend(backend.pack(query, key, value, localisation, plan, tokens), plan)
    return backend.finish(raw, localisation.scale, plan, tokens)
