"""Explanations of a trained model: how far its attention heads look, and the inputs on which a forecast depends.

``reach`` reads the learnt widths of the heads and is the simpler one; ``input_response`` differentiates a forecast step
by the initial state and the forcing. Both compute a dataset and have a function that draws it.
"""

from gensim_graph.evaluate.explain.input_response import sensitivity, sensitivity_figure
from gensim_graph.evaluate.explain.reach import head_reach, reach_figure

__all__ = ["head_reach", "reach_figure", "sensitivity", "sensitivity_figure"]
