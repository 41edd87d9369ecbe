"""Random damage to files, and what reading them gives; run as a program for libraries that might take Python down.

``python tests/corrupt.py COUNT SEED FILE ...`` damages each FILE again and again, opens it each time and prints a line:
how often it was read and refused, the longest time in s and the memory in MB. Anything but a store, or a mesh where
names say so, or an ``InputError`` ends it, and so does a file that takes longer than a minute.
"""

import faulthandler
import logging
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import xarray as xr

from gensim_graph import InputError, default_variables, load_mesh, open_store
from gensim_graph.mesh import Mesh

T = TypeVar("T")

KINDS = ("bits", "bytes", "cut", "longer", "less", "more", "zeros", "exchange", "order")


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Somewhere, more often near the start, where headers are."""
    values = np.frombuffer(content, dtype=np.uint8).copy()
    reach = len(values) if rng.random() < 0.5 else min(len(values), 4096)
    start, length = int(rng.integers(reach)), int(rng.integers(1, 33))
    part = slice(start, start + length)
    match rng.choice(KINDS):
        case "bits":
            values[rng.integers(reach, size=rng.integers(1, 4))] ^= np.uint8(1 << rng.integers(8))
        case "bytes":
            values[part] = rng.integers(256, size=len(values[part]), dtype=np.uint8)
        case "cut":
            values = values[: int(rng.integers(len(values)))]
        case "longer":
            values = np.append(values, rng.integers(256, size=length, dtype=np.uint8))
        case "less":
            values = np.delete(values, np.arange(start, min(start + length, len(values))))
        case "more":
            values = np.insert(values, start, rng.integers(256, size=length, dtype=np.uint8))
        case "zeros":
            values[start : start + 16 * length] = 0
        case "exchange":
            other = int(rng.integers(len(values)))
            size = min(length, len(values) - start, len(values) - other)
            values[start : start + size], values[other : other + size] = (
                values[other : other + size].copy(),
                values[start : start + size].copy(),
            )
        case "order":
            whole = values[: len(values) // 4 * 4].reshape(-1, 4)
            whole[start // 4 : start // 4 + length] = whole[start // 4 : start // 4 + length, ::-1]
    return values.tobytes()


def attempt(read: Callable[[], T]) -> tuple[T | None, str, float]:
    """What reading gives, or the message of its refusal, and the time of the processor that it took in s."""
    start = time.process_time()
    try:
        result, message = read(), ""
    except InputError as error:
        result, message = None, str(error)
    return result, message, time.process_time() - start


def check_mesh(mesh: Mesh) -> None:
    """Finite places, positive areas."""
    assert np.isfinite(mesh.nodes).all()
    assert (mesh.areas > 0).all()


def check_store(store: xr.Dataset) -> None:
    """Nothing implausible."""
    for variable in default_variables().variables:
        if variable.name in store:
            low, high = variable.range
            values = store[variable.name].values
            assert ((low <= values) & (values <= high)).all(), variable.name


def main(source: Path, count: int, seed: int) -> None:
    """Damage, open, count."""
    is_store = source.suffix == ".nc" and not source.stem.startswith("mesh")
    open_file: Callable[[Path], xr.Dataset | Mesh] = open_store if is_store else load_mesh
    path = source.parent if source.suffix == ".out" else source
    logging.disable(logging.CRITICAL)
    content, rng, taken = source.read_bytes(), np.random.default_rng(seed), []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = 0
    for number in range(count):
        source.write_bytes(damaged(content, rng))
        faulthandler.dump_traceback_later(60, exit=True)
        result, message, seconds = attempt(lambda: open_file(path))
        faulthandler.cancel_dump_traceback_later()
        taken.append(seconds)
        if result is None:
            assert str(source.parent) in message, f"{number}: {message}"
            continue
        read += 1
        check_mesh(result) if isinstance(result, Mesh) else check_store(result)
    source.write_bytes(content)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(read, count - read, f"{max(taken):.2f}", f"{grown:.0f}")


if __name__ == "__main__":
    for name in sys.argv[3:]:
        main(Path(name), int(sys.argv[1]), int(sys.argv[2]))
