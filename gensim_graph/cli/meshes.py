"""``gensim-graph mesh info|convert|coarsen|plot``: meshes and the fields on them."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
import xarray as xr

from gensim_graph.cli.console import console, place, results, say
from gensim_graph.cli.selection import chosen_times, field_of
from gensim_graph.errors import InputError
from gensim_graph.evaluate.pictures import mesh_map
from gensim_graph.io import Fields, holds_fields, load_mesh, opened_fields, write_mesh, write_restart
from gensim_graph.io.export import choose_layout, write_dataset
from gensim_graph.mesh import Mesh, coarsen_mesh, quality_report
from gensim_graph.system import check_space, one_line_bar, write_atomically

mesh_app = typer.Typer(
    help="Look at meshes and the fields on them; bring them to other files.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
)
Crs = Annotated[str | None, typer.Option(help="Plane of the coordinates where the file does not say: EPSG:3413, ...")]
Repair = Annotated[bool, typer.Option(help="Mend duplicate nodes, clockwise and zero-area faces.")]
Topology = Annotated[str | None, typer.Option(help="Name of the mesh topology, if the file has several.")]
Time = Annotated[str | None, typer.Option(help="One time, 2000-01-02T06:00, or a range, FROM/TO.")]
Select = Annotated[
    list[str] | None, typer.Option(help="DIM=NUMBER, such as member=0 or trajectory=2, counted from 0; repeat it.")
]


@mesh_app.command("info")
def info_command(
    files: Annotated[list[Path], typer.Argument(help="Meshes of any kind that load_mesh reads.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
    repair: Repair = False,
    crs: Crs = None,
    topology: Topology = None,
) -> None:
    """Report counts, spacing, angles, boundaries and defects of meshes.

    [dim]gensim-graph mesh info nextsim.msh[/]

    [dim]gensim-graph mesh info fesom_folder/ icon.nc --json[/]
    """
    reports = {str(file): quality_report(load_mesh(file, crs=crs, repair=repair, topology=topology)) for file in files}
    if as_json:
        print(json.dumps({name: report.to_dict() for name, report in reports.items()}, indent=1))
        return

    for name, report in reports.items():
        results.print(place(name), soft_wrap=True, highlight=False)
        results.print(report.render())


@mesh_app.command("convert")
def convert_command(
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
    topology: Topology = None,
) -> None:
    """Write a mesh, a trajectory or a forecast as another kind of file.

    [dim]gensim-graph mesh convert forecast.zarr forecast.nc[/]

    [dim]gensim-graph mesh convert run/ ice.nc --grid 0.25deg[/]

    [dim]gensim-graph mesh convert forecast.zarr ice.pvd --select member=0[/]

    [dim]gensim-graph mesh convert run.nc restart/ --restart start --time 2000-01-02[/]

    [dim]gensim-graph mesh convert icon.nc nextsim.msh --only-mesh[/]
    """
    if source.resolve() == target.resolve():
        raise InputError(f"{target}: is the source itself; give the target another name")

    check_space(target, beside=restart is None)
    if only_mesh or not holds_fields(source):
        if grid is not None or restart is not None or mesh is not None:
            raise InputError(f"{source}: holds a mesh and no fields to bring to a grid, a mesh or a restart")
        made = write_mesh(load_mesh(source, crs=crs, repair=repair, topology=topology), target)
        say(f"the mesh is in {place(made)}")
        return

    onto = None if mesh is None else load_mesh(mesh, crs=crs, repair=repair)
    with opened_fields(source, onto) as dataset:
        chosen = chosen_times(dataset, str(source), time, select)
        if restart is not None:
            _write_restart(chosen, onto, target, restart)
        else:
            with one_line_bar("writing", show=not console.quiet) as progress:
                task = progress.add_task("", total=Fields.of(chosen).n_records)
                options: dict[str, Any] = {"grid": grid, "mesh": onto, "degrees": degrees}
                write_dataset(chosen, target, **options, on_record=lambda: progress.advance(task))

    say(f"written to {place(target)}")


@mesh_app.command("coarsen")
def coarsen_command(
    source: Annotated[Path, typer.Argument(help="Mesh of any kind.")],
    target: Annotated[Path, typer.Argument(help="Mesh to write: .nc, .zarr or .vtu.")],
    levels: Annotated[int, typer.Option(help="How many times to unite four faces to one.", min=1)] = 1,
    crs: Crs = None,
    repair: Repair = False,
    topology: Topology = None,
) -> None:
    """Write a coarser mesh of the same domain: neighbouring faces are united to polygons.

    Coast and areas stay as they are. Bring fields to it with [dim]mesh convert --mesh[/].

    [dim]gensim-graph mesh coarsen nextsim.msh coarse.nc --levels 2[/]
    """
    if source.resolve() == target.resolve():
        raise InputError(f"{target}: is the source itself; give the target another name")

    check_space(target, beside=True)
    fine = load_mesh(source, crs=crs, repair=repair, topology=topology)
    coarse = coarsen_mesh(fine, levels)
    write_mesh(coarse, target)
    spacing = [float(np.median(one.spacing)) / 1e3 for one in (fine, coarse)]

    say(
        f"{fine.n_faces:,} faces of {spacing[0]:.3g} km became {coarse.n_faces:,} of {spacing[1]:.3g} km, "
        f"in {place(target)}"
    )


@mesh_app.command("plot")
def plot_command(
    source: Annotated[Path, typer.Argument(help="Mesh, trajectory or forecast of any kind.")],
    out: Annotated[Path | None, typer.Option(help="Picture: .png, .pdf or .svg; beside the source by default.")] = None,
    variable: Annotated[str | None, typer.Option(help="Field to draw, such as sit; without it, the spacing.")] = None,
    time: Time = None,
    select: Select = None,
    crs: Crs = None,
    repair: Repair = False,
    topology: Topology = None,
) -> None:
    """Draw a mesh, its spacing, coast and open boundary, or a field on it.

    [dim]gensim-graph mesh plot nextsim.msh[/]

    [dim]gensim-graph mesh plot forecast.zarr --variable sit --select lead_time=4 --select member=0[/]
    """
    picture = out or Path(f"{source.resolve().name}.png")
    check_space(picture)
    if variable is None:
        figure = mesh_map(load_mesh(source, crs=crs, repair=repair, topology=topology), title=source.name)
    else:
        with opened_fields(source) as dataset:
            drawn, values, row, when = field_of(chosen_times(dataset, str(source), time, select), str(source), variable)
        figure = mesh_map(drawn, values, row, title=f"{source.name}, {when}")

    picture.parent.mkdir(parents=True, exist_ok=True)
    kind = picture.suffix.lower().lstrip(".")
    if kind not in ("png", "pdf", "svg"):
        raise InputError(f"{picture}: cannot be drawn; expected a name that ends in .png, .pdf or .svg")

    write_atomically(picture, lambda place: figure.savefig(place, format=kind))
    say(f"the picture is {place(picture)}")


def _write_restart(dataset: xr.Dataset, mesh: Mesh | None, folder: Path, name: str) -> None:
    fields = Fields.of(dataset)
    sizes = {dim: dataset.sizes[dim] for dim in fields.leading if dataset.sizes[dim] > 1}

    if sizes:
        said = ", ".join(f"{size} along '{dim}'" for dim, size in sizes.items())
        raise InputError(f"a restart is one state, these are {said}; choose one with --time or --select")

    layout = choose_layout(fields, None, mesh)
    assert layout.mesh is not None  # no grid
    values = layout.convert(fields.read_all(slice(0, 1)))
    columns = {one.name: (layout.dims[fields.location(one)], values[one.name].ravel()) for one in fields.variables}
    state = xr.Dataset(columns).assign_coords(dataset.isel(dict.fromkeys(fields.leading, 0)).coords)
    write_restart(folder, name, state, layout.mesh)
