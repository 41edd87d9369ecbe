"""What is to be simulated: how many members, how long, from which seed, with which physics."""

import math
import re
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import torch

from gensim_graph.errors import InputError, Rule, at_least, check_values
from gensim_graph.simulate.solver import Constants, constants_named

CASES = ("random", "benchmark")
_PHYSICS = ("benchmark", "nextsim")
_PRECISIONS = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True)
class Experiment:
    """An ensemble of independent members on one mesh.

    Attributes:
        members: trajectories; each depends on the seed and its own number alone.
        days: length of each.
        seed: of initial states, storms and cohesion.
        every: time between records, such as ``3h``; ``days`` is a multiple of it.
        case: ``random`` states and storms, or the ``benchmark`` of Mehlmann et al. (2021), the same for all members.
        physics: set of constants, ``benchmark`` (as neXtSIM-DG) or ``nextsim`` (as neXtSIM v2).
        thermodynamics: let ice grow and melt over the seasons, from 1 January.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``float64``, or ``float32``: half the memory, conservation to seven digits.

    Raises:
        InputError: a value that makes no sense.
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
            "every": (_is_length, "a time such as 3h or 30min"),
            "case": (lambda came: came in CASES, " or ".join(CASES)),
            "physics": (lambda came: came in _PHYSICS, " or ".join(_PHYSICS)),
            "device": (lambda came: came in ("auto", "cpu", "cuda"), "auto, cpu or cuda"),
            "precision": (lambda came: came in _PRECISIONS, " or ".join(_PRECISIONS)),
        }
        check_values(self, "simulate", rules)
        whole = math.isfinite(self.days) and self.days > 0 and math.isclose(self.records, self._records, abs_tol=1e-6)

        if not whole or self.records < 1:
            raise InputError(
                f"simulate.days: expected a number of days that is a multiple of every={self.every}; came {self.days!r}"
            )
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("simulate.device=cuda: PyTorch finds no GPU here; use device=cpu")

    @property
    def interval(self) -> float:
        """Time between records, s."""
        return _length(self.every).total_seconds()

    @property
    def _records(self) -> float:
        return self.days * 86400.0 / self.interval

    @property
    def records(self) -> int:
        """Records after the first, which is the initial state."""
        return round(self._records)

    @property
    def constants(self) -> Constants:
        """The physics."""
        return constants_named(self.physics)

    @property
    def torch_device(self) -> torch.device:
        """Where it is computed."""
        found = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(found if self.device == "auto" else self.device)

    @property
    def dtype(self) -> torch.dtype:
        """Of all that is computed."""
        return _PRECISIONS[self.precision]

    def to_dict(self) -> dict[str, Any]:
        """What the result depends on, as plain data."""
        fields = asdict(self)
        del fields["device"]
        return fields


def _length(text: str) -> pd.Timedelta:
    return pd.Timedelta(re.sub(r"(\d\s*)d$", r"\1D", text))  # pandas is about to forget the small d


def _is_length(text: str) -> bool:
    try:
        return bool(_length(text) > pd.Timedelta(0))
    except ValueError:
        return False
