"""The state of the ice on the triangles of a mesh: the fields that a time step changes."""

from dataclasses import dataclass

import torch

from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.typing import Array, Float, Tensor


@dataclass(frozen=True, eq=False)
class State:
    """Fields of the ice at one time, for several members.

    Attributes:
        thickness: m, ice volume per area.
        concentration: area of ice per area, from 0 to 1.
        snow: m, snow volume per area.
        intact: 1 - damage.
        stress: Pa, in the plane of the mesh: mean normal stress (xx + yy) / 2, positive in tension, half the normal
            difference (xx - yy) / 2, and shear xy.
        velocity: m/s on the nodes, along the axes of the plane.
    """

    thickness: Float[Tensor, "element member"]
    concentration: Float[Tensor, "element member"]
    snow: Float[Tensor, "element member"]
    intact: Float[Tensor, "element member"]
    stress: Float[Tensor, "3 element member"]
    velocity: Float[Tensor, "2 node member"]


def state_at_rest(elements: Elements, sit: Array, sic: Array, snt: Array, sid: Array | None = None) -> State:
    """Build the state of ice without drift and stress from values on the faces of the mesh.

    Args:
        elements: the triangles.
        sit: ice volume per area, (member, face) m.
        sic: concentration, (member, face).
        snt: snow volume per area, (member, face) m.
        sid: damage, (member, face); None for intact ice.
    """
    thickness = elements.from_faces(sit)
    damage = torch.zeros_like(thickness) if sid is None else elements.from_faces(sid)
    n_members = thickness.shape[1]

    return State(
        thickness=thickness,
        concentration=elements.from_faces(sic),
        snow=elements.from_faces(snt),
        intact=1.0 - damage,
        stress=thickness.new_zeros(3, elements.n_elements, n_members),
        velocity=thickness.new_zeros(2, elements.n_nodes, n_members),
    )
