"""Files that are whole or not there: written beside the target, then renamed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4


def write_atomically(target: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file or folder under a temporary name, then put it in place of ``target``.

    What was there stays until the new one is in its place. The file gets the permissions that the user's umask gives.
    """
    target = target.resolve()  # a link goes on pointing to the same place
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.part")

    try:
        write(temporary)
        if temporary.is_file():
            temporary.chmod(0o666 & ~_umask())  # some writers make files for their owner alone
        _put_in_place(temporary, target)
    finally:
        _remove(temporary)


def _put_in_place(new: Path, target: Path) -> None:
    if not target.is_dir():
        os.replace(new, target)
        return

    old = new.with_suffix(".old")  # a folder that is not empty cannot be replaced in one go
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
    umask = os.umask(0)  # it can only be read by setting it
    os.umask(umask)
    return umask
