"""Options that ``gensim-graph forecast`` and ``gensim-graph assimilate`` share."""

from pathlib import Path
from typing import Annotated

import typer

ModelOption = Annotated[
    list[Path],
    typer.Option(
        help="Trained model: a folder, small, or an address (https://, hf://OWNER/NAME). Repeat it to share the "
        "members between several models, in blocks."
    ),
]
InitialOption = Annotated[str, typer.Option(help="Initial state: FILE@TIME, or FILE@TIME,TIME,... for several starts.")]
ForcingOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Winds and temperatures on any grid: file, folder or pattern; repeat it. Of an ensemble, each "
        "member has its own. Without it, the state's file."
    ),
]
MeshOption = Annotated[Path | None, typer.Option(help="Mesh to forecast on; state and winds are remapped to it.")]
MembersOption = Annotated[int, typer.Option(help="Ensemble members.", min=1)]
SeedOption = Annotated[int, typer.Option(help="Seed of the noise.", min=0)]
OutOption = Annotated[
    Path, typer.Option(help="Store to write, *.zarr; the same command again goes on, with more steps it extends.")
]
EveryOption = Annotated[int, typer.Option(help="Steps between written states.", min=1)]
VariablesOption = Annotated[
    str | None, typer.Option(help="Variables to write, such as sic,sit; without it, all of the model.")
]
GuardOption = Annotated[
    bool,
    typer.Option(
        "--guard/--no-guard",
        help="Compare each state with the training data, and warn before the forecast runs away.",
    ),
]
InterpolateOption = Annotated[
    bool, typer.Option("--interpolate", help="Interpolate winds linearly between their times.")
]
RepeatOption = Annotated[
    bool, typer.Option("--repeat-forcing", help="Repeat the winds; whole years repeat by the calendar.")
]
BatchOption = Annotated[
    str, typer.Option(help="Members computed together, or auto: as many as suit memory and device.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
PrecisionOption = Annotated[str, typer.Option(help="Precision of the network: float32 or bf16.")]
CompileOption = Annotated[
    bool,
    typer.Option(
        "--compile/--no-compile",
        help="Compile the network, which takes minutes and may pay in long runs.",
    ),
]
MirrorOption = Annotated[
    str,
    typer.Option(
        help="auto: a mesh in the other hemisphere than the training data is forecast in its mirror image; always; "
        "never."
    ),
]
ConserveOption = Annotated[
    str,
    typer.Option(
        help="auto: the volume of ice and snow is kept in a closed domain, if the model has no sources; always; never."
    ),
]
TopologyOption = Annotated[
    str | None, typer.Option(help="Name of the mesh topology, where the file of the state has several.")
]
ErrorOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Standard deviation of the errors where the observations give none: a number, or sic=0.05,siu=0.02."
    ),
]
