"""TODO gensim_graph.io.export."""

from gensim_graph.io.export.output import choose_layout, write_dataset
from gensim_graph.io.export.placement import Values, on_other_mesh
from gensim_graph.io.export.vtu import VtuField, write_vtu

__all__ = ["Values", "VtuField", "choose_layout", "on_other_mesh", "write_dataset", "write_vtu"]
