"""Assimilation: observations of the ice bring an ensemble of forecasts closer to the truth.

Words of this package:

- An *observation* is one number with its error, at one place and time. Its *footprint* is the length over which the
  instrument averages.
- The *observation operator* computes what would be observed of a state. It is linear.
- The *innovation* is the observed value minus that of the forecast.
- The *analysis* is the ensemble after the observations were used, the *forecast* the one before.

Reading order:

1. :mod:`~gensim_graph.assimilate.observations`: the table of observations. ``observation_columns`` checks it,
   ``product_rows`` fills it from satellite products, ``superobservations`` makes it smaller.
2. :mod:`~gensim_graph.assimilate.observation_operator`, with ``observed_places`` (the cells that contain the
   observations) and ``footprint_weights`` (the cells below a footprint).
3. :mod:`~gensim_graph.assimilate.letkf`: the local ensemble transform Kalman filter, with ``taper`` (the observations
   near a cell).
4. :mod:`~gensim_graph.assimilate.state_likelihood`: what observations say of the residual that the flow samples.
5. :mod:`~gensim_graph.assimilate.assimilation`: how observations act on the steps of a forecast.
6. :mod:`~gensim_graph.assimilate.step_innovations` and ``innovations``: forecast and analysis at the observations, and
   their statistics.
"""

from gensim_graph.assimilate.assimilation import DEFAULT_FILTER, Assimilation, Method
from gensim_graph.assimilate.innovations import innovation_statistics
from gensim_graph.assimilate.letkf import LETKF
from gensim_graph.assimilate.observation_operator import ObservationOperator, ObservationReport
from gensim_graph.assimilate.observations import Observations
from gensim_graph.assimilate.state_likelihood import StateLikelihood
from gensim_graph.assimilate.step_innovations import StepInnovations

__all__ = [
    "DEFAULT_FILTER",
    "LETKF",
    "Assimilation",
    "Method",
    "ObservationOperator",
    "ObservationReport",
    "Observations",
    "StateLikelihood",
    "StepInnovations",
    "innovation_statistics",
]
