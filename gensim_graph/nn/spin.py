"""Features with a spin: channels that know how they turn when the frame turns.

A channel of spin s is multiplied by exp(i s phi) when the axes of the plane turn and all vectors with them
(the spin-weighted quantities of Newman and Penrose 1966; Goldberg et al. 1967). Spin 0 are scalars (thickness),
spin 1 vectors written as u + i v (drift, wind), spin 2 symmetric traceless tensors (shear). Layers that multiply
a channel of spin s only by complex numbers, and multiply channels so that spins add up, are *exactly* equivariant
to rotations, with no augmentation. They may still turn a vector by an angle of its own, as Coriolis does: mirrored
physics is other physics on one hemisphere, so reflections are no symmetry here.

Features are one real tensor (..., D) laid out as [scalars | Re vectors | Im vectors | Re tensors | Im tensors],
so that norms, gates and residuals are plain elementwise operations.
"""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from gensim_graph.nn.chunks import multiply_into
from gensim_graph.nn.gate import spin_gate
from gensim_graph.typing import Float, Tensor

Complex = tuple[Tensor, Tensor]
"""Real and imaginary part."""


class Spins(NamedTuple):
    """Number of channels of spin 0, 1 and 2."""

    scalar: int
    vector: int = 0
    tensor: int = 0

    @property
    def total(self) -> int:
        """Real numbers in all."""
        return self.scalar + 2 * self.vector + 2 * self.tensor

    @property
    def channels(self) -> int:
        """Channels, a complex one counted once."""
        return self.scalar + self.vector + self.tensor

    def split(self, features: Float[Tensor, "*rest channel"]) -> tuple[Tensor, Tensor, Tensor]:
        """Scalars, vectors [Re | Im] and tensors [Re | Im]."""
        scalar, vector, tensor = features.split((self.scalar, 2 * self.vector, 2 * self.tensor), dim=-1)
        return scalar, vector, tensor

    def spread(self, numbers: Float[Tensor, "*rest channel"]) -> Float[Tensor, "*rest total"]:
        """One number a channel -> one a real component, to scale features without turning them."""
        scalar, vector, tensor = numbers.split(tuple(self), dim=-1)
        return torch.cat((scalar, vector, vector, tensor, tensor), dim=-1)


def times(a: Complex, b: Complex) -> Complex:
    """a b: spins add."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def times_conjugate(a: Complex, b: Complex) -> Complex:
    """a conj(b): the spin of b is subtracted."""
    return a[0] * b[0] + a[1] * b[1], a[1] * b[0] - a[0] * b[1]


class SpinLinear(nn.Module):
    """Linear map that keeps spins: real weights for scalars (with bias), complex weights for vectors and tensors.

    Args:
        spins_in, spins_out: channels.
        gain: standard deviation of the output for an input of unit variance; 0 starts at zero.
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
        """The map as real matrices, to be applied many times."""
        return SpinMap(
            self.spins_in, self.scalar.weight, self.scalar.bias, _real_matrix(self.vector), _real_matrix(self.tensor)
        )

    def forward(self, features: Float[Tensor, "*rest channel_in"]) -> Float[Tensor, "*rest channel_out"]:
        """(..., D_in) -> (..., D_out)."""
        return self.assemble()(features)


class SpinMap(NamedTuple):
    """A :class:`SpinLinear` as real matrices.

    Attributes:
        spins: channels in.
        weight, bias: of the scalars.
        vector, tensor: (2 out, 2 in), acting on [Re | Im].
    """

    spins: Spins
    weight: Tensor
    bias: Tensor
    vector: Tensor
    tensor: Tensor

    @property
    def matrices(self) -> list[tuple[Tensor, Tensor | None]]:
        """Weight and bias for scalars, vectors and tensors, as far as there are any."""
        return [(self.weight, self.bias), *((part, None) for part in (self.vector, self.tensor) if len(part))]

    def of_parts(self, *parts: Tensor) -> Float[Tensor, "*rest channel_out"]:
        """The map of features that come as scalars, vectors and tensors."""
        matrices = self.matrices
        parts = parts[: len(matrices)]

        if parts[0].dim() == 3 and _is_plain(parts[0]):
            whole = parts[0].new_empty(*parts[0].shape[:2], sum(len(weight) for weight, _ in matrices))
            multiply_into(whole, parts, matrices)
            return whole

        return _join([functional.linear(part, *matrix) for part, matrix in zip(parts, matrices, strict=True)])

    def __call__(self, features: Float[Tensor, "*rest channel_in"]) -> Float[Tensor, "*rest channel_out"]:
        """(..., D_in) -> (..., D_out)."""
        return self.of_parts(*self.spins.split(features))


def _is_plain(part: Tensor) -> bool:
    """Whether products may be written where they belong: nothing derives, casts or compiles them."""
    if torch.compiler.is_compiling() or torch.is_grad_enabled():
        return False
    return not torch.is_autocast_enabled(part.device.type)


def _join(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]


def _complex_weight(channels_in: int, channels_out: int, gain: float) -> nn.Parameter:
    """(2, out, in): real and imaginary part."""
    std = gain / math.sqrt(max(1, 2 * channels_in))
    return nn.Parameter(torch.randn(2, channels_out, channels_in) * std)


def _real_matrix(weight: Tensor) -> Tensor:
    """(2, out, in) -> (2 out, 2 in)."""
    real, imaginary = weight
    return torch.cat((torch.cat((real, -imaginary), dim=1), torch.cat((imaginary, real), dim=1)), dim=0)


class SpinNorm(nn.Module):
    """RMSNorm over all channels, with a learned scale a channel (Zhang and Sennrich 2019)."""

    def __init__(self, spins: Spins, eps: float = 1e-6) -> None:
        super().__init__()
        self.spins, self.eps = spins, eps
        self.scale = nn.Parameter(torch.ones(spins.channels))

    def forward(self, features: Float[Tensor, "*rest channel"]) -> Float[Tensor, "*rest channel"]:
        """Same shape."""
        return rms_normalise(features, self.spread, self.eps)

    @property
    def spread(self) -> Float[Tensor, " channel"]:
        """Scale of every real component."""
        return self.spins.spread(self.scale)


def rms_normalise(
    features: Float[Tensor, "*rest channel"], scale: Float[Tensor, "*#rest channel"], eps: float = 1e-6
) -> Float[Tensor, "*rest channel"]:
    """Features over the root of their mean square, times a scale."""
    mean_square = torch.linalg.vector_norm(features, dim=-1, keepdim=True).square() / features.shape[-1]
    return features * torch.rsqrt(mean_square + eps) * scale


class SpinMLP(nn.Module):
    """Gated network in which the spins meet.

    Scalars are gated by scalars (SwiGLU, Shazeer 2020), vectors and tensors too, and products of two channels make
    channels of the other spins: a conj(b) a scalar, a b a tensor, c conj(b) a vector.

    Args:
        spins_in, spins_out: channels.
        scalar, complex_: hidden channels, of scalars and of vectors and of tensors.
        gain: as in :class:`SpinLinear`, of the last layer.
    """

    def __init__(self, spins_in: Spins, spins_out: Spins, scalar: int, complex_: int, gain: float = 1.0) -> None:
        super().__init__()
        self.widths = (scalar, complex_)
        self.up = SpinLinear(spins_in, Spins(2 * scalar + 2 * complex_, 2 * complex_, 2 * complex_))
        self.down = SpinLinear(Spins(scalar + 3 * complex_, 2 * complex_, 2 * complex_), spins_out, gain)

    def forward(self, features: Float[Tensor, "*rest channel_in"]) -> Float[Tensor, "*rest channel_out"]:
        """(..., D_in) -> (..., D_out)."""
        return self.down.assemble().of_parts(*self.gate(self.up(features)))

    def gate(self, hidden: Float[Tensor, "*rest hidden"]) -> tuple[Tensor, Tensor, Tensor]:
        """Gates and products of the hidden features: scalars, vectors and tensors for the last map."""
        return spin_gate(hidden, *self.widths)
