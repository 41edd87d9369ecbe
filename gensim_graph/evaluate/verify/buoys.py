r"""Virtual buoys: distance between the paths of the same ice in the forecast and in the truth.

Buoys are placed on the ice at the start of a forecast. They drift with every member and with the truth; both drifts are
taken at the valid times of the forecast and are linear in between, so that only the drift separates the buoys. A buoy
whose ice melts in the truth, or that leaves the mesh in the truth, is no longer counted. A buoy that leaves the mesh in
a member only stays where it left it.

=============== =====================================================================================================
separation      mean distance from a member's buoy to the true one
mean_separation mean distance from the mean of the members' buoys to the true one; rms_separation is the root mean
                square of this distance
spread          root mean square distance of the members' buoys from their mean, times sqrt((M + 1) / M); equal to
                rms_separation in a reliable ensemble
displacement    mean distance of the true buoys from their points of release
skill           1 - S / L: S is the sum of the separations over the lead times so far, L the sum of the lengths of the
                true paths (Liu and Weisberg 2011, doi 10.1029/2010JC006837); 1 is perfect, 0 means that the errors are
                as long as the paths
=============== =====================================================================================================
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gensim_graph.evaluate.bootstrap import interval_ends, redraw, starts_only
from gensim_graph.evaluate.tally import TRUTH, Step, Tally, by_model, tabulate
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh.operators import Drift, Locator, advect, node_operator
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE

BUOYS = 400

_SCORES = ("separation", "mean_separation", "rms_separation", "spread", "displacement", "skill")
_COLUMNS = ("model", "lead_hours", *_SCORES, "buoys", "separation_low", "separation_high")


def buoy_errors(models: Mapping[str, Verification], buoys: int = BUOYS, seed: int = 0) -> pd.DataFrame:
    """Compute the errors of buoy trajectories per model and lead time, means over buoys and starts.

    Args:
        models: name -> a forecast with ``siu`` and ``siv`` beside the truth, all with the same valid times.
        buoys: number of buoys per start, placed on the ice at random, evenly over its area.
        seed: of the random positions.

    Returns:
        Columns model, lead_hours; separation, mean_separation, rms_separation, spread, displacement (km); skill; buoys
        (number that is still counted, over all starts); and the ends separation_low and separation_high of a bootstrap
        interval over the starts, NaN if there are few. The scores are defined in
        :mod:`~gensim_graph.evaluate.verify.buoys`. Empty if there is no drift or no mesh, or if the truth does not
        contain the starts.

    Raises:
        InputError: a value is not finite.
    """
    return tabulate(models, BuoyTally(next(iter(models.values())), buoys, seed))


class Fleet:
    """Buoys that are released at the same points in every member of a drift.

    Args:
        locator: finder of triangles of the mesh.
        start: (B, 2) points of release, m.
        velocity: (M or 1, N, 2) m/s at the nodes at the time of release.
        members: number of members, M.

    Attributes:
        points: (M, B, 2) m.
        triangles: (M, B) triangle of each buoy.
        inside: (M, B) True if the buoy has never left the mesh; a buoy that has left it stays where it left it.
    """

    def __init__(self, locator: Locator, start: Array, velocity: Array, members: int) -> None:
        self._locator, self._velocity = locator, velocity
        self.points = np.repeat(start[None], members, axis=0)
        self.triangles = np.repeat(locator.nearest(start)[None], members, axis=0)
        self.inside = np.ones(self.triangles.shape, dtype=bool)

    def drift(self, velocity: Array, seconds: float) -> None:
        """Move the buoys while the velocities change linearly to new ones.

        Args:
            velocity: (M, N, 2) m/s at the nodes at the end of the time interval.
            seconds: length of the time interval, s.
        """
        moving = self.inside
        member, _ = np.nonzero(moving)
        before = np.broadcast_to(self._velocity, velocity.shape)  # the initial state has one member
        drift = Drift(before, velocity, seconds)
        points, locations = advect(self._locator, self.points[moving], self.triangles[moving], member, drift)

        self.points[moving] = points
        self.triangles[moving] = locations.triangles
        self.inside[moving] = locations.inside
        self._velocity = velocity


class BuoyTally(Tally):
    """Gather :func:`buoy_errors`.

    Args:
        matched: the forecast beside the truth.
        buoys: number of buoys per start.
        seed: of the random positions.
    """

    def __init__(self, matched: Verification, buoys: int = BUOYS, seed: int = 0) -> None:
        self._buoys, self._seed = buoys, seed
        self._sampling = starts_only(matched)
        self._sums: dict[tuple[str, float], Array] = {}
        self._fleets: dict[str, Fleet] = {}
        self._separation_so_far: dict[str, Array] = {}
        self._applies = matched.has_start and matched.mesh is not None and matched.has("siu", "siv")

        if self._applies and matched.mesh is not None:
            self._locator, self._to_nodes = Locator(matched.mesh), node_operator(matched.mesh)

    def add(self, step: Step) -> None:
        """Move the buoys of a model to the time of its step, and add their errors."""
        if not self._applies or step.before is None:
            return

        if step.lead == 0:
            self._release(step.before, step)

        fleet = self._fleets[step.model]
        earlier = fleet.points[0].copy()
        fleet.drift(self._velocity(step), step.seconds)

        if step.is_truth:
            self._path_length += np.linalg.norm(fleet.points[0] - earlier, axis=-1)
            self._path_length_so_far += self._path_length
            self._counted &= fleet.inside[0] & step.ice[self._locator.faces[fleet.triangles[0]]]
        else:
            self._add_errors(step, fleet)

    def _release(self, initial: Step, step: Step) -> None:
        """Release the fleet of a model at the start of a forecast; the truth, which comes first, chooses the points."""
        if step.is_truth:
            self._choose_points(initial)

        members = 1 if step.is_truth else step.matched.members
        self._fleets[step.model] = Fleet(self._locator, self._start, self._velocity(initial), members)
        self._separation_so_far[step.model] = np.zeros(len(self._start))

    def _choose_points(self, initial: Step) -> None:
        """Choose centres of faces with ice at random, with probability proportional to area; none without ice."""
        rng = np.random.default_rng([self._seed, initial.start])
        weights = initial.mesh.areas * initial.ice
        count = self._buoys if weights.any() else 0
        faces = rng.choice(len(weights), count, p=weights / weights.sum() if count else None)

        self._start = initial.mesh.centres[faces]
        self._counted = np.ones(count, dtype=bool)
        self._path_length, self._path_length_so_far = np.zeros(count), np.zeros(count)

    def _velocity(self, step: Step) -> Array:
        """Drift at the nodes, (M, N, 2) m/s."""
        return np.stack([(self._to_nodes @ step[name].T).T for name in ("siu", "siv")], axis=-1)

    def _add_errors(self, step: Step, fleet: Fleet) -> None:
        """Add the sums over the counted buoys that :func:`_scores_from_sums` needs."""
        truth = self._fleets[TRUTH].points[0]
        separation = np.linalg.norm(fleet.points - truth, axis=-1).mean(axis=0)
        mean_separation = np.linalg.norm(fleet.points.mean(axis=0) - truth, axis=-1)
        displacement = np.linalg.norm(self._start - truth, axis=-1)
        self._separation_so_far[step.model] += separation

        several = len(fleet.points) > 1
        variance = fleet.points.var(axis=0, ddof=1).sum(axis=-1) if several else np.full(len(separation), np.nan)

        parts = np.stack(
            [
                np.ones(len(separation)),
                separation,
                mean_separation,
                mean_separation**2,
                variance,
                displacement,
                self._separation_so_far[step.model],
                self._path_length_so_far,
            ]
        )
        key = (step.model, step.hours)
        if key not in self._sums:
            self._sums[key] = np.zeros((len(parts), len(self._sampling.groups)))
        self._sums[key][:, step.start] += parts[:, self._counted].sum(axis=1)

    def table(self) -> pd.DataFrame:
        """Return the table of :func:`buoy_errors`."""
        rows = []
        for (model, hours), sums in self._sums.items():
            members = self._fleets[model].points.shape[0]
            scores = _scores_from_sums(sums.sum(axis=1)[:, None], members)
            drawn = _scores_from_sums(redraw(sums, self._sampling).T, members)
            low, high = interval_ends(drawn["separation"])

            row = {"model": model, "lead_hours": hours, "buoys": int(sums[0].sum())}
            row |= {name: float(value[0]) for name, value in scores.items()}
            rows.append(row | {"separation_low": float(low), "separation_high": float(high)})

        return by_model(pd.DataFrame(rows, columns=[*_COLUMNS]))


def _scores_from_sums(sums: Array, members: int) -> dict[str, Array]:
    """Scores from the sums over buoys, (8, ...), in the order of ``BuoyTally._add_errors``."""
    count = np.where(sums[0] > 0, sums[0], np.nan)
    separation, mean_separation, squared, variance = sums[1:5] / count
    displacement, separation_so_far, path_length_so_far = sums[5:] / count

    return {
        "separation": KM_PER_METRE * separation,
        "mean_separation": KM_PER_METRE * mean_separation,
        "rms_separation": KM_PER_METRE * np.sqrt(squared),
        "spread": KM_PER_METRE * np.sqrt((members + 1) / members * variance),
        "displacement": KM_PER_METRE * displacement,
        "skill": 1 - separation_so_far / np.where(path_length_so_far > 0, path_length_so_far, np.nan),
    }
