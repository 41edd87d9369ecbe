"""Ten years at a stretch: a surrogate trained for 12 hours ahead, run for a decade beside the model it learned from.

    python benchmarks/ten_years.py --mesh bigarctic_30km.msh --out bench/ten_years

On a coarse mesh of the Arctic (equilateral triangles of 200 km within the domain of --mesh) our own simulation with
growth and melt of the ice gives four members of four years to train on, and two more of ten years from other seeds: the
reference. The surrogate starts from the third day of the reference, sees its wind and air temperature, and nothing else
of it. Stages go on where they were cut off: reference and run are kept month by month, the training every 250 steps.
The report, of what is there of both, is in ``OUT/report.json`` and ``OUT/report0.png``.
"""

import argparse
import json
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
from stability import draw, stability

import gensim_graph as gg
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.simulate import Ensemble, Experiment, WindField, build_ensemble
from gensim_graph.simulate.solver import State
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import keep_freed_memory, write_atomically
from gensim_graph.typing import Array

DAY = 86400.0
PHYSICS: dict = {"every": "12h", "physics": "nextsim", "thermodynamics": True}
YEAR = 730.5  # records
MONTH = 61  # steps that are written together
START = 4  # record that the surrogate starts from: the reference has spun up its damage
ON_FACES = ("sit", "sic", "sid", "siu", "siv", "snt", "uas", "vas", "tus")
ON_NODES = ("siu_node", "siv_node")


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    side: float
    members: int
    years: int
    reference: int
    decade: float
    steps: int
    sampler: int


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mesh", type=Path, required=True, help="mesh of the Arctic with coast and open boundary")
    parser.add_argument("--out", type=Path, default=Path("bench/ten_years"))
    parser.add_argument("--side", type=float, default=200.0, help="km, of the triangles")
    parser.add_argument("--members", type=int, default=4, help="to train on")
    parser.add_argument("--training-years", type=int, default=4, help="of each of them")
    parser.add_argument("--runs", type=int, default=2, help="of the surrogate, each beside its own reference")
    parser.add_argument("--years", type=float, default=10.0, help="of each run")
    parser.add_argument("--steps", type=int, default=2500, help="of the training")
    parser.add_argument("--sampler-steps", type=int, default=8)
    parser.add_argument("--stages", default="training,reference,train,run,report")
    parser.add_argument("--threads", type=int, default=1)
    o = parser.parse_args()
    size = Size(1e3 * o.side, o.members, o.training_years, o.runs, o.years, o.steps, o.sampler_steps)
    torch.set_num_threads(o.threads)
    keep_freed_memory()
    o.out.mkdir(parents=True, exist_ok=True)
    for stage in o.stages.split(","):
        begin = time.perf_counter()
        STAGES[stage](o.mesh, o.out, size)
        print(f"{stage}: {time.perf_counter() - begin:.0f} s", flush=True)


def simulate_training(source: Path, out: Path, size: Size) -> None:
    """Members to learn from; whole or not there."""
    target = out / "training.zarr"
    if target.exists():
        return
    mesh = coarse_mesh(gg.load_mesh(source), size.side)
    data = gg.simulate_cyclone(mesh, size.members, 365.0 * size.years + 1, 0, **PHYSICS).drop_vars(ON_NODES)
    encoding = {name: {"chunks": (1, MONTH, data.sizes["face"])} for name in ON_FACES}
    write_atomically(target, lambda path: data.to_zarr(path, encoding=encoding, consolidated=False))


def simulate_reference(source: Path, out: Path, size: Size) -> None:
    """Members to be compared with, longer by the spin-up, month by month."""
    folder = out / "reference"
    folder.mkdir(exist_ok=True)
    ensemble, members = reference_ensemble(source, size), range(size.reference)
    solver, state = ensemble.start(members)
    record, last = 0, ensemble.experiment.records
    if (folder / "state.pt").exists():
        record, parts = torch.load(folder / "state.pt")
        state = State(*parts)
    places = ensemble.elements.triangles.nodes, ensemble.mesh.centres
    on_nodes, on_faces = (ensemble.winds(points, members) for points in places)
    while record < last:
        steps = min(MONTH, last - record)
        later = list(solver.run(state, on_nodes, steps, record))
        kept = ([state] if record == 0 else []) + later
        first = record + steps + 1 - len(kept)
        fields = [ensemble.fields(one, on_faces, (first + i) * DAY / 2) for i, one in enumerate(kept)]
        write_records(folder / f"record{record:05d}.nc", fields, first)
        record, state = record + steps, later[-1]
        saved = record, [getattr(state, field.name) for field in dataclass_fields(state)]
        write_atomically(folder / "state.pt", lambda path, saved=saved: torch.save(saved, path))


def reference_ensemble(source: Path, size: Size) -> Ensemble:
    """What the reference is run with."""
    days = round(size.decade * YEAR) / 2 + START / 2
    mesh = coarse_mesh(gg.load_mesh(source), size.side)
    return build_ensemble(mesh, Experiment(size.reference, days, 1, **PHYSICS))


def write_records(target: Path, fields: list[dict[str, Array]], first: int) -> None:
    """Records from number ``first`` on as one file."""
    write_atomically(target, as_records(fields, first).to_netcdf)


def as_records(fields: list[dict[str, Array]], first: int) -> xr.Dataset:
    """Fields of an ensemble with their times: (trajectory, time, face)."""
    times = np.datetime64("2000-01-01", "ns") + (first + np.arange(len(fields))) * np.timedelta64(12, "h")
    dims = ("trajectory", "time", "face")
    return xr.Dataset(
        {name: (dims, np.stack([one[name] for one in fields], axis=1)) for name in ON_FACES}, {"time": times}
    )


def coarse_mesh(mesh: Mesh, side: float) -> Mesh:
    """Equilateral triangles whose centres lie in a mesh: the largest connected part, with the names of its boundary."""
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
    """Nodes and equilateral triangles over a rectangle."""
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
    """The tiny preset, for 12 h ahead."""
    if (out / "model" / "surrogate.json").exists():
        return
    overrides = ["data.batch=4", "data.skip=48h", "trainer.save_every=250"]
    gg.train(None, out / "training.zarr", "tiny", size.steps, out=out / "model", overrides=overrides, progress=False)


def run(source: Path, out: Path, size: Size) -> None:
    """The surrogate through the years under the forcing of each reference, month by month."""
    model = Surrogate.load(out / "model")
    model.sampler = replace(model.sampler, steps=size.sampler)
    ensemble, members = reference_ensemble(source, size), range(size.reference)
    winds, ice = ensemble.winds(ensemble.mesh.centres, members), ensemble.start(members)[1]
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
    """Wind and air temperature of the reference in ``count`` records from number ``first`` on, whatever the ice."""
    fields = [ensemble.fields(ice, winds, (first + i) * DAY / 2) for i in range(count)]
    return as_records(fields, first)[["uas", "vas", "tus"]]


def run_month(
    model: Surrogate, start: xr.Dataset, forcing: xr.Dataset, mesh: Mesh, first: int, member: int, folder: Path
) -> None:
    """The steps of a month after step ``first``, as one file; its last record is where the next month begins."""
    initial = start if first == 0 else xr.load_dataset(month_path(folder, member, first - MONTH)).isel(time=-1)
    initial, forcing = (mesh_to_dataset(mesh).merge(part) for part in (initial, forcing))
    begin, steps = time.perf_counter(), forcing.sizes["time"] - 1
    rolled = model.rollout(initial, forcing, steps, members=1, seed=1000 * member + first // MONTH, mesh=mesh)
    records = [
        record.isel(member=0, drop=True).drop_vars(["lead_time", "initial_time"]).rename(valid_time="time")
        for record in rolled
    ]
    joined = xr.concat(records[1:], "time")
    joined.attrs["seconds"] = time.perf_counter() - begin
    write_atomically(month_path(folder, member, first), joined.to_netcdf)


def month_path(folder: Path, member: int, first: int) -> Path:
    """File of a month of a member."""
    return folder / f"member{member}_step{first:05d}.nc"


def report(source: Path, out: Path, size: Size) -> None:
    """Figures of all runs, a picture of each."""
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
    write_atomically(out / "report.json", lambda path: path.write_text(json.dumps(settings | {"runs": rows}, indent=1)))


def read_parts(folder: Path, pattern: str) -> xr.Dataset:
    """Files of a run, one after the other."""
    return xr.concat([xr.load_dataset(path) for path in sorted(folder.glob(pattern))], "time")


STAGES = {
    "training": simulate_training,
    "reference": simulate_reference,
    "train": train,
    "run": run,
    "report": report,
}

if __name__ == "__main__":
    main()
