"""Evaluation against observations as they come: satellite products with gaps, daily means, other grids, displacements.

Read :mod:`~gensim_graph.evaluate.observations.observed` first, the form that all products are brought to. Then

1. ``observation_files`` opens the files of a product; ``product_reader`` reads one. It uses ``product_periods`` (the
   time that a record stands for), ``product_flags``, ``product_errors``, ``product_cells`` (the cells near the mesh),
   ``displacements`` and ``ice_thickness``; ``own_layout`` reads fields on the mesh of a forecast.
2. ``footprint`` and ``forecast_fields`` bring the forecast to what a product sees, in space and in time.
3. ``comparison`` goes through the records; ``observation_sums`` and ``observation_scores`` turn them into tables.
"""

from gensim_graph.evaluate.observations.observation_files import open_observations
from gensim_graph.evaluate.observations.observation_scores import OBSERVATION_TABLES, score_observations
from gensim_graph.evaluate.observations.observed import Observations, ObservedField, Periods
from gensim_graph.evaluate.observations.product_reader import is_product

__all__ = [
    "OBSERVATION_TABLES",
    "Observations",
    "ObservedField",
    "Periods",
    "is_product",
    "open_observations",
    "score_observations",
]
