"""Types of arrays and tensors, and the names of their dimensions.

Public tensor signatures give shapes with jaxtyping; the tests check them with beartype. Docstrings use the same names:

======== =====================================================================
word     meaning
======== =====================================================================
batch    ensemble members or samples that share one graph
node     corner of a mesh
face     cell of a mesh, which is a node of a :class:`~gensim_graph.graph.MeshGraph`
element  triangle of the solver: a face, or part of a face
cell     face or element, in the transport, which treats both alike
side     side of a cell that ice may cross
member   trajectory of an ensemble; the last dimension in the solver
token    group of four consecutive faces
cluster  group of consecutive tokens that attend together
key      token that a cluster may attend to: its own tokens and its halo
head     attention head
channel  variables or features; the last dimension of fields
======== =====================================================================
"""

from os import PathLike
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Array", "Bool", "Float", "Int", "Path", "Tensor"]

Array: TypeAlias = np.ndarray
Path: TypeAlias = str | PathLike[str]
