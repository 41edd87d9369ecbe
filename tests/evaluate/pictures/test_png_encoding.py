"""PNG files hold the picture that matplotlib itself would save, in fewer bytes."""

from io import BytesIO

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from gensim_graph.evaluate.pictures import as_png, forecast_maps
from gensim_graph.evaluate.pictures.style import STYLE
from gensim_graph.mesh import Mesh
from gensim_graph.variables import default_variables


def saved(figure: Figure) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=STYLE["savefig.dpi"])
    return stream.getvalue()


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


def test_maps_keep_their_colours_in_a_palette(small_mesh: Mesh):
    field = np.random.default_rng(0).normal(size=(2, small_mesh.n_faces))
    figure = forecast_maps(small_mesh, field, field + 1, field, np.abs(field), default_variables()["sit"], [12.0, 24.0])
    own, theirs = as_png(figure), saved(figure)
    assert Image.open(BytesIO(own)).mode == "P"
    assert len(own) < 0.6 * len(theirs)
    assert np.mean(np.abs(pixels(own) - pixels(theirs)).max(axis=-1) > 12) < 0.005


def test_frequent_colours_stay_exact():
    """The background of a chart is white, not almost white."""
    figure = Figure(figsize=(4, 3))
    figure.subplots().plot([1, 3, 2])
    own, theirs = as_png(figure), saved(figure)
    assert Image.open(BytesIO(own)).mode == "P"
    white = np.all(pixels(theirs) == 255, axis=-1)
    assert np.all(pixels(own)[white] == 255)
    np.testing.assert_allclose(pixels(own), pixels(theirs), atol=12)


def test_rare_colours_are_not_lost():
    """A small mark of a colour of its own keeps it beside hundreds of colours that are more frequent."""
    figure = Figure(figsize=(3, 3))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.imshow(np.arange(10_000).reshape(100, 100) % 400, cmap="Greys_r", interpolation="nearest", aspect="auto")
    ax.imshow(np.linspace(0, 1, 600)[None], cmap="viridis", aspect="auto", extent=(0, 99, 40, 60))
    ax.set(xlim=(0, 99), ylim=(0, 99))
    ax.plot([50], [80], marker="s", markersize=3, color="#ff0000")
    change = np.abs(pixels(as_png(figure)) - pixels(saved(figure))).max(axis=-1)
    red = np.all(pixels(saved(figure)) == [255, 0, 0], axis=-1)
    assert red.sum() > 5
    assert change[red].max() <= 12


def test_a_picture_of_many_colours_keeps_all():
    figure = Figure(figsize=(3, 3))
    noise = np.random.default_rng(0).uniform(size=(200, 200, 3))
    figure.add_axes((0, 0, 1, 1)).imshow(noise, interpolation="nearest")
    np.testing.assert_array_equal(pixels(as_png(figure)), pixels(saved(figure)))


def test_an_automatic_layout_is_applied():
    figure = Figure(layout="constrained")
    figure.subplots(2, 2)[0, 0].set(title="title", xlabel="label")
    np.testing.assert_allclose(pixels(as_png(figure)), pixels(saved(figure)), atol=60)
