"""Restart files: for every work unit the state after its last completed step, in full precision.

The fields are written first; then the new restart file replaces the old one in a single operation. A step is complete
when the restart file says so. What a killed process has written after it is written again, with the same numbers.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from gensim_graph.errors import InputError
from gensim_graph.forecast.batches import WorkUnit
from gensim_graph.forecast.layout import INNOVATIONS, RESTART
from gensim_graph.system import write_atomically
from gensim_graph.typing import Float, Tensor


class Restart(NamedTuple):
    """State of a work unit after a step.

    Attributes:
        step: number of completed steps.
        state: (member, face, state) float32 in physical units.
        forcing: digest of the forcing at that time.
        guard: positions of the last steps that the guard extrapolates; None without a guard.
    """

    step: int
    state: Float[Tensor, "member face state"]
    forcing: str
    guard: Tensor | None = None


def save_restart(target: Path, unit: WorkUnit, restart: Restart) -> None:
    """Replace the restart file of a work unit.

    Args:
        target: the store.
        unit: the work unit.
        restart: its state.
    """
    # One entry: the order of several entries is arbitrary, and the file would differ from run to run.
    after = json.dumps({"step": restart.step, "forcing": restart.forcing})
    content = {"state": restart.state} | ({} if restart.guard is None else {"guard": restart.guard})
    write_atomically(_file(target, unit), lambda path: save_file(content, path, {"after": after}))


def read_restart(target: Path, unit: WorkUnit) -> Restart | None:
    """Read the restart file of a work unit; return None if it has not begun.

    Args:
        target: the store.
        unit: the work unit.

    Raises:
        InputError: the file is damaged.
    """
    if not _file(target, unit).exists():
        return None
    with _opened(target, unit) as content:
        after = json.loads(content.metadata()["after"])
        guard = content.get_tensor("guard") if "guard" in content.keys() else None  # noqa: SIM118
        return Restart(after["step"], content.get_tensor("state"), after["forcing"], guard)


def steps_done(target: Path, unit: WorkUnit) -> int:
    """Return the number of completed steps of a work unit.

    Args:
        target: the store.
        unit: the work unit.

    Raises:
        InputError: the file is damaged.
    """
    if not _file(target, unit).exists():
        return 0
    with _opened(target, unit) as content:
        return int(json.loads(content.metadata()["after"])["step"])


def remove_partial_files(target: Path, unit: WorkUnit, has_start_dimension: bool, batch: int) -> None:
    """Remove the incomplete files that a killed process has left of a work unit.

    Args:
        target: the store.
        unit: the work unit.
        has_start_dimension: the store has a dimension ``start``.
        batch: number of members in a chunk.
    """
    for file in (target / RESTART).glob(f".{unit.name}.safetensors.*"):
        file.unlink(missing_ok=True)
    for file in (target / INNOVATIONS).glob(f"start_{unit.start:04d}/.step_*_members_{unit.members.start:04d}.nc.*"):
        file.unlink(missing_ok=True)

    number = unit.members.start // batch
    chunk = f"{unit.start}/{number}" if has_start_dimension else str(number)
    for file in target.glob(f"*/c/{chunk}/**/*.partial"):
        file.unlink(missing_ok=True)


@contextmanager
def _opened(target: Path, unit: WorkUnit) -> Iterator[Any]:
    file = _file(target, unit)
    try:
        with safe_open(file, "pt") as content:
            yield content
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error}); remove it to compute its members again") from None


def _file(target: Path, unit: WorkUnit) -> Path:
    return target / RESTART / f"{unit.name}.safetensors"
