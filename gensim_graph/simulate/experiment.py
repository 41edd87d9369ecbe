"""All settings of a simulation in one place, checked before anything is computed."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch

from gensim_graph.errors import InputError, Rule, at_least, check_values
from gensim_graph.simulate.solver import Constants, constants_named
from gensim_graph.units import SECONDS_PER_DAY, is_duration, parse_duration

CASES = ("random", "benchmark")
_PHYSICS = ("benchmark", "nextsim")
_PRECISIONS = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True)
class Experiment:
    """Settings of an ensemble of independent members on one mesh.

    Attributes:
        members: number of trajectories; each depends on the seed and its own number alone.
        days: length of each trajectory.
        seed: seed of initial states, storms and cohesion.
        every: time between records, such as ``3h``; ``days`` is a multiple of it.
        case: ``random`` states and storms, or the ``benchmark`` of Mehlmann et al. (2021), the same for all members.
        physics: set of constants, ``benchmark`` (as neXtSIM-DG) or ``nextsim`` (as neXtSIM v2).
        thermodynamics: let the ice grow and melt over the seasons, from 1 January on.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``float64``, or ``float32`` with half the memory and conservation to seven digits.

    Raises:
        InputError: a value out of its range.

    Example:
        >>> from gensim_graph.simulate import Experiment
        >>> experiment = Experiment(members=8, days=2.0, every="6h")
        >>> experiment.records
        8
        >>> experiment.interval
        21600.0
        >>> Experiment(members=0)
        Traceback (most recent call last):
        gensim_graph.errors.InputError: simulate.members: expected a number of 1 or more; came 0
    """

    members: int = 4
    days: float = 4.0
    seed: int = 0
    every: str = "3h"
    case: str = "random"
    physics: str = "benchmark"
    thermodynamics: bool = False
    device: str = "auto"
    precision: str = "float64"

    def __post_init__(self) -> None:
        """Check the values."""
        rules: dict[str, Rule] = {
            "members": at_least(1),
            "seed": at_least(0),
            "every": (is_duration, "a time such as 3h or 30min"),
            "case": (lambda came: came in CASES, " or ".join(CASES)),
            "physics": (lambda came: came in _PHYSICS, " or ".join(_PHYSICS)),
            "device": (lambda came: came in ("auto", "cpu", "cuda"), "auto, cpu or cuda"),
            "precision": (lambda came: came in _PRECISIONS, " or ".join(_PRECISIONS)),
        }
        check_values(self, "simulate", rules)

        positive = math.isfinite(self.days) and self.days > 0
        whole = positive and math.isclose(self.records, self._exact_records, abs_tol=1e-6)
        if not whole or self.records < 1:
            raise InputError(
                f"simulate.days: expected a number of days that is a multiple of every={self.every}; came {self.days!r}"
            )

        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("simulate.device=cuda: PyTorch finds no GPU here; use device=cpu")

    @property
    def interval(self) -> float:
        """Time between records, s."""
        return parse_duration(self.every).total_seconds()

    @property
    def _exact_records(self) -> float:
        return self.days * SECONDS_PER_DAY / self.interval

    @property
    def records(self) -> int:
        """Number of records after the first one, which is the initial state."""
        return round(self._exact_records)

    @property
    def constants(self) -> Constants:
        """Physical constants."""
        return constants_named(self.physics)

    @property
    def torch_device(self) -> torch.device:
        """Device of the computation; ``auto`` takes a GPU if there is one."""
        found = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(found if self.device == "auto" else self.device)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the computation."""
        return _PRECISIONS[self.precision]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that the result depends on, as plain data."""
        settings = asdict(self)
        del settings["device"]
        return settings
