"""Evaluation of forecasts: scores against the truth and against baselines, physics of the ice, one HTML report.

Words that all modules use:

- *verification*: one forecast and the truth side by side, on the same cells, at the same valid times, with the same
  variables (:class:`Verification`).
- *model*: a name for one verification: ``forecast`` for the forecast that is evaluated, other names for its baselines.
  Many functions take a mapping name -> verification, as :func:`match_models` returns it; all have the same valid times.
  ``truth`` appears as one more model in some tables.
- *start*: the time at which a forecast begins; the truth at this time is the initial state. A dataset may have several.
- *lead time*, in short *lead*: time since the start. Start plus lead time is the valid time.
- *member*: one of the M forecasts of an ensemble from the same start.
- *step*: the fields of one model at one valid time (:class:`Step`). A :class:`Tally` gathers sums over all steps and
  returns a table.
- *case*: one unit that the bootstrap draws, a start or a block of the domain
  (:mod:`~gensim_graph.evaluate.bootstrap`).

Reading order:

1. :mod:`~gensim_graph.evaluate.verification`: the class :class:`Verification`;
   :mod:`~gensim_graph.evaluate.matching` builds it and checks the input.
2. :mod:`~gensim_graph.evaluate.tally`: the one pass over forecasts and truth in which all tables are gathered;
   :mod:`~gensim_graph.evaluate.bootstrap`: intervals of the scores.
3. :mod:`~gensim_graph.evaluate.verify`: scores against the truth; :mod:`~gensim_graph.evaluate.physics`: physics of the
   ice.
4. :mod:`~gensim_graph.evaluate.assessment`: the list of all tables.
5. :mod:`~gensim_graph.evaluate.observations`: scores against observations with gaps, means and grids of their own;
   :mod:`~gensim_graph.evaluate.truth_sources` tells them from complete truths;
   :mod:`~gensim_graph.evaluate.innovations`: statistics of an analysis that has used observations.
6. :mod:`~gensim_graph.evaluate.baselines` and :mod:`~gensim_graph.evaluate.linear_baseline`: forecasts to compare with;
   :mod:`~gensim_graph.evaluate.explain`: the fields on which a forecast depends.
7. :mod:`~gensim_graph.evaluate.pictures` draws; :mod:`~gensim_graph.evaluate.report` writes the page.

Functions on one dataset (:func:`deformation`, :func:`ice_age`, :func:`volume_budget`, :func:`detect_events`,
:func:`temporal_scaling`) take a forecast or a truth. Functions that compare (:func:`assess`, :func:`ice_scores`,
:func:`drift_scores`, :func:`buoy_errors`, :func:`rank_histogram`) take the models of :func:`match_models`;
:func:`evaluate` takes the datasets themselves.

A new score enters the report in three places:

1. a :class:`Tally` in ``verify/`` or ``physics/``, exported by the ``__init__.py`` there;
2. ``assessment.py``: name and contents of its table in ``TABLES``, and the tally in :func:`assess`. From then on the
   report contains ``NAME.csv`` (unless the table is empty) and an entry in ``tables.json``;
3. a chapter of ``report/`` that shows the table. :mod:`~gensim_graph.evaluate.report` describes this step.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gensim_graph.evaluate.assessment import assess
from gensim_graph.evaluate.baselines import persistence, persistence_beside
from gensim_graph.evaluate.innovations import has_innovations, open_innovations, score_innovations
from gensim_graph.evaluate.linear_baseline import LinearBaseline
from gensim_graph.evaluate.matching import match, match_models
from gensim_graph.evaluate.observations import ObservedProduct, open_observations, score_observations
from gensim_graph.evaluate.physics import (
    deformation,
    detect_events,
    ice_age,
    power_spectrum,
    spatial_scaling,
    structure_function,
    temporal_scaling,
    volume_budget,
)
from gensim_graph.evaluate.report import write_report
from gensim_graph.evaluate.scored_variables import chosen_variables, scored_table
from gensim_graph.evaluate.tally import Step, Tally
from gensim_graph.evaluate.truth_sources import Truths, open_truths
from gensim_graph.evaluate.verification import Verification
from gensim_graph.evaluate.verify import (
    buoy_errors,
    drift_scores,
    evaluate,
    ice_scores,
    rank_histogram,
    skill_table,
    write_scores,
)
from gensim_graph.moved import moved_names

if TYPE_CHECKING:  # they need the network, whose import takes a second; see __getattr__
    from gensim_graph.evaluate.explain import head_reach, sensitivity

__all__ = [
    "LinearBaseline",
    "ObservedProduct",
    "Step",
    "Tally",
    "Truths",
    "Verification",
    "assess",
    "buoy_errors",
    "chosen_variables",
    "deformation",
    "detect_events",
    "drift_scores",
    "evaluate",
    "has_innovations",
    "head_reach",
    "ice_age",
    "ice_scores",
    "match",
    "match_models",
    "open_innovations",
    "open_observations",
    "open_truths",
    "persistence",
    "persistence_beside",
    "power_spectrum",
    "rank_histogram",
    "score_innovations",
    "score_observations",
    "scored_table",
    "sensitivity",
    "skill_table",
    "spatial_scaling",
    "structure_function",
    "temporal_scaling",
    "volume_budget",
    "write_report",
    "write_scores",
]

_moved = moved_names(__name__)


def __getattr__(name: str) -> Any:
    """Import ``head_reach`` and ``sensitivity`` when they are first used, and names of earlier versions."""
    if name in ("head_reach", "sensitivity"):
        return getattr(import_module(f"{__name__}.explain"), name)

    return _moved(name)
