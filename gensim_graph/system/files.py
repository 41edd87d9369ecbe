"""Files and folders that are written completely or not at all: made under a temporary name, then renamed.

Files that are read once need not stay in the memory of the operating system either, see :func:`forget_content`.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def write_atomically(target: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file or folder under a temporary name, then replace ``target`` by it.

    An old target stays if writing fails. Files get the permissions of the user's umask.

    Args:
        target: file or folder; a link stays a link, and the file behind it is replaced.
        write: writes to the path that it is given.
    """
    target = target.resolve()
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.part")

    try:
        write(temporary)
        if temporary.is_file():
            temporary.chmod(0o666 & ~_umask())  # some writers make files that only their owner may read
        _put_in_place(temporary, target)
    finally:
        _remove(temporary)


def forget_content(path: Path) -> None:
    """Let the operating system free the memory in which it keeps the content of a file.

    Whoever reads more than fits in memory, and reads it once, is faster so: the system spends no time on choosing what
    to forget.

    Args:
        path: the file; nothing happens if it cannot be opened.
    """
    if not hasattr(os, "posix_fadvise"):
        return

    with suppress(OSError):
        file = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


def _put_in_place(new: Path, target: Path) -> None:
    if not target.is_dir():
        os.replace(new, target)
        return

    old = new.with_suffix(".old")  # rename cannot replace a folder that is not empty
    target.rename(old)

    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise

    shutil.rmtree(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _umask() -> int:
    umask = os.umask(0)  # setting it is the only way to read it
    os.umask(umask)
    return umask
