"""What keeps a GPU busy from step to step: nothing is copied twice, and nobody waits to look at a state.

``recent_drivers`` holds the forcing on the device, ``finite_states`` finds forecasts that are not finite,
``recorded_step`` tells when a step that was recorded can be replayed. ``freezing`` is for steps with a guide.
``step_budget`` splits the change in a step into transport and source, after the step.
"""

from gensim_graph.surrogate.stepping.finite_states import FiniteWatch, check_finite
from gensim_graph.surrogate.stepping.freezing import frozen_weights
from gensim_graph.surrogate.stepping.recent_drivers import DeviceDrivers, RecentDrivers
from gensim_graph.surrogate.stepping.recorded_step import step_settings
from gensim_graph.surrogate.stepping.step_budget import StepBudget, budget_variables

__all__ = [
    "DeviceDrivers",
    "FiniteWatch",
    "RecentDrivers",
    "StepBudget",
    "budget_variables",
    "check_finite",
    "frozen_weights",
    "step_settings",
]
