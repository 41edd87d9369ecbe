"""Transport of the ice by its drift, on any mesh.

:func:`plan_transport` builds the tables of a mesh, :meth:`TransportPlan.move` moves fields over a step of hours with
the drift at its start and end, and :func:`ridge` piles up what converges to more than full cover.

Reading order:

1. :mod:`~gensim_graph.transport.transport_plan`: the equation, the sub-steps and the tables of a mesh;
2. :mod:`~gensim_graph.transport.substep`: one sub-step for amounts of ice and for its properties;
3. :mod:`~gensim_graph.transport.linear_fit` and :mod:`~gensim_graph.transport.corrected_fluxes`: second-order fluxes,
   and their limit;
4. :mod:`~gensim_graph.transport.sides`, :mod:`~gensim_graph.transport.cell_slopes` and
   :mod:`~gensim_graph.transport.ridging`: sides, weights and ridging;
5. :mod:`~gensim_graph.transport.state_transport`: the state of a variable table.

The solver of :mod:`gensim_graph.simulate` uses the same sides and the same limit, with the velocity of its nodes.
"""

from gensim_graph.transport.corrected_fluxes import limited_correction, upwind_flux
from gensim_graph.transport.ridging import ridge
from gensim_graph.transport.sides import Sides, find_sides
from gensim_graph.transport.state_transport import DRIFT, StateTransport, plan_state_transport, transported_names
from gensim_graph.transport.transport_plan import TransportPlan, plan_transport

__all__ = [
    "DRIFT",
    "Sides",
    "StateTransport",
    "TransportPlan",
    "find_sides",
    "limited_correction",
    "plan_state_transport",
    "plan_transport",
    "ridge",
    "transported_names",
    "upwind_flux",
]
