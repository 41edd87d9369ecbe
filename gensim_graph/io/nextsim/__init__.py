"""TODO gensim_graph.io.nextsim."""

from gensim_graph.io.nextsim.nextsim_fixed import read_nextsim
from gensim_graph.io.nextsim.nextsim_moving import drift, open_moving
from gensim_graph.io.nextsim.nextsim_pair import is_pair, read_pair_mesh
from gensim_graph.io.nextsim.nextsim_run import is_nextsim
from gensim_graph.io.nextsim.nextsim_writer import write_output, write_restart

__all__ = [
    "drift",
    "is_nextsim",
    "is_pair",
    "open_moving",
    "read_nextsim",
    "read_pair_mesh",
    "write_output",
    "write_restart",
]
