"""Sections on machines that lack packages which they import, but do not use: maps, archives, mesh files.

An absent module is replaced by one whose names are classes, of which nothing can be asked without an error. A section
that needs the package after all fails there, and the error names it; the others run.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Any

OPTIONAL = (
    *("filelock", "google_crc32c", "hydra", "jinja2", "matplotlib", "meshio", "netCDF4", "numcodecs", "omegaconf"),
    *("pint", "PIL", "pooch", "pyproj", "rich", "shapely", "tensorstore", "trimesh", "typer", "yaml", "zarr"),
)
"""Packages that the measurements themselves do without."""


def replace_absent() -> list[str]:
    """Replace the absent packages of ``OPTIONAL`` and return their names."""
    absent = [name for name in OPTIONAL if find_spec(name) is None]
    sys.meta_path.append(_Replacements(absent))
    return absent


class _Replacements(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of absent packages.

    Args:
        absent: names of the packages.
    """

    def __init__(self, absent: Sequence[str]) -> None:
        self.absent = frozenset(absent)

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Return a module for a name of an absent package, and None for all others."""
        if name.partition(".")[0] not in self.absent or _is_a_question(name):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return the module."""
        return _AbsentModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is."""


def _is_a_question(name: str) -> bool:
    """Return True if a library only asks if a package is there, from its own code: it then goes on without it."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("importlib"):
        frame = frame.f_back  # type: ignore[assignment]
    caller = "" if frame is None else frame.f_globals.get("__name__", "")
    return not caller.startswith(("gensim_graph", "gpu_sections", "compare_gensim", name.partition(".")[0]))


class _AbsentModule(ModuleType):
    """A module whose names are classes that raise an error."""

    __path__ = ()

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _absent(self.__name__, name)


def _absent(module: str, name: str) -> type:
    """Return a class of which objects can be made, as constants of a module; to ask something of them is an error.

    Args:
        module: where it should be.
        name: its name.
    """
    package = module.partition(".")[0]

    def refuse(*_: Any, **__: Any) -> Any:
        raise ModuleNotFoundError(f"{module}.{name} is used here, but the package {package} is not installed")

    def asked(_: Any, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return refuse()

    def made(cls: type, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return lambda *_, **__: cls()

    kind = type("Kind", (type,), {"__getattr__": made, "__iter__": lambda _: iter(())})
    content = {"__module__": module, "__init__": lambda *_, **__: None, "__getattr__": asked, "__call__": refuse}
    return kind(name, (Exception,), content)
