"""The dimension vocabulary of the package, in one place.

Shapes are written with jaxtyping in public tensor signatures and checked by beartype in the tests. The
same words are used in docstrings:

======== =====================================================================
word     meaning
======== =====================================================================
batch    ensemble members or samples that share one graph
node     corner of a mesh
face     cell of a mesh, and node of a :class:`~gensim_graph.graph.MeshGraph`
element  triangle of the solver: a face, or a part of one
side     side of a triangle that ice may cross
member   one of the trajectories simulated together; last, where ``batch`` is first
token    group of four consecutive faces
cluster  group of consecutive tokens that attend together
key      token that a cluster may attend to: its own tokens and its halo
head     attention head
channel  anything last: variables, features
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
