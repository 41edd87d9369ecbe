"""The command line for meshes and what lies on them: ``gensim-graph mesh info|convert|coarsen|plot``."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
import xarray as xr
from rich.console import Console
from rich.progress import Progress

from gensim_graph.errors import InputError
from gensim_graph.evaluate.pictures import mesh_map
from gensim_graph.io import RECORDS, Fields, holds_fields, load_mesh, opened_fields, write_mesh, write_restart
from gensim_graph.io.export import choose_layout, write_dataset
from gensim_graph.mesh import Mesh, coarsen_mesh, quality_report
from gensim_graph.system import write_atomically
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

mesh_app = typer.Typer(
    help="Look at meshes and the fields on them; bring them to other files.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
console = Console()

Crs = Annotated[str | None, typer.Option(help="Plane of the coordinates where the file does not say: EPSG:3413, ...")]
Repair = Annotated[bool, typer.Option(help="Mend duplicate nodes, clockwise and zero-area faces.")]
Time = Annotated[str | None, typer.Option(help="One time, 2000-01-02T06:00, or a range, FROM/TO.")]
Select = Annotated[
    list[str] | None, typer.Option(help="DIM=NUMBER, such as member=0 or trajectory=2, counted from 0; repeat it.")
]


@mesh_app.command("info")
def info(
    files: Annotated[list[Path], typer.Argument(help="Meshes of any kind that load_mesh reads.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    repair: Repair = False,
    crs: Crs = None,
) -> None:
    """Counts, spacing, angles, boundaries and defects of meshes.

    [dim]gensim-graph mesh info nextsim.msh[/]

    [dim]gensim-graph mesh info fesom_folder/ icon.nc --json[/]
    """
    reports = {str(file): quality_report(load_mesh(file, crs=crs, repair=repair)) for file in files}
    if as_json:
        print(json.dumps({name: report.to_dict() for name, report in reports.items()}, indent=1))
        return

    for name, report in reports.items():
        console.print(f"[bold]{name}[/]")
        console.print(report.render())


@mesh_app.command("convert")
def convert(
    source: Annotated[Path, typer.Argument(help="Mesh, trajectory or forecast of any kind.")],
    target: Annotated[Path, typer.Argument(help=".nc, .zarr, .vtu, .pvd; .msh for meshes; a folder with --restart.")],
    grid: Annotated[
        str | None, typer.Option(help="Bring fields to a grid: 0.25deg, 25km, 25km@EPSG:3413, or a file on a grid.")
    ] = None,
    mesh: Annotated[Path | None, typer.Option(help="Bring fields to another mesh of the same domain.")] = None,
    degrees: Annotated[
        bool, typer.Option("--degrees", help="Nodes as longitude and latitude, vectors along east and north.")
    ] = False,
    time: Time = None,
    select: Select = None,
    only_mesh: Annotated[bool, typer.Option("--only-mesh", help="Leave the fields behind.")] = False,
    restart: Annotated[
        str | None, typer.Option(help="Write a restart of neXtSIM of this name (restart.basename) into the folder.")
    ] = None,
    crs: Crs = None,
    repair: Repair = False,
) -> None:
    """Write a mesh, a trajectory or a forecast as another kind of file.

    [dim]gensim-graph mesh convert forecast.zarr forecast.nc[/]

    [dim]gensim-graph mesh convert run/ ice.nc --grid 0.25deg[/]

    [dim]gensim-graph mesh convert forecast.zarr ice.pvd --select member=0[/]

    [dim]gensim-graph mesh convert run.nc restart/ --restart start --time 2000-01-02[/]

    [dim]gensim-graph mesh convert icon.nc nextsim.msh --only-mesh[/]
    """
    if only_mesh or not holds_fields(source):
        if grid is not None or restart is not None or mesh is not None:
            raise InputError(f"{source}: holds a mesh and no fields to bring to a grid, a mesh or a restart")
        made = write_mesh(load_mesh(source, crs=crs, repair=repair), target)
        console.print(f"the mesh is in [bold]{made}[/]")
        return

    onto = None if mesh is None else load_mesh(mesh, crs=crs, repair=repair)
    with opened_fields(source, onto) as dataset:
        chosen = _chosen(dataset, str(source), time, select)
        if restart is not None:
            _write_restart(chosen, onto, target, restart)
        else:
            with Progress(console=console) as progress:
                task = progress.add_task("writing", total=Fields.of(chosen).n_records)
                options: dict[str, Any] = {"grid": grid, "mesh": onto, "degrees": degrees}
                write_dataset(chosen, target, **options, on_record=lambda: progress.advance(task))

    console.print(f"written to [bold]{target}[/]")


@mesh_app.command("coarsen")
def coarsen(
    source: Annotated[Path, typer.Argument(help="Mesh of any kind.")],
    target: Annotated[Path, typer.Argument(help="Mesh to write: .nc, .zarr or .vtu.")],
    levels: Annotated[int, typer.Option(help="How often to unite four faces to one.", min=1)] = 1,
    crs: Crs = None,
    repair: Repair = False,
) -> None:
    """Write a coarser mesh of the same domain: neighbouring faces united to polygons.

    Coast and areas stay; bring fields to it with [dim]mesh convert --mesh[/].

    [dim]gensim-graph mesh coarsen nextsim.msh coarse.nc --levels 2[/]
    """
    fine = load_mesh(source, crs=crs, repair=repair)
    coarse = coarsen_mesh(fine, levels)
    write_mesh(coarse, target)
    spacing = [float(np.median(one.spacing)) / 1e3 for one in (fine, coarse)]

    console.print(
        f"{fine.n_faces:,} faces of {spacing[0]:.3g} km became {coarse.n_faces:,} of {spacing[1]:.3g} km, "
        f"in [bold]{target}[/]"
    )


@mesh_app.command("plot")
def plot(
    source: Annotated[Path, typer.Argument(help="Mesh, trajectory or forecast of any kind.")],
    out: Annotated[Path | None, typer.Option(help="Picture: .png, .pdf or .svg; beside the source by default.")] = None,
    variable: Annotated[str | None, typer.Option(help="Field to draw, such as sit; without it, the spacing.")] = None,
    time: Time = None,
    select: Select = None,
    crs: Crs = None,
    repair: Repair = False,
) -> None:
    """Draw a mesh, its spacing, coast and open boundary, or a field on it.

    [dim]gensim-graph mesh plot nextsim.msh[/]

    [dim]gensim-graph mesh plot forecast.zarr --variable sit --select lead_time=4 --select member=0[/]
    """
    picture = out or Path(f"{source.resolve().name}.png")
    if variable is None:
        figure = mesh_map(load_mesh(source, crs=crs, repair=repair), title=source.name)
    else:
        with opened_fields(source) as dataset:
            drawn, values, row, when = _field(_chosen(dataset, str(source), time, select), str(source), variable)
        figure = mesh_map(drawn, values, row, title=f"{source.name}, {when}")

    picture.parent.mkdir(parents=True, exist_ok=True)
    kind = picture.suffix.lower().lstrip(".")
    if kind not in ("png", "pdf", "svg"):
        raise InputError(f"{picture}: cannot be drawn; expected a name that ends in .png, .pdf or .svg")

    write_atomically(picture, lambda place: figure.savefig(place, format=kind))
    console.print(f"the picture is [bold]{picture}[/]")


def _field(dataset: xr.Dataset, name: str, variable: str) -> tuple[Mesh, Array, Variable, str]:
    """Mesh, values on its faces, what they are, and when."""
    fields = Fields.of(dataset)
    found = next((one for one in fields.variables if one.name == variable), None)
    if found is None:
        raise InputError(f"{name}: has no '{variable}'; it has {', '.join(one.name for one in fields.variables)}")

    for dim in fields.leading:
        if dataset.sizes[dim] > 1 and dim != fields.record:
            raise InputError(f"{name}: holds {dataset.sizes[dim]} along '{dim}'; choose one, --select {dim}=0")

    values = fields.read(found, slice(fields.n_records - 1, fields.n_records))
    values = values.reshape(values.shape[-1])
    at_faces = fields.mesh.to_faces(values) if fields.location(found) == "node" else values
    times = [dataset[key].values for key in ("valid_time", "time") if key in dataset.coords]
    when = np.datetime_as_string(np.ravel(times[0])[-1], "m") if times else "no time"

    return fields.mesh, at_faces, found, str(when)


def _chosen(dataset: xr.Dataset, name: str, time: str | None, select: list[str] | None) -> xr.Dataset:
    """Some times, members, ... of a dataset."""
    for row in select or []:
        dim, equals, number = row.partition("=")
        if not equals or not number.lstrip("-").isdigit():
            raise InputError(f"--select {row}: expected DIM=NUMBER, for instance member=0")
        if dim not in (*RECORDS, "start", "trajectory", "member") or dim not in dataset.dims:
            raise InputError(f"{name}: has no '{dim}' to select from; it has {', '.join(map(str, dataset.dims))}")

        if not -dataset.sizes[dim] <= int(number) < dataset.sizes[dim]:
            raise InputError(f"--select {row}: {name} holds {dataset.sizes[dim]} along '{dim}', counted from 0")

        dataset = dataset.isel({dim: int(number)})

    return dataset if time is None else _at(dataset, name, time)


def _at(dataset: xr.Dataset, name: str, time: str) -> xr.Dataset:
    dim = next((dim for dim in RECORDS if dim in dataset.dims), None)
    known = dataset["valid_time" if "valid_time" in dataset.coords else "time"]
    if dim is None or known.dims != (dim,):
        raise InputError(f"{name}: has no single row of times to choose from; choose a start first, --select start=0")

    try:
        wanted = [np.datetime64(part, "ns") for part in time.split("/")]
    except ValueError:
        raise InputError(f"--time {time}: expected a time such as 2000-01-02T06:00, or a range, FROM/TO") from None

    inside = (known.values >= wanted[0]) & (known.values <= wanted[-1])
    if not inside.any() or len(wanted) > 2:
        first, last = (np.datetime_as_string(known.values[index], "m") for index in (0, -1))
        raise InputError(f"{name}: nothing at --time {time}; it has {len(known)} times from {first} to {last}")

    return dataset.isel({dim: np.flatnonzero(inside)})


def _write_restart(dataset: xr.Dataset, mesh: Mesh | None, folder: Path, name: str) -> None:
    fields = Fields.of(dataset)
    sizes = {dim: dataset.sizes[dim] for dim in fields.leading if dataset.sizes[dim] > 1}

    if sizes:
        said = ", ".join(f"{size} along '{dim}'" for dim, size in sizes.items())
        raise InputError(f"a restart is one state, these are {said}; choose one with --time or --select")

    layout = choose_layout(fields, None, mesh)
    assert layout.mesh is not None  # no grid
    values = layout.bring(fields.read_all(slice(0, 1)))
    columns = {one.name: (layout.dims[fields.location(one)], values[one.name].ravel()) for one in fields.variables}
    state = xr.Dataset(columns).assign_coords(dataset.isel(dict.fromkeys(fields.leading, 0)).coords)
    write_restart(folder, name, state, layout.mesh)
