"""The plan of a graph: everything that an operator computes once for all its evaluations on one graph.

A forecast evaluates the operator thousands of times on the same mesh. What depends on the mesh alone is made
beforehand and kept in the plan. An operator that needs tables of its own, such as those of the attention, adds them in
a subclass.
"""

from dataclasses import dataclass, field

from gensim_graph.graph import MeshGraph
from gensim_graph.transport import StateTransport


@dataclass(frozen=True)
class GraphPlan:
    """Plan of an operator that needs the graph and nothing else.

    Attributes:
        graph: cells, tokens and halos, on the device of the operator.
        is_mirrored: the graph is that of the mirror image of the mesh, so that vectors have to be mirrored too. The
            operator does not look at it; who made the plan does.
        is_closed: no ice can leave the mesh. The operator does not look at it either.
        transport: transport of the state on the mesh, for a model that needs it. Nor does it look at this.
    """

    graph: MeshGraph
    is_mirrored: bool = field(default=False, kw_only=True)
    is_closed: bool = field(default=False, kw_only=True)
    transport: StateTransport | None = field(default=None, kw_only=True)
