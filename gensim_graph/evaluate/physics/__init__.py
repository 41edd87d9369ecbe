"""Physics of the ice in a forecast or a truth: deformation and its scaling, structure, age, volume budget, events.

Functions on one dataset or field (:func:`deformation`, :func:`ice_age`, :func:`volume_budget`, :func:`detect_events`,
:func:`spatial_scaling`, :func:`temporal_scaling`, :func:`structure_function`, :func:`power_spectrum`) come with a
:class:`~gensim_graph.evaluate.tally.Tally` that applies them to truth and forecasts alike and returns a table.

Reading order:

1. ``deformation_rates`` computes the rates; ``area_statistics`` and ``deformation_statistics`` describe their
   distribution.
2. ``scaling`` holds the moments of the deformation by scale; ``box_scaling`` takes them in space, ``intermittency`` in
   time.
3. ``effective_resolution`` compares the variability of any field with the truth, scale by scale: ``spectra`` on grids,
   ``structure`` on any mesh.
4. ``age``, ``budget`` (with ``budget_table`` and ``written_budget``) and ``events`` follow the ice from one time to the
   next.
"""

from gensim_graph.evaluate.physics.age import ice_age
from gensim_graph.evaluate.physics.area_statistics import area_quantile, log_distance
from gensim_graph.evaluate.physics.box_scaling import ScalingTally, spatial_scaling
from gensim_graph.evaluate.physics.budget import volume_budget
from gensim_graph.evaluate.physics.budget_table import BudgetTally
from gensim_graph.evaluate.physics.deformation_rates import deformation, total_deformation
from gensim_graph.evaluate.physics.deformation_statistics import DeformationTally, deformation_scores
from gensim_graph.evaluate.physics.effective_resolution import RESOLVED_RATIO
from gensim_graph.evaluate.physics.events import EVENTS, EventTally, detect_events
from gensim_graph.evaluate.physics.intermittency import IntermittencyTally, temporal_scaling
from gensim_graph.evaluate.physics.scaling import SCALING_ORDERS
from gensim_graph.evaluate.physics.spectra import SpectrumTally, power_spectrum
from gensim_graph.evaluate.physics.structure import Pairs, StructureTally, structure_function
from gensim_graph.evaluate.physics.written_budget import WRITTEN_BUDGET

__all__ = [
    "EVENTS",
    "RESOLVED_RATIO",
    "SCALING_ORDERS",
    "WRITTEN_BUDGET",
    "BudgetTally",
    "DeformationTally",
    "EventTally",
    "IntermittencyTally",
    "Pairs",
    "ScalingTally",
    "SpectrumTally",
    "StructureTally",
    "area_quantile",
    "deformation",
    "deformation_scores",
    "detect_events",
    "ice_age",
    "log_distance",
    "power_spectrum",
    "spatial_scaling",
    "structure_function",
    "temporal_scaling",
    "total_deformation",
    "volume_budget",
]
