"""Pictures of states, scores and processes, drawn with matplotlib.

A *map* is one field on the native faces of a mesh, a *panel* one set of axes of a figure, a *chart* one or several
panels of curves or histograms. Every public function returns a :class:`matplotlib.figure.Figure` or draws into given
axes; none of them uses pyplot or needs a display.

Reading order:

1. ``style``: fonts, labels with units, colours.
2. Maps: ``maps`` draws one, ``graticule`` its meridians and parallels, ``map_panels`` arranges several; ``open_water``
   says which variables are not drawn where there is no ice. ``state_maps``, ``process_maps``, ``mesh_spacing``,
   ``single_map`` and ``animation`` are the figures made of them.
3. Charts: ``curve_panels`` draws curves with one line per model; the figures are in the room ``charts``.
4. ``png_encoding`` turns a figure into a small file.
"""

from gensim_graph.evaluate.pictures.animation import Animation, animate
from gensim_graph.evaluate.pictures.charts import (
    calibration_chart,
    distribution_chart,
    guard_chart,
    lead_time_chart,
    scale_chart,
    scaling_chart,
    score_curves,
)
from gensim_graph.evaluate.pictures.curve_panels import (
    REFERENCE_LINE,
    CurvePanels,
    lead_time_axis,
    panel_grid,
    style_of,
)
from gensim_graph.evaluate.pictures.map_panels import colour_bar, map_grid
from gensim_graph.evaluate.pictures.maps import face_map
from gensim_graph.evaluate.pictures.mesh_spacing import mesh_figure
from gensim_graph.evaluate.pictures.open_water import ICE_ONLY, only_ice
from gensim_graph.evaluate.pictures.png_encoding import as_png
from gensim_graph.evaluate.pictures.process_maps import budget_maps, event_maps
from gensim_graph.evaluate.pictures.single_map import mesh_map
from gensim_graph.evaluate.pictures.state_maps import deformation_maps, forecast_maps, initial_maps, stamp_maps
from gensim_graph.evaluate.pictures.style import STYLE, pretty_units, shared_norm, styled, wrapped

__all__ = [
    "ICE_ONLY",
    "REFERENCE_LINE",
    "STYLE",
    "Animation",
    "CurvePanels",
    "animate",
    "as_png",
    "budget_maps",
    "calibration_chart",
    "colour_bar",
    "deformation_maps",
    "distribution_chart",
    "event_maps",
    "face_map",
    "forecast_maps",
    "guard_chart",
    "initial_maps",
    "lead_time_axis",
    "lead_time_chart",
    "map_grid",
    "mesh_figure",
    "mesh_map",
    "only_ice",
    "panel_grid",
    "pretty_units",
    "scale_chart",
    "scaling_chart",
    "score_curves",
    "shared_norm",
    "stamp_maps",
    "style_of",
    "styled",
    "wrapped",
]
