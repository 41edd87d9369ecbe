"""Chapter on the model itself: the reach of its attention heads, and the sensitivity of a forecast to its inputs."""

from collections.abc import Iterator

from gensim_graph.errors import InputError
from gensim_graph.evaluate.explain import head_reach, reach_figure, sensitivity, sensitivity_figure
from gensim_graph.evaluate.report.parts import Part, Picture
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.nn import VelocityOperator
from gensim_graph.surrogate import Surrogate

MOST_FACES = 20_000
"""Largest mesh for sensitivities: the derivative keeps every evaluation of the network in memory."""

SAMPLER_STEPS = 4
"""Steps of the sampler for sensitivities, for the same reason."""


def learnt_chapter(model: Surrogate, matched: Verification, mesh: Mesh) -> Iterator[Part]:
    """Yield the reach of the heads, and the sensitivity of the ice thickness in the middle of the domain.

    Args:
        model: the model that made the forecast.
        matched: the forecast beside the truth.
        mesh: their mesh.
    """
    if isinstance(model.operator, VelocityOperator):
        yield _reach_picture(model, mesh)
    if matched.has_start and mesh.n_faces <= MOST_FACES:
        yield from _sensitivity_picture(model, matched, mesh)


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
