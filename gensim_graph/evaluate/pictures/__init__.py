"""Maps and charts of states, scores and processes, drawn with matplotlib."""

from gensim_graph.evaluate.pictures.animation import Animation, animate
from gensim_graph.evaluate.pictures.charts import (
    calibration_chart,
    curve_grid,
    distribution_chart,
    scale_chart,
    scaling_chart,
    score_curves,
)
from gensim_graph.evaluate.pictures.figures import deformation_maps, forecast_maps, mesh_figure
from gensim_graph.evaluate.pictures.maps import STYLE, colour_bar, face_map, map_grid, pretty_units, styled
from gensim_graph.evaluate.pictures.mesh_picture import mesh_map
from gensim_graph.evaluate.pictures.process_maps import budget_maps, event_maps, stamp_maps

__all__ = [
    "STYLE",
    "Animation",
    "animate",
    "budget_maps",
    "calibration_chart",
    "colour_bar",
    "curve_grid",
    "deformation_maps",
    "distribution_chart",
    "event_maps",
    "face_map",
    "forecast_maps",
    "map_grid",
    "mesh_figure",
    "mesh_map",
    "pretty_units",
    "scale_chart",
    "scaling_chart",
    "score_curves",
    "stamp_maps",
    "styled",
]
