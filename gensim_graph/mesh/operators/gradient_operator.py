"""Velocity gradients of many fields on one mesh: its operators are made once."""

from functools import cached_property

import numpy as np
from scipy.sparse import csr_array, vstack

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.gradients import centre_gradient_operators
from gensim_graph.typing import Array


class GradientOperator:
    """Gradients of fields on the faces of a mesh, in the precision of the fields.

    The same as :func:`~gensim_graph.mesh.operators.strain.velocity_gradient`, which makes its operators anew each time.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    @cached_property
    def _operator(self) -> csr_array:
        return vstack(centre_gradient_operators(self._mesh), format="csr")

    @cached_property
    def _single(self) -> csr_array:
        return self._operator.astype(np.float32)

    def __call__(self, *fields: Array) -> Array:
        """Fields (M, F), each with a gradient (2, M, F), units of the field per m: (fields, 2, M, F)."""
        operator = self._single if np.result_type(*fields) == np.float32 else self._operator
        members, faces = fields[0].shape
        columns = np.concatenate([field.T for field in fields], axis=1)  # rows of members: what the product reads
        gradient = (operator @ columns).reshape(2, faces, len(fields), members)
        return gradient.transpose(2, 0, 3, 1)
