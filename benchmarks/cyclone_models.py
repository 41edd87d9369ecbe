"""Our solver beside neXtSIM and neXtSIM-DG: the same mesh, initial state, wind and constants.

    python benchmarks/cyclone_models.py --data DATA --out bench/models              # everything: about 40 minutes
    python benchmarks/cyclone_models.py --data DATA --out bench/models --cases 16km_04,bench_bbm_16km

DATA has the folders ``cyclone`` (neXtSIM v2 on triangles), ``nextsimdg`` (neXtSIM-DG on grids) and, for what neXtSIM
computed before its output was interpolated to a fixed mesh, ``native/cyclone_16km``. Every case is run twice: neXtSIM
draws its cohesion at random, so with two draws of it; the grids with a change of 1e-6 in the initial thickness. How far
the two are apart is how near two models can be that agree in everything.

``OUT/models.json`` has the figures of every case and of all together, from 24 h on (spin-up) and in the pack (sic above
0.8); ``OUT/maps_CASE.png`` shows both side by side, ``OUT/statistics.png`` their distributions.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from scipy.interpolate import CloughTocher2DInterpolator
from scipy.spatial import cKDTree

from gensim_graph.evaluate.physics import area_quantile, log_distance, spatial_scaling
from gensim_graph.evaluate.pictures import face_map
from gensim_graph.io import mesh_from_dataset, open_moving, open_store
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import compute_deformation
from gensim_graph.simulate import BENCHMARK, NEXTSIM, Constants
from gensim_graph.simulate.solver import Elements, build_elements, build_solver, cohesion_of, state_at_rest
from gensim_graph.system import keep_freed_memory
from gensim_graph.typing import Array

DAY = 86400.0
LEVELS = (0.5, 0.75, 0.9, 0.95, 0.99)
PACK = 0.8
ORDERS = (1.0, 2.0, 3.0)
BOXES = np.array([1.0, 2.0, 4.0, 8.0])  # cells


@dataclass
class Fields:
    """A run: (time, member, ...), the drift where the reference has it."""

    sit: Array
    sic: Array
    sid: Array
    u: Array
    v: Array


@dataclass
class Case:
    """A reference run and what drove it."""

    name: str
    mesh: Mesh
    hours: Array
    wind: Array  # (2, time, node)
    ocean: Array  # (2, node)
    snow: Array
    reference: Fields
    location: str
    constants: Constants


def main() -> None:
    """Run the cases, write figures and numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("bench/models"))
    parser.add_argument("--cases", help="parts of file names, comma-separated; everything by default")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    torch.set_num_threads(1)
    rows, pooled = [], []
    for path in find_files(options.data, options.cases):
        case = read_case(path)
        begin = time.perf_counter()
        ours = run_case(case)
        row = compare(case, ours) | {"seconds": round(time.perf_counter() - begin, 1)}
        if case.name == "cyclone_16km_04":
            row["before_interpolation"] = native_figures(options.data / "native" / "cyclone_16km")
        rows.append(row)
        pooled.append((case, ours))
        print(summary(row), flush=True)
        draw_maps(case, ours).savefig(options.out / f"maps_{case.name}.png", dpi=110)
        (options.out / "models.json").write_text(json.dumps({"cases": rows, "all": together(rows)}, indent=1))
    draw_statistics(pooled).savefig(options.out / "statistics.png", dpi=110)
    print(json.dumps(together(rows), indent=1))


def find_files(data: Path, wanted: str | None) -> list[Path]:
    """Runs with a brittle rheology, those with a wanted part in their names."""
    files = [*sorted(data.glob("cyclone/*.nc")), *sorted(data.glob("nextsimdg/*bbm*.nc"))]
    parts = wanted.split(",") if wanted else [""]
    return [path for path in files if any(part in path.stem for part in parts)]


def read_case(path: Path) -> Case:
    """A file of neXtSIM (drift on nodes) or of neXtSIM-DG (a grid)."""
    store, raw = open_store(path), xr.open_dataset(path)
    mesh = mesh_from_dataset(store)
    hours = (store["time"].values - store["time"].values[0]) / np.timedelta64(1, "h")
    on_nodes = "node" in raw["siu"].dims
    drift = raw if on_nodes else store
    fields = [store[name].values[:, None].astype(float) for name in ("sit", "sic", "sid")]
    reference = Fields(*fields, *(drift[name].values[:, None].astype(float) for name in ("siu", "siv")))
    wind = np.stack([to_nodes(mesh, store[name].values.astype(float)) for name in ("uas", "vas")])
    ocean = np.zeros((2, mesh.n_nodes))
    if "uo" in raw:
        cells = np.stack([raw["x_coord"].values.ravel(), raw["y_coord"].values.ravel()], axis=1)
        nearest = cKDTree(cells).query(mesh.centres)[1]
        ocean = np.stack([to_nodes(mesh, raw[name].values.ravel()[nearest].astype(float)) for name in ("uo", "vo")])
    constants, location = (NEXTSIM, "node") if on_nodes else (BENCHMARK, "face")
    snow = store["snt"].values[0].astype(float)
    return Case(path.stem, mesh, hours, wind, ocean, snow, reference, location, constants)


def to_nodes(mesh: Mesh, values: Array) -> Array:
    """Smooth values on the faces, (..., face), at the nodes: cubic, as a mean would flatten the storm.

    Nodes outside of the outermost centres, which do not move here, get the nearest value.
    """
    columns = np.atleast_2d(values).T
    smooth = CloughTocher2DInterpolator(mesh.centres, columns)(mesh.nodes)
    nearest = columns[cKDTree(mesh.centres).query(mesh.nodes)[1]]
    return np.where(np.isfinite(smooth), smooth, nearest).T.reshape(*values.shape[:-1], mesh.n_nodes)


def run_case(case: Case) -> Fields:
    """Two members from the initial state of the reference, under its wind."""
    elements, every = build_elements(case.mesh), case.hours[1] * 3600.0
    rng = np.random.default_rng(0)
    cohesion = cohesion_of(elements, case.constants, elements.from_faces(rng.random((2, case.mesh.n_faces))))
    solver = build_solver(elements, case.constants, every, cohesion, torch.as_tensor(case.ocean)[..., None])
    first = [getattr(case.reference, name)[0].repeat(2, axis=0) for name in ("sit", "sic", "sid")]
    first[0][1] *= 1.0 + 1e-6 * rng.normal(size=case.mesh.n_faces)
    state = state_at_rest(elements, first[0], first[1], case.snow[None].repeat(2, axis=0), first[2])
    wind = torch.as_tensor(case.wind)[..., None]

    def blowing(seconds: float) -> torch.Tensor:
        record = min(int(seconds / every), len(case.hours) - 2)
        share = seconds / every - record
        return (1 - share) * wind[:, record] + share * wind[:, record + 1]

    states = [state, *solver.run(state, blowing, len(case.hours) - 1)]
    columns = zip(*(fields_of(case, elements, later) for later in states), strict=True)
    return Fields(*(np.stack(column) for column in columns))


def fields_of(case: Case, elements: Elements, state: object) -> tuple[Array, ...]:
    """sit, sic, sid on faces and the drift where the reference has it, (member, ...)."""
    drift = state.velocity[:, : case.mesh.n_nodes].permute(0, 2, 1).numpy()
    drift = drift if case.location == "node" else case.mesh.to_faces(drift)
    faces = (elements.to_faces(part) for part in (state.thickness, state.concentration, 1.0 - state.intact))
    return (*faces, *drift)


def compare(case: Case, ours: Fields) -> dict:
    """Means over the records from 24 h on."""
    records = np.flatnonzero(case.hours >= 24.0)
    scores = [at_record(case, ours, record) for record in records]
    row: dict = {"case": case.name, "faces": case.mesh.n_faces, "records": len(records)}
    for key in scores[0]:
        row[key] = np.round(np.mean([score[key] for score in scores], axis=0), 4).tolist()
    volume = (ours.sit * case.mesh.areas).sum(axis=-1)
    row["volume_drift"] = float(np.abs(volume / volume[0] - 1.0).max())
    row |= scalings(case, ours, records)
    return row


def at_record(case: Case, ours: Fields, record: int) -> dict:
    """Scores of one time: drift, deformation, damage, leads, thickness."""
    reference, mesh, areas = case.reference, case.mesh, case.mesh.areas
    ice = reference.sic[record, 0]
    pack = (mesh.to_nodes(ice) if case.location == "node" else ice) > PACK
    u, v = reference.u[record, 0, pack], reference.v[record, 0, pack]
    mine_u, mine_v = ours.u[record][:, pack], ours.v[record][:, pack]
    faces = ice > PACK
    truth, mine = (total(case, run, record)[:, faces] for run in (reference, ours))
    some = areas[faces]
    return {
        "drift_speed": rms(u, v),
        "drift_speed_ours": rms(mine_u, mine_v),
        "drift_error": rms(mine_u - u, mine_v - v),
        "drift_apart_ours": rms(mine_u[0] - mine_u[1], mine_v[0] - mine_v[1]),
        "deformation_quantiles": [area_quantile(truth[0], some, level) for level in LEVELS],
        "deformation_quantiles_ours": [area_quantile(mine[0], some, level) for level in LEVELS],
        "deformation_distance": log_distance(mine, truth[0], some),
        "deformation_apart_ours": log_distance(mine[:1], mine[1], some),
        "damage": float(np.average(reference.sid[record, 0, faces], weights=some)),
        "damage_ours": float(np.average(ours.sid[record][:, faces].mean(axis=0), weights=some)),
        "damaged": float(np.average(reference.sid[record, 0, faces] > 0.9, weights=some)),
        "damaged_ours": float(np.average((ours.sid[record][:, faces] > 0.9).mean(axis=0), weights=some)),
        "damage_error": rms(ours.sid[record][:, faces] - reference.sid[record][:, faces]),
        "damage_apart_ours": rms(ours.sid[record][0, faces] - ours.sid[record][1, faces]),
        "leads": float(np.average(ice < PACK, weights=areas)),
        "leads_ours": float(np.average((ours.sic[record] < PACK).mean(axis=0), weights=areas)),
        "thickness_spread": float(reference.sit[record].std()),
        "thickness_spread_ours": float(ours.sit[record].std(axis=-1).mean()),
    }


def total(case: Case, run: Fields, record: int) -> Array:
    """Total deformation of the members, (member, face) 1/day."""
    return compute_deformation(case.mesh, run.u[record], run.v[record], case.location).total * DAY


def scalings(case: Case, ours: Fields, records: Array) -> dict:
    """Exponents beta(q) of the deformation in the pack over box sizes, q = 1, 2, 3."""
    runs = (("scaling", case.reference), ("scaling_ours", ours))
    return {name: exponents(np.mean([moments(case, run, record) for record in records], axis=0)) for name, run in runs}


def moments(case: Case, run: Fields, record: int) -> Array:
    """Moments of the deformation in the pack over boxes of 1, 2, 4 and 8 cells, (order, size)."""
    ice = case.reference.sic[record, 0] > PACK
    return pack_moments(case.mesh, run.u[record], run.v[record], case.location, ice)


def pack_moments(mesh: Mesh, u: Array, v: Array, location: str, ice: Array) -> Array:
    """As :func:`moments`, of any drift."""
    lengths = float(np.median(mesh.spacing[ice])) * BOXES
    return spatial_scaling(mesh, u, v, location, ice=ice, orders=ORDERS, lengths=lengths.tolist()).moments


def exponents(averages: Array) -> list[float]:
    """Minus the slope of the logarithm of each moment over that of the size."""
    return np.round(-np.polyfit(np.log(BOXES), np.log(averages).T, 1)[0], 3).tolist()


def rms(*components: Array) -> float:
    """Root of the mean of the sum of squares."""
    return float(np.sqrt(sum(np.mean(np.square(part)) for part in components)))


def native_figures(folder: Path) -> dict | None:
    """Quantiles and scaling of the deformation on the moving mesh of the model, at the times that count."""
    if not folder.is_dir():
        return None
    quantiles, averages, begin = [], [], None
    for interval in open_moving(folder, remeshings=False):
        for index in range(interval.sizes["time"]):
            snapshot = interval.isel(time=index)
            begin = snapshot["time"].values if begin is None else begin
            if snapshot["time"].values - begin < np.timedelta64(24, "h"):
                continue
            mesh, pack = mesh_from_dataset(snapshot), snapshot["sic"].values > PACK
            u, v = (snapshot[name].values.astype(float) for name in ("siu", "siv"))
            rate = compute_deformation(mesh, u, v, "node").total * DAY
            quantiles.append([area_quantile(rate[pack], mesh.areas[pack], level) for level in LEVELS])
            averages.append(pack_moments(mesh, u, v, "node", pack))
    return {
        "deformation_quantiles": np.round(np.mean(quantiles, axis=0), 4).tolist(),
        "scaling": exponents(np.mean(averages, axis=0)),
    }


def together(rows: list[dict]) -> dict:
    """Means over the cases of each reference model."""
    groups = {"nextsim": [row for row in rows if row["case"].startswith("cyclone")]}
    groups["nextsim_dg"] = [row for row in rows if not row["case"].startswith("cyclone")]
    result = {}
    for name, group in groups.items():
        if group:
            numbers = {key for key in group[0] if isinstance(group[0][key], float | list)} - {"before_interpolation"}
            result[name] = {
                key: np.round(np.mean([r[key] for r in group], axis=0), 4).tolist() for key in sorted(numbers)
            }
    return result


def _mean(values: list) -> list | float:
    means = np.mean(values, axis=0)
    return float(means) if means.ndim == 0 else np.round(means, 4).tolist()


def summary(row: dict) -> str:
    """One line on a case."""
    return (
        f"{row['case']}: drift {row['drift_error']:.3f} of {row['drift_speed']:.3f} m/s "
        f"(own {row['drift_apart_ours']:.3f}); deformation off by {row['deformation_distance']:.2f} decades "
        f"(own {row['deformation_apart_ours']:.2f}); damaged {row['damaged']:.2f}, ours {row['damaged_ours']:.2f}; "
        f"{row['seconds']} s"
    )


def draw_maps(case: Case, ours: Fields) -> Figure:
    """Damage, concentration, deformation: reference and ours at 24, 48 and 72 h."""
    records = [int(np.flatnonzero(case.hours == hour)[0]) for hour in (24, 48, 72) if hour in case.hours]
    rows = {
        "damage": (lambda run, record: run.sid[record, 0], "viridis", Normalize(0, 1)),
        "concentration": (lambda run, record: run.sic[record, 0], "Blues_r", Normalize(0.5, 1)),
        "deformation, 1/day": (lambda run, record: total(case, run, record)[0], "magma", LogNorm(0.01, 3)),
    }
    figure = Figure(figsize=(2.6 * 2 * len(records) + 1.2, 8.2), layout="constrained")
    axes = figure.subplots(3, 2 * len(records), squeeze=False)
    for line, (title, (values, colours, norm)) in zip(axes, rows.items(), strict=True):
        for column, record in enumerate(records):
            for side, (name, run) in enumerate((("reference", case.reference), ("ours", ours))):
                ax = line[2 * column + side]
                shown = np.clip(values(run, record), norm.vmin, norm.vmax)
                drawn = face_map(ax, case.mesh, shown, cmap=colours, norm=norm)
                ax.set(xticks=[], yticks=[])
                ax.set_title(f"{name}, {case.hours[record]:.0f} h", fontsize=9)
        figure.colorbar(drawn, ax=line.tolist(), label=title, pad=0.01)
    figure.suptitle(case.name)
    return figure


def draw_statistics(pooled: list[tuple[Case, Fields]]) -> Figure:
    """Distribution and scaling of the deformation, damaged share and drift error in time, by reference model."""
    figure = Figure(figsize=(13, 6.4), layout="constrained")
    axes = figure.subplots(2, 4)
    kinds = (("neXtSIM", "node"), ("neXtSIM-DG", "face"))
    for line, (name, location) in zip(axes, kinds, strict=True):
        group = [(case, ours) for case, ours in pooled if case.location == location]
        if group:
            _exceedance(line[0], group, name)
            _scaling(line[1], group, name)
            _series(line[2], group, name, "damaged", "damage above 0.9, share of pack")
            _series(line[3], group, name, "drift_speed", "drift in the pack, m/s")
    return figure


def _exceedance(ax: object, group: list[tuple[Case, Fields]], name: str) -> None:
    for label, pick in ((name, 0), ("ours", 1)):
        rates = []
        for pair in group:
            case = pair[0]
            run = case.reference if pick == 0 else pair[1]
            for record in np.flatnonzero(case.hours >= 24.0):
                rates.append(total(case, run, record)[:, case.reference.sic[record, 0] > PACK].ravel())
        values = np.sort(np.concatenate(rates))
        ax.loglog(values, 1.0 - np.arange(len(values)) / len(values), label=label)
    ax.set(xlim=(1e-3, 20), ylim=(1e-4, 1.1), xlabel="total deformation, 1/day", ylabel="share of cells above")
    ax.legend()


def _scaling(ax: object, group: list[tuple[Case, Fields]], name: str) -> None:
    for label, pick, style in ((name, 0, "o-"), ("ours", 1, "s--")):
        averages = []
        for pair in group:
            case = pair[0]
            run = case.reference if pick == 0 else pair[1]
            averages += [moments(case, run, record) for record in np.flatnonzero(case.hours >= 24.0)]
        for order, moment in enumerate(np.mean(averages, axis=0)):
            ax.loglog(BOXES, moment, style, color=f"C{order}", label=f"{label}, q = {order + 1}", markersize=4)
    ax.set(
        xlabel="box, cells",
        ylabel="mean deformation$^q$, day$^{-q}$",
        xticks=BOXES,
        xticklabels=["1", "2", "4", "8"],
    )
    ax.minorticks_off()
    ax.legend(fontsize=7)


def _series(ax: object, group: list[tuple[Case, Fields]], name: str, key: str, title: str) -> None:
    length = min(len(case.hours) for case, _ in group)
    step = next(iter(group))[0].hours[1]
    every = max(1, round(6 / step))
    records = np.arange(every, length, every)
    scores = [[at_record(case, ours, record) for record in records] for case, ours in group]

    def mean(field: str) -> Array:
        return np.mean([[score[field] for score in row] for row in scores], axis=0)

    ax.plot(records * step, mean(key), label=name)
    ax.plot(records * step, mean(f"{key}_ours"), label="ours")
    if key == "drift_speed":
        ax.plot(records * step, mean("drift_error"), "k-", label="difference")
        ax.plot(records * step, mean("drift_apart_ours"), "k:", label="two of ours")
    ax.set(xlabel="hours", ylabel=title, ylim=(0, None))
    ax.legend(fontsize=8)


if __name__ == "__main__":
    main()
