"""Trained models that ship with the package, by name. Their cards are in ``weights/NAME/README.md``."""

from pathlib import Path as FilePath

from gensim_graph.system import resource
from gensim_graph.typing import Path

SHIPPED = ("small",)
"""Names that :meth:`Surrogate.load` and ``--model`` know."""


def folder_of(model: Path) -> FilePath:
    """Folder of a model: the one that is named, or the shipped one of that name if there is no such folder."""
    path = FilePath(model)
    if path.exists() or str(model) not in SHIPPED:
        return path
    return resource("weights", str(model))
