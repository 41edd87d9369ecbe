"""Old places of modules and names: imports written for version 0.1 go on working, with a warning that says where to.

A module that has moved is found by :class:`_MovedModules`, which Python asks only after everything else; a name that
has moved to another package is found by the ``__getattr__`` that :func:`moved_names` makes for its old package.
"""

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_ROOT = "gensim_graph."

_MODULES = {
    "cli_forecast": "cli.forecasting",
    "cli_mesh": "cli.meshes",
    "compiler": "system.compiler",
    "data.sample": "data.builtin",
    "demo": "cli.demo",
    "evaluate.steps": "evaluate.tally",
    "heap": "system.memory",
    "mesh.records": "io.nextsim.nextsim_records",
    "resources": "system.resources",
    "simulate.advection": "simulate.solver.advection",
    "simulate.batches": "simulate.member_batches",
    "simulate.constants": "simulate.solver.constants",
    "simulate.dataset": "simulate.cyclone_dataset",
    "simulate.elements": "simulate.solver.elements",
    "simulate.initial": "simulate.initial_ice",
    "simulate.momentum": "simulate.solver.momentum",
    "simulate.rheology": "simulate.solver.rheology",
    "simulate.state": "simulate.solver.state",
    "simulate.steps": "simulate.solver.time_steps",
    "simulate.thermodynamics": "simulate.solver.thermodynamics",
    "simulate.triangles": "simulate.solver.triangles",
    "study": "benchmark.resolutions",
    "writing": "system.files",
}
"""Old module -> new module, for all modules that the documentation of version 0.1 named."""

_NAMES = {
    "benchmark": dict.fromkeys(
        ("SUITES", "Options", "Ratio", "Report", "Row", "parse_cells", "run_suite"), "benchmark.speed"
    ),
    "data": dict.fromkeys(("open_store", "open_stores", "drift", "open_moving"), "io")
    | dict.fromkeys(("write_dataset", "write_output", "write_restart"), "io"),
    "forecast": {"choose_device": "system"},
    "mesh": dict.fromkeys(("load_mesh", "write_mesh"), "io"),
}
"""Old package -> name -> the package that exports it now."""


def moved_names(package: str) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a package some of whose names live elsewhere now.

    Args:
        package: full name of the old package, ``__name__`` there.
    """
    moved = _NAMES[package.removeprefix(_ROOT)]

    def find(name: str) -> object:
        if name not in moved:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = _ROOT + moved[name]
        _warn(f"{package}.{name}", f"{home}.{name}")
        return getattr(importlib.import_module(home), name)

    return find


def _warn(old: str, new: str) -> None:
    warnings.warn(f"{old} has moved to {new}; import it from there", DeprecationWarning, stacklevel=3)


class _MovedModules(MetaPathFinder, Loader):
    """Import the module at its new place under its old name too."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for the modules of the table only."""
        known = fullname.startswith(_ROOT) and fullname.removeprefix(_ROOT) in _MODULES
        return ModuleSpec(fullname, self) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module at its new place."""
        home = _ROOT + _MODULES[spec.name.removeprefix(_ROOT)]
        _warn(spec.name, home)
        return importlib.import_module(home)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module has been executed at its new place."""


def install() -> None:
    """Let Python find the moved modules; called once, when the package is imported."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
