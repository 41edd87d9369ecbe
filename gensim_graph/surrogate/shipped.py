"""Trained models that ship with the package, by name. Each is described in ``weights/NAME/README.md``."""

from pathlib import Path as FilePath

from gensim_graph.system import resource
from gensim_graph.typing import Path

SHIPPED = ("small",)
"""Names that :meth:`Surrogate.load` and the option ``--model`` accept in place of a folder."""


def model_folder(model: Path) -> FilePath:
    """Return the folder of a model.

    Args:
        model: a folder, or the name of a shipped model. A folder of that name in the current directory comes first.
    """
    path = FilePath(model)
    if path.exists() or str(model) not in SHIPPED:
        return path
    return resource("weights", str(model))
