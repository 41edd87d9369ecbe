"""Simulated sea ice under idealised storms, on any mesh: trajectories to train on where there are no data.

Users need :func:`simulate_cyclone` (a dataset in memory) or :func:`write_cyclone` (a zarr store). Both run the
:class:`Ensemble` of an :class:`Experiment`, from :func:`build_ensemble`. :func:`seconds_needed` and :func:`in_words`
tell how long that takes, and :func:`check_simulation_place` checks the path of a store. :class:`WindField` is the wind
of the storms. The physical constants are :data:`BENCHMARK`, :data:`NEXTSIM`, or your own :class:`Constants`.

Reading order:

1. :mod:`~gensim_graph.simulate.experiment`: all settings of a simulation;
2. :mod:`~gensim_graph.simulate.storms` and :mod:`~gensim_graph.simulate.initial_ice`: the forcing and the ice at the
   start;
3. :mod:`~gensim_graph.simulate.ensemble`: the members, from their start to their last record;
4. :mod:`~gensim_graph.simulate.solver`: the equations of the ice;
5. :mod:`~gensim_graph.simulate.member_batches`, :mod:`~gensim_graph.simulate.cyclone_dataset` and
   :mod:`~gensim_graph.simulate.cyclone`: from the members to a dataset or a store.

Words: a *member* is one trajectory; it depends on the seed and its number alone. *Records* are the times at which
fields are kept; record 0 is the initial state.
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
