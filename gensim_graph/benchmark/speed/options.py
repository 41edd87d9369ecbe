"""What a suite is asked to do."""

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
"""Side of the cells in m; no figure depends on it."""

Watch = Callable[[str, float], object]
"""Called with what is going on and the share that is done."""


@dataclass(frozen=True)
class Options:
    """What a suite is asked to do.

    Attributes:
        cells: sizes of the meshes, square numbers; empty takes the suite's own.
        rounds: samples of each contestant.
        device: auto, cpu or cuda.
        threads: of a CPU; None takes what PyTorch takes.
        preset: of the operator.
        seed: of values and order.
        keep_memory: keep freed memory with the process, as training from the command line does; PyTorch by itself gives
            large arrays back to the system, which costs whoever makes many of them.

    Raises:
        InputError: a value that makes no sense.
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

    def start(self) -> torch.device:
        """Set threads and allocator; the device."""
        if self.keep_memory:
            keep_freed_memory()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        return choose_device(self.device)


def parse_cells(text: str | None) -> tuple[int, ...]:
    """Sizes from ``4096,16384``, ascending.

    Raises:
        InputError: something that is no number.
    """
    try:
        return tuple(sorted({int(part) for part in (text or "").split(",") if part.strip()}))
    except ValueError:
        raise InputError(f"--cells {text}: expected numbers between commas, such as 4096,16384") from None


def square_grid(cells: int) -> Mesh:
    """A square of square cells."""
    axis = (np.arange(math.isqrt(cells)) + 0.5) * SPACING
    return Mesh.from_grid(axis, axis)
