"""Fewer observations that say the same: thinned to a distance, or averaged in the cells of a mesh.

Observations that are closer than the cells of a mesh see the same number of the model. Their errors are also rarely
independent, which a filter assumes.
"""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from gensim_graph.assimilate.observed_places import faces_at, is_on_globe, positions_in_plane
from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import lonlat, unit_vectors
from gensim_graph.typing import Array

_EARTH_RADIUS = 6_371_000.0  # m


def thin(rows: pd.DataFrame, spacing: float) -> Array:
    """Return True for the observations that stay when none may be nearer to another one than a distance.

    Args:
        rows: with the columns of ``observation_columns``.
        spacing: m; smallest distance between observations of the same variable and time.

    Raises:
        InputError: the distance is not positive.
    """
    if not spacing > 0:
        raise InputError(f"spacing: expected a distance above 0 m; came {spacing}")

    keep = np.zeros(len(rows), dtype=bool)
    points, errors = _points(rows), rows["error"].to_numpy()
    groups = rows.groupby(["variable", "time", "start", is_on_globe(rows)], dropna=False, sort=False)
    for members in groups.indices.values():
        order = members[np.argsort(errors[members], kind="stable")]
        keep[order[_apart(points[order], spacing)]] = True

    return keep


def _points(rows: pd.DataFrame) -> Array:
    """Positions (P, 3) in m whose distances are those of the observations: in the plane, or through the Earth."""
    points = np.column_stack([rows["x"], rows["y"], np.zeros(len(rows))])
    on_globe = is_on_globe(rows)
    degrees = rows.loc[on_globe, ["lon", "lat"]].to_numpy()
    points[on_globe] = _EARTH_RADIUS * unit_vectors(degrees[:, 0], degrees[:, 1])

    return points


def _apart(points: Array, spacing: float) -> Array:
    """True for points that are farther than a distance from all earlier ones that stay."""
    near = cKDTree(points).query_ball_point(points, spacing * (1.0 - 1e-9))
    stays = np.ones(len(points), dtype=bool)
    for number, others in enumerate(near):
        if stays[number]:
            stays[[other for other in others if other > number]] = False

    return stays


def average_in_cells(rows: pd.DataFrame, mesh: Mesh, correlation: float) -> pd.DataFrame:
    """Return one observation for each cell, variable, time and frame of its vectors.

    Args:
        rows: with the columns of ``observation_columns``.
        mesh: the cells; observations outside are returned as they are, after the others.
        correlation: share of the error variances that all observations of a cell have in common.
    """
    faces = faces_at(mesh, positions_in_plane(rows, mesh))
    inside = rows[faces >= 0].assign(_face=faces[faces >= 0], _globe=is_on_globe(rows)[faces >= 0])
    if not len(inside):
        return rows

    keys = ["_face", "variable", "time", "start", "_globe"]
    group = inside.groupby(keys, dropna=False, sort=True).ngroup().to_numpy()
    first = inside.iloc[np.unique(group, return_index=True)[1]].reset_index(drop=True)

    precision = 1.0 / inside["error"].to_numpy() ** 2
    weights = precision / np.bincount(group, precision)[group]

    def summed(values: Array) -> Array:
        return np.bincount(group, weights * values)

    errors = inside["error"].to_numpy()
    independent = np.bincount(group, (weights * errors) ** 2)
    first["error"] = np.sqrt((1.0 - correlation) * independent + correlation * summed(errors) ** 2)
    for name in ("value", "x", "y"):
        first[name] = summed(inside[name].to_numpy())
    first["footprint"] = inside["footprint"].groupby(group).max().to_numpy()

    degrees = inside[["lon", "lat"]].to_numpy()
    mean = np.stack([summed(part) for part in unit_vectors(degrees[:, 0], degrees[:, 1]).T], axis=1)
    first["lon"], first["lat"] = lonlat(mean / np.linalg.norm(mean, axis=1, keepdims=True))

    return pd.concat([first[list(rows.columns)], rows[faces < 0]], ignore_index=True)
