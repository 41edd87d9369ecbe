"""Backend ``triton``: fused kernels for a GPU that gather keys by their index and write no logits.

With TRITON_INTERPRET=1 the kernels run on a processor, slowly: so the tests check them on machines without a GPU.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec

import torch

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.interface import AttentionInputs, AttentionOutput, AttentionPlan, Backend
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.nn.attention.triton.token_lists import TokenLists, list_keys, list_readers, precise_positions
from gensim_graph.nn.attention.triton.triton_operator import triton_attention
from gensim_graph.nn.native import HEAD_CONTENT, POSITION_CHANNELS
from gensim_graph.typing import Float, Tensor


@dataclass(frozen=True)
class TritonTables:
    """Tables that the kernels read.

    Attributes:
        position: (T, 8) x, y in m rounded to single precision, the remainders of x, y, one over the length, squared
            reach in lengths, log of the area in units of their geometric mean, 0. Padding has reach 0 and -1e4.
        keys: tokens that each cluster attends to.
        readers: queries that see each cluster.
    """

    position: Float[Tensor, "token 8"]
    keys: TokenLists
    readers: TokenLists


class TritonBackend(Backend[TritonTables]):
    """Triton kernels on a GPU."""

    def tables(self, graph: MeshGraph) -> TritonTables:
        """List the tokens that each cluster reads and is read by.

        Raises:
            InputError: Triton is not installed, the graph is not on a GPU, or its clusters have another size than 16,
                32, 64 or 128 tokens.
        """
        _require_triton(graph)
        return TritonTables(_position_table(graph), list_keys(graph), list_readers(graph))

    def arrange(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        localisation: Localisation,
        plan: AttentionPlan[TritonTables],
        tokens: slice,
    ) -> AttentionInputs:
        """Bring everything to the precision of the values, and the localisation to single precision.

        Args:
            query, key, value: (B, t, H, 56).
            localisation: of these queries.
            plan, tokens: not used.

        Returns:
            Query, key, value, and coefficients (B, t, H, 5).
        """
        dtype = value.dtype if value.dtype in (torch.bfloat16, torch.float16) else torch.float32
        coefficients = torch.cat((localisation.quadratic, localisation.linear), dim=-1)
        return query.to(dtype), key.to(dtype), value.to(dtype), coefficients.float()

    def attend(
        self, inputs: AttentionInputs, plan: AttentionPlan[TritonTables]
    ) -> Float[Tensor, "batch token head 64"]:
        """Attend in the kernels.

        Args:
            inputs: of :meth:`arrange`, for all tokens.
            plan: of the graph.

        Returns:
            Content, and moments in token lengths, in single precision.
        """
        tables = plan.tables
        return triton_attention(*inputs, tables.position, *tables.keys, *tables.readers)[0]

    def finish(self, raw: Tensor, scale: Tensor, plan: AttentionPlan[TritonTables], tokens: slice) -> AttentionOutput:
        """Scale the moments.

        Args:
            raw: (B, t, H, 64) output of :meth:`attend`.
            scale: (H,) one over the width of each head.
            plan, tokens: not used.
        """
        content, moments = raw.split((HEAD_CONTENT, POSITION_CHANNELS), dim=-1)
        return content, moments * scale[:, None]


def _require_triton(graph: MeshGraph) -> None:
    """Check that the kernels can run on this graph.

    Raises:
        InputError: they cannot.
    """
    if find_spec("triton") is None:
        raise InputError("attention backend 'triton': needs the package triton: pip install triton; or take 'clusters'")

    device, width = graph.token_pos.device.type, graph.query_pos.shape[1]
    if device != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise InputError(f"attention backend 'triton': needs a GPU; the graph is on '{device}', where 'native' is fast")
    if width < 16 or width & (width - 1):
        raise InputError(f"attention backend 'triton': clusters of {width} tokens; expected 16, 32, 64 or 128")


def _position_table(graph: MeshGraph) -> Float[Tensor, "token 8"]:
    exact, real = precise_positions(graph), graph.token_valid
    high = exact.float()
    low = (exact - high).float()
    log_area = torch.where(real, graph.token_area, 1.0).double().log()
    # Any constant drops out of the softmax; small numbers are more precise.
    log_area = torch.where(real, log_area - log_area.sum() / real.sum(), -1e4).float()
    reach2 = graph.radius[graph.token_graph].square() * real
    columns = (1 / graph.token_length, reach2, log_area, torch.zeros_like(log_area))

    return torch.cat((high, low, torch.stack(columns, dim=-1)), dim=-1)


TRITON = TritonBackend()
