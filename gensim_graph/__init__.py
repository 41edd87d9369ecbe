"""A generative sea-ice model on any mesh.

The names below are the public interface; everything else may change. Start with :func:`load_mesh`,
:func:`train` and :meth:`Surrogate.forecast`, or on the command line with ``gensim-graph --help``.
"""

from gensim_graph import moved
from gensim_graph.data import open_forcing
from gensim_graph.errors import InputError
from gensim_graph.evaluate import evaluate, write_report
from gensim_graph.flow import SamplerConfig
from gensim_graph.forecast import write_forecast
from gensim_graph.graph import MeshGraph, build_graph
from gensim_graph.io import load_mesh, open_store, open_stores
from gensim_graph.mesh import Mesh
from gensim_graph.nn import VelocityOperator
from gensim_graph.simulate import simulate_cyclone
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import train
from gensim_graph.variables import Variable, VariableTable, default_variables

moved.install()

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "Mesh",
    "MeshGraph",
    "SamplerConfig",
    "Surrogate",
    "Variable",
    "VariableTable",
    "VelocityOperator",
    "build_graph",
    "default_variables",
    "evaluate",
    "load_mesh",
    "open_forcing",
    "open_store",
    "open_stores",
    "simulate_cyclone",
    "train",
    "write_forecast",
    "write_report",
]
