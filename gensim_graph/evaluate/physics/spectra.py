"""Power spectra on regular grids: the variance of a field at each wavelength.

A domain with open sides is not periodic. The cosine transform continues the field by reflection at the sides, which
introduces no jump there (Denis et al. 2002, doi 10.1175/1520-0493(2002)130<1812:SDOTDA>2.0.CO;2). Squared coefficients
are summed over rings of equal wavenumber; the sum over all rings is the variance of the field.

The effective resolution is the wavelength from which on the power of a forecast stays between one half and twice that
of the truth. For meshes that are not regular grids use :mod:`~gensim_graph.evaluate.physics.structure`.
"""

from typing import NamedTuple

import numpy as np
from scipy.fft import dctn

from gensim_graph.evaluate.physics.effective_resolution import ScaleTally
from gensim_graph.evaluate.tally import Step
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array


class Grid(NamedTuple):
    """A mesh that is a full rectangle of equal cells.

    Attributes:
        order: (F,) faces row by row.
        shape: number of rows and of columns.
        spacing: height and width of a cell, m.
    """

    order: Array
    shape: tuple[int, int]
    spacing: tuple[float, float]


def as_grid(mesh: Mesh) -> Grid | None:
    """Return the rows and columns of a mesh; None if it is not a full rectangle of equal cells."""
    tolerance = 1e-3 * float(np.median(mesh.spacing))
    x, y = np.round((mesh.centres - mesh.centres[0]) / tolerance).astype(np.int64).T
    columns, rows = np.unique(x), np.unique(y)
    evenly_spaced = all(len(axis) > 1 and np.ptp(np.diff(axis)) <= 2 for axis in (columns, rows))

    if not evenly_spaced or len(columns) * len(rows) != mesh.n_faces:
        return None

    width = np.ptp(mesh.centres[:, 0]) / (len(columns) - 1)
    height = np.ptp(mesh.centres[:, 1]) / (len(rows) - 1)

    return Grid(np.lexsort((x, y)), (len(rows), len(columns)), (float(height), float(width)))


def power_spectrum(fields: Array, spacing: tuple[float, float]) -> tuple[Array, Array]:
    """Compute the power of fields on a regular grid by wavelength.

    Args:
        fields: (..., y, x), one or several fields.
        spacing: distance of the rows and of the columns, m.

    Returns:
        Wavelengths (K,) in m, ascending from two cells on, and the variance at each of them (..., K) in units squared.
        The variances add up to the variance of the field. Waves shorter than two cells, in the corners of the square
        of wavenumbers, are counted at the first wavelength.

    Example:
        A cosine of wavelength 32 km on a grid of 16 x 16 cells of 2 km; its variance is 1/2:

        >>> import numpy as np
        >>> from gensim_graph.evaluate import power_spectrum
        >>> x = 2e3 * (np.arange(16) + 0.5)
        >>> field = np.cos(2 * np.pi * x / 32e3) * np.ones((16, 1))
        >>> wavelengths, power = power_spectrum(field, (2e3, 2e3))
        >>> float(wavelengths[power.argmax()]), round(float(power.max()), 3)
        (32000.0, 0.5)
    """
    shape = fields.shape[-2:]
    coefficients = dctn(fields.astype(np.float64), axes=(-2, -1), norm="ortho") ** 2 / (shape[0] * shape[1])

    waves = [np.arange(count) / (2 * count * step) for count, step in zip(shape, spacing, strict=True)]
    wavenumber = np.hypot(waves[0][:, None], waves[1][None]).ravel()
    width = max(wave[1] for wave in waves)
    rings = int(np.floor(min(wave[-1] for wave in waves) / width + 1e-9))

    ring = np.clip(np.round(wavenumber / width).astype(np.int64), 0, rings)
    ring[wavenumber > 0] = np.maximum(ring[wavenumber > 0], 1)

    by_field = coefficients.reshape(-1, ring.size)
    power = np.stack([np.bincount(ring, row, minlength=rings + 1)[1:] for row in by_field])
    wavelengths = 1 / (width * np.arange(1, rings + 1))

    return wavelengths[::-1], power[:, ::-1].reshape(*fields.shape[:-2], rings)


class SpectrumTally(ScaleTally):
    """Gather the power spectra of truth and forecasts, per lead time.

    The columns of the scale and of the variability are ``wavelength_km`` and ``power``. The table is empty if the mesh
    is not a full regular grid.

    Args:
        matched: the forecast beside the truth.
    """

    scale_column = "wavelength_km"
    value_column = "power"

    def __init__(self, matched: Verification) -> None:
        self._grid = None if matched.mesh is None else as_grid(matched.mesh)
        super().__init__(matched, applies=self._grid is not None)

    def variability(self, step: Step, parts: tuple[str, ...]) -> tuple[Array, Array]:
        """Compute the spectrum of a scalar or a vector, see :meth:`ScaleTally.variability`.

        Args:
            step: the fields of one model at one instant.
            parts: names of the components.
        """
        assert self._grid is not None
        spectra = []

        for part in parts:
            on_grid = step[part][:, self._grid.order].reshape(-1, *self._grid.shape)
            wavelengths, power = power_spectrum(on_grid, self._grid.spacing)
            spectra.append(power.mean(axis=0))

        return wavelengths, np.sum(spectra, axis=0)
