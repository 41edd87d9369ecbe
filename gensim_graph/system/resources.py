"""Folders: files that ship with the package (configuration, data, weights), and the cache between runs.

The shipped files lie inside the package in an installed wheel, and beside the package in a checkout.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(*parts: str) -> Path:
    """Return the path of a shipped file or folder.

    Args:
        *parts: names of folders and file, for instance ``resource("configs", "variables")``.

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
    """Return the folder for files that can be made again.

    It is ``$GENSIM_GRAPH_CACHE``, else ``gensim-graph`` in ``$XDG_CACHE_HOME`` or in ``~/.cache``.
    """
    own = os.environ.get("GENSIM_GRAPH_CACHE")
    if own:
        return Path(own)

    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(shared) / "gensim-graph"
