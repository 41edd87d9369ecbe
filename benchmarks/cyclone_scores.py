"""Comparison of our solver with a reference run: drift, deformation and its scaling, damage, leads, thickness.

Used by ``cyclone_models.py``; all numbers are for the pack, where the concentration of the reference is above 0.8.
"""

from pathlib import Path

import numpy as np
from cyclone_cases import Case, Fields

from gensim_graph.evaluate.physics import area_quantile, log_distance, spatial_scaling
from gensim_graph.io import mesh_from_dataset, open_moving
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import compute_deformation
from gensim_graph.typing import Array

DAY = 86400.0
LEVELS = (0.5, 0.75, 0.9, 0.95, 0.99)
PACK = 0.8
ORDERS = (1.0, 2.0, 3.0)

BOXES = np.array([1.0, 2.0, 4.0, 8.0])
"""Sizes of the boxes of the scaling analysis, in cells."""


def compare(case: Case, ours: Fields) -> dict:
    """Return means of all scores over the records from 24 h on.

    Args:
        case: the reference.
        ours: our run.
    """
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
    """Return the scores of one record: drift, deformation, damage, leads, thickness.

    Args:
        case: the reference.
        ours: our run.
        record: number of the record.
    """
    reference = case.reference
    mesh = case.mesh
    areas = mesh.areas
    ice = reference.sic[record, 0]
    pack = (mesh.to_nodes(ice) if case.location == "node" else ice) > PACK
    u, v = reference.u[record, 0, pack], reference.v[record, 0, pack]
    mine_u, mine_v = ours.u[record][:, pack], ours.v[record][:, pack]

    faces = ice > PACK
    truth, mine = (total(case, run, record)[:, faces] for run in (reference, ours))
    pack_areas = areas[faces]

    return {
        "drift_speed": rms(u, v),
        "drift_speed_ours": rms(mine_u, mine_v),
        "drift_error": rms(mine_u - u, mine_v - v),
        "drift_apart_ours": rms(mine_u[0] - mine_u[1], mine_v[0] - mine_v[1]),
        "deformation_quantiles": [area_quantile(truth[0], pack_areas, level) for level in LEVELS],
        "deformation_quantiles_ours": [area_quantile(mine[0], pack_areas, level) for level in LEVELS],
        "deformation_distance": log_distance(mine, truth[0], pack_areas),
        "deformation_apart_ours": log_distance(mine[:1], mine[1], pack_areas),
        "damage": float(np.average(reference.sid[record, 0, faces], weights=pack_areas)),
        "damage_ours": float(np.average(ours.sid[record][:, faces].mean(axis=0), weights=pack_areas)),
        "damaged": float(np.average(reference.sid[record, 0, faces] > 0.9, weights=pack_areas)),
        "damaged_ours": float(np.average((ours.sid[record][:, faces] > 0.9).mean(axis=0), weights=pack_areas)),
        "damage_error": rms(ours.sid[record][:, faces] - reference.sid[record][:, faces]),
        "damage_apart_ours": rms(ours.sid[record][0, faces] - ours.sid[record][1, faces]),
        "leads": float(np.average(ice < PACK, weights=areas)),
        "leads_ours": float(np.average((ours.sic[record] < PACK).mean(axis=0), weights=areas)),
        "thickness_spread": float(reference.sit[record].std()),
        "thickness_spread_ours": float(ours.sit[record].std(axis=-1).mean()),
    }


def total(case: Case, run: Fields, record: int) -> Array:
    """Total deformation of all members, (member, face) in 1/day.

    Args:
        case: the reference.
        run: the reference or our run.
        record: number of the record.
    """
    return compute_deformation(case.mesh, run.u[record], run.v[record], case.location).total * DAY


def scalings(case: Case, ours: Fields, records: Array) -> dict:
    """Exponents beta(q) of the deformation in the pack over box sizes, q = 1, 2, 3.

    Args:
        case: the reference.
        ours: our run.
        records: numbers of the records.
    """
    runs = (("scaling", case.reference), ("scaling_ours", ours))
    return {name: exponents(np.mean([moments(case, run, record) for record in records], axis=0)) for name, run in runs}


def moments(case: Case, run: Fields, record: int) -> Array:
    """Moments of the deformation in the pack over boxes of 1, 2, 4 and 8 cells, (order, size).

    Args:
        case: the reference.
        run: the reference or our run.
        record: number of the record.
    """
    ice = case.reference.sic[record, 0] > PACK
    return pack_moments(case.mesh, run.u[record], run.v[record], case.location, ice)


def pack_moments(mesh: Mesh, u: Array, v: Array, location: str, ice: Array) -> Array:
    """Moments of the deformation in the pack, as :func:`moments`, for any drift.

    Args:
        mesh: the mesh.
        u: (..., node or face) drift along x, m/s.
        v: the same along y.
        location: ``node`` or ``face``.
        ice: (face,) True in the pack.
    """
    lengths = float(np.median(mesh.spacing[ice])) * BOXES
    return spatial_scaling(mesh, u, v, location, ice=ice, orders=ORDERS, lengths=lengths.tolist()).moments


def exponents(averages: Array) -> list[float]:
    """Return the negative slope of the logarithm of each moment over the logarithm of the size, rounded."""
    return np.round(-np.polyfit(np.log(BOXES), np.log(averages).T, 1)[0], 3).tolist()


def rms(*components: Array) -> float:
    """Return the root mean square of a scalar, or of the length of a vector given by its components."""
    return float(np.sqrt(sum(np.mean(np.square(part)) for part in components)))


def native_figures(folder: Path) -> dict | None:
    """Quantiles and scaling of the deformation on the moving mesh of neXtSIM, from 24 h on; None without its files."""
    if not folder.is_dir():
        return None

    quantiles = []
    averages = []
    begin = None
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
    """Return the means over the cases of each reference model."""
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
