r"""Least squares for the weights of the last layer: the tendencies of all sets of data shall be right in the mean.

For each variable, the change :math:`\delta` of its weights makes

.. math:: \sum_{sets} \frac{1}{c} \Big\langle \sum_{groups} a\, (e - \delta \cdot f)^2
    + \Big( \sum_{groups} a\, (e - \delta \cdot f) \Big)^2 + \kappa\, \delta^T N \delta \Big\rangle
    + \lambda |D \delta|^2

smallest, where the mean is over the steps. The error e, the features f and their variance N by the noise are those of
:mod:`~gensim_graph.train.calibrating.free_windows`, a is the share of the area. The second term is the error of the
whole mesh; the third keeps the spread of the members as it is. The sizes c and D of the features give each set and each
feature the same weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gensim_graph.train.calibrating.free_windows import TendencyErrors
from gensim_graph.typing import Array, Float

_RIDGE = 1e-3
"""lambda: how much less than its size in the data a combination of features must vary to be left alone."""

_NOISE = 1.0
"""kappa: weight of a change of the noise in single cells beside the errors of the groups."""


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
    """Sums over steps and groups of products between the two of each step.

    Attributes:
        matrix: features by features.
        vector: features by error.
        squared: error by error.
    """

    matrix: Float[Array, "variable feature feature"]
    vector: Float[Array, "variable feature"]
    squared: Float[Array, " variable"]

    @classmethod
    def of(cls, change: Array, error: Array, share: Array) -> "_Products":
        """Products of one step, as in :class:`~gensim_graph.train.calibrating.free_windows.TendencyErrors`."""
        matrix = np.einsum("vgf,vgh,g->vfh", change[0], change[1], share)
        vectors = (np.einsum("vgf,vg,g->vf", change[one], error[1 - one], share) for one in (0, 1))
        return cls(
            (matrix + matrix.swapaxes(1, 2)) / 2, sum(vectors) / 2, np.einsum("vg,vg,g->v", error[0], error[1], share)
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
        none = _Products(*(np.zeros((variables, *[features] * rank)) for rank in (2, 1, 0)))
        self.name, self._steps = name, 0
        self._groups, self._mesh, self._noise = none, none, none.matrix
        self._change, self._error = none.vector, none.squared

    def add(self, step: TendencyErrors) -> None:
        """Add one step."""
        change, error, noise, share = (one.numpy() for one in step)
        whole, total = np.einsum("mvgf,g->mvf", change, share), np.einsum("mvg,g->mv", error, share)
        self._steps += 1
        self._groups = self._groups.plus(_Products.of(change, error, share))
        self._mesh = self._mesh.plus(_Products.of(whole[:, :, None], total[:, :, None], np.ones(1)))
        self._noise = self._noise + noise
        self._change, self._error = self._change + whole.mean(axis=0), self._error + total.mean(axis=0)

    @property
    def equations(self) -> tuple[Float[Array, "variable feature feature"], Float[Array, "variable feature"]]:
        """Matrices and right-hand sides of the variables, each divided by the trace of its matrix without noise."""
        products = self._groups.plus(self._mesh)
        size = np.trace(products.matrix, axis1=1, axis2=2)
        inverse = np.divide(1, size, out=np.zeros_like(size), where=size > 0)
        matrix = np.stack([_without_negative(one) for one in products.matrix]) + _NOISE * self._noise
        return matrix * inverse[:, None, None], products.vector * inverse[:, None]

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


def _without_negative(matrix: Float[Array, "feature feature"]) -> Float[Array, "feature feature"]:
    """The nearest matrix without negative eigenvalues, which chance makes where features are noise alone."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values.clip(0)) @ vectors.T


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
