"""Features with a spin, and layers that respect it.

The *spin* of a channel says how the channel turns with the axes of the plane. When the axes, and all vectors with them,
turn by an angle phi, a channel of spin s is multiplied by exp(i s phi) (spin-weighted quantities of Newman and Penrose
1966; Goldberg et al. 1967):

    spin 0    scalars, which do not change            thickness, concentration
    spin 1    vectors, written as u + i v             drift, wind
    spin 2    symmetric traceless tensors             shear

The layers multiply scalars by real weights, and vectors and tensors by complex weights; where they multiply two
channels, the spins add up (or subtract, with a complex conjugate). This makes them *exactly* equivariant to rotations:
if the input turns, the output turns with it, without any augmentation of the data. A complex weight can turn a vector
relative to its input, as the Coriolis force turns the drift away from the wind. Reflections are therefore no symmetry:
the mirror image of a flow obeys the physics of the other hemisphere.

Features are one real tensor (..., D) with the layout [scalars | Re vectors | Im vectors | Re tensors | Im tensors], so
that norms, gates and residual sums are elementwise operations.
"""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from gensim_graph.nn.chunks import Matrices, multiply_into
from gensim_graph.nn.gate import SpinParts, spin_gate
from gensim_graph.typing import Float, Tensor


class Spins(NamedTuple):
    """Number of channels of spin 0 (scalars), spin 1 (vectors) and spin 2 (tensors)."""

    scalar: int
    vector: int = 0
    tensor: int = 0

    @property
    def total(self) -> int:
        """Number of real components D; a vector or tensor channel has two."""
        return self.scalar + 2 * self.vector + 2 * self.tensor

    @property
    def channels(self) -> int:
        """Number of channels; a vector or tensor channel counts once."""
        return self.scalar + self.vector + self.tensor

    def split(self, features: Float[Tensor, "*rest channel"]) -> SpinParts:
        """Split features (..., D) into scalars, vectors [Re | Im] and tensors [Re | Im]."""
        scalar, vector, tensor = features.split((self.scalar, 2 * self.vector, 2 * self.tensor), dim=-1)
        return scalar, vector, tensor

    def split_for_products(self, features: Float[Tensor, "*rest channel"]) -> SpinParts:
        """Split features (..., D) in the precision of matrix products, converted once and not part by part."""
        device = features.device.type
        if torch.is_autocast_enabled(device):
            features = features.to(torch.get_autocast_dtype(device))
        return self.split(features)

    def spread(self, numbers: Float[Tensor, "*rest channel"]) -> Float[Tensor, "*rest total"]:
        """Repeat the number of each channel for all its real components, to scale channels without turning them."""
        scalar, vector, tensor = numbers.split(tuple(self), dim=-1)
        return torch.cat((scalar, vector, vector, tensor, tensor), dim=-1)


class SpinLinear(nn.Module):
    """Linear map that keeps spins: real weights and a bias for scalars, complex weights for vectors and tensors.

    Args:
        spins_in, spins_out: channels.
        gain: standard deviation of the output at initialisation, for an input of unit variance; 0 gives zero output.
    """

    def __init__(self, spins_in: Spins, spins_out: Spins, gain: float = 1.0) -> None:
        super().__init__()
        self.spins_in, self.spins_out = spins_in, spins_out
        self.scalar = nn.Linear(spins_in.scalar, spins_out.scalar)
        nn.init.normal_(self.scalar.weight, std=gain / math.sqrt(max(1, spins_in.scalar)))
        nn.init.zeros_(self.scalar.bias)
        self.vector = _complex_weight(spins_in.vector, spins_out.vector, gain)
        self.tensor = _complex_weight(spins_in.tensor, spins_out.tensor, gain)

    def assemble(self) -> "SpinMap":
        """Write the map as real matrices, to apply it many times."""
        vector, tensor = _real_matrix(self.vector), _real_matrix(self.tensor)
        return SpinMap(self.spins_in, self.scalar.weight, self.scalar.bias, vector, tensor)

    def forward(self, features: Float[Tensor, "*rest channel_in"]) -> Float[Tensor, "*rest channel_out"]:
        """Apply the map: (..., D_in) -> (..., D_out)."""
        return self.assemble()(features)


class SpinMap(NamedTuple):
    """A :class:`SpinLinear` as real matrices.

    Attributes:
        spins: input channels.
        weight, bias: matrix (out, in) and bias (out,) of the scalars.
        vector, tensor: (2 out, 2 in) matrices that act on [Re | Im].
    """

    spins: Spins
    weight: Tensor
    bias: Tensor
    vector: Tensor
    tensor: Tensor

    @property
    def matrices(self) -> Matrices:
        """Weight and bias for scalars, vectors and tensors; kinds without output channels are left out."""
        return [(self.weight, self.bias), *((part, None) for part in (self.vector, self.tensor) if len(part))]

    def of_parts(self, *parts: Tensor) -> Float[Tensor, "*rest channel_out"]:
        """Apply the map to features that are already split into scalars, vectors and tensors."""
        matrices = self.matrices
        parts = parts[: len(matrices)]

        if parts[0].dim() == 3 and _in_place_is_safe(parts[0]):
            whole = parts[0].new_empty(*parts[0].shape[:2], sum(len(weight) for weight, _ in matrices))
            multiply_into(whole, parts, matrices)
            return whole

        products = [functional.linear(part, *matrix) for part, matrix in zip(parts, matrices, strict=True)]
        return torch.cat(products, dim=-1) if len(products) > 1 else products[0]

    def __call__(self, features: Float[Tensor, "*rest channel_in"]) -> Float[Tensor, "*rest channel_out"]:
        """Apply the map: (..., D_in) -> (..., D_out)."""
        return self.of_parts(*self.spins.split(features))


def _in_place_is_safe(part: Tensor) -> bool:
    """Return True if products may be written to their place: nothing differentiates, casts or compiles them."""
    if torch.compiler.is_compiling() or torch.is_grad_enabled():
        return False
    return not torch.is_autocast_enabled(part.device.type)


def _complex_weight(channels_in: int, channels_out: int, gain: float) -> nn.Parameter:
    """Random weights (2, out, in): real and imaginary part."""
    std = gain / math.sqrt(max(1, 2 * channels_in))
    return nn.Parameter(torch.randn(2, channels_out, channels_in) * std)


def _real_matrix(weight: Tensor) -> Tensor:
    """Real matrix (2 out, 2 in) of a complex weight (2, out, in)."""
    real, imaginary = weight
    return torch.cat((torch.cat((real, -imaginary), dim=1), torch.cat((imaginary, real), dim=1)), dim=0)


class SpinNorm(nn.Module):
    """Root-mean-square norm over all channels, with one learned scale for each channel (Zhang and Sennrich 2019).

    Args:
        spins: channels.
        eps: added to the mean square, against division by zero.
    """

    def __init__(self, spins: Spins, eps: float = 1e-6) -> None:
        super().__init__()
        self.spins, self.eps = spins, eps
        self.scale = nn.Parameter(torch.ones(spins.channels))

    def forward(self, features: Float[Tensor, "*rest channel"]) -> Float[Tensor, "*rest channel"]:
        """Normalise features (..., D)."""
        return rms_normalise(features, self.spread, self.eps)

    @property
    def spread(self) -> Float[Tensor, " channel"]:
        """(D,) scale of every real component."""
        return self.spins.spread(self.scale)


def rms_normalise(
    features: Float[Tensor, "*rest channel"], scale: Float[Tensor, "*#rest channel"], eps: float = 1e-6
) -> Float[Tensor, "*rest channel"]:
    """Divide features by their root mean square over the channels and multiply them by a scale.

    Args:
        features: (..., D).
        scale: (D,), or broadcast against the features.
        eps: added to the mean square, against division by zero.
    """
    mean_square = torch.linalg.vector_norm(features, dim=-1, keepdim=True).square() / features.shape[-1]
    return features * torch.rsqrt(mean_square + eps) * scale


class SpinMLP(nn.Module):
    """Gated network in which channels of different spins interact.

    Scalars are gated by scalars (SwiGLU, Shazeer 2020), and so are vectors and tensors. Products of two channels give
    channels of other spins: with vectors a, b and a tensor c, a conj(b) is a scalar, a b a tensor, c conj(b) a vector.

    Args:
        spins_in, spins_out: channels.
        scalar: number of hidden scalar channels.
        complex_: number of hidden vector channels, and also of hidden tensor channels.
        gain: as in :class:`SpinLinear`, of the last layer.
    """

    def __init__(self, spins_in: Spins, spins_out: Spins, scalar: int, complex_: int, gain: float = 1.0) -> None:
        super().__init__()
        self.widths = (scalar, complex_)
        self.up = SpinLinear(spins_in, Spins(2 * scalar + 2 * complex_, 2 * complex_, 2 * complex_))
        self.down = SpinLinear(Spins(scalar + 3 * complex_, 2 * complex_, 2 * complex_), spins_out, gain)

    def forward(self, features: Float[Tensor, "*rest channel_in"]) -> Float[Tensor, "*rest channel_out"]:
        """Apply the network: (..., D_in) -> (..., D_out)."""
        return self.down.assemble().of_parts(*self.gate(self.up(features)))

    def gate(self, hidden: Float[Tensor, "*rest hidden"]) -> SpinParts:
        """Gate the hidden features and multiply them: scalars, vectors and tensors for the last linear map."""
        return spin_gate(hidden, *self.widths)
