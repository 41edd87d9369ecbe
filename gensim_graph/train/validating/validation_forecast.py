"""Scores of a small ensemble forecast of validation data: error, spread, drift and volume after some steps."""

import numpy as np
import torch

from gensim_graph.data import TrainingData
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Float, Tensor
from gensim_graph.variables import vector_pairs

_MEMBERS = 4
_STEPS = 2
_STARTS = 2


def forecast_scores(
    model: Surrogate, part: TrainingData, members: int = _MEMBERS, steps: int = _STEPS, starts: int = _STARTS
) -> dict[str, float]:
    """Forecast from a few times of validation data and score the last step.

    Args:
        model: the model.
        part: validation data.
        members: ensemble members; the deterministic twin has one.
        steps: forecast steps, fewer if the data are too short.
        starts: number of initial times, spread over the data.

    Returns:
        ``crps_NAME`` in units of the standard deviation of the change in one step, ``spread_skill_NAME``
        (root-mean-square spread over error, 1 for a reliable ensemble), ``drift_error`` (root mean square of the
        vector, m s-1) and ``volume_ratio`` (mean volume over the true one), whichever the data allow.
    """
    steps = min(steps, 1 + (part.n_starts - 1) // part.lead_steps)
    first_starts = np.unique(np.linspace(0, part.n_starts - 1 - (steps - 1) * part.lead_steps, starts).astype(int))
    rows = [
        _scores_from(model, part, int(start), 1 if model.deterministic else members, steps) for start in first_starts
    ]

    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _scores_from(model: Surrogate, part: TrainingData, start: int, members: int, steps: int) -> dict[str, float]:
    plan = model.plan(part.mesh)
    pair = part.read(0, start)
    state = torch.from_numpy(pair.state).to(model.device).expand(members, -1, -1)

    for step in range(steps):
        pair = part.read(0, start + step * part.lead_steps)
        forcing, next_forcing, slow = (
            torch.from_numpy(values).to(model.device) for values in (pair.forcing, pair.next_forcing, pair.slow)
        )
        noise = [torch.Generator().manual_seed(1000 * step + member) for member in range(members)]
        advanced = [model.step(state[[one]], forcing, next_forcing, slow, plan, [noise[one]]) for one in range(members)]
        state = torch.cat(advanced)

    return _scores(model, part, state.cpu(), torch.from_numpy(pair.next_state))


def _scores(
    model: Surrogate,
    part: TrainingData,
    forecast: Float[Tensor, "member face state"],
    truth: Float[Tensor, "face state"],
) -> dict[str, float]:
    table = model.normaliser.table.state
    weight = torch.from_numpy(part.mesh.areas / part.mesh.areas.sum())
    error = (forecast.mean(dim=0) - truth).double()
    mean_square = (weight[:, None] * error.square()).sum(dim=0)
    scores: dict[str, float] = {}

    for channel, variable in enumerate(table):
        if not part.present.get(variable.name) or variable.name not in model.normaliser.statistics.residuals:
            continue

        values = forecast[..., channel].double()
        scale = model.normaliser.statistics.residuals[variable.name][1]
        crps = (weight * ensemble_crps(values, truth[:, channel].double())).sum() / scale
        scores[f"crps_{variable.name}"] = float(crps)

        if len(forecast) > 1:
            # A finite ensemble's mean has an error of its own: (M + 1) / M of the variance (Fortin et al. 2014).
            variance = (1 + 1 / len(forecast)) * (weight * values.var(dim=0)).sum()
            scores[f"spread_skill_{variable.name}"] = float((variance / mean_square[channel]).sqrt())

    names = [variable.name for variable in table]
    for x, y in vector_pairs(table):
        if f"crps_{names[x]}" in scores and names[x] == "siu":
            scores["drift_error"] = float((mean_square[x] + mean_square[y]).sqrt())
    if "crps_sit" in scores:
        volume = (weight * forecast[..., names.index("sit")].mean(dim=0)).sum()
        scores["volume_ratio"] = float(volume / (weight * truth[:, names.index("sit")]).sum())

    return scores


def ensemble_crps(members: Float[Tensor, "member face"], truth: Float[Tensor, " face"]) -> Float[Tensor, " face"]:
    r"""Compute the fair continuous ranked probability score (Ferro 2014); one member gives the absolute error.

    .. math:: \frac1M \sum_i |x_i - y| - \frac{1}{2 M (M - 1)} \sum_{i,j} |x_i - x_j|

    Args:
        members: x, in any unit.
        truth: y, in the same unit.
    """
    error = (members - truth).abs().mean(dim=0)
    count = len(members)
    if count == 1:
        return error

    distances = (members[:, None] - members[None]).abs().sum(dim=(0, 1))
    return error - distances / (2 * count * (count - 1))
