"""Both forms of the sum over neighbours are the same, with their gradients."""

import torch
from support.meshes import jittered_box

from gensim_graph.graph import build_graph
from gensim_graph.nn import stencil_sum
from gensim_graph.nn.neighbour_sum import PlainStencilSum


def test_plain_form_and_operator_agree():
    graph = build_graph(jittered_box(12))
    weights = torch.cat((graph.mean.unsqueeze(-1), graph.gradient), dim=-1)
    features = torch.randn(2, graph.n_cells, 16, requires_grad=True)

    pair = [
        stencil_sum(features, graph.neighbours, weights, 0, graph.n_cells),
        PlainStencilSum.apply(features, graph.neighbours, weights),
    ]
    upstream = torch.randn_like(pair[0])
    gradients = [torch.autograd.grad(result, features, upstream)[0] for result in pair]

    torch.testing.assert_close(pair[1], pair[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-4)
