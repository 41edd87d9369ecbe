"""What a forecast goes on from: for every batch the state of its last complete step, in full precision.

Fields are written first, then this file replaces the one before, in one go: a step is done when its file says so, and
what a killed process has written beyond it is written again, with the same numbers.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from gensim_graph.errors import InputError
from gensim_graph.forecast.batches import Unit
from gensim_graph.forecast.layout import RESTART
from gensim_graph.system import write_atomically
from gensim_graph.typing import Float, Tensor


class Restart(NamedTuple):
    """State of a batch after a step.

    Attributes:
        step: number of steps that are done.
        state: (members, face, state) float32.
        forcing: digest of what drives the ice at that time.
    """

    step: int
    state: Float[Tensor, "member face state"]
    forcing: str


def save_restart(target: Path, unit: Unit, restart: Restart) -> None:
    """Replace the restart of a batch."""
    after = json.dumps({"step": restart.step, "forcing": restart.forcing})  # one entry: several come in any order
    write_atomically(_file(target, unit), lambda path: save_file({"state": restart.state}, path, {"after": after}))


def read_restart(target: Path, unit: Unit) -> Restart | None:
    """The restart of a batch; None if it has not begun.

    Raises:
        InputError: the file is damaged.
    """
    if not _file(target, unit).exists():
        return None
    with _opened(target, unit) as content:
        after = json.loads(content.metadata()["after"])
        return Restart(after["step"], content.get_tensor("state"), after["forcing"])


def steps_done(target: Path, unit: Unit) -> int:
    """Number of complete steps of a batch."""
    if not _file(target, unit).exists():
        return 0
    with _opened(target, unit) as content:
        return int(json.loads(content.metadata()["after"])["step"])


def sweep(target: Path, unit: Unit, several: bool, batch: int) -> None:
    """Remove what a killed process left half-written of a batch."""
    for file in (target / RESTART).glob(f".{unit.name}.safetensors.*"):
        file.unlink(missing_ok=True)
    chunk = f"{unit.start}/{unit.members.start // batch}" if several else str(unit.members.start // batch)
    for file in target.glob(f"*/c/{chunk}/**/*.partial"):
        file.unlink(missing_ok=True)


@contextmanager
def _opened(target: Path, unit: Unit) -> Iterator[Any]:
    file = _file(target, unit)
    try:
        with safe_open(file, "pt") as content:
            yield content
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error}); remove it to compute its members again") from None


def _file(target: Path, unit: Unit) -> Path:
    return target / RESTART / f"{unit.name}.safetensors"
