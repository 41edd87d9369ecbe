"""Check of the place for results before the work: a full or read-only disk is found before hours of computing."""

import os
import shutil
from pathlib import Path

from gensim_graph.errors import InputError

_LEAST = 2**20
"""Bytes that must be free for any result."""


def check_space(target: Path, needed: int | float = 0, *, beside: bool = False) -> None:
    """Refuse a place that cannot be written, or that has too little free space. Nothing is created.

    Args:
        target: file or folder that will be written; its folders need not exist yet.
        needed: bytes that will be written at least, 0 if this is not known.
        beside: True if an existing folder is replaced by a new one that is made beside it.

    Raises:
        InputError: the folder is read-only or a file, or the disk has fewer bytes left.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from gensim_graph.errors import InputError
        >>> from gensim_graph.system import check_space
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     try:
        ...         check_space(Path(folder) / "forecast.zarr", needed=1e18)
        ...     except InputError as error:
        ...         print("needs at least 1.0 EB" in str(error))
        True
    """
    folder = _existing_folder(target, beside)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{target}: cannot be written, {folder} is read-only; choose another place with --out")

    free = shutil.disk_usage(folder).free
    if free < max(needed, _LEAST):
        raise InputError(
            f"{target}: needs at least {size_in_words(max(needed, _LEAST))}, and the disk has {size_in_words(free)} "
            "left; make room, or choose another place with --out"
        )


def size_in_words(size: int | float) -> str:
    """Return a number of bytes in words, in powers of 1000, with two digits or more.

    Example:
        >>> from gensim_graph.system import size_in_words
        >>> [size_in_words(size) for size in (980, 4.6e4, 3.97e6, 1.2e10)]
        ['980 B', '46 kB', '4.0 MB', '12 GB']
    """
    units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]

    digits = 1 if size < 10 and units[0] != "B" else 0
    return f"{size:,.{digits}f} {units[0]}"


def _existing_folder(target: Path, beside: bool) -> Path:
    """Return the folder in which the first new file or folder will appear.

    Args:
        target: file or folder that will be written.
        beside: as in :func:`check_space`.

    Raises:
        InputError: a file is in the way.
    """
    path = target.resolve()
    within = path.is_dir() and not beside
    folder = path if within else next(parent for parent in path.parents if parent.exists())

    if not folder.is_dir():
        raise InputError(f"{target}: {folder} is a file, not a folder; choose another place with --out")

    return folder
