"""Imports written for version 0.1: they still work, with a warning that names the new place.

:class:`_MovedModules` finds modules under their old names; Python asks it after all other finders. :func:`moved_names`
makes the ``__getattr__`` of a package some of whose names have moved to another package.
"""

import importlib
import sys
import warnings
from collections.abc import Callable, Iterable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_ROOT = "gensim_graph."

_MODULES = {
    "cli.forecasting": "cli.forecasts.forecasting",
    "cli_forecast": "cli",
    "cli_mesh": "cli",
    "compiler": "system.compiler",
    "data.sample": "data.builtin",
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
    "train.fit": "train.training_run",
    "train.folder": "train.run_folder",
    "train.module": "train.training_module",
    "writing": "system.files",
}
"""Old module -> new module, for all modules that the documentation of version 0.1 named."""

_NAMES = {
    "benchmark": dict.fromkeys(
        ("SUITES", "Options", "Ratio", "Report", "Row", "parse_cells", "run_suite"), "benchmark.speed"
    ),
    "cli": {
        "benchmark": "cli.benchmarks:benchmark_command",
        "demo": "cli.demonstration:demo_command",
        "evaluate": "cli.evaluation:evaluate_command",
        "forecast": "cli.forecasts.forecasting:forecast_command",
        "mesh_app": "cli.meshes:mesh_app",
        "simulate": "cli.simulation:simulate_command",
        "train": "cli.training:train_command",
    },
    "data": dict.fromkeys(("open_store", "open_stores", "drift", "open_moving"), "io")
    | dict.fromkeys(("write_dataset", "write_output", "write_restart"), "io"),
    "evaluate": {"Observations": "evaluate:ObservedProduct"},
    "evaluate.observations": {"Observations": "evaluate.observations:ObservedProduct"},
    "forecast": {"choose_device": "system"},
    "mesh": dict.fromkeys(("load_mesh", "write_mesh"), "io"),
    "simulate.solver.momentum": {"build_drive": "simulate.solver.momentum:build_momentum_coefficients"},
    "simulate.solver.rheology": {"build_response": "simulate.solver.rheology:build_stress_coefficients"},
    "simulate.solver.time_steps": {"plan_steps": "simulate.solver.time_steps:plan_time_steps"},
}
"""Old package -> name -> the package that exports it now, with ``:new_name`` where it has another name there."""


def moved_names(package: str) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a package some of whose names live elsewhere now.

    Args:
        package: full name of the old package, ``__name__`` there.
    """
    moved = _NAMES[package.removeprefix(_ROOT)]

    def find(name: str) -> object:
        if name not in moved:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home, _, new = moved[name].partition(":")
        _warn(f"{package}.{name}", f"{_ROOT}{home}.{new or name}")
        return getattr(importlib.import_module(_ROOT + home), new or name)

    return find


def _warn(old: str, new: str) -> None:
    warnings.warn(f"{old} has moved to {new}; import it from there", DeprecationWarning, stacklevel=3)


class _MovedModules(MetaPathFinder, Loader):
    """Find modules under their old names, and import them from their new place."""

    def find_spec(
        self, fullname: str, path: Iterable[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a specification for modules of the table, None for all others.

        Args:
            fullname: name of the module.
            path: of the parent package, not used.
            target: not used.
        """
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
    """Register the finder of moved modules; called once, when the package is imported."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
