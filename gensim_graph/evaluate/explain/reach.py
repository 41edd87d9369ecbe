r"""Reach of the attention heads: the distance up to which each head of each block has learnt to look, in km.

A head weights a key at the distance d from the query, in token lengths, with a Gaussian of its width w, times a taper
that is zero at the radius r (:mod:`~gensim_graph.nn.attention.localisation`):

.. math:: k(d) = \exp(-d^2 / 2 w^2) (1 - d^2 / r^2)^2

The reach is the standard deviation of this weight along an axis, sqrt(1/2 int d^3 k dd / int d k dd). It equals w for a
narrow head, and is smaller than w for a head that the taper cuts. It is the reach at rest: a token may change it by a
factor of exp(-0.75) to exp(0.75), and more along one axis than across. One step of a forecast sees farther than one
head, because it passes through all blocks and all evaluations of the network.
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
from gensim_graph.units import KM_PER_METRE


def head_reach(model: Surrogate, mesh: Mesh) -> xr.DataArray:
    """Compute the reach of every head at rest on a mesh.

    Args:
        model: a surrogate with a :class:`~gensim_graph.VelocityOperator`.
        mesh: it gives the median token length, which converts lengths to km.

    Returns:
        (block, head) km, blocks and heads in the order of the model. Attribute: token_length_km.

    Raises:
        InputError: the network of the surrogate has no heads.
    """
    if not isinstance(model.operator, VelocityOperator):
        raise InputError(f"reach of the heads: the network is a {type(model.operator).__name__}, which has none")

    heads = [part for part in model.operator.modules() if isinstance(part, LocalisationHead)]  # in order of the blocks
    with torch.no_grad():
        widths = np.stack([np.exp(-head.clamped.double().cpu().numpy()) for head in heads])

    graph = cached_graph(mesh)
    length = KM_PER_METRE * float(np.median(graph.token_length[graph.token_valid].cpu().numpy()))
    reach = length * tapered_reach(widths, float(graph.radius))
    attributes = {"units": "km", "long_name": "reach of a head", "token_length_km": length}

    return xr.DataArray(reach, dims=("block", "head"), name="reach", attrs=attributes)


def tapered_reach(width: Array, radius: float) -> Array:
    """Compute the standard deviation of tapered Gaussians along an axis.

    Args:
        width: (...) widths of the Gaussians, in any unit of length.
        radius: distance at which the taper is zero, in the same unit.

    Returns:
        (...) in the same unit.
    """
    distance = np.linspace(0.0, radius, 4001)
    kernel = np.exp(-0.5 * (distance / width[..., None]) ** 2) * (1 - (distance / radius) ** 2) ** 2
    return np.sqrt(0.5 * (kernel * distance**3).sum(axis=-1) / (kernel * distance).sum(axis=-1))


@styled
def reach_figure(reach: xr.DataArray) -> Figure:
    """Draw the reach of every head as a coloured table with its numbers.

    Args:
        reach: (block, head) km, as :func:`head_reach` returns it.
    """
    blocks, heads = reach.shape
    figure = Figure(figsize=(1.6 + 0.75 * heads, 1.2 + 0.5 * blocks), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(reach.values, cmap="viridis", aspect="auto")
    middle = (float(reach.max()) + float(reach.min())) / 2  # dark colours below it need white numbers

    for (block, head), value in np.ndenumerate(reach.values):
        ax.text(head, block, f"{value:.3g}", ha="center", va="center", color="white" if value < middle else "black")

    ax.set(xlabel="head", ylabel="block", xticks=range(heads), yticks=range(blocks))
    ax.set_xticklabels([str(head + 1) for head in range(heads)])
    ax.set_yticklabels([str(block + 1) for block in range(blocks)])
    figure.colorbar(image, ax=ax, label="reach (km)")

    return figure
