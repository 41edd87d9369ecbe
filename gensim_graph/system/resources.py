"""Where files are: what ships with the package (configuration, built-in data), and what is kept between runs.

A wheel carries the former inside the package, a checkout has it beside it.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(*parts: str) -> Path:
    """Path of a shipped file or folder, for instance ``resource("configs", "variables")``.

    Raises:
        FileNotFoundError: the installation does not have it.
    """
    for root in (_PACKAGE, _PACKAGE.parent):
        path = root.joinpath(*parts)
        if path.exists():
            return path

    raise FileNotFoundError(
        f"{'/'.join(parts)} is missing from this installation of gensim-graph; reinstall the package"
    )


def cache_folder() -> Path:
    """For what can be made again: ``$GENSIM_GRAPH_CACHE``, else gensim-graph in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    own = os.environ.get("GENSIM_GRAPH_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(shared) / "gensim-graph"
