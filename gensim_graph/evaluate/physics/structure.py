r"""How much a field differs from one place to another: structure functions, on any mesh.

.. math:: S_p(r) = \langle |f(x + r) - f(x)|^p \rangle \sim r^{\zeta_p}

A smooth field has zeta_2 = 2, one with jumps zeta_p = 1, noise 0. What a forecast lacks at small r, it has blurred.

Pairs of faces are drawn once for a mesh, at distances that grow by a factor, in all directions; vectors are compared as
vectors.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import Step, Tally, by_model, tabulate
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import vector_pairs

PAIRS, FACTOR = 4000, 2**0.5
"""Pairs of a distance, and how much farther the next one is."""

_FARTHEST = 0.5
"""Of the shorter side of the domain."""


class Pairs:
    """Pairs of faces by their distance.

    Attributes:
        distances: (R,) m, mean of the pairs of a bin.
        faces: (P, 2).
        bins: (P,) which distance.
    """

    def __init__(self, mesh: Mesh, pairs: int = PAIRS, seed: int = 0) -> None:
        spacing = float(np.median(mesh.spacing))
        farthest = _FARTHEST * float(np.ptp(mesh.centres, axis=0).min())
        steps = max(int(np.floor(np.log(max(farthest / spacing, 1.0)) / np.log(FACTOR))), 0)
        rng, tree = np.random.default_rng(seed), cKDTree(mesh.centres)
        found = [self._at(mesh, tree, spacing * FACTOR**step, pairs, rng) for step in range(steps + 1)]
        lengths = [np.linalg.norm(np.subtract(*mesh.centres[part].swapaxes(0, 1)), axis=-1) for part in found]
        kept = [number for number, part in enumerate(found) if len(part) > pairs // 20]
        self.distances = np.array([lengths[number].mean() for number in kept])
        self.faces = np.concatenate([found[number] for number in kept] or [np.zeros((0, 2), dtype=np.int64)])
        self.bins = np.repeat(np.arange(len(kept)), [len(found[number]) for number in kept])

    @staticmethod
    def _at(mesh: Mesh, tree: cKDTree, distance: float, pairs: int, rng: np.random.Generator) -> Array:
        """Pairs about a distance apart: from a face in any direction to the nearest face, where there is one."""
        begin = rng.choice(mesh.n_faces, pairs, p=mesh.areas / mesh.areas.sum())
        angle = rng.uniform(0, 2 * np.pi, pairs)
        away = mesh.centres[begin] + distance * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        off, end = tree.query(away)
        near = (off < mesh.spacing[end]) & (end != begin)

        return np.stack([begin[near], end[near]], axis=-1)


def structure_function(pairs: Pairs, *fields: Array, order: float = 2.0, ice: Array | None = None) -> Array:
    """Structure function of a scalar, or of the components of a vector: (M, F) each -> (R,), mean over members.

    Args:
        pairs: of the mesh.
        fields: the components.
        order: p.
        ice: (F) faces that count, all by default; NaN at distances without a pair of them.
    """
    here, there = pairs.faces.T
    counts = np.ones(len(here), dtype=bool) if ice is None else ice[here] & ice[there]
    here, there, bins = here[counts], there[counts], pairs.bins[counts]
    squared = sum(np.square(field[:, there] - field[:, here]) for field in fields)
    mean = np.power(squared, order / 2).mean(axis=0, dtype=np.float64)
    number = np.bincount(bins, minlength=len(pairs.distances))
    total = np.bincount(bins, mean, minlength=len(pairs.distances))

    return np.divide(total, number, out=np.full(len(number), np.nan), where=number > 0)


def resolved_scale(scales: Array, ratio: Array, level: float = 0.5) -> float:
    """Effective resolution: the scale from which on a ratio of forecast to truth stays above a level.

    Args:
        scales: (R,) ascending.
        ratio: (R,) variance of the forecast over that of the truth at that scale.
        level: one half by default.

    Returns:
        The scale, interpolated in its logarithm; the smallest one where the ratio is above the level everywhere, NaN
        where it is below at the largest.
    """
    scales, ratio = scales[np.isfinite(ratio)], ratio[np.isfinite(ratio)]
    if len(ratio) == 0 or ratio[-1] < level:
        return float("nan")

    below = np.flatnonzero(ratio < level)
    if len(below) == 0:
        return float(scales[0])

    last = below[-1]
    logs, values = np.log(scales[last : last + 2]), ratio[last : last + 2]

    return float(np.exp(np.interp(level, values, logs)))


def components(names: Sequence[str], matched: Verification) -> dict[str, tuple[str, ...]]:
    """Variables by themselves, and vectors as one: name -> components."""
    found: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
    for x, y in vector_pairs(matched.variables):
        first, second = matched.variables[x].name, matched.variables[y].name
        del found[first], found[second]
        found[f"{first}, {second}"] = (first, second)

    return found


def structure_table(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Structure functions of second order of truth and forecasts, per lead time.

    Returns:
        Columns model, variable (a vector is one: ``siu, siv``), lead_hours, distance_km, structure (units squared; mean
        over members and starts), ratio to that of the truth and resolved_km, the distance from which on the ratio
        stays above one half. Over faces where the truth has ice. Empty where there is no mesh.
    """
    return tabulate(models, StructureTally(next(iter(models.values()))))


class StructureTally(Tally):
    """Gathers :func:`structure_table`."""

    def __init__(self, matched: Verification) -> None:
        self._pairs = None if matched.mesh is None else Pairs(matched.mesh)
        self._names = components([variable.name for variable in matched.variables], matched)
        self._found: dict[tuple[str, str, float], list[Array]] = {}

    def add(self, step: Step) -> None:
        """Add a step."""
        if self._pairs is None:
            return
        for name, parts in self._names.items():
            values = structure_function(self._pairs, *(step[part] for part in parts), ice=step.ice)
            self._found.setdefault((step.model, name, step.hours), []).append(values)

    def table(self) -> pd.DataFrame:
        """See :func:`structure_table`."""
        rows = []
        means = {key: np.mean(values, axis=0) for key, values in self._found.items()}

        for (model, name, hours), values in means.items():
            truth = means["truth", name, hours]
            ratio = np.divide(values, truth, out=np.full(len(truth), np.nan), where=truth > 0)
            assert self._pairs is not None
            resolved = 1e-3 * resolved_scale(self._pairs.distances, ratio)
            parts = zip(1e-3 * self._pairs.distances, values, ratio, strict=True)
            rows += [(model, name, hours, *part, resolved) for part in parts]

        columns = ["model", "variable", "lead_hours", "distance_km", "structure", "ratio", "resolved_km"]
        return by_model(pd.DataFrame(rows, columns=columns))
