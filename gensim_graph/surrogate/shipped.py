"""Folders of trained models: those that ship with the package, by name, and those of the internet.

Each shipped one is described in ``weights/NAME/README.md``.
"""

from pathlib import Path as FilePath

from gensim_graph.surrogate.downloads import download_model, is_address
from gensim_graph.system import resource
from gensim_graph.typing import Path

SHIPPED = ("small", "small-1", "small@1")
"""Names that :meth:`Surrogate.load` and the option ``--model`` accept in place of a folder.

``small-1`` is the student of ``small``. With ``@`` and a number: the weights of an earlier release."""


def model_folder(model: Path) -> FilePath:
    """Return the folder of a model.

    Args:
        model: a folder, the name of a shipped model, or the address of a model (``https://...``, ``hf://OWNER/NAME``),
            which is downloaded once. A folder of a shipped name in the current directory comes first.

    Raises:
        InputError: a model cannot be downloaded, or has another hash than its address says.
    """
    if is_address(model):
        return download_model(str(model))

    path = FilePath(model)
    if path.exists() or str(model) not in SHIPPED:
        return path
    return resource("weights", str(model))
