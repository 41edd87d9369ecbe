"""TODO gensim_graph.simulate.solver."""

from gensim_graph.simulate.solver.constants import BENCHMARK, NEXTSIM, Constants, constants_named
from gensim_graph.simulate.solver.elements import Elements, build_elements
from gensim_graph.simulate.solver.rheology import cohesion_of
from gensim_graph.simulate.solver.solver import Solver, build_solver
from gensim_graph.simulate.solver.state import State, state_at_rest
from gensim_graph.simulate.solver.thermodynamics import Weather

__all__ = [
    "BENCHMARK",
    "NEXTSIM",
    "Constants",
    "Elements",
    "Solver",
    "State",
    "Weather",
    "build_elements",
    "build_solver",
    "cohesion_of",
    "constants_named",
    "state_at_rest",
]
