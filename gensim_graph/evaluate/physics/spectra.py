"""Power spectra on regular grids: how much of a field is at which wavelength.

A domain with open sides is not periodic. Its cosine transform is that of the field mirrored at its sides, which has no
jump there (Denis et al. 2002, doi 10.1175/1520-0493(2002)130<1812:SDOTDA>2.0.CO;2). Coefficients are gathered in rings
of equal wavenumber; their sum over all rings is the variance of the field.

The effective resolution is the wavelength from which on a forecast has at least half of the power of the truth. On
meshes that are no grids see :mod:`~gensim_graph.evaluate.physics.structure`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.fft import dctn

from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.physics.structure import components, resolved_scale
from gensim_graph.evaluate.tally import Step, Tally, by_model, tabulate
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array


class Grid(NamedTuple):
    """A mesh that is a full rectangle of equal cells.

    Attributes:
        order: (F) faces row by row.
        shape: rows and columns.
        spacing: height and width of a cell, m.
    """

    order: Array
    shape: tuple[int, int]
    spacing: tuple[float, float]


def as_grid(mesh: Mesh) -> Grid | None:
    """The grid that a mesh is; None for other meshes."""
    size = float(np.median(mesh.spacing))
    x, y = (np.round(column / (1e-3 * size)).astype(np.int64) for column in (mesh.centres - mesh.centres[0]).T)
    columns, rows = np.unique(x), np.unique(y)
    even = all(len(axis) > 1 and np.ptp(np.diff(axis)) <= 2 for axis in (columns, rows))

    if not even or len(columns) * len(rows) != mesh.n_faces:
        return None

    width, height = (np.ptp(mesh.centres[:, axis]) / (count - 1) for axis, count in ((0, len(columns)), (1, len(rows))))
    return Grid(np.lexsort((x, y)), (len(rows), len(columns)), (float(height), float(width)))


def power_spectrum(fields: Array, spacing: tuple[float, float]) -> tuple[Array, Array]:
    """Power of fields (..., y, x) with a spacing (y, x) in m.

    Returns:
        Wavelengths (K,) m, ascending from two cells on, and variance at each of them (..., K), units squared, which
        adds up to the variance of the field; what is shorter, in the corners of the square of wavenumbers, counts to
        the first.
    """
    shape = fields.shape[-2:]
    coefficients = dctn(fields.astype(np.float64), axes=(-2, -1), norm="ortho") ** 2 / (shape[0] * shape[1])
    waves = [np.arange(count) / (2 * count * step) for count, step in zip(shape, spacing, strict=True)]
    number = np.hypot(waves[0][:, None], waves[1][None])
    width = max(wave[1] for wave in waves)
    rings = int(np.floor(min(wave[-1] for wave in waves) / width + 1e-9))
    ring = np.clip(np.round(number / width).astype(np.int64), 0, rings).ravel()
    ring[number.ravel() > 0] = np.maximum(ring[number.ravel() > 0], 1)
    flat = coefficients.reshape(-1, ring.size)
    power = np.stack([np.bincount(ring, row, minlength=rings + 1)[1:] for row in flat])
    wavelengths = 1 / (width * np.arange(1, rings + 1))

    return wavelengths[::-1], power[:, ::-1].reshape(*fields.shape[:-2], rings)


def spectrum_table(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Spectra of truth and forecasts, per lead time.

    Returns:
        Columns model, variable (a vector is one: ``siu, siv``), lead_hours, wavelength_km, power (units squared, mean
        over members and starts), ratio to that of the truth and resolved_km, the effective resolution. Empty where the
        mesh is no full grid.
    """
    return tabulate(models, SpectrumTally(next(iter(models.values()))))


class SpectrumTally(Tally):
    """Gathers :func:`spectrum_table`."""

    def __init__(self, matched: Verification) -> None:
        self._grid = None if matched.mesh is None else as_grid(matched.mesh)
        self._names = components([variable.name for variable in matched.variables], matched)
        self._found: dict[tuple[str, str, float], list[Array]] = {}
        self._wavelengths: Array = np.zeros(0)

    def add(self, step: Step) -> None:
        """Add a step."""
        if self._grid is None:
            return
        for name, parts in self._names.items():
            power = [self._power(step[part]) for part in parts]
            self._found.setdefault((step.model, name, step.hours), []).append(np.sum(power, axis=0))

    def _power(self, field: Array) -> Array:
        assert self._grid is not None
        on_grid = field[:, self._grid.order].reshape(-1, *self._grid.shape)
        self._wavelengths, power = power_spectrum(on_grid, self._grid.spacing)
        return np.asarray(power.mean(axis=0))

    def table(self) -> pd.DataFrame:
        """See :func:`spectrum_table`."""
        rows = []
        means = {key: np.mean(values, axis=0) for key, values in self._found.items()}

        for (model, name, hours), values in means.items():
            truth = means["truth", name, hours]
            ratio = np.divide(values, truth, out=np.full(len(truth), np.nan), where=truth > 0)
            resolved = 1e-3 * resolved_scale(self._wavelengths, ratio)
            parts = zip(1e-3 * self._wavelengths, values, ratio, strict=True)
            rows += [(model, name, hours, *part, resolved) for part in parts]

        columns = ["model", "variable", "lead_hours", "wavelength_km", "power", "ratio", "resolved_km"]
        return by_model(pd.DataFrame(rows, columns=columns))
