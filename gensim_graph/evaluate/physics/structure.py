r"""Structure functions: how much a field differs between two places at a given distance, on any mesh.

.. math:: S_p(r) = \langle |f(x + r) - f(x)|^p \rangle \sim r^{\zeta_p}

A smooth field has zeta_2 = 2, a field with jumps zeta_p = 1, noise 0. A forecast whose S_2 is too small at short
distances r is blurred; one whose S_2 is too large there is noisy.

Pairs of faces are drawn at random once per mesh, in all directions, at distances that grow by a constant factor.
Vectors are compared as vectors.
"""

import numpy as np
from scipy.spatial import cKDTree

from gensim_graph.evaluate.physics.effective_resolution import ScaleTally
from gensim_graph.evaluate.tally import Step
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

PAIRS = 4000
"""Pairs that are drawn for each distance."""

FACTOR = 2**0.5
"""Ratio of one distance to the next shorter one."""

_LARGEST_SHARE = 0.5
"""Longest distance, as a share of the shorter side of the domain."""


class Pairs:
    """Pairs of faces, binned by their distance.

    Args:
        mesh: the mesh.
        pairs: number of pairs to draw for each distance; pairs that reach beyond the mesh are dropped.
        seed: of the random draw.

    Attributes:
        distances: (R,) mean distance of the pairs of each bin, m, ascending.
        faces: (P, 2) numbers of the two faces of each pair.
        bins: (P,) bin of each pair.
    """

    def __init__(self, mesh: Mesh, pairs: int = PAIRS, seed: int = 0) -> None:
        spacing = float(np.median(mesh.spacing))
        longest = _LARGEST_SHARE * float(np.ptp(mesh.centres, axis=0).min())
        steps = max(int(np.floor(np.log(max(longest / spacing, 1.0)) / np.log(FACTOR))), 0)

        rng, tree = np.random.default_rng(seed), cKDTree(mesh.centres)
        drawn = [self._draw(mesh, tree, spacing * FACTOR**step, pairs, rng) for step in range(steps + 1)]
        kept = [part for part in drawn if len(part) > pairs // 20]

        self.distances = np.array([_lengths(mesh, part).mean() for part in kept])
        self.faces = np.concatenate(kept or [np.zeros((0, 2), dtype=np.int64)])
        self.bins = np.repeat(np.arange(len(kept)), [len(part) for part in kept])

    @staticmethod
    def _draw(mesh: Mesh, tree: cKDTree, distance: float, pairs: int, rng: np.random.Generator) -> Array:
        """Draw pairs (P, 2) at about a distance: a face, and the face nearest to a point in a random direction."""
        begin = rng.choice(mesh.n_faces, pairs, p=mesh.areas / mesh.areas.sum())
        angle = rng.uniform(0, 2 * np.pi, pairs)
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)

        offset, end = tree.query(mesh.centres[begin] + distance * direction)
        inside = (offset < mesh.spacing[end]) & (end != begin)

        return np.stack([begin[inside], end[inside]], axis=-1)


def _lengths(mesh: Mesh, pairs: Array) -> Array:
    """Distances (P,) between the centres of pairs of faces (P, 2), m."""
    return np.asarray(np.linalg.norm(mesh.centres[pairs[:, 0]] - mesh.centres[pairs[:, 1]], axis=-1))


def structure_function(pairs: Pairs, *fields: Array, order: float = 2.0, ice: Array | None = None) -> Array:
    """Compute the structure function of a scalar or a vector, as a mean over the members.

    Args:
        pairs: pairs of faces of the mesh.
        fields: the components, (M, F) each; one for a scalar, two for a vector.
        order: the exponent p.
        ice: (F,) True for the faces to use; all faces by default.

    Returns:
        (R,) in units to the power p, at ``pairs.distances``; NaN at distances without a pair of such faces.

    Example:
        The difference of f = x between two places grows with their distance; the mean square over all directions is
        r^2 / 2:

        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.evaluate import structure_function
        >>> from gensim_graph.evaluate.physics import Pairs
        >>> centres = 1e3 * np.arange(20)
        >>> mesh = gg.Mesh.from_grid(centres, centres)
        >>> pairs = Pairs(mesh)
        >>> found = structure_function(pairs, mesh.centres[None, :, 0])
        >>> bool(np.allclose(found, pairs.distances**2 / 2, rtol=0.1))
        True
    """
    first, second = pairs.faces.T
    used = np.ones(len(first), dtype=bool) if ice is None else ice[first] & ice[second]
    first, second, bins = first[used], second[used], pairs.bins[used]

    squared = sum(np.square(field[:, second] - field[:, first]) for field in fields)
    mean = np.power(squared, order / 2).mean(axis=0, dtype=np.float64)

    number = np.bincount(bins, minlength=len(pairs.distances))
    total = np.bincount(bins, mean, minlength=len(pairs.distances))

    return np.divide(total, number, out=np.full(len(number), np.nan), where=number > 0)


class StructureTally(ScaleTally):
    """Gather the second-order structure functions of truth and forecasts, per lead time.

    The columns of the scale and of the variability are ``distance_km`` and ``structure``. Only faces where the truth
    has ice are used. The table is empty if there is no mesh.

    Args:
        matched: the forecast beside the truth.
    """

    scale_column = "distance_km"
    value_column = "structure"

    def __init__(self, matched: Verification) -> None:
        super().__init__(matched, applies=matched.mesh is not None)
        self._pairs = None if matched.mesh is None else Pairs(matched.mesh)

    def variability(self, step: Step, parts: tuple[str, ...]) -> tuple[Array, Array]:
        """Compute the structure function of a scalar or a vector, see :meth:`ScaleTally.variability`.

        Args:
            step: the fields of one model at one instant.
            parts: names of the components.
        """
        assert self._pairs is not None
        values = structure_function(self._pairs, *(step[part] for part in parts), ice=step.ice)
        return self._pairs.distances, values
