"""Forecast and observations at the same places: the coarser of the two decides.

Where the cells of a product are larger than the faces of the mesh, the forecast is averaged over each cell, because the
product cannot see what lies within it; where they are smaller, the observations are averaged over each face. Averages
are weighted with areas (:func:`~gensim_graph.mesh.operators.conservative_weights`). A place is used if at least half of
its area has values.
"""

import numpy as np
from scipy.sparse import csr_array, eye_array

from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import conservative_weights
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE

ENOUGH = 0.5
"""Smallest share of the area of a place that must have values."""


class Footprint:
    """Places at which a forecast is compared with a product.

    Args:
        mesh: mesh of the forecast.
        cells: cells of the product, in the same plane.

    Attributes:
        on_cells: True if the places are the cells of the product, False if they are the faces of the mesh.
        areas: (P,) m2, area of each place.
        covered: (P,) True if the mesh and the product both cover enough of the place.
    """

    def __init__(self, mesh: Mesh, cells: Mesh) -> None:
        self._is_same = mesh.matches(cells)
        self.on_cells = self._is_same or _is_coarser(cells, mesh)
        places = cells if self.on_cells else mesh
        identity = csr_array(eye_array(places.n_faces))
        self._spacing = float(np.median(places.spacing))

        if self._is_same:
            self._of_forecast, self._of_product = identity, identity
        elif self.on_cells:
            self._of_forecast, self._of_product = conservative_weights(mesh, cells), identity
        else:
            self._of_forecast, self._of_product = identity, conservative_weights(cells, mesh)

        self.areas = places.areas
        shares = [np.asarray(weights.sum(axis=1)).ravel() for weights in (self._of_forecast, self._of_product)]
        self.covered = np.minimum(*shares) >= ENOUGH

    @property
    def text(self) -> str:
        """What is averaged, in words."""
        size = f"{self._spacing * KM_PER_METRE:.3g} km"
        if self._is_same:
            return "on the faces of the mesh"
        return f"forecast averaged to cells of {size}" if self.on_cells else f"observations averaged to faces of {size}"

    def of_forecast(self, values: Array) -> Array:
        """Average fields of the forecast (M, F) to the places (M, P); NaN at places that are not covered."""
        total = np.asarray(self._of_forecast.sum(axis=1)).ravel()
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (self._of_forecast @ values.T.astype(np.float64)).T / total
        return np.where(self.covered, mean, np.nan)

    def of_product(self, values: Array) -> Array:
        """Average observations (C,) to the places (P,); NaN where less than :data:`ENOUGH` of the place has values."""
        known = np.isfinite(values)
        share = self._of_product @ known.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (self._of_product @ np.where(known, values, 0.0)) / share
        return np.where((share >= ENOUGH) & self.covered, mean, np.nan)

    def faces_under(self, known: Array) -> Array:
        """Numbers of the faces of the mesh that contribute to some places.

        Args:
            known: (P,) True for these places.
        """
        return np.flatnonzero(self._of_forecast.T @ known.astype(np.float64))

    def reached(self, known: Array) -> int:
        """Number of observed values that lie at a place that is used.

        Args:
            known: (C,) True where a value was observed.
        """
        used = np.isfinite(self.of_product(np.where(known, 0.0, np.nan))).astype(np.float64)
        return int(np.count_nonzero((self._of_product.T @ used > 0) & known))


def _is_coarser(cells: Mesh, mesh: Mesh) -> bool:
    """Return True if the cells that lie over a mesh are larger than its faces."""
    low, high = mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)
    over = ((cells.centres > low) & (cells.centres < high)).all(axis=1)
    areas = cells.areas[over] if over.any() else cells.areas

    return bool(np.median(areas) >= np.median(mesh.areas))
