"""The state of the ice on the triangles of a mesh."""

from dataclasses import dataclass

import torch

from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.typing import Array, Float, Tensor


@dataclass(frozen=True, eq=False)
class State:
    """Everything that a step changes.

    Attributes:
        thickness: m, ice volume per area.
        concentration: 1.
        snow: m, snow volume per area.
        intact: 1 - damage.
        stress: Pa, mean normal stress (tension positive), half the normal difference, shear.
        velocity: m/s.
    """

    thickness: Float[Tensor, "element member"]
    concentration: Float[Tensor, "element member"]
    snow: Float[Tensor, "element member"]
    intact: Float[Tensor, "element member"]
    stress: Float[Tensor, "3 element member"]
    velocity: Float[Tensor, "2 node member"]


def state_at_rest(elements: Elements, sit: Array, sic: Array, snt: Array, sid: Array | None = None) -> State:
    """Ice without drift and stress, from values on the faces of the mesh, (member, face).

    Args:
        elements: the triangles.
        sit: ice volume per area, m.
        sic: concentration.
        snt: snow volume per area, m.
        sid: damage; None for intact ice.
    """
    thickness = elements.from_faces(sit)
    damage = torch.zeros_like(thickness) if sid is None else elements.from_faces(sid)
    n_members = thickness.shape[1]

    return State(
        thickness,
        elements.from_faces(sic),
        elements.from_faces(snt),
        1.0 - damage,
        thickness.new_zeros(3, elements.n_elements, n_members),
        thickness.new_zeros(2, elements.n_nodes, n_members),
    )
