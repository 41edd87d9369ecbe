"""Validation beside the training: losses of the averaged weights, the best weights, and small forecasts.

Read ``validation`` (when it happens and what follows from it), then ``validation_forecast`` (scores of a forecast).
"""

from gensim_graph.train.validating.validation import Forecaster, Validation, validation_loss
from gensim_graph.train.validating.validation_forecast import ensemble_crps, forecast_scores

__all__ = ["Forecaster", "Validation", "ensemble_crps", "forecast_scores", "validation_loss"]
