"""Train a student of a flow: a model that makes a step of the forecast with one evaluation of the network.

The flow at flow time 0 predicts the mean of the residual, whatever the noise. A student begins with the same weights.
Its only step of Euler leads from the noise to :math:`x = z + v(z, 0)`, and the score of a few members teaches it to let
the noise decide where in the distribution it lands (Lang et al. 2024, arXiv:2412.15832, and Alet et al. 2025,
arXiv:2506.10772, train such networks from scratch). A short first stage in which the student imitates the flow
(``objective=consistency``) shortens the way. Measured in docs/decisions/0010-one-evaluation.md.
"""

from collections.abc import Sequence

from gensim_graph.config import compose_config
from gensim_graph.errors import InputError
from gensim_graph.io import Source
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate
from gensim_graph.train.training_run import train
from gensim_graph.typing import Path

EXPERIMENT = "+experiment=distil"
"""Override with the settings of a student."""


def distil(
    model: Path | Surrogate,
    data: Source | Sequence[Source] | None = None,
    mesh: Mesh | None = None,
    *,
    out: Path = "student",
    evaluations: int = 1,
    max_steps: int | None = None,
    overrides: Sequence[str] = (),
    validation: Source | Sequence[Source] | None = None,
    forcing: Source | Sequence[Source] | None = None,
    progress: bool = True,
) -> Surrogate:
    """Train a student that forecasts with fewer evaluations of the network, or resume its training.

    A student is a surrogate like any other: it forecasts, is evaluated and is trained further in the same way.

    Args:
        model: the trained flow: a folder, the name of a model that ships, or the surrogate.
        data: files or datasets, those of the flow for instance; see :func:`train`.
        mesh: the mesh to train on, see :func:`train`.
        out: folder of the run.
        evaluations: of the network in a step of the forecast.
        max_steps: optimisation steps.
        overrides: Hydra overrides, for instance ``["data.rollout=4", "objective.members=4"]``.
        validation: files or datasets for the validation, see :func:`train`.
        forcing: winds and temperatures from other files, see :func:`train`.
        progress: show a progress bar.

    Returns:
        The student, which is also saved in ``out``.

    Raises:
        InputError: no flow, wrong data or configuration, or the folder holds something else.

    Example:
        >>> import tempfile
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> path = str(cyclone_trajectories("train")[0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     student = gg.distil("small", path, out=folder, max_steps=1, overrides=["data.batch=1"], progress=False)
        >>> student.sampler.steps, student.information["objective"]
        (1, 'crps')
    """
    flow = model if isinstance(model, Surrogate) else Surrogate.load(model)
    settings = student_overrides(flow, evaluations, overrides)
    return train(
        mesh,
        data,
        max_steps=max_steps,
        out=out,
        overrides=settings,
        start=flow,
        validation=validation,
        forcing=forcing,
        progress=progress,
    )


def student_overrides(flow: Surrogate, evaluations: int, overrides: Sequence[str] = ()) -> list[str]:
    """Return the Hydra overrides with which a student is trained.

    Args:
        flow: from whose weights it starts.
        evaluations: of the network in a step of the forecast.
        overrides: of the user, which come last.

    Raises:
        InputError: the model is no flow, or the number of evaluations is not positive.
    """
    if flow.deterministic:
        raise InputError("distil: the model is a deterministic twin, which takes one evaluation already; give a flow")
    if evaluations < 1:
        raise InputError(f"distil: expected 1 evaluation or more; came {evaluations}")

    chosen = [EXPERIMENT, f"sampler.steps={evaluations}", *overrides]
    objective = compose_config(None, chosen).objective.name
    if objective == "flow":
        raise InputError("distil: objective=flow trains a flow; leave it out, or call train")
    # Chains of steps are for the score; what the user asks for is checked later.
    return [EXPERIMENT, "data.chain=1", *chosen[1:]] if objective == "consistency" else chosen
