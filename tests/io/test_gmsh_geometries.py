"""Boundaries in files of gmsh 4.15 itself, of thirteen geometries: each edge has the name of the side that it lies on.

The geometries are a square of 600 km, some with a square island of 200 km in the middle, and two rectangles side by
side. The files are those that gmsh wrote, in the formats 2.2 and 4.1.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gensim_graph.io import load_mesh

DATA = Path(__file__).parents[1] / "data" / "gmsh" / "geometries"
SIDE = 6e5  # m

Rule = Callable[[float, float], str]


def on_island(x: float, y: float) -> bool:
    return 1e5 < x < 5e5 and 1e5 < y < 5e5


def western(x: float, y: float) -> bool:
    return x < 1.0


def lower_right(x: float, y: float) -> bool:
    """The first two lines of the square: y = 0 and x = 600 km."""
    return y < 1.0 or x > SIDE - 1.0


# Name of the geometry -> name of the boundary at a point of the rim, words of the warning, and area in (100 km)2.
CASES: dict[str, tuple[Rule, str, float]] = {
    "plain": (lambda x, y: "open" if western(x, y) else "coast", "", 36),
    "third": (lambda x, y: "open" if western(x, y) else "coast", "", 36),
    "points": (lambda x, y: "open" if western(x, y) else "coast", "", 36),
    "reversed": (lambda x, y: "coast" if on_island(x, y) else "open", "", 32),
    "second": (lambda x, y: "coast" if on_island(x, y) else "open", "", 32),
    "quads2": (lambda x, y: "coast" if on_island(x, y) else "open", "", 32),
    "named": (
        lambda x, y: "island" if on_island(x, y) else "coast" if lower_right(x, y) else "open bc",
        "counts as open", 32,
    ),
    "twice": (lambda x, y: "coast" if y < 1.0 else "rim", "are also 'coast': taken as 'coast'", 36),
    "bare_island": (lambda x, y: "open", "8 of 16 boundary edges are in no named boundary and count as open", 32),
    "inside": (
        lambda x, y: "coast" if lower_right(x, y) else "open", "boundary 'ridge': left out 4 of 4 edges", 36,
    ),
    "interface": (
        lambda x, y: "open" if western(x, y) else "coast", "boundary 'interface': left out 2 of 2 edges", 32,
    ),
    "same_number": (lambda x, y: "coast" if lower_right(x, y) else "open", "", 36),
    "numbers": (lambda x, y: "coast", "lines of the physical groups 7, 8 are not used, these groups have no name", 36),
}  # fmt: skip


@pytest.mark.parametrize("form", ["22", "41"])
@pytest.mark.parametrize("name", CASES)
def test_each_edge_has_the_name_of_its_side(name, form, caplog):
    rule, words, area = CASES[name]
    with caplog.at_level(logging.WARNING):
        mesh = load_mesh(DATA / f"{name}_{form}.msh")

    middles = mesh.nodes[mesh.boundary_edges].mean(axis=1)
    assert mesh.boundary_kind.tolist() == [rule(x, y) for x, y in middles]
    assert mesh.areas.sum() == pytest.approx(area * 1e10, rel=1e-6)
    holes = 1 if area == 32 and name != "interface" else 0
    assert mesh.n_nodes - mesh.n_edges + mesh.n_faces == 1 - holes

    if words:
        assert words in caplog.text
    else:
        assert caplog.text == ""


@pytest.mark.parametrize("name", CASES)
def test_both_forms_are_the_same_mesh(name):
    one, other = (load_mesh(DATA / f"{name}_{form}.msh") for form in ("22", "41"))
    order, there = (np.lexsort(mesh.centres.round(0).T) for mesh in (one, other))
    np.testing.assert_allclose(one.centres[order], other.centres[there], atol=1.0)
    assert sorted(one.boundary_kind.tolist()) == sorted(other.boundary_kind.tolist())
