"""The plan of a graph: everything that an operator computes once for all its evaluations on one graph.

A forecast evaluates the operator thousands of times on the same mesh. What depends on the mesh alone is made
beforehand and kept in the plan. An operator that needs tables of its own, such as those of the attention, adds them in
a subclass.
"""

from dataclasses import dataclass

from gensim_graph.graph import MeshGraph


@dataclass(frozen=True)
class GraphPlan:
    """Plan of an operator that needs the graph and nothing else.

    Attributes:
        graph: cells, tokens and halos, on the device of the operator.
    """

    graph: MeshGraph
