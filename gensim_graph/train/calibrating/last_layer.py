r"""Least squares for the weights of the last layer: the tendencies of all sets of data shall be right in the mean.

For each variable, the change :math:`\delta` of its weights makes

.. math:: \sum_{sets} \frac{1}{c} \sum_{steps} \Big[ \sum_{groups} (e - \delta \cdot f)^2
    + \Big( \sum_{groups} e - \delta \cdot f \Big)^2 \Big] + \lambda |D \delta|^2

smallest. The error e and the features f are those of :mod:`~gensim_graph.train.calibrating.free_windows`; the second
term is the error of the whole mesh. The sizes c and D of the features give each set and each feature the same weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gensim_graph.train.calibrating.free_windows import TendencyErrors
from gensim_graph.typing import Array, Float

_RIDGE = 1e-3
"""lambda: how much less than its size in the data a combination of features must vary to be left alone."""


@dataclass(frozen=True)
class SetErrors:
    """Errors of the tendencies of a variable in one set of data; a root mean square over groups is of single steps.

    Attributes:
        name: of the set.
        variable: name of the variable.
        steps: number of steps.
        mean: mean error over the mesh, in the unit of the variable per step.
        mean_after: the same with the fitted weights, by the linear fit.
        groups_after: root mean square error of the means of groups, divided by that before the fit.
    """

    name: str
    variable: str
    steps: int
    mean: float
    mean_after: float
    groups_after: float


class _Products(NamedTuple):
    """Sums over steps and groups.

    Attributes:
        matrix: features by features.
        vector: features by error.
        squared: error by error.
    """

    matrix: Float[Array, "variable feature feature"]
    vector: Float[Array, "variable feature"]
    squared: Float[Array, " variable"]

    @classmethod
    def of(cls, change: Array, error: Array) -> "_Products":
        """Products of one step: (variable, group, feature) and (variable, group)."""
        return cls(
            np.einsum("vgf,vgh->vfh", change, change),
            np.einsum("vgf,vg->vf", change, error),
            np.einsum("vg,vg->v", error, error),
        )

    def plus(self, other: "_Products") -> "_Products":
        """Add other sums."""
        return _Products(*(one + more for one, more in zip(self, other, strict=True)))


class SetSums:
    """Sums over the steps of one set of data.

    Args:
        name: of the set.
        variables: number of variables.
        features: number of features of the last layer, with the bias.
    """

    def __init__(self, name: str, variables: int, features: int) -> None:
        none = _Products.of(np.zeros((variables, 0, features)), np.zeros((variables, 0)))
        self.name, self._steps = name, 0
        self._groups, self._mesh = none, none
        self._change, self._error = np.zeros((variables, features)), np.zeros(variables)

    def add(self, step: TendencyErrors) -> None:
        """Add one step."""
        change, error = (one.numpy() for one in step)
        whole, total = change.sum(axis=1), error.sum(axis=1)
        self._steps += 1
        self._groups = self._groups.plus(_Products.of(change, error))
        self._mesh = self._mesh.plus(_Products.of(whole[:, None], total[:, None]))
        self._change, self._error = self._change + whole, self._error + total

    @property
    def equations(self) -> tuple[Float[Array, "variable feature feature"], Float[Array, "variable feature"]]:
        """Matrices and right-hand sides of the variables, each divided by the trace of its matrix."""
        products = self._groups.plus(self._mesh)
        size = np.trace(products.matrix, axis1=1, axis2=2)
        inverse = np.divide(1, size, out=np.zeros_like(size), where=size > 0)
        return products.matrix * inverse[:, None, None], products.vector * inverse[:, None]

    def errors(self, delta: Float[Array, "variable feature"], variables: Sequence[str]) -> list[SetErrors]:
        """Return the errors before and after a change of the weights.

        Args:
            delta: change of the weights of each variable.
            variables: their names.
        """
        matrix, vector, before = self._groups
        after = before - 2 * np.einsum("vf,vf->v", delta, vector) + np.einsum("vf,vfg,vg->v", delta, matrix, delta)
        ratio = np.sqrt(np.divide(after.clip(0), before, out=np.ones_like(before), where=before > 0))
        mean = self._error / self._steps
        left = mean - np.einsum("vf,vf->v", self._change, delta) / self._steps

        return [
            SetErrors(self.name, variable, self._steps, float(mean[row]), float(left[row]), float(ratio[row]))
            for row, variable in enumerate(variables)
        ]


def fitted_change(sets: Sequence[SetSums]) -> Float[Array, "variable feature"]:
    """Return the change of the weights of each variable.

    Args:
        sets: of data, which count alike.
    """
    equations = [one.equations for one in sets]
    matrices, vectors = (np.sum([one[part] for one in equations], axis=0) for part in (0, 1))
    rows = []

    for matrix, vector in zip(matrices, vectors, strict=True):
        size = np.sqrt(np.diag(matrix))
        size[size == 0] = 1.0
        scaled = matrix / np.outer(size, size) + _RIDGE * np.eye(len(vector))
        rows.append(np.linalg.solve(scaled, vector / size) / size)

    return np.stack(rows)
