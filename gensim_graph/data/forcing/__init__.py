"""Forcing of a forecast or of training data at any time: winds and temperatures, on any grid, brought to a mesh.

:mod:`~gensim_graph.data.forcing.forcing_in_time` reads the records that a time needs,
:mod:`~gensim_graph.data.forcing.forcing_ensemble` has a weather for each member of a forecast, and
:mod:`~gensim_graph.data.forcing.forcing_files` opens both.
"""

from gensim_graph.data.forcing.forcing_ensemble import ForcingEnsemble
from gensim_graph.data.forcing.forcing_files import as_forcing, open_forcing
from gensim_graph.data.forcing.forcing_in_time import Drivers, Forcing

__all__ = ["Drivers", "Forcing", "ForcingEnsemble", "as_forcing", "open_forcing"]
