r"""Linear response of the drift to the wind: what a network need not learn about the drift.

With drift :math:`u`, wind :math:`w` and every further vector of the forcing as complex numbers, where there is ice,

.. math:: u(t + lead) - u(t) \approx a\, u(t) + b\, w(t) + c\, w(t + lead)

The complex coefficients :math:`a, b, c` turn and stretch a vector, as the Coriolis force and the ocean do with free
drift; the same numbers hold for every direction of the axes. They are fitted to the training data. The network then
learns what differs from this response: the internal stress of the ice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from gensim_graph.data.statistics import Statistics
from gensim_graph.data.training_data import StatePair, TrainingData
from gensim_graph.transport import DRIFT
from gensim_graph.typing import Array, Float, Tensor
from gensim_graph.variables import VariableTable, vector_pairs

Coefficients = dict[str, tuple[float, float]]
"""Name of the x component of a vector, with ``LATER`` for the end of the step -> real and imaginary part."""

LATER = " at the end"

_ICE = "sea_ice_area_fraction"

_PAIRS = 200
"""Pairs (t, t + lead) of each mesh to which the response is fitted; all if there are fewer."""

_LEAST = 1e-3
"""Least deviation from the response, as a part of that of the whole change: an exact response would leave nothing."""


def with_response(
    coefficients: Mapping[str, Sequence[float]],
    table: VariableTable,
    state: Float[Tensor, "*cells state"],
    forcing: Float[Tensor, "*cells forcing"],
    next_forcing: Float[Tensor, "*cells forcing"],
) -> Float[Tensor, "*cells state"]:
    """Return the state with the drift that the response expects at the end of the step; all else stays.

    Args:
        coefficients: of the response; none leaves the state as it is.
        table: the variable table.
        state: now, in the units of the table.
        forcing: now.
        next_forcing: one lead time later.
    """
    drift = _drift_channels(table)
    if not coefficients or drift is None:
        return state

    parts = _vectors(table, state, forcing, next_forcing)
    x, y = torch.zeros_like(state[..., 0]), torch.zeros_like(state[..., 0])
    for name, (real, imaginary) in coefficients.items():
        u, v = parts[name]
        x, y = x + real * u - imaginary * v, y + imaginary * u + real * v

    columns = list(state.unbind(-1))
    has_ice = _ice(table, state)
    for channel, change in zip(drift, (x, y), strict=True):
        columns[channel] = columns[channel] + (change if has_ice is None else torch.where(has_ice, change, 0.0))

    return torch.stack(columns, dim=-1)


def fit_drift_response(data: Sequence[TrainingData], table: VariableTable) -> tuple[Coefficients, float] | None:
    """Fit the response to training data, by least squares over all cells with ice.

    Args:
        data: trajectories, on any number of meshes.
        table: the variable table.

    Returns:
        The coefficients, and the deviation of a component of the drift from the response (m/s), over all cells; None
        for data without drift or without vectors that drive it.

    Example:
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import Trajectories, cyclone_trajectories, fit_drift_response
        >>> table, lead = gg.default_variables(), np.timedelta64(12, "h")
        >>> data = Trajectories.from_dataset(gg.open_store(cyclone_trajectories("test")[0]), table, lead)
        >>> coefficients, deviation = fit_drift_response([data], table)
        >>> list(coefficients)
        ['siu', 'uas', 'uas at the end']
    """
    drift = _drift_channels(table)
    present = data[0].present
    if drift is None or not present[table.state[drift[0]].name]:
        return None

    names = [name for name in _names(table) if present[name.removesuffix(LATER)]]
    if len(names) < 2:
        return None

    squares, products = np.zeros((len(names), len(names)), dtype=complex), np.zeros(len(names), dtype=complex)
    total, count = 0.0, 0
    for pair in _sampled(data):
        vectors, change, everywhere = _columns(pair, table, names, drift)
        squares += vectors.conj().T @ vectors
        products += vectors.conj().T @ change
        total += float((np.abs(everywhere) ** 2).sum())
        count += len(everywhere)

    found = np.linalg.lstsq(squares, products, rcond=None)[0]
    left = total - float((found.conj() @ products).real)  # of the normal equations, which the solution fulfils
    coefficients = {name: (float(one.real), float(one.imag)) for name, one in zip(names, found, strict=True)}

    return coefficients, float(np.sqrt(max(left, 0.0) / (2 * count)))


def with_drift_response(statistics: Statistics, data: Sequence[TrainingData], table: VariableTable) -> Statistics:
    """Return statistics whose residual of the drift is what its linear response leaves.

    Args:
        statistics: of the data; they stay as they are if no response can be fitted.
        data: trajectories.
        table: the variable table.
    """
    drift, found = _drift_channels(table), fit_drift_response(data, table)
    if drift is None or found is None:
        return statistics

    coefficients, fitted = found
    whole = statistics.residuals[table.state[drift[0]].name][1]
    deviation = max(fitted, _LEAST * whole)
    residuals = statistics.residuals | {table.state[channel].name: (0.0, deviation) for channel in drift}

    return replace(statistics, residuals=residuals, response=coefficients)


def _columns(
    pair: StatePair, table: VariableTable, names: Sequence[str], drift: tuple[int, int]
) -> tuple[Array, Array, Array]:
    """Complex vectors (n, name) and change of the drift (n,) of the cells with ice; the change of all cells (F,)."""
    state, forcing, later = (torch.from_numpy(np.asarray(one)) for one in (pair.state, pair.forcing, pair.next_forcing))
    parts = _vectors(table, state, forcing, later)
    vectors = np.stack([(parts[name][0] + 1j * parts[name][1]).numpy() for name in names], axis=-1).astype(complex)

    difference = (pair.next_state - pair.state)[:, drift].astype(float)
    change = difference[:, 0] + 1j * difference[:, 1]
    has_ice = _ice(table, state)
    chosen = slice(None) if has_ice is None else has_ice.numpy()

    return vectors[chosen], change[chosen], change


def _sampled(data: Sequence[TrainingData]) -> list[StatePair]:
    """Pairs that are spread evenly over each part of the data."""
    pairs = []
    for part in data:
        numbers = np.unique(np.linspace(0, part.n_pairs - 1, min(part.n_pairs, _PAIRS)).astype(int))
        pairs += [part.read(*divmod(int(number), part.n_starts)) for number in numbers]

    return pairs


def _drift_channels(table: VariableTable) -> tuple[int, int] | None:
    names = [one.standard_name for one in table.state]
    return (names.index(DRIFT[0]), names.index(DRIFT[1])) if set(DRIFT) <= set(names) else None


def _ice(table: VariableTable, state: Tensor) -> Tensor | None:
    """True where there is ice; None if the table has no concentration."""
    names = [one.standard_name for one in table.state]
    return state[..., names.index(_ICE)] > 0 if _ICE in names else None


def _names(table: VariableTable) -> list[str]:
    """Names of the vectors of the response, see ``Coefficients``."""
    drift = _drift_channels(table)
    own = [] if drift is None else [table.state[drift[0]].name]
    driving = [table.forcing[x].name for x, _ in vector_pairs(table.forcing)]
    return own + [name + ending for name in driving for ending in ("", LATER)]


def _vectors(
    table: VariableTable, state: Tensor, forcing: Tensor, next_forcing: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """Components of the vectors of the response by name."""
    drift = _drift_channels(table)
    found = {}
    if drift is not None:
        found[table.state[drift[0]].name] = state[..., drift[0]], state[..., drift[1]]
    for x, y in vector_pairs(table.forcing):
        name = table.forcing[x].name
        found[name] = forcing[..., x], forcing[..., y]
        found[name + LATER] = next_forcing[..., x], next_forcing[..., y]

    return found
