"""Texts from users are drawn as they are; ticks are readable without formulas."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures import as_png, lead_time_chart, mesh_map, scale_chart
from gensim_graph.evaluate.pictures.curve_panels import power_text
from gensim_graph.mesh import Mesh
from gensim_graph.variables import Variable

ODD = ("a$b$.nc", "_^{", "$\\frac{$", "100 %", "<script>alert(1)</script>")


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(mpl.text.Text) if not text.get_parse_math()}


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_drawn_as_they_are(small_mesh: Mesh, name: str):
    values = np.linspace(0, 1, small_mesh.n_faces)
    figure = mesh_map(small_mesh, values, Variable(name, "state", "1", f"long {name}"), title=name)
    assert as_png(figure)
    assert {name, f"{name}: long {name}"} <= texts(figure)


def test_odd_models_are_in_the_legend():
    rows = [(model, lead, 1.0) for model in ODD for lead in (12.0, 24.0)]
    figure = lead_time_chart(pd.DataFrame(rows, columns=["model", "lead_hours", "score"]), {"score": "$score$"})
    assert as_png(figure)
    assert [text.get_text() for text in figure.legends[0].texts] == [*ODD]


def test_meanings_replace_names():
    rows = [("forecast", "ridge", 12.0, length, 1.0) for length in (10.0, 20.0)]
    table = pd.DataFrame(rows, columns=["model", "variable", "lead_hours", "distance_km", "ratio"])
    figure = scale_chart(table, "distance_km", 12.0, "forecast / truth", {"ridge": "share of ridged ice"})
    shown = {text.get_text() for text in figure.findobj(mpl.text.Text)}
    assert {"share of ridged ice", "distance (km)"} <= shown
    assert "ridge" not in shown


@pytest.mark.parametrize(
    ("value", "text"), [(0.05, "0.05"), (1e-3, "0.001"), (1e-4, "10⁻⁴"), (2e-7, "2·10⁻⁷"), (20.0, "20"), (1e6, "10⁶")]
)
def test_ticks_of_logarithmic_axes(value: float, text: str):
    assert power_text(value) == text
