"""Options of a suite, and the grid that all suites use."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.nn import PRESETS
from gensim_graph.system import choose_device, keep_freed_memory

SPACING = 12_000.0
"""Side of the cells in m; no result depends on it."""

ProgressCallback = Callable[[str, float], object]
"""Function that is called with the current step, as text, and the completed share, 0 to 1."""


@dataclass(frozen=True)
class Options:
    """Options of a suite.

    Attributes:
        cells: sizes of the meshes, square numbers; empty for the default sizes of the suite.
        rounds: samples of each contestant.
        device: auto, cpu or cuda.
        threads: CPU threads; None keeps PyTorch's own number.
        preset: size of the operator.
        seed: seed of the random values and of the order of the contestants.
        keep_memory: keep freed memory with the process, as training from the command line does. Otherwise PyTorch
            returns large arrays to the system, which takes time if a program allocates many of them.

    Raises:
        InputError: an option has no valid value.
    """

    cells: tuple[int, ...] = ()
    rounds: int = 7
    device: str = "auto"
    threads: int | None = None
    preset: str = "base"
    seed: int = 0
    keep_memory: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        for count in self.cells:
            if count < 64 or math.isqrt(count) ** 2 != count:
                raise InputError(f"--cells {count}: expected square numbers of 64 or more, such as 4096 or 16384")

        if self.rounds < 1:
            raise InputError(f"--rounds {self.rounds}: expected 1 or more; 7 give quartiles")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"--threads {self.threads}: expected 1 or more")
        if self.preset not in PRESETS:
            raise InputError(f"--preset {self.preset}: expected one of {', '.join(PRESETS)}")

        choose_device(self.device)

    def prepare_device(self) -> torch.device:
        """Set the number of threads and the behaviour of the allocator, and return the device."""
        if self.keep_memory:
            keep_freed_memory()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        return choose_device(self.device)


def parse_cells(text: str | None) -> tuple[int, ...]:
    """Return sizes in ascending order from a text such as ``4096,16384``.

    Raises:
        InputError: a part of the text is no number.
    """
    try:
        return tuple(sorted({int(part) for part in (text or "").split(",") if part.strip()}))
    except ValueError:
        raise InputError(f"--cells {text}: expected numbers between commas, such as 4096,16384") from None


def square_grid(cells: int) -> Mesh:
    """Return a square of square cells; their number is rounded down to a square number."""
    axis = (np.arange(math.isqrt(cells)) + 0.5) * SPACING
    return Mesh.from_grid(axis, axis)
