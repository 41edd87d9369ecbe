"""A guard of forecasts: it compares states and forcing with the training data, and warns before a forecast runs away.

A network is reliable only near the states that it was trained on, and a small error may grow from step to step. The
*position* of a value in the range of the training data is 0 at their smallest value and 1 at their largest,

    p = (x - smallest) / (largest - smallest)

so a thickness, whose smallest value is 0, exceeds 1.5 times the largest of the training where p > 1.5. Of a vector, x
is its magnitude and the smallest value 0.

:class:`ForecastGuard` belongs to a forecast, :class:`MemberGuard` to the members that are computed together. Reading
order: ``guarded_quantities`` (what is compared), ``range_distance`` (reductions over the cells, as tensors),
``extrapolated_growth`` (what comes if it goes on), ``guard_fields`` (what is written), ``forecast_guard`` (all of it,
step by step), ``guard_warnings`` (lines of the log), ``dataset_guard`` (forecasts in memory).
"""

from gensim_graph.surrogate.guard.dataset_guard import DatasetGuard
from gensim_graph.surrogate.guard.extrapolated_growth import STEPS_AHEAD
from gensim_graph.surrogate.guard.forecast_guard import ForecastGuard, MemberGuard, guard_of
from gensim_graph.surrogate.guard.guard_fields import GUARD_DIMENSION, GUARD_MEASURES, GUARD_PREFIX, GuardField

__all__ = [
    "GUARD_DIMENSION",
    "GUARD_MEASURES",
    "GUARD_PREFIX",
    "STEPS_AHEAD",
    "DatasetGuard",
    "ForecastGuard",
    "GuardField",
    "MemberGuard",
    "guard_of",
]
