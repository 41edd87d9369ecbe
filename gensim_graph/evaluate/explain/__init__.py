"""TODO gensim_graph.evaluate.explain."""

from gensim_graph.evaluate.explain.input_response import sensitivity, sensitivity_figure
from gensim_graph.evaluate.explain.reach import head_reach, reach_figure

__all__ = ["head_reach", "reach_figure", "sensitivity", "sensitivity_figure"]
