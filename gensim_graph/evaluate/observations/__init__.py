"""Evaluation against observations as they come: satellite products with gaps, daily means, other grids, displacements.

Read :mod:`~gensim_graph.evaluate.observations.observed` first, the form that all products are brought to. Then

1. ``observation_files`` opens the files of a product; the room ``products`` reads them.
2. ``footprint``, ``forecast_fields`` and ``drift_paths`` bring the forecast to what a product sees, in space and time.
3. ``comparison`` goes through the records; ``observation_sums`` and ``observation_scores`` turn them into tables.
"""

from gensim_graph.evaluate.observations.observation_files import open_observations, open_products
from gensim_graph.evaluate.observations.observation_scores import OBSERVATION_TABLES, score_observations
from gensim_graph.evaluate.observations.observed import ObservedField, ObservedProduct, Periods
from gensim_graph.evaluate.observations.products import is_product
from gensim_graph.moved import moved_names

__all__ = [
    "OBSERVATION_TABLES",
    "ObservedField",
    "ObservedProduct",
    "Periods",
    "is_product",
    "open_observations",
    "open_products",
    "score_observations",
]

__getattr__ = moved_names(__name__)
