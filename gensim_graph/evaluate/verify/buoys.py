r"""Virtual buoys: how far apart the forecast drift and the true one take the same ice.

Buoys are put on the ice at the start of a forecast and drift with every member and with the truth, both with the drift
at the valid times of the forecast and linear in between, so that what separates them is the drift alone. Those whose
ice melts or that leave the mesh in the truth are counted no more; those that leave it in a member alone stay where they
left it.

=============== =====================================================================================================
separation      mean distance from a member's buoy to the true one
mean_separation mean distance from the mean of the members' buoys to the true one, rms_separation its root mean square
spread          root mean square distance of the members' buoys from their mean, times sqrt((M + 1) / M); equal to
                rms_separation in a reliable ensemble
displacement    mean distance of the true buoys from where they started
skill           1 - S / L, S the sum of the separations over the leads so far, L that of the lengths of the true paths
                (Liu and Weisberg 2011, doi 10.1029/2010JC006837); 1 is perfect, 0 is off by as much as it went
=============== =====================================================================================================
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gensim_graph.evaluate.bootstrap import ends, redraw, starts_only
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import TRUTH, Step, Tally, by_model, tabulate
from gensim_graph.mesh.operators import Drift, Locator, advect, node_operator
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE

BUOYS = 400
BUOY_SCORES = ("separation", "mean_separation", "rms_separation", "spread", "displacement", "skill")
BUOY_COLUMNS = ("model", "lead_hours", *BUOY_SCORES, "buoys", "separation_low", "separation_high")


def buoy_errors(models: Mapping[str, Verification], buoys: int = BUOYS, seed: int = 0) -> pd.DataFrame:
    """Trajectory errors per model and lead time, means over buoys and starts.

    Args:
        models: name -> a forecast with ``siu`` and ``siv`` beside the truth.
        buoys: how many are put on the ice of each start, at random over its area.
        seed: of where.

    Returns:
        Columns ``BUOY_COLUMNS``, in km; ``buoys`` is how many were left, in all. The interval is over starts, NaN where
        these are few. Empty where there is no drift, no mesh, or the truth does not hold the starts.
    """
    return tabulate(models, BuoyTally(next(iter(models.values())), buoys, seed))


class Fleet:
    """Buoys that set out from the same places in every member of a drift.

    Attributes:
        points: (M, B, 2) m.
        triangles: (M, B) where they are.
        afloat: (M, B) whether they have always been in the mesh; the others stay where they left it.
    """

    def __init__(self, locator: Locator, places: Array, velocity: Array, members: int) -> None:
        self._locator, self._velocity = locator, velocity
        self.points = np.repeat(places[None], members, axis=0)
        self.triangles = np.repeat(locator.nearest(places)[None], members, axis=0)
        self.afloat = np.ones(self.triangles.shape, dtype=bool)

    def drift(self, velocity: Array, seconds: float) -> None:
        """Let them drift while the velocities at the nodes, (M, N, 2) m/s, change to new ones."""
        member, _ = np.nonzero(self.afloat)
        before = np.broadcast_to(self._velocity, velocity.shape)  # the initial state has one member
        flow = Drift(before, velocity, seconds)
        points, places = advect(self._locator, self.points[self.afloat], self.triangles[self.afloat], member, flow)
        self.points[self.afloat] = points
        self.triangles[self.afloat] = places.triangles
        self.afloat[self.afloat] = places.inside
        self._velocity = velocity


class BuoyTally(Tally):
    """Gathers :func:`buoy_errors`."""

    def __init__(self, matched: Verification, buoys: int = BUOYS, seed: int = 0) -> None:
        self._buoys, self._seed = buoys, seed
        self._sampling = starts_only(matched)
        self._sums: dict[tuple[str, float], Array] = {}
        self._fleets: dict[str, Fleet] = {}
        self._apart: dict[str, Array] = {}
        self._works = matched.has_start and matched.mesh is not None and matched.has("siu", "siv")

        if self._works and matched.mesh is not None:
            self._locator, self._to_nodes = Locator(matched.mesh), node_operator(matched.mesh)

    def add(self, step: Step) -> None:
        """Add a step: its buoys drift up to there."""
        if not self._works or step.before is None:
            return

        if step.lead == 0:
            if step.is_truth:
                self._release(step.before)
            members = 1 if step.is_truth else step.matched.members
            self._fleets[step.model] = Fleet(self._locator, self._begin, self._velocity(step.before), members)
            self._apart[step.model] = np.zeros(len(self._begin))

        fleet = self._fleets[step.model]
        earlier = fleet.points[0].copy()
        fleet.drift(self._velocity(step), step.seconds)

        if step.is_truth:
            self._path += np.linalg.norm(fleet.points[0] - earlier, axis=-1)
            self._paths += self._path
            self._counts &= fleet.afloat[0] & step.ice[self._locator.faces[fleet.triangles[0]]]
        else:
            self._keep(step, fleet)

    def _release(self, initial: Step) -> None:
        """Put buoys on the ice, as many as there is ice for at all."""
        rng, weights = np.random.default_rng([self._seed, initial.start]), initial.mesh.areas * initial.ice
        count = self._buoys if weights.any() else 0
        faces = rng.choice(len(weights), count, p=weights / weights.sum() if count else None)
        self._begin = initial.mesh.centres[faces]
        self._counts = np.ones(count, dtype=bool)
        self._path, self._paths = np.zeros(count), np.zeros(count)

    def _velocity(self, step: Step) -> Array:
        return np.stack([(self._to_nodes @ step[name].T).T for name in ("siu", "siv")], axis=-1)

    def _keep(self, step: Step, fleet: Fleet) -> None:
        truth = self._fleets[TRUTH].points[0]
        apart = np.linalg.norm(fleet.points - truth, axis=-1).mean(axis=0)
        mean = fleet.points.mean(axis=0)
        several = len(fleet.points) > 1
        spread = fleet.points.var(axis=0, ddof=1).sum(axis=-1) if several else np.full(len(apart), np.nan)
        of_mean, went = (np.linalg.norm(points - truth, axis=-1) for points in (mean, self._begin))
        self._apart[step.model] += apart
        parts = np.stack(
            [np.ones(len(apart)), apart, of_mean, of_mean**2, spread, went, self._apart[step.model], self._paths]
        )
        key = (step.model, step.hours)

        if key not in self._sums:
            self._sums[key] = np.zeros((len(parts), len(self._sampling.groups)))

        self._sums[key][:, step.start] += parts[:, self._counts].sum(axis=1)

    def table(self) -> pd.DataFrame:
        """See :func:`buoy_errors`."""
        rows = []
        for (model, hours), sums in self._sums.items():
            members = self._fleets[model].points.shape[0]
            row = {"model": model, "lead_hours": hours, "buoys": int(sums[0].sum())}
            row |= {name: float(value[0]) for name, value in buoy_scores_of(sums.sum(axis=1)[:, None], members).items()}
            drawn = buoy_scores_of(redraw(sums, self._sampling).T, members)["separation"]
            row["separation_low"], row["separation_high"] = (float(end) for end in ends(drawn))
            rows.append(row)

        return by_model(pd.DataFrame(rows, columns=[*BUOY_COLUMNS]))


def buoy_scores_of(sums: Array, members: int) -> dict[str, Array]:
    """Scores of the sums that :class:`BuoyTally` keeps: (8, ...)."""
    count = np.where(sums[0] > 0, sums[0], np.nan)
    separation, of_mean, squared, variance, displacement, apart, paths = sums[1:] / count

    return {
        "separation": KM_PER_METRE * separation,
        "mean_separation": KM_PER_METRE * of_mean,
        "rms_separation": KM_PER_METRE * np.sqrt(squared),
        "spread": KM_PER_METRE * np.sqrt((members + 1) / members * variance),
        "displacement": KM_PER_METRE * displacement,
        "skill": 1 - apart / np.where(paths > 0, paths, np.nan),
    }
