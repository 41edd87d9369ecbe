"""The surrogate: a trained network with everything that a forecast needs; xarray datasets in and out.

Read ``step_model`` first (one step, in tensors), then ``model`` (forecasts), ``model_inputs`` (checks of the initial
state and the forcing), ``forecast_dataset`` (the layout of a forecast), ``saving`` (the files of a model) and
``shipped`` (the trained models that come with the package).
"""

from gensim_graph.surrogate.model import Surrogate

__all__ = ["Surrogate"]
