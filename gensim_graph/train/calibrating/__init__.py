"""Fit the last layer of a trained model to the tendencies of free runs: biases that no score of single steps sees.

Read ``calibrated_model`` (the entry point), then ``free_windows`` (the runs, and what each step shows of them) and
``last_layer`` (the fit).
"""

from gensim_graph.train.calibrating.calibrated_model import calibrate
from gensim_graph.train.calibrating.last_layer import SetErrors

__all__ = ["SetErrors", "calibrate"]
