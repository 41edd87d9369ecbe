"""The section of a report on the distance of a forecast from the training data of its model."""

import numpy as np
import xarray as xr
from support.forecasts import DATA, small_model

from gensim_graph.evaluate import match
from gensim_graph.evaluate.report.guard_chapter import guard_chapter
from gensim_graph.evaluate.report.parts import Picture, Table, Text
from gensim_graph.variables import default_variables

MODEL = small_model()


def parts_of(forecast: xr.Dataset) -> list:
    return [*guard_chapter(match(forecast, DATA, default_variables()))]


def test_it_says_what_leaves_the_training_data_and_when():
    forecast = MODEL.forecast(DATA.isel(time=0), DATA, steps=3, members=2, progress=False)
    near = np.zeros_like(forecast["guard_sit"].values)
    for name in [name for name in map(str, forecast.data_vars) if name.startswith("guard_")]:
        forecast[name] = forecast[name].copy(data=near)
    text, picture, table = parts_of(forecast)
    assert "stays near" in text.text

    far = near.copy()
    far[1, 2:, 0] = 0.7  # the second member, from the second step of six hours on
    forecast["guard_sit"] = forecast["guard_sit"].copy(data=far)
    text, picture, table = parts_of(forecast)
    assert isinstance(text, Text)
    assert "ice volume per area from +12 h on" in text.text
    assert isinstance(picture, Picture)
    assert isinstance(table, Table)
    low, high = MODEL.normaliser.statistics.ranges["sit"]
    row = next(row for row in table.rows if row[0].text == "ice volume per area")
    assert [cell.text for cell in row[1:4]] == [f"{low:.3g}", f"{high:.3g}", "m"]


def test_a_forecast_without_a_guard_has_no_such_section():
    assert parts_of(MODEL.forecast(DATA.isel(time=0), DATA, steps=1, members=2, guard=False, progress=False)) == []
