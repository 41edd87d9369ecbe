"""Chapter on the model itself: its training, the reach of its heads, the sensitivity of a forecast to its inputs."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from gensim_graph.errors import InputError
from gensim_graph.evaluate.explain import head_reach, reach_figure, sensitivity, sensitivity_figure
from gensim_graph.evaluate.report.parts import Part, Picture, Text
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.nn import VelocityOperator
from gensim_graph.surrogate import Surrogate

log = logging.getLogger(__name__)

MOST_FACES = 20_000
"""Largest mesh for sensitivities: the derivative keeps every evaluation of the network in memory."""

SAMPLER_STEPS = 4
"""Steps of the sampler for sensitivities, for the same reason."""


_RECORD, _CURVES, _BEST = "metrics.csv", "curves.png", "best"
"""Files that a training leaves in its folder, and the folder in it with the model of the smallest validation loss."""


def learnt_chapter(model: Surrogate, matched: Verification, mesh: Mesh, run: Path | None = None) -> Iterator[Part]:
    """Yield the learning curves, the reach of the heads, and the sensitivity of the thickness in the middle.

    Args:
        model: the model that made the forecast.
        matched: the forecast beside the truth.
        mesh: their mesh.
        run: folder of the model; if it is that of a training, its learning curves are shown.
    """
    if run is not None:
        yield from _training_part(run)
    if isinstance(model.operator, VelocityOperator):
        yield _reach_picture(model, mesh)
    if matched.has_start and mesh.n_faces <= MOST_FACES:
        yield from _sensitivity_picture(model, matched, mesh)


def _training_part(folder: Path) -> Iterator[Part]:
    """Yield the learning curves of a training with a sentence on its validation; nothing without a record."""
    if folder.name == _BEST and not (folder / _RECORD).exists():
        folder = folder.parent
    if not (folder / _RECORD).exists():
        return

    heading = "How it was trained"
    try:
        sentence = _validation_sentence(pd.read_csv(folder / _RECORD))
        curves = (folder / _CURVES).read_bytes() if (folder / _CURVES).exists() else b""
    except (OSError, ValueError, KeyError) as error:
        log.warning("%s: cannot be read (%r); the report does not show the training", folder / _RECORD, error)
        return

    if curves:
        yield Picture(curves, heading, sentence, f"Curves of losses, rates and scores over the steps. {sentence}")
    else:
        yield Text(sentence, heading)


def _validation_sentence(record: pd.DataFrame) -> str:
    """Number of steps, and the first, smallest and last validation loss, from columns step, measure and value."""
    losses = record[record["measure"] == "validation_loss"].drop_duplicates("step", keep="last").set_index("step")
    values = losses["value"].astype(float).dropna()
    steps = f"{int(record['step'].max()):,} training steps"
    if values.empty:
        return f"{steps}, without a validation."

    first, best, last = values.index[0], values.idxmin(), values.index[-1]
    return (
        f"{steps}; the validation loss was {values[first]:.4g} at first (step {first:,}), {values[best]:.4g} at best "
        f"(step {best:,}) and {values[last]:.4g} at last (step {last:,})."
    )


def _reach_picture(model: Surrogate, mesh: Mesh) -> Picture:
    reach = head_reach(model, mesh)
    token_length = reach.attrs["token_length_km"]

    return Picture(
        reach_figure(reach),
        "How far the heads look",
        "Reach of each head in each block, at rest: the standard deviation of its weights along an axis. A token of "
        f"four cells is {token_length:.3g} km long here.",
        f"Table of the reach of {reach.sizes['head']} heads in {reach.sizes['block']} blocks, from "
        f"{float(reach.min()):.3g} to {float(reach.max()):.3g} km.",
    )


def _sensitivity_picture(model: Surrogate, matched: Verification, mesh: Mesh) -> Iterator[Picture]:
    """Yield the picture; nothing if the truth contains no forcing."""
    initial = matched.truth.sel(time=matched.start_times[0])
    low, high = mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)
    middle = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2)

    try:
        found = sensitivity(model, initial, matched.truth, "sit", middle, sampler_steps=SAMPLER_STEPS, mesh=mesh)
    except InputError:
        return

    yield Picture(
        sensitivity_figure(found, mesh, window=0.25),
        "What a forecast depends on",
        "Effect of a change of one standard deviation of an input in one cell on the ice thickness in the circle, one "
        "step ahead: derivatives through the sampler, starting from the mean of the noise.",
        "Maps of the sensitivity of the ice thickness in one cell to the six inputs that matter most, around it.",
    )
