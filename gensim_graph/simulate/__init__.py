"""Idealised storms over sea ice on any mesh, with a brittle rheology: data where there are none.

:func:`simulate_cyclone` is the whole of it for users. Read :mod:`~gensim_graph.simulate.solver.solver` first, then
:mod:`~gensim_graph.simulate.solver.rheology`, :mod:`~gensim_graph.simulate.solver.momentum` and
:mod:`~gensim_graph.simulate.solver.advection`; what drives them is in :mod:`~gensim_graph.simulate.storms` and
:mod:`~gensim_graph.simulate.initial_ice`. It needs nothing of the package but meshes and the variable table.
"""

from gensim_graph.simulate.cyclone import check_simulation_place, simulate_cyclone, write_cyclone
from gensim_graph.simulate.ensemble import Ensemble, build_ensemble
from gensim_graph.simulate.experiment import Experiment
from gensim_graph.simulate.member_batches import in_words, seconds_needed
from gensim_graph.simulate.solver import BENCHMARK, NEXTSIM, Constants
from gensim_graph.simulate.storms import WindField

__all__ = [
    "BENCHMARK",
    "NEXTSIM",
    "Constants",
    "Ensemble",
    "Experiment",
    "WindField",
    "build_ensemble",
    "check_simulation_place",
    "in_words",
    "seconds_needed",
    "simulate_cyclone",
    "write_cyclone",
]
