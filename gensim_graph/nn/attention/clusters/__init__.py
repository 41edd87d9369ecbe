"""TODO gensim_graph.nn.attention.clusters."""

from gensim_graph.nn.attention.clusters.cluster_backend import CLUSTERS
from gensim_graph.nn.attention.clusters.cluster_positions import about_queries, placed_queries, ratio_of, steepness_of

__all__ = ["CLUSTERS", "about_queries", "placed_queries", "ratio_of", "steepness_of"]
