"""Backends of the local-subgraph attention, behind one function.

All compute, for every query q and head,

    p_qk = softmax_k( q . k + localisation_qk + log a_k + taper_qk ),
    content_q = sum_k p_qk v_k,          moments_q = scale sum_k p_qk f_k (x_k - x_q) / h_q

with f the channels ``LIFTED`` of v. A new backend is one more row of ``BACKENDS``.
"""

import logging
from functools import cache
from importlib.util import find_spec

import torch

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.clusters import CLUSTERS
from gensim_graph.nn.attention.heads import AttentionOutput, AttentionPlan, Backend
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.nn.attention.native import NATIVE
from gensim_graph.nn.attention.reference import REFERENCE
from gensim_graph.nn.attention.triton import TRITON
from gensim_graph.nn.native import native_at_hand
from gensim_graph.typing import Float, Tensor

log = logging.getLogger(__name__)

BACKENDS: dict[str, Backend] = {"native": NATIVE, "clusters": CLUSTERS, "triton": TRITON, "reference": REFERENCE}

AUTO = "auto"
"""The backend that suits the device."""

CHOICES = (AUTO, *BACKENDS)


@torch.compiler.disable
@torch.no_grad()
def plan_attention(graph: MeshGraph, backend: str = AUTO) -> AttentionPlan:
    """Prepare the attention on a graph, once for all evaluations.

    Raises:
        InputError: no such backend, or one that cannot run on this machine or where the graph is.
    """
    name = choose_backend(graph.token_pos.device) if backend == AUTO else backend
    if name not in BACKENDS:
        raise InputError(f"attention backend '{backend}': expected one of {', '.join(CHOICES)}")
    return BACKENDS[name].plan(graph)


def choose_backend(device: torch.device) -> str:
    """``native`` on a processor, ``triton`` on a GPU; ``clusters`` without a compiler or Triton, which is said once."""
    if device.type == "cpu":
        return "native" if native_at_hand() else "clusters"
    if device.type != "cuda":
        return "clusters"
    return "triton" if _triton_at_hand() else "clusters"


@cache
def _triton_at_hand() -> bool:
    found = find_spec("triton") is not None
    if not found:
        log.warning("Triton is not installed: attention on the GPU writes its logits, slower and with more memory")
    return found


def local_attention(
    query: Float[Tensor, "batch token head content"],
    key: Float[Tensor, "batch token head content"],
    value: Float[Tensor, "batch token head content"],
    localisation: Localisation,
    plan: AttentionPlan,
) -> AttentionOutput:
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
