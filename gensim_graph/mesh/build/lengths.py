"""Warning of nodes that are hardly metres: kilometres, or longitude and latitude in degrees."""

import logging

import numpy as np

from gensim_graph.mesh.build.arrays import MeshArrays
from gensim_graph.mesh.geometry import signed_areas

log = logging.getLogger(__name__)

_SMALLEST_EXTENT = 1000.0  # m
_SMALLEST_SPACING = 100.0  # m, finer than sea-ice models; the spacing of the Arctic in km is between 1 and 50


def in_metres(arrays: MeshArrays) -> MeshArrays:
    """Return the arrays of a mesh, and log a warning if its nodes are hardly metres.

    Args:
        arrays: nodes and faces, whose nodes the caller takes as metres.
    """
    text = problem_with_lengths(arrays)
    if text:
        log.warning("the mesh %s", text)
    return arrays


def problem_with_lengths(arrays: MeshArrays) -> str:
    """Return words on nodes that are hardly metres, and what to do; empty if they may be metres.

    Args:
        arrays: nodes and faces of a mesh in a plane.
    """
    extent = float(np.ptp(arrays.nodes, axis=0).max())
    spacing = float(np.sqrt(np.median(np.abs(signed_areas(arrays.nodes, arrays.faces)))))
    if extent >= _SMALLEST_EXTENT and spacing >= _SMALLEST_SPACING:
        return ""

    x, y = np.abs(arrays.nodes).max(axis=0)
    may_be_degrees = x <= 360.0 and y <= 90.0
    degrees = "; if they are longitude and latitude, say so with crs='EPSG:4326' or --crs EPSG:4326"
    return (
        f"is only {extent:.3g} m wide, with a spacing of {spacing:.3g} m; coordinates must be metres, not km or "
        f"degrees: multiply km by 1000{degrees if may_be_degrees and arrays.crs is None else ''}"
    )
