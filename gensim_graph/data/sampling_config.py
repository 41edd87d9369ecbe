"""Configuration of the training samples: the ``data`` group of a run."""

from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from gensim_graph.errors import Rule, at_least, check_values
from gensim_graph.units import is_duration, parse_duration


@dataclass(frozen=True)
class SamplingConfig:
    """Settings for drawing training samples.

    Attributes:
        batch: samples in a batch, of all devices together.
        lead_time: length of one forecast step, such as ``12h``; a multiple of the time step of the data.
        skip: beginning of every trajectory that is left out, such as ``24h``: during the spin-up from an idealised
            state the ice behaves differently.
        clusters: clusters of a subgraph, core and surroundings; 256 cells each. Fewer: less memory, less context.
        core: clusters that contribute to the loss, if the mesh has more than ``clusters``. More: more cells learned
            from a sample, but those at the rim of the core lack more of their halo.
        levels: relative probability of the coarsening levels 0, 1, 2, ... of a sample.
        balance: exponent b in the share of a data set (all trajectories on one mesh and the same times), which grows
            with (its number of samples)^b. 1 draws every cell equally often, 0 every data set, whatever their sizes.
        partitions: number of random k-d axes over which the grouping of cells is varied; 1 for a single grouping.
        rotate: turn frame and vectors by a random angle; the operator does not need it, other networks do.
        mirror: reflect frame and vectors; wrong on one hemisphere, where Coriolis turns one way only.
        validation: share of the data that is held back for validation, 0 to 0.5; see
            :func:`~gensim_graph.data.hold_out`.
        transport: compute the transport of the ice by its drift, and learn what it leaves of the change: ``true``,
            ``false``, or ``auto`` where that takes less than about a minute before the first training on a store.
        drift_response: compute the linear response of the drift to the wind, fitted to the data, and learn the rest.
        workers: processes that make samples beside the training; -1 takes the cores of the machine minus one, and for
            small meshes in memory at most four beside a GPU and none without.
        on_device: keep the training data on the device, which then reads and normalises the samples itself; the
            processes above only draw them. ``true``, ``false``, or ``auto``: on a GPU, if the data are in memory and
            take at most 40 % of the free memory of the GPU. The samples are the same.
        rollout: steps in a row through which members are trained, for ``objective=crps``; the flow learns single steps.
        chain: rollouts in a row, each of which goes on where the members of the one before ended, without gradients
            from one to the next, for ``objective=crps``. So a model meets the states that it makes itself.
        chains: chains that are trained in turns, a batch of each. With few of them, a model follows the errors of the
            chains at hand.

    Raises:
        InputError: a value is out of its range.
    """

    batch: int = 8
    lead_time: str = "12h"
    skip: str = "0h"
    clusters: int = 12
    core: int = 2
    levels: list[float] = field(default_factory=lambda: [0.8, 0.15, 0.05])
    balance: float = 1.0
    partitions: int = 8
    rotate: bool = False
    mirror: bool = False
    validation: float = 0.1
    transport: bool | str = "auto"
    drift_response: bool = False
    workers: int = -1
    on_device: bool | str = "auto"
    rollout: int = 1
    chain: int = 1
    chains: int = 32

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("transport", "on_device"):
            object.__setattr__(self, name, str(getattr(self, name)).lower())

        switch = (lambda came: came in ("auto", "true", "false"), "auto, true or false")
        rules: dict[str, Rule] = {
            "batch": at_least(1),
            "lead_time": (is_duration, "a positive length of time such as 12h, 90min or 1d"),
            "skip": (lambda came: is_duration(came, zero=True), "a length of time such as 0h, 24h or 2d"),
            "core": at_least(1),
            "clusters": at_least(self.core),
            "levels": (_are_shares, "numbers of 0 or more, one of them above 0"),
            "balance": at_least(0),
            "partitions": at_least(1),
            "validation": (lambda came: 0 <= came <= 0.5, "a share from 0 to 0.5"),
            "transport": switch,
            "workers": at_least(-1),
            "on_device": switch,
            "rollout": at_least(1),
            "chain": at_least(1),
            "chains": at_least(1),
        }
        check_values(self, "data", rules)

    @property
    def lead(self) -> np.timedelta64:
        """Lead time of one forecast step."""
        return parse_duration(self.lead_time).to_timedelta64()

    @property
    def skipped(self) -> np.timedelta64:
        """Length of the beginning of every trajectory that is left out."""
        return parse_duration(self.skip).to_timedelta64()


def _are_shares(levels: list[float]) -> bool:
    return all(isfinite(level) and level >= 0 for level in levels) and sum(levels) > 0
