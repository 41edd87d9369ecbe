"""TODO gensim_graph.evaluate.physics."""

from gensim_graph.evaluate.physics.age import ice_age
from gensim_graph.evaluate.physics.budget import BudgetTally, volume_budget
from gensim_graph.evaluate.physics.deformation_rates import (
    DeformationTally,
    area_quantile,
    deformation,
    deformation_scores,
    log_distance,
    total_deformation,
)
from gensim_graph.evaluate.physics.events import EVENTS, EventTally, detect_events
from gensim_graph.evaluate.physics.intermittency import IntermittencyTally, temporal_scaling
from gensim_graph.evaluate.physics.scaling import SCALING_ORDERS, ScalingTally, spatial_scaling
from gensim_graph.evaluate.physics.spectra import SpectrumTally, power_spectrum
from gensim_graph.evaluate.physics.structure import StructureTally, structure_function

__all__ = [
    "EVENTS",
    "SCALING_ORDERS",
    "BudgetTally",
    "DeformationTally",
    "EventTally",
    "IntermittencyTally",
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
