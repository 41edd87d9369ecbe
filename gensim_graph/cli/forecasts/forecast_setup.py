"""What a forecast starts from, opened from the arguments of its command: models, initial state, winds."""

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from gensim_graph.data import Forcing, open_forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast import Batch, ModelSet, Ranks, check_place, read_initial, split_initial
from gensim_graph.io import load_mesh, mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import choose_device, keep_freed_memory

DEFAULT_STEPS = 8
"""Steps of a forecast whose length is not given."""

_WHEN = ("auto", "always", "never")


@dataclass(frozen=True)
class ForecastSetup:
    """Models and input of a forecast.

    Attributes:
        ranks: this process among all processes.
        models: on their device.
        state: initial state, at one time or several.
        mesh: of the state.
        forcing: winds and temperatures.
    """

    ranks: Ranks
    models: ModelSet
    state: xr.Dataset
    mesh: Mesh
    forcing: Forcing

    @property
    def model(self) -> Surrogate:
        """The first model, for all that the models have in common."""
        return self.models.first


def prepare_forecast(
    out: Path,
    model: list[Path],
    initial: str,
    mesh: Path | None,
    forcing: list[str] | None,
    *,
    interpolate: bool,
    repeat_forcing: bool,
    device: str,
    precision: str,
    compiled: bool,
    mirror: str,
    conserve: str,
    topology: str | None,
) -> ForecastSetup:
    """Check the arguments, load the models, read the initial state and open the winds.

    Args:
        out: the store that will be written.
        model, initial, mesh, forcing, interpolate, repeat_forcing, device, precision, compiled, mirror, conserve,
            topology: options of the command, see :mod:`~gensim_graph.cli.forecasts.forecast_options`.

    Raises:
        InputError: a wrong argument, or files that cannot be read.
    """
    for name, came, known in (
        ("mirror", mirror, _WHEN),
        ("conserve", conserve, _WHEN),
        ("precision", precision, ("float32", "bf16")),
    ):
        check_choice(name, came, known)

    check_place(out)
    keep_freed_memory()
    ranks = Ranks.from_environment()
    place = choose_device(device, ranks.local_rank)
    models = ModelSet.of([Surrogate.load(one).to(place, precision) for one in model])  # type: ignore[arg-type]

    for surrogate in models.models:
        surrogate.mirror, surrogate.conserve = mirror, conserve  # type: ignore[assignment]
        if compiled:
            surrogate.compile()

    table = models.table
    state = read_initial(initial, None if mesh is None else load_mesh(mesh), table, topology)
    own_mesh = mesh_from_dataset(state)
    winds = forcing or [split_initial(initial)[0]]
    drivers = open_forcing(winds, own_mesh, table, interpolate=interpolate, repeat=repeat_forcing, topology=topology)

    return ForecastSetup(ranks, models, state, own_mesh, drivers)


def check_choice(name: str, came: str, known: tuple[str, ...]) -> None:
    """Raise an error if an option is none of some words.

    Args:
        name: of the option, without its dashes.
        came: what the user gave.
        known: the words.
    """
    if came not in known:
        raise InputError(f"--{name} {came}: expected {', '.join(known[:-1])} or {known[-1]}")


def batch_of(text: str) -> Batch:
    """Return the number of members that are computed together, or ``auto``.

    Args:
        text: the option.
    """
    if text != "auto" and not text.isdigit():
        raise InputError(f"--batch {text}: expected a number of members, or auto")
    return "auto" if text == "auto" else int(text)
