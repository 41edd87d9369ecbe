"""Backend ``clusters``: attention of clusters to their gathered halos, in PyTorch alone.

Reading order: ``cluster_positions`` (positions and moments in further channels of a head, which the backend ``native``
uses too), ``cluster_chunks`` (tables, and gathering a few clusters at a time), ``cluster_kernel`` (the operator and its
derivative), ``cluster_backend``.
"""

from gensim_graph.nn.attention.clusters.cluster_backend import CLUSTERS
from gensim_graph.nn.attention.clusters.cluster_positions import (
    QueryPositions,
    add_query_positions,
    moments_about_queries,
    query_positions,
    taper_steepness,
)

__all__ = [
    "CLUSTERS",
    "QueryPositions",
    "add_query_positions",
    "moments_about_queries",
    "query_positions",
    "taper_steepness",
]
