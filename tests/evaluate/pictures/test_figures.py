"""Figures show the given faces, values and scales, and do not change the settings of matplotlib."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver

from gensim_graph.evaluate.pictures import (
    deformation_maps,
    face_map,
    forecast_maps,
    mesh_figure,
    pretty_units,
    score_curves,
)
from gensim_graph.evaluate.pictures.maps import arrows
from gensim_graph.evaluate.pictures.style import variable_label
from gensim_graph.mesh import Mesh
from gensim_graph.variables import default_variables

TABLE = default_variables()
LEADS = [12.0, 24.0]


def maps_of(figure: Figure) -> list[PolyCollection]:
    return [
        item
        for ax in figure.axes
        for item in ax.collections
        if isinstance(item, PolyCollection) and len(item.get_paths()) > 20
    ]


def fields(mesh: Mesh, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, mesh.n_faces))


def pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_face_map_draws_the_native_faces_in_kilometres():
    nodes = np.array([[0, 0], [1e3, 0], [1e3, 1e3], [0, 1e3], [2e3, 0.5e3]], dtype=float)
    mesh = Mesh.from_faces(nodes, np.array([[0, 1, 2, 3], [1, 4, 2, -1]]))
    ax = Figure().add_subplot()
    drawn = face_map(ax, mesh, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(drawn.get_array(), [1.0, 2.0])
    quad, triangle = (path.vertices for path in drawn.get_paths())
    np.testing.assert_allclose(quad[:4], mesh.nodes[mesh.faces[0]] / 1e3)
    assert {tuple(point) for point in triangle} == {(1.0, 0.0), (2.0, 0.5), (1.0, 1.0)}
    assert ax.get_aspect() == 1.0


def test_forecast_maps_share_a_scale_and_give_the_spread_its_own(small_mesh: Mesh):
    truth, member, mean = (fields(small_mesh, seed) for seed in range(3))
    figure = forecast_maps(small_mesh, truth, member, mean, np.abs(truth), TABLE["sit"], LEADS)
    drawn = maps_of(figure)
    assert len(drawn) == 10
    limits = {drawn[i].get_clim() for i in (0, 1, 2, 5, 6, 7)}
    assert len(limits) == 1
    assert drawn[4].get_clim() == drawn[9].get_clim() not in limits
    np.testing.assert_allclose(drawn[5].get_array(), truth[1])  # second row, first column: truth at the second lead
    np.testing.assert_allclose(drawn[8].get_array(), mean[1] - truth[1])
    low, high = drawn[8].get_clim()
    assert low == -high
    texts = " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))
    for expected in (
        "truth",
        "one member",
        "ensemble mean",
        "ensemble mean minus truth",
        "spread",
        "+12 h",
        "+24 h",
        "sit: ice volume per area (m)",
    ):
        assert expected in texts


def test_velocity_is_centred_on_zero(small_mesh: Mesh):
    values = fields(small_mesh) + 3.0
    drawn = maps_of(forecast_maps(small_mesh, values, values, values, None, TABLE["siu"], LEADS))
    assert len(drawn) == 6  # truth, forecast and their difference
    low, high = drawn[0].get_clim()
    assert low == -high


def test_a_constant_field_is_drawn(small_mesh: Mesh):
    zero = np.zeros((2, small_mesh.n_faces))
    assert pixels(forecast_maps(small_mesh, zero, zero, zero, zero, TABLE["snt"], LEADS)).std() > 0
    assert pixels(deformation_maps(small_mesh, {"truth": zero}, "total_deformation", LEADS)).std() > 0


def test_arrows_point_along_the_drift(small_mesh: Mesh):
    ax = Figure().add_subplot()
    face_map(ax, small_mesh, np.zeros(small_mesh.n_faces))
    u, v = small_mesh.centres.T * 1e-6
    arrows(ax, small_mesh, (u, v), scale=0.1, spacing=0.2)
    (quiver,) = (item for item in ax.collections if isinstance(item, Quiver))
    assert 16 <= quiver.N <= 36
    np.testing.assert_allclose(quiver.U, quiver.XY[:, 0] * 1e-3, rtol=1e-9)
    np.testing.assert_allclose(quiver.V, quiver.XY[:, 1] * 1e-3, rtol=1e-9)


@pytest.mark.parametrize("quantity", ["total_deformation", "divergence"])
def test_deformation_maps(small_mesh: Mesh, quantity: str):
    values = {"truth": fields(small_mesh), "one member": fields(small_mesh, 1)}
    if quantity != "divergence":
        values = {name: np.abs(field) for name, field in values.items()}
    figure = deformation_maps(small_mesh, values, quantity, LEADS)
    assert len(maps_of(figure)) == 4
    assert pixels(figure).std() > 0


def test_score_curves_hold_the_scores():
    rows = [
        {"model": model, "variable": name, "lead_hours": lead, "rmse": lead * factor, "crps": lead, "spread_skill": 1.0}
        for factor, model in enumerate(("forecast", "persistence", "another"), start=1)
        for name in ("sit", "sic")
        for lead in (24.0, 12.0)
    ]
    figure = score_curves(pd.DataFrame(rows), {"sit": "m", "sic": "1"})
    assert len(figure.axes) == 6
    forecast, persistence = figure.axes[0].lines[:2]
    np.testing.assert_array_equal(forecast.get_xdata(), [12.0, 24.0])
    np.testing.assert_array_equal(persistence.get_ydata(), [24.0, 48.0])
    assert figure.axes[0].get_ylabel() == "sit (m)"
    assert [text.get_text() for text in figure.legends[0].texts] == ["forecast", "persistence", "another"]


def test_mesh_figure_names_the_boundaries(small_mesh: Mesh):
    figure = mesh_figure(small_mesh)
    (legend, _) = (ax.get_legend() for ax in figure.axes[:2])
    assert [text.get_text() for text in legend.texts] == [f"coast ({len(small_mesh.boundary_edges)} edges)"]
    assert pixels(figure).std() > 0


def test_style_does_not_leak(small_mesh: Mesh):
    before = dict(mpl.rcParams)
    mesh_figure(small_mesh)
    assert dict(mpl.rcParams) == before


def test_labels_carry_units():
    assert pretty_units("m s-1") == "m s⁻¹"
    assert pretty_units("kg m-2 s-1") == "kg m⁻² s⁻¹"
    assert pretty_units("1") == ""
    assert variable_label(TABLE["siu"]) == "siu: ice drift along the mesh x axis (m s⁻¹)"
    assert variable_label(TABLE["sic"]) == "sic: ice concentration"
