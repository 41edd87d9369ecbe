"""``gensim-graph simulate``: storms over sea ice on any mesh."""

from pathlib import Path
from typing import Annotated

import typer

from gensim_graph.cli.console import command_line, console, place, say
from gensim_graph.io import load_mesh
from gensim_graph.simulate import (
    Experiment,
    build_ensemble,
    check_simulation_place,
    in_words,
    seconds_needed,
    write_cyclone,
)
from gensim_graph.system import keep_freed_memory


def simulate_command(
    mesh: Annotated[Path, typer.Option(help="Mesh to simulate on.")],
    out: Annotated[Path, typer.Option(help="Store to write, *.zarr.")],
    members: Annotated[int, typer.Option(help="Independent trajectories.")] = Experiment.members,
    days: Annotated[float, typer.Option(help="Length of each.")] = Experiment.days,
    seed: Annotated[int, typer.Option(help="Seed of ice, storms and cohesion.")] = Experiment.seed,
    every: Annotated[str, typer.Option(help="Time between records, such as 3h or 30min.")] = Experiment.every,
    case: Annotated[
        str, typer.Option(help="random ice and storms, or the benchmark of Mehlmann et al. (2021).")
    ] = Experiment.case,
    physics: Annotated[
        str, typer.Option(help="Constants: benchmark (those of neXtSIM-DG) or nextsim (neXtSIM v2).")
    ] = Experiment.physics,
    thermodynamics: Annotated[bool, typer.Option("--thermodynamics", help="Let ice grow and melt, from January.")] = (
        Experiment.thermodynamics
    ),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = Experiment.device,
    precision: Annotated[str, typer.Option(help="float64 or float32.")] = Experiment.precision,
    repair: Annotated[bool, typer.Option(help="Mend defects of the mesh.")] = False,
) -> None:
    """Simulate sea ice under moving storms on any mesh: data to train on where there are none.

    [dim]gensim-graph simulate --mesh nextsim.msh --members 8 --days 4 --out storms.zarr[/]
    """
    experiment = Experiment(members, days, seed, every, case, physics, thermodynamics, device, precision)
    check_simulation_place(out)
    loaded = load_mesh(mesh, repair=repair)
    keep_freed_memory()

    ensemble = build_ensemble(loaded, experiment)
    say(
        f"{members} trajectories of {days:g} days on {loaded.n_faces:,} faces, "
        f"about {in_words(seconds_needed(ensemble))}"
    )
    write_cyclone(ensemble, out, progress=not console.quiet)
    say(f"the simulation is in {place(out)}; train on it with:{command_line('gensim-graph', 'train', '--data', out)}")
