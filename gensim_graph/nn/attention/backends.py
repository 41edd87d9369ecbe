"""Backends of the local-subgraph attention, behind one function.

All backends compute, for every query q and head,

    p_qk = softmax_k( q . k + localisation_qk + log a_k + taper_qk ),
    content_q = sum_k p_qk v_k,          moments_q = scale sum_k p_qk f_k (x_k - x_q) / h_q

with f the channels ``MOMENT_SOURCES`` of v. A new backend is one more row of ``BACKENDS``.
"""

import logging
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.clusters import CLUSTERS
from gensim_graph.nn.attention.interface import AttentionOutput, AttentionPlan, Backend
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.nn.attention.native import NATIVE
from gensim_graph.nn.attention.reference import REFERENCE
from gensim_graph.nn.attention.triton import TRITON
from gensim_graph.nn.native import native_available
from gensim_graph.typing import Float, Tensor

log = logging.getLogger(__name__)

BACKENDS: dict[str, Backend[Any]] = {
    "native": NATIVE,
    "clusters": CLUSTERS,
    "triton": TRITON,
    "reference": REFERENCE,
}

AUTO = "auto"
"""The backend that suits the device."""

CHOICES = (AUTO, *BACKENDS)


@torch.no_grad()
def plan_attention(graph: MeshGraph, backend: str = AUTO) -> AttentionPlan[Any]:
    """Prepare the attention on a graph, once for all evaluations.

    Args:
        graph: positions in metres, on the device of the attention.
        backend: one of ``CHOICES``.

    Raises:
        InputError: there is no such backend, or it cannot run on this machine or on the device of the graph.
    """
    name = choose_backend(graph.token_pos.device) if backend == AUTO else backend
    if name not in BACKENDS:
        raise InputError(f"attention backend '{backend}': expected one of {', '.join(CHOICES)}")
    return AttentionPlan(graph, name, BACKENDS[name].tables(graph))


def choose_backend(device: torch.device) -> str:
    """Return ``native`` on a processor and ``triton`` on a GPU, or ``clusters`` without a compiler or Triton.

    A missing compiler or Triton is logged once.
    """
    if device.type == "cpu":
        return "native" if native_available() else "clusters"
    if device.type != "cuda":
        return "clusters"
    return "triton" if _triton_available() else "clusters"


@cache
def _triton_available() -> bool:
    found = find_spec("triton") is not None
    if not found:
        log.warning("Triton is not installed: attention on the GPU writes its logits, slower and with more memory")
    return found


def local_attention(
    query: Float[Tensor, "batch token head content"],
    key: Float[Tensor, "batch token head content"],
    value: Float[Tensor, "batch token head content"],
    localisation: Localisation,
    plan: AttentionPlan[Any],
) -> AttentionOutput:
    """Attend from every token to the tokens of its cluster and of the halo.

    Args:
        query: (B, T, H, 56), with its scale.
        key: (B, T, H, 56).
        value: (B, T, H, 56).
        localisation: coefficients of each query.
        plan: of :func:`plan_attention`; it names the backend.

    Returns:
        Content (B, T, H, 56), and moments (B, T, H, 8) in the frame of the graph: the source channels times dx, then
        times dy. Rows of padded tokens are finite and have no meaning.

    Example:
        On a square grid, let one source channel of the values grow by one per token length along x, and let queries and
        keys be zero. A narrow and a wide head then see a mean over their neighbourhood, and the slope along x:

        >>> import numpy as np
        >>> import torch
        >>> import gensim_graph as gg
        >>> from gensim_graph.nn.attention import LocalisationHead, local_attention, plan_attention
        >>> axis = 16e3 * np.arange(16)
        >>> graph = gg.build_graph(gg.Mesh.from_grid(axis, axis))
        >>> x, heads = graph.token_pos[:, 0] / graph.token_length, 2
        >>> zeros = torch.zeros(1, len(x), heads, 2)
        >>> localisation = LocalisationHead(heads)(zeros[..., 0], zeros, zeros)
        >>> query = key = torch.zeros(1, len(x), heads, 56)
        >>> value = torch.zeros_like(key)
        >>> value[0, :, :, 0] = x.unsqueeze(-1)
        >>> content, moments = local_attention(query, key, value, localisation, plan_attention(graph))
        >>> tuple(content.shape), tuple(moments.shape)
        ((1, 64, 2, 56), (1, 64, 2, 8))
        >>> token = int(graph.token_pos.norm(dim=-1).argmin())  # next to the middle
        >>> round(float(x[token]), 2), [round(mean, 2) for mean in content[0, token, :, 0].tolist()]
        (-0.5, [-0.5, -0.21])
        >>> [round(slope, 2) for slope in moments[0, token, :, 0].tolist()]
        [0.68, 0.84]
    """
    backend, tokens = BACKENDS[plan.backend], slice(0, query.shape[1])
    raw = backend.attend(backend.arrange(query, key, value, localisation, plan, tokens), plan)
    return backend.finish(raw, localisation.scale, plan, tokens)
