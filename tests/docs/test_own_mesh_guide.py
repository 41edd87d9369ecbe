"""The Python of the guide to your own mesh runs, with a smaller network."""

from support.forecasts import small_model
from support.pages import blocks
from support.places import ROOT

import gensim_graph as gg

PAGE = "docs/howto/own_mesh.md"


def test_python_of_the_guide(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(gg.Surrogate, "load", lambda _: small_model())
    names: dict = {}
    for text in blocks(PAGE, "python"):
        exec(text, names)
    assert names["volume"] > 0
    assert names["forecast"]["sic"].shape == (2, 2, names["mesh"].n_faces)
    assert names["with_mesh"]["sit"].dims == names["store"]["sit"].dims == ("time", "face")
