"""Settings of memory management that save time: of the allocator for training, of the garbage collector for pictures.

Every training step needs the same large arrays as the step before. By default the C library returns freed arrays to
the system, which clears every page before it gives it out again; on 65,000 cells this is a quarter of the time of a
step.
"""

import ctypes
import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

log = logging.getLogger(__name__)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -3, -4, -8
_THRESHOLDS = (50_000, 10, 50)
"""Number of new objects before the youngest are visited, and of such visits before older and all new ones are."""


@cache
def keep_freed_memory(arenas: int | None = None) -> bool:
    """Let the allocator keep freed memory, for the whole process; return True if it accepted the setting.

    Args:
        arenas: number of separate stores of memory; fewer ones keep less. None for the choice of the system.
    """
    if sys.platform != "linux":
        return False

    tune = getattr(ctypes.CDLL(None), "mallopt", None)  # only the GNU C library has it
    wanted = [(_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), *([] if arenas is None else [(_M_ARENA_MAX, arenas)])]
    done = tune is not None and all(tune(name, value) for name, value in wanted)
    log.debug("freed memory %s", "stays with the process" if done else "goes back to the system")

    return done


@cache
def return_freed_memory() -> bool:
    """Let the allocator return freed arrays of 1 MB or more at once; return True if it accepted the setting.

    Processes that read and write large files with several threads then need a third less memory.
    """
    if sys.platform != "linux":
        return False

    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    return tune is not None and bool(tune(_M_MMAP_THRESHOLD, 2**20)) and bool(tune(_M_ARENA_MAX, 2))


@contextmanager
def present_objects_kept() -> Iterator[None]:
    """Keep all objects that exist at the beginning of a block, and let the garbage collector visit new ones only.

    A full collection visits every object of the process. With PyTorch imported that takes half a second, and work that
    makes many small objects, such as drawing, causes one every second or two. The settings are as before at the end of
    the block; those of a program that froze objects itself do not change.
    """
    if gc.get_freeze_count():
        yield
        return

    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)

    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
