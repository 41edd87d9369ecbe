"""Forcing on the device of a model: each record is read and copied once, although two steps and all batches need it.

The forcing at the end of a step is that at the start of the next one, and all members share it, unless each has its own
(:class:`~gensim_graph.data.ForcingEnsemble`).
"""

import weakref
from typing import NamedTuple

import numpy as np
import torch

from gensim_graph.data import Drivers, Forcing
from gensim_graph.typing import Array, Float, Tensor

_KEPT = 2
"""Records that are kept: start and end of a step."""


class DeviceDrivers(NamedTuple):
    """Forcing at one time.

    Attributes:
        read: as it was read, in the memory of the processor.
        forcing: (F, forcing) on the device; (M, F, forcing) for members with forcing of their own.
        slow: (F, slow) or (M, F, slow) on the device.
    """

    read: Drivers
    forcing: Float[Tensor, "*member face forcing"]
    slow: Float[Tensor, "*member face slow"]


class _Kept(NamedTuple):
    source: "weakref.ref[Forcing]"
    time: np.datetime64
    members: range | None
    device: torch.device
    drivers: DeviceDrivers


class RecentDrivers:
    """The last records of forcing that a model has read."""

    def __init__(self) -> None:
        self._kept: list[_Kept] = []

    def __reduce__(self) -> tuple[type["RecentDrivers"], tuple[()]]:
        """Copy without records: another process opens the forcing anew."""
        return RecentDrivers, ()

    def at(self, forcing: Forcing, time: np.datetime64, members: range, device: torch.device) -> DeviceDrivers:
        """Return the forcing at a time.

        Args:
            forcing: that is read.
            time: valid time.
            members: numbers of the members.
            device: where the values are used. The processor does not wait until a GPU has them.

        Raises:
            InputError: there are no values at that time, or they cannot be read.
        """
        own = members if forcing.n_members > 1 else None
        for one in self._kept:
            if one.source() is forcing and (one.time, one.members, one.device) == (time, own, device):
                return one.drivers

        read = forcing.at(time, members)
        drivers = DeviceDrivers(read, _copied(read.forcing, device), _copied(read.slow, device))
        self._kept = [*self._kept, _Kept(weakref.ref(forcing), time, own, device, drivers)][-_KEPT:]

        return drivers


def _copied(values: Array, device: torch.device) -> Tensor:
    """Copy to a device; a GPU reads from pinned memory while the processor goes on."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
