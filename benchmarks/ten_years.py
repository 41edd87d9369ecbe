"""Ten-year run of a surrogate that was trained for steps of 12 hours, compared with the simulation it learned from.

Usage: python benchmarks/ten_years.py --mesh bigarctic_30km.msh --out bench/ten_years

The mesh is coarse: equilateral triangles of 200 km within the Arctic domain of --mesh. Our own simulation, with growth
and melt of the ice, gives four members of four years for the training, and two members of ten years from other seeds as
the reference. The surrogate starts from the third day of the reference and then receives only its wind and air
temperature. The same command continues interrupted stages: reference and run are saved every month, the training every
250 steps. ``OUT/report.json`` and ``OUT/report0.png`` compare the years that both have so far.
"""

import argparse
import time
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields
from pathlib import Path

import numpy as np
import shapely
import torch
import xarray as xr
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from shared import build_parser, prepare_process, show_progress, write_json
from stability import draw, stability

import gensim_graph as gg
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.simulate import Ensemble, Experiment, WindField, build_ensemble
from gensim_graph.simulate.solver import State
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import write_atomically
from gensim_graph.typing import Array

DAY = 86400.0
PHYSICS: dict = {"every": "12h", "physics": "nextsim", "thermodynamics": True}
YEAR = 730.5
"""Records of a year, 12 h apart."""

MONTH = 61
"""Steps that are written as one file."""

START = 4
"""Record that the surrogate starts from: the damage of the reference has spun up."""

ON_FACES = ("sit", "sic", "sid", "siu", "siv", "snt", "uas", "vas", "tus")
ON_NODES = ("siu_node", "siv_node")


@dataclass(frozen=True)
class Size:
    """Size of the experiment.

    Attributes:
        side: side of the triangles, m.
        members: members of the simulation to train on.
        years: years of each of these members.
        reference: members of the reference, and runs of the surrogate.
        decade: years of each run.
        steps: training steps.
        sampler: steps of the sampler.
    """

    side: float
    members: int
    years: int
    reference: int
    decade: float
    steps: int
    sampler: int


def main() -> None:
    """Run all stages that are not complete yet."""
    options = _options()
    prepare_process(options)
    options.out.mkdir(parents=True, exist_ok=True)
    size = Size(
        side=1e3 * options.side,
        members=options.members,
        years=options.training_years,
        reference=options.runs,
        decade=options.years,
        steps=options.steps,
        sampler=options.sampler_steps,
    )

    for stage in options.stages.split(","):
        begin = time.perf_counter()
        STAGES[stage](options.mesh, options.out, size)
        show_progress(f"{stage}: {time.perf_counter() - begin:.0f} s")


def simulate_training(source: Path, out: Path, size: Size) -> None:
    """Simulate the members to train on; the store is complete or does not exist.

    Args:
        source: mesh file of the Arctic.
        out: folder of all results.
        size: size of the experiment.
    """
    target = out / "training.zarr"
    if target.exists():
        return
    mesh = coarse_mesh(gg.load_mesh(source), size.side)
    data = gg.simulate_cyclone(mesh, size.members, 365.0 * size.years + 1, 0, **PHYSICS).drop_vars(ON_NODES)
    encoding = {name: {"chunks": (1, MONTH, data.sizes["face"])} for name in ON_FACES}
    write_atomically(target, lambda path: data.to_zarr(path, encoding=encoding, consolidated=False))


def simulate_reference(source: Path, out: Path, size: Size) -> None:
    """Simulate the reference month by month; it is longer than the run by the spin-up.

    Args:
        source: mesh file of the Arctic.
        out: folder of all results.
        size: size of the experiment.
    """
    folder = out / "reference"
    folder.mkdir(exist_ok=True)
    ensemble = reference_ensemble(source, size)
    members = range(size.reference)
    solver, state = ensemble.start(members)
    record = 0
    last = ensemble.experiment.records
    if (folder / "state.pt").exists():
        record, parts = torch.load(folder / "state.pt")
        state = State(*parts)

    on_nodes = ensemble.winds(ensemble.elements.triangles.nodes, members)
    on_faces = ensemble.winds(ensemble.mesh.centres, members)
    while record < last:
        steps = min(MONTH, last - record)
        later = list(solver.run(state, on_nodes, steps, record))
        kept = ([state] if record == 0 else []) + later
        first = record + steps + 1 - len(kept)
        fields = [ensemble.fields(one, on_faces, (first + i) * DAY / 2) for i, one in enumerate(kept)]
        write_records(folder / f"record{record:05d}.nc", fields, first)

        record += steps
        state = later[-1]
        saved = record, [getattr(state, field.name) for field in dataclass_fields(state)]
        write_atomically(folder / "state.pt", lambda path, saved=saved: torch.save(saved, path))


def reference_ensemble(source: Path, size: Size) -> Ensemble:
    """Return the ensemble of the reference.

    Args:
        source: mesh file of the Arctic.
        size: size of the experiment.
    """
    days = round(size.decade * YEAR) / 2 + START / 2
    mesh = coarse_mesh(gg.load_mesh(source), size.side)
    return build_ensemble(mesh, Experiment(size.reference, days, 1, **PHYSICS))


def write_records(target: Path, fields: list[dict[str, Array]], first: int) -> None:
    """Write the records of some steps as one file.

    Args:
        target: file to write.
        fields: (trajectory, face) by variable, for each record.
        first: number of the first record.
    """
    write_atomically(target, as_records(fields, first).to_netcdf)


def as_records(fields: list[dict[str, Array]], first: int) -> xr.Dataset:
    """Fields of an ensemble with their times, (trajectory, time, face).

    Args:
        fields: (trajectory, face) by variable, for each record.
        first: number of the first record.
    """
    times = np.datetime64("2000-01-01", "ns") + (first + np.arange(len(fields))) * np.timedelta64(12, "h")
    dims = ("trajectory", "time", "face")
    return xr.Dataset(
        {name: (dims, np.stack([one[name] for one in fields], axis=1)) for name in ON_FACES}, {"time": times}
    )


def coarse_mesh(mesh: Mesh, side: float) -> Mesh:
    """Equilateral triangles with centres inside a mesh: their largest connected part, with the names of its boundary.

    Args:
        mesh: mesh of the domain.
        side: side of the triangles, m.
    """
    nodes, faces = lattice(mesh.nodes.min(axis=0) - side, mesh.nodes.max(axis=0) + side, side)

    tree = shapely.STRtree(shapely.polygons(mesh.nodes[mesh.faces]))
    inside = tree.query(shapely.points(nodes[faces].mean(axis=1)), predicate="within")[0]
    coarse = Mesh.from_faces(nodes, faces[np.unique(inside)], mesh.crs)

    pairs = coarse.adjacency.faces
    links = coo_array((np.ones(len(pairs)), pairs.T), shape=(coarse.n_faces, coarse.n_faces))
    part = connected_components(links, directed=False)[1]
    coarse = Mesh.from_faces(coarse.nodes, coarse.faces[part == np.bincount(part).argmax()], mesh.crs)

    edges = coarse.boundary_edges
    fine = cKDTree(mesh.nodes[mesh.boundary_edges].mean(axis=1))
    kinds = mesh.boundary_kind[fine.query(coarse.nodes[edges].mean(axis=1))[1]]
    return Mesh.from_faces(
        coarse.nodes, coarse.faces, mesh.crs, {kind: edges[kinds == kind] for kind in np.unique(kinds)}
    )


def lattice(low: Array, high: Array, side: float) -> tuple[Array, Array]:
    """Nodes (node, 2) in m and equilateral triangles (face, 3) over a rectangle.

    Args:
        low: (2,) lower left corner, m.
        high: (2,) upper right corner, m.
        side: side of the triangles, m.
    """
    height = np.sqrt(0.75) * side
    columns, rows = np.ceil((high - low) / (side, height)).astype(int) + 1
    row, column = np.mgrid[:rows, :columns]
    nodes = low + np.stack([side * (column + 0.5 * (row % 2)), height * row], axis=-1).reshape(-1, 2)
    a = (row * columns + column)[:-1, :-1]
    b, c, d = a + 1, a + columns, a + columns + 1
    odd = (row % 2 == 1)[:-1, :-1, None]
    lower = np.where(odd, np.stack([a, b, d], axis=-1), np.stack([a, b, c], axis=-1))
    upper = np.where(odd, np.stack([a, d, c], axis=-1), np.stack([b, d, c], axis=-1))
    return nodes, np.concatenate([lower.reshape(-1, 3), upper.reshape(-1, 3)])


def train(source: Path, out: Path, size: Size) -> None:
    """Train the tiny preset for steps of 12 h.

    Args:
        source: not used.
        out: folder of all results.
        size: size of the experiment.
    """
    if (out / "model" / "surrogate.json").exists():
        return
    overrides = ["data.batch=4", "data.skip=48h", "trainer.save_every=250"]
    gg.train(None, out / "training.zarr", "tiny", size.steps, out=out / "model", overrides=overrides, progress=False)


def run(source: Path, out: Path, size: Size) -> None:
    """Run the surrogate under the forcing of each member of the reference, month by month.

    Args:
        source: mesh file of the Arctic.
        out: folder of all results.
        size: size of the experiment.
    """
    model = Surrogate.load(out / "model")
    model.sampler = replace(model.sampler, steps=size.sampler)

    ensemble = reference_ensemble(source, size)
    members = range(size.reference)
    winds = ensemble.winds(ensemble.mesh.centres, members)
    ice = ensemble.start(members)[1]
    start = xr.load_dataset(out / "reference" / "record00000.nc").isel(time=START)
    (out / "run").mkdir(exist_ok=True)

    last = round(size.decade * YEAR)
    for first in range(0, last, MONTH):  # all members advance together
        forcing = forcing_of(ensemble, ice, winds, START + first, min(MONTH, last - first) + 1)
        for member in members:
            if not month_path(out / "run", member, first).exists():
                driven = forcing.isel(trajectory=member)
                run_month(model, start.isel(trajectory=member), driven, ensemble.mesh, first, member, out / "run")


def forcing_of(ensemble: Ensemble, ice: State, winds: WindField, first: int, count: int) -> xr.Dataset:
    """Wind and air temperature of the reference.

    Args:
        ensemble: ensemble of the reference.
        ice: any state of it; the forcing does not depend on the ice.
        winds: wind at the centres of the cells.
        first: number of the first record.
        count: number of records.
    """
    fields = [ensemble.fields(ice, winds, (first + i) * DAY / 2) for i in range(count)]
    return as_records(fields, first)[["uas", "vas", "tus"]]


def run_month(
    model: Surrogate, start: xr.Dataset, forcing: xr.Dataset, mesh: Mesh, first: int, member: int, folder: Path
) -> None:
    """Run one month and write it as one file; the next month starts from its last record.

    Args:
        model: the surrogate.
        start: initial state of the first month.
        forcing: forcing of the month, (time, face).
        mesh: mesh of the run.
        first: number of steps before the month.
        member: number of the run.
        folder: folder of the months of all runs.
    """
    initial = start if first == 0 else xr.load_dataset(month_path(folder, member, first - MONTH)).isel(time=-1)
    initial, forcing = (mesh_to_dataset(mesh).merge(part) for part in (initial, forcing))
    steps = forcing.sizes["time"] - 1

    begin = time.perf_counter()
    rolled = model.rollout(initial, forcing, steps, members=1, seed=1000 * member + first // MONTH, mesh=mesh)
    records = [
        record.isel(member=0, drop=True).drop_vars(["lead_time", "initial_time"]).rename(valid_time="time")
        for record in rolled
    ]
    joined = xr.concat(records[1:], "time")
    joined.attrs["seconds"] = time.perf_counter() - begin
    write_atomically(month_path(folder, member, first), joined.to_netcdf)


def month_path(folder: Path, member: int, first: int) -> Path:
    """File of one month of one run.

    Args:
        folder: folder of the months of all runs.
        member: number of the run.
        first: number of steps before the month.
    """
    return folder / f"member{member}_step{first:05d}.nc"


def report(source: Path, out: Path, size: Size) -> None:
    """Write the numbers of all runs, and draw a figure of each.

    Args:
        source: mesh file of the Arctic.
        out: folder of all results.
        size: size of the experiment.
    """
    mesh = coarse_mesh(gg.load_mesh(source), size.side)
    compared = read_parts(out / "reference", "record*.nc").isel(time=slice(START + 1, None))
    rows = []
    for member in range(size.reference):
        ours = read_parts(out / "run", f"member{member}_*.nc")
        theirs = compared.isel(trajectory=member)
        cost = sum(xr.open_dataset(path).attrs["seconds"] for path in (out / "run").glob(f"member{member}_*.nc"))
        rows.append(stability(mesh, ours, theirs) | {"seconds_a_step": round(cost / ours.sizes["time"], 4)})
        draw(mesh, ours, theirs).savefig(out / f"report{member}.png", dpi=90)

    settings = {"side_km": size.side / 1e3, "faces": mesh.n_faces, "sampler_steps": size.sampler}
    settings |= {"training_years": size.years, "training_members": size.members, "training_steps": size.steps}
    write_json(out / "report.json", settings | {"runs": rows})


def read_parts(folder: Path, pattern: str) -> xr.Dataset:
    """Records of all files that match a pattern, in the order of their names.

    Args:
        folder: folder of the files.
        pattern: pattern of their names.
    """
    return xr.concat([xr.load_dataset(path) for path in sorted(folder.glob(pattern))], "time")


STAGES = {
    "training": simulate_training,
    "reference": simulate_reference,
    "train": train,
    "run": run,
    "report": report,
}
"""Stages by name, in the order in which they run."""


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench/ten_years", threads=1)
    parser.add_argument("--mesh", type=Path, required=True, help="mesh of the Arctic with coast and open boundary")
    parser.add_argument("--side", type=float, default=200.0, help="side of the triangles, km")
    parser.add_argument("--members", type=int, default=4, help="members of the simulation to train on")
    parser.add_argument("--training-years", type=int, default=4, help="years of each of these members")
    parser.add_argument("--runs", type=int, default=2, help="runs of the surrogate, each with its own reference")
    parser.add_argument("--years", type=float, default=10.0, help="years of each run")
    parser.add_argument("--steps", type=int, default=2500, help="training steps")
    parser.add_argument("--sampler-steps", type=int, default=8, help="steps of the sampler")
    parser.add_argument("--stages", default="training,reference,train,run,report", help="separated by commas")
    return parser.parse_args()


if __name__ == "__main__":
    main()
