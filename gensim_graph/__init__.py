"""A generative sea-ice model on any mesh.

The names below are the public interface; everything else may change. Start with :func:`load_mesh`,
:func:`train` and :meth:`Surrogate.forecast`, or on the command line with ``gensim-graph --help``.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gensim_graph import moved

if TYPE_CHECKING:  # type checkers and the documentation see the names; Python imports them when they are used
    from gensim_graph.assimilate import Observations
    from gensim_graph.data import open_forcing
    from gensim_graph.errors import InputError
    from gensim_graph.evaluate import evaluate, open_innovations, write_report
    from gensim_graph.flow import SamplerConfig
    from gensim_graph.forecast import write_forecast
    from gensim_graph.graph import MeshGraph, build_graph
    from gensim_graph.io import attach, load_mesh, open_store, open_stores
    from gensim_graph.mesh import Mesh
    from gensim_graph.nn import VelocityOperator
    from gensim_graph.simulate import simulate_cyclone
    from gensim_graph.surrogate import Surrogate
    from gensim_graph.train import calibrate, distil, train
    from gensim_graph.variables import Variable, VariableTable, default_variables

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "Mesh",
    "MeshGraph",
    "Observations",
    "SamplerConfig",
    "Surrogate",
    "Variable",
    "VariableTable",
    "VelocityOperator",
    "attach",
    "build_graph",
    "calibrate",
    "default_variables",
    "distil",
    "evaluate",
    "load_mesh",
    "open_forcing",
    "open_innovations",
    "open_store",
    "open_stores",
    "simulate_cyclone",
    "train",
    "write_forecast",
    "write_report",
]

_HOMES = {
    "InputError": "errors",
    "Mesh": "mesh",
    "MeshGraph": "graph",
    "Observations": "assimilate",
    "SamplerConfig": "flow",
    "Surrogate": "surrogate",
    "Variable": "variables",
    "VariableTable": "variables",
    "VelocityOperator": "nn",
    "attach": "io",
    "build_graph": "graph",
    "calibrate": "train",
    "default_variables": "variables",
    "distil": "train",
    "load_mesh": "io",
    "open_forcing": "data",
    "open_innovations": "evaluate",
    "open_store": "io",
    "open_stores": "io",
    "simulate_cyclone": "simulate",
    "write_forecast": "forecast",
    "write_report": "evaluate",
}
"""Public name -> package that exports it. Importing all of them at once would take seconds."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value

    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keep ``train`` and ``evaluate`` the functions.

    Importing the package ``gensim_graph.train`` would set the attribute of that name to the package.
    """

    @property
    def train(self) -> Any:
        """The function :func:`gensim_graph.train.train`."""
        return import_module(f"{__name__}.train").train

    @train.setter
    def train(self, package: ModuleType) -> None:
        pass

    @property
    def evaluate(self) -> Any:
        """The function :func:`gensim_graph.evaluate.evaluate`."""
        return import_module(f"{__name__}.evaluate").evaluate

    @evaluate.setter
    def evaluate(self, package: ModuleType) -> None:
        pass


moved.install()
sys.modules[__name__].__class__ = _Package
