"""C++ that ships with the package, compiled for the processor it runs on: once, by the compiler that is found.

The library is kept in the cache folder, under a name made of the code, the compiler and the processor.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from gensim_graph.system.files import write_atomically
from gensim_graph.system.resources import cache_folder

log = logging.getLogger(__name__)

_FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC", "-fopenmp"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-exceptions", "-fno-rtti"),
)


class CompilerError(RuntimeError):
    """No compiler, or one that cannot make the library; the message says which and why."""


def compiled(folder: Path) -> ctypes.CDLL:
    """Load the library of a folder of sources, which is compiled first if it has not been.

    Args:
        folder: sources (``.cpp``) and headers.

    Raises:
        CompilerError: there is no library, and none can be made.
    """
    try:
        return _loaded(folder)
    except CompilerError:
        raise
    except (OSError, RuntimeError) as error:  # nowhere to write, no home, a compiler that cannot be run
        raise CompilerError(f"the library cannot be made: {error}") from error


def _loaded(folder: Path) -> ctypes.CDLL:
    command = [*_compiler(), *_FLAGS]
    name = f"{folder.name}-{_key(folder, command)}.so"

    try:
        return _kept(command, folder, cache_folder() / name)
    except OSError as error:
        log.debug("%s is not kept: %s", name, error)

    with tempfile.TemporaryDirectory() as own:  # a library that is loaded needs its file no longer
        return _made(command, folder, Path(own) / name)


def _kept(command: list[str], folder: Path, target: Path) -> ctypes.CDLL:
    if target.is_file():
        try:
            return ctypes.CDLL(str(target))
        except OSError as error:
            log.warning("%s: cannot be loaded (%s); it is compiled again", target, error)

    target.parent.mkdir(parents=True, exist_ok=True)
    return _made(command, folder, target)


def _made(command: list[str], folder: Path, target: Path) -> ctypes.CDLL:
    log.info("compiling %s for this processor, once", folder)
    write_atomically(target, lambda path: _compile(command, folder, path))
    return ctypes.CDLL(str(target))


def _compiler() -> list[str]:
    """``$CXX``, else the first of the usual ones."""
    named = shlex.split(os.environ.get("CXX", ""))
    for name in [named[0]] if named else ["c++", "g++", "clang++"]:
        found = shutil.which(name)
        if found:
            return [found, *named[1:]]

    came = f"CXX={named[0]} is not there" if named else "no C++ compiler (g++, clang++) is installed"
    raise CompilerError(f"{came}; set CXX to one")


def _key(folder: Path, command: list[str]) -> str:
    version = subprocess.run([command[0], "--version"], capture_output=True, check=False).stdout
    parts = [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
    digest = hashlib.sha256()
    for part in (*parts, version, " ".join(command).encode(), _processor().encode()):
        digest.update(hashlib.sha256(part).digest())

    return digest.hexdigest()[:20]


def _processor() -> str:
    """What the processor can do, where the system says it: machines that share a folder need not be alike."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"

    named = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(named)}))


def _compile(command: list[str], folder: Path, target: Path) -> None:
    sources = sorted(str(path) for path in folder.glob("*.cpp"))
    done = subprocess.run([*command, *sources, "-o", str(target)], capture_output=True, text=True, check=False)

    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        telling = [line for line in lines if "error:" in line or "cannot find" in line] or lines[-1:]
        raise CompilerError(f"{shlex.join(command[:1])} cannot compile {folder} ({telling[0]})")
