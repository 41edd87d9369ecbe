"""The surrogate: a trained network with everything that a forecast needs; xarray datasets in and out.

Read ``step_model`` first (one step, in tensors), then ``model`` (forecasts), ``model_inputs`` (checks of the initial
state and the forcing), the room ``stepping`` (forcing on the device, forecasts that are not finite, budgets),
``forecast_dataset`` and ``forecast_origin`` (layout and origin of a forecast). ``mirror_image`` lets a model
of one hemisphere forecast the other. ``saving`` writes and reads the files of a model, ``shipped`` names the trained
models that come with the package, ``downloads`` gets others; ``model_summary`` prints a model, ``step_bar`` shows
progress.
"""

from gensim_graph.surrogate.downloads import downloaded_models
from gensim_graph.surrogate.forecast_dataset import topology_with_places
from gensim_graph.surrogate.forecast_origin import FORECAST_MARK, model_hash, origin_of, provenance
from gensim_graph.surrogate.mirror_image import Hemisphere, Mirroring, hemisphere_of, hemisphere_of_all
from gensim_graph.surrogate.model import Surrogate
from gensim_graph.surrogate.model_inputs import count_members, states_of_members
from gensim_graph.surrogate.observed_steps import Guide, ObservedSteps, StepTimes, steps_with
from gensim_graph.surrogate.possible_states import StateRules
from gensim_graph.surrogate.shipped import SHIPPED, model_folder
from gensim_graph.surrogate.step_base import StepBase
from gensim_graph.surrogate.stepping import FiniteWatch, StepBudget, budget_variables

__all__ = [
    "FORECAST_MARK",
    "SHIPPED",
    "FiniteWatch",
    "Guide",
    "Hemisphere",
    "Mirroring",
    "ObservedSteps",
    "StateRules",
    "StepBase",
    "StepBudget",
    "StepTimes",
    "Surrogate",
    "budget_variables",
    "count_members",
    "downloaded_models",
    "hemisphere_of",
    "hemisphere_of_all",
    "model_folder",
    "model_hash",
    "origin_of",
    "provenance",
    "states_of_members",
    "steps_with",
    "topology_with_places",
]
