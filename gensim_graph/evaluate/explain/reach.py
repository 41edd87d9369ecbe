r"""How far the model looks: the soft localisation that each head of each block has learnt, in km.

The weight of a key at a distance d of the query, in token lengths, is a Gaussian of the width w of the head with the
taper that ends it at the radius r (:mod:`~gensim_graph.nn.attention.localisation`):

.. math:: k(d) = \exp(-d^2 / 2 w^2) (1 - d^2 / r^2)^2

Its reach is the standard deviation along an axis, sqrt(1/2 int d^3 k dd / int d k dd): w for a narrow head, less for
one that the taper cuts. It is that at rest: a token may change it, by a factor of exp(-0.75) to exp(0.75) and more
along one axis than across. A step of the forecast sees farther, through all blocks and evaluations.
"""

import numpy as np
import torch
import xarray as xr
from matplotlib.figure import Figure

from gensim_graph.errors import InputError
from gensim_graph.evaluate.pictures import styled
from gensim_graph.graph import cached_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import VelocityOperator
from gensim_graph.nn.attention import LocalisationHead
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Array


def head_reach(model: Surrogate, mesh: Mesh) -> xr.DataArray:
    """Reach of every head at rest on a mesh.

    Args:
        model: with a :class:`~gensim_graph.VelocityOperator`.
        mesh: its median token length turns lengths into km.

    Returns:
        (block, head) km, heads sorted as in the model.

    Raises:
        InputError: another network, which has no heads.
    """
    if not isinstance(model.operator, VelocityOperator):
        raise InputError(f"reach of the heads: the network is a {type(model.operator).__name__}, which has none")

    graph = cached_graph(mesh)
    heads = [part for part in model.operator.modules() if isinstance(part, LocalisationHead)]  # in order of the blocks
    with torch.no_grad():
        widths = np.stack([np.exp(-head.clamped.double().cpu().numpy()) for head in heads])

    length = 1e-3 * float(np.median(graph.token_length[graph.token_valid].cpu().numpy()))
    attributes = {"units": "km", "long_name": "reach of a head", "token_length_km": length}

    return xr.DataArray(
        length * tapered_reach(widths, float(graph.radius)), dims=("block", "head"), name="reach", attrs=attributes
    )


def tapered_reach(width: Array, radius: float) -> Array:
    """Standard deviation along an axis of a Gaussian of some widths, tapered at a radius; in their units."""
    distance = np.linspace(0.0, radius, 4001)
    kernel = np.exp(-0.5 * (distance / width[..., None]) ** 2) * (1 - (distance / radius) ** 2) ** 2
    return np.sqrt(0.5 * (kernel * distance**3).sum(axis=-1) / (kernel * distance).sum(axis=-1))


@styled
def reach_figure(reach: xr.DataArray) -> Figure:
    """The reach of every head as a table of colours, with its numbers."""
    blocks, heads = reach.shape
    figure = Figure(figsize=(1.6 + 0.75 * heads, 1.2 + 0.5 * blocks), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(reach.values, cmap="viridis", aspect="auto")
    middle = (float(reach.max()) + float(reach.min())) / 2
    for (block, head), value in np.ndenumerate(reach.values):
        ax.text(head, block, f"{value:.3g}", ha="center", va="center", color="white" if value < middle else "black")

    ax.set(xlabel="head", ylabel="block", xticks=range(heads), yticks=range(blocks))
    ax.set_xticklabels([str(head + 1) for head in range(heads)])
    ax.set_yticklabels([str(block + 1) for block in range(blocks)])
    figure.colorbar(image, ax=ax, label="reach (km)")

    return figure
