"""Compilation of the C++ that ships with the package: once, for the processor of this machine, by its own compiler.

The library is kept in the cache folder. Its name is a hash of everything that it depends on: the sources and headers,
the compiler and its flags, the processor. Whatever changes, the next run compiles it anew.
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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gensim_graph.system.files import write_atomically
from gensim_graph.system.resources import cache_folder

log = logging.getLogger(__name__)

_FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC", "-fopenmp"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-exceptions", "-fno-rtti"),
)


class CompilerError(RuntimeError):
    """Raised without a usable C++ compiler; the message names the compiler and the reason."""


@dataclass(frozen=True)
class _Sources:
    """C++ files and headers of a folder, and headers that Python generates for them (name -> text)."""

    folder: Path
    headers: Mapping[str, str]

    def contents(self) -> list[bytes]:
        """Return everything that the compiler reads, in a fixed order."""
        files = sorted((*self.folder.glob("*.cpp"), *self.folder.glob("*.h")))
        generated = [self.headers[name].encode() for name in sorted(self.headers)]
        return [*(path.read_bytes() for path in files), *generated]


def compiled(folder: Path, headers: Mapping[str, str] | None = None) -> ctypes.CDLL:
    """Load the library of a folder of C++ sources; compile it first if the cache has none.

    Args:
        folder: holds the sources (``.cpp``) and their headers (``.h``); other files do not matter.
        headers: headers that the sources include and the folder does not hold: name -> text.

    Raises:
        CompilerError: the cache has no library, and it cannot be compiled.
    """
    try:
        return _load(_Sources(folder, headers or {}))
    except CompilerError:
        raise
    except (OSError, RuntimeError) as error:  # nowhere to write, no home, a compiler that cannot be run
        raise CompilerError(f"the library cannot be made: {error}") from error


def _load(sources: _Sources) -> ctypes.CDLL:
    command = [*_compiler(), *_FLAGS]
    name = f"{sources.folder.name}-{_key(sources, command)}.so"

    try:
        return _load_from_cache(command, sources, cache_folder() / name)
    except OSError as error:
        log.debug("%s is not kept: %s", name, error)

    with tempfile.TemporaryDirectory() as folder:  # the file may go once the library is loaded
        return _compile_and_load(command, sources, Path(folder) / name)


def _load_from_cache(command: list[str], sources: _Sources, target: Path) -> ctypes.CDLL:
    if target.is_file():
        try:
            return ctypes.CDLL(str(target))
        except OSError as error:
            log.warning("%s: cannot be loaded (%s); it is compiled again", target, error)

    target.parent.mkdir(parents=True, exist_ok=True)
    return _compile_and_load(command, sources, target)


def _compile_and_load(command: list[str], sources: _Sources, target: Path) -> ctypes.CDLL:
    log.info("compiling %s for this processor, once", sources.folder)
    write_atomically(target, lambda path: _compile(command, sources, path))
    return ctypes.CDLL(str(target))


def _compiler() -> list[str]:
    """Return the command in ``$CXX``, or else the first of the usual compilers that is installed."""
    named = shlex.split(os.environ.get("CXX", ""))
    for name in [named[0]] if named else ["c++", "g++", "clang++"]:
        found = shutil.which(name)
        if found:
            return [found, *named[1:]]

    came = f"CXX={named[0]} is not there" if named else "no C++ compiler (g++, clang++) is installed"
    raise CompilerError(f"{came}; set CXX to one")


def _key(sources: _Sources, command: list[str]) -> str:
    version = subprocess.run([command[0], "--version"], capture_output=True, check=False).stdout
    digest = hashlib.sha256()
    for part in (*sources.contents(), version, " ".join(command).encode(), _processor().encode()):
        digest.update(hashlib.sha256(part).digest())

    return digest.hexdigest()[:20]


def _processor() -> str:
    """Describe the instructions of the processor: machines that share a cache folder may have different ones."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"

    named = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(named)}))


def _compile(command: list[str], sources: _Sources, target: Path) -> None:
    files = sorted(str(path) for path in sources.folder.glob("*.cpp"))

    with tempfile.TemporaryDirectory() as generated:
        for name, text in sources.headers.items():
            (Path(generated) / name).write_text(text)
        call = [*command, f"-I{generated}", *files, "-o", str(target)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)

    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        telling = [line for line in lines if "error:" in line or "cannot find" in line] or lines[-1:]
        raise CompilerError(f"{shlex.join(command[:1])} cannot compile {sources.folder} ({telling[0]})")
