"""Layout of a tensor of variables: its scalar channels, and its pairs of channels that form vectors.

The operator reorders the channels of state and conditions into the layout of :mod:`~gensim_graph.nn.spin`, in which
vectors turn with the axes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from gensim_graph.errors import InputError
from gensim_graph.nn.spin import Spins
from gensim_graph.typing import Float, Tensor
from gensim_graph.variables import Variable, default_variables, vector_pairs


@dataclass(frozen=True)
class Channels:
    """Layout of the last dimension of a tensor of variables.

    Attributes:
        count: number of channels.
        vectors: (x, y) positions of the vector pairs; all other channels are scalars.
    """

    count: int
    vectors: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, variables: Iterable[Variable]) -> "Channels":
        """Layout of a sequence of variables."""
        rows = list(variables)
        return cls(len(rows), vector_pairs(rows))

    @classmethod
    def default_state(cls, count: int) -> "Channels":
        """Layout of the default state, in which the drift is a vector.

        Raises:
            InputError: the default table has another number of state channels.
        """
        return _expect(cls.of(default_variables().state), count, "state")

    @classmethod
    def default_conditions(cls, count: int) -> "Channels":
        """Layout of the default conditions: state, forcing at t, forcing at t + lead time, and slow inputs.

        Raises:
            InputError: the default table has another number of condition channels.
        """
        table = default_variables()
        return _expect(cls.of((*table.state, *table.forcing, *table.forcing, *table.slow)), count, "conditions")

    @property
    def scalars(self) -> tuple[int, ...]:
        """Positions of the scalars."""
        paired = {index for pair in self.vectors for index in pair}
        return tuple(index for index in range(self.count) if index not in paired)

    @property
    def spins(self) -> Spins:
        """Number of scalars and of vectors."""
        return Spins(len(self.scalars), len(self.vectors))

    @property
    def by_spin(self) -> list[int]:
        """Positions of the channels in the order of the spin layout: scalars, x components, y components."""
        return [*self.scalars, *(x for x, _ in self.vectors), *(y for _, y in self.vectors)]

    def to_spins(self, values: Float[Tensor, "*rest channel"]) -> Float[Tensor, "*rest channel"]:
        """Reorder the channels into the spin layout."""
        return _reordered(values, self.by_spin)

    def from_spins(self, values: Float[Tensor, "*rest channel"]) -> Float[Tensor, "*rest channel"]:
        """Inverse of :meth:`to_spins`."""
        order = self.by_spin
        return _reordered(values, [order.index(channel) for channel in range(self.count)])


def _reordered(values: Tensor, order: list[int]) -> Tensor:
    """Reorder channels without a tensor of indices, because a GPU would have to wait for its transfer."""
    channels = values.unbind(-1)
    return torch.stack([channels[index] for index in order], dim=-1)


def _expect(layout: Channels, count: int, what: str) -> Channels:
    """Return the layout if it has the expected number of channels."""
    if layout.count != count:
        raise InputError(
            f"{what}={count}: the default variable table has {layout.count} {what} channels; for another layout pass "
            f"Channels({count}, vectors=((x, y), ...)) with the positions of the vector pairs"
        )
    return layout


def rotate_vectors(
    values: Float[Tensor, "*rest channel"], pairs: Sequence[tuple[int, int]], angle: float
) -> Float[Tensor, "*rest channel"]:
    """Turn the vectors counter-clockwise; all other channels stay as they are.

    Args:
        values: (..., channel).
        pairs: positions of the x and y component of each vector.
        angle: radians.
    """
    turned = values.clone()
    cosine, sine = torch.cos(torch.tensor(angle)).item(), torch.sin(torch.tensor(angle)).item()

    for x, y in pairs:
        turned[..., x] = cosine * values[..., x] - sine * values[..., y]
        turned[..., y] = sine * values[..., x] + cosine * values[..., y]

    return turned
