"""Distance of fields from the training data, reduced over the cells to a few numbers: as tensors, without a wait."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from gensim_graph.surrogate.guard.guarded_quantities import GuardedQuantity
from gensim_graph.typing import Float, Int, Tensor


class Distances(NamedTuple):
    """Distance of fields from the training data.

    Attributes:
        position: (batch, quantity, 2) largest position over the cells: from the smallest value of the training
            upwards, and from the largest downwards. Above 1 a value is out of the range.
        cell: (batch, quantity, 2) the cells with these positions.
        moments: (batch, quantity, 2) distance of the mean over the cells from the mean of the training, in standard
            deviations of the training; and ratio of the deviation over the cells to that of the training.
    """

    position: Float[Tensor, "batch quantity side"]
    cell: Int[Tensor, "batch quantity side"]
    moments: Float[Tensor, "batch quantity moment"]


class RangeDistance:
    """Computes the distance of fields from the training data.

    Args:
        quantities: at least one.
        device: of the fields.
    """

    def __init__(self, quantities: Sequence[GuardedQuantity], device: torch.device) -> None:
        per_channel = [one for one in quantities for _ in one.channels]
        channels = [channel for one in quantities for channel in one.channels]
        first = [per_channel.index(one) for one in quantities]
        self._vectors = {number: first[number] for number, one in enumerate(quantities) if len(one.channels) == 2}

        # Tensors of indices: a list would be copied to the device in each step.
        self._channels = torch.tensor(channels, device=device)
        self._first = torch.tensor(first, device=device)
        self._mean = torch.tensor([one.mean for one in per_channel], device=device)
        self._deviation = torch.tensor([one.deviation for one in per_channel], device=device)

        # Position of a normalised value n: n * scale + offset from below, 1 - that from above.
        self._scale = torch.tensor([one.deviation / one.width for one in quantities], device=device)
        self._offset = torch.tensor([(one.mean - one.smallest) / one.width for one in quantities], device=device)

    def measure(self, fields: Float[Tensor, "batch face channel"]) -> Distances:
        """Compute the distances of fields.

        Args:
            fields: in the units of the variable table.
        """
        values = (fields.index_select(-1, self._channels) - self._mean) / self._deviation
        squares = values.square()
        mean, square = values.mean(dim=1), squares.mean(dim=1)

        scalars = values.index_select(-1, self._first)
        for number, first in self._vectors.items():
            scalars[..., number] = (squares[..., first] + squares[..., first + 1]).sqrt()

        (above, top), (below, bottom) = scalars.max(dim=1), scalars.min(dim=1)
        position = torch.stack([above * self._scale + self._offset, 1 - below * self._scale - self._offset], dim=-1)
        moments = torch.stack(self._moments(mean, square), dim=-1)

        return Distances(position, torch.stack([top, bottom], dim=-1), moments)

    def _moments(self, mean: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
        """Distance of the mean and ratio of the deviation; of a vector, length of its mean and root mean square."""
        variance = (square - mean.square()).clamp(min=0)
        shift, spread = (one.index_select(-1, self._first) for one in (mean, variance.sqrt()))
        for number, first in self._vectors.items():
            shift[:, number] = mean[:, first : first + 2].norm(dim=-1)
            spread[:, number] = square[:, first : first + 2].mean(dim=-1).sqrt()

        return shift, spread
