"""Solver for sea ice on the triangles of a mesh, with a brittle rheology.

The velocity is linear between the nodes of a triangle (P1); stress, damage, thickness, concentration and snow are
constant on each triangle (P0).

Reading order:

1. :mod:`~gensim_graph.simulate.solver.solver`: the time loop, which calls everything else;
2. :mod:`~gensim_graph.simulate.solver.rheology` and :mod:`~gensim_graph.simulate.solver.momentum`: the equations of a
   sub-step, for stress and damage and for the velocity;
3. :mod:`~gensim_graph.simulate.solver.advection` and :mod:`~gensim_graph.simulate.solver.thermodynamics`: what follows
   once in a step;
4. :mod:`~gensim_graph.simulate.solver.constants`, :mod:`~gensim_graph.simulate.solver.state`,
   :mod:`~gensim_graph.simulate.solver.elements`, :mod:`~gensim_graph.simulate.solver.triangles` and
   :mod:`~gensim_graph.simulate.solver.time_steps`: the constants, fields, geometry and time steps that they use.

:func:`build_solver` makes a :class:`Solver` from :class:`Elements`, :class:`Constants`, a cohesion
(:func:`cohesion_of`) and an ocean current; :func:`state_at_rest` makes the first :class:`State`. The sets of constants
are :data:`BENCHMARK` and :data:`NEXTSIM`; a :class:`Weather` switches growth and melt on.
"""

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
