"""Displacements of a forecast: the ice is followed along its path over the period of an observation.

A displacement over two days is that of the same ice. Where the drift turns or shears within some ten km, as in a
cyclone, the mean velocity at the begin of the path is another one.
"""

from itertools import pairwise

import numpy as np

from gensim_graph.evaluate.observations.forecast_fields import ForecastFields
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Drift, Locator, advect, node_operator
from gensim_graph.typing import Array

_LONGEST_STEP = 6 * 3600.0
"""Longest time step of the paths, s; the error of the method (fourth order) is then far below a km."""


class DriftPaths:
    """Paths of the ice from the centres of the faces of a mesh.

    Args:
        mesh: the mesh of the forecasts.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh, self._locator = mesh, Locator(mesh)
        self._to_nodes = node_operator(mesh)

    def mean_velocity(self, fields: ForecastFields, start: int, period: Array, faces: Array) -> Array:
        """Displacement over a period divided by its length.

        The drift is linear in time between lead times; before the first and after the last one it does not change.

        Args:
            fields: the forecast, with ``siu`` and ``siv``.
            start: number of the start.
            period: (2,) datetime64[ns], begin and end.
            faces: numbers of the faces at whose centres the paths begin.

        Returns:
            (2, member, face) m/s along the axes of the plane; NaN at other faces.
        """
        moments = (fields.valid_times[start] - period[0]) / np.timedelta64(1, "s")
        length = float((period[1] - period[0]) / np.timedelta64(1, "s"))
        members = fields.members
        begin = self._mesh.centres[faces]

        points = np.tile(begin, (members, 1))
        triangles = np.tile(self._locator.nearest(begin), members)
        owners = np.repeat(np.arange(members), len(faces))
        stops = [0.0, *(float(one) for one in moments if 0.0 < one < length), length]
        before = self._at(fields, start, moments, stops[0])

        for earlier, later in pairwise(stops):
            after = self._at(fields, start, moments, later)
            steps = int(np.ceil((later - earlier) / _LONGEST_STEP))
            drift = Drift(before, after, later - earlier)
            points, found = advect(self._locator, points, triangles, owners, drift, steps)
            triangles, before = found.triangles, after

        result = np.full((2, members, self._mesh.n_faces), np.nan)
        result[:, :, faces] = np.moveaxis((points.reshape(members, len(faces), 2) - begin) / length, -1, 0)
        return result

    def _at(self, fields: ForecastFields, start: int, moments: Array, moment: float) -> Array:
        """Velocity at the nodes at a moment, (member, node, 2) m/s."""
        later = int(np.searchsorted(moments, moment))
        before, after = max(later - 1, 0), min(later, len(moments) - 1)
        gap = moments[after] - moments[before]
        share = (moment - moments[before]) / gap if gap > 0 else 0.0

        if share >= 1.0:
            return self._at_nodes(fields, start, after)
        if share <= 0.0:
            return self._at_nodes(fields, start, before)
        first, second = (self._at_nodes(fields, start, lead) for lead in (before, after))
        return np.asarray((1.0 - share) * first + share * second)

    def _at_nodes(self, fields: ForecastFields, start: int, lead: int) -> Array:
        parts = [(self._to_nodes @ fields.read(name, start, lead).T).T for name in ("siu", "siv")]
        return np.stack(parts, axis=-1).astype(np.float64)
