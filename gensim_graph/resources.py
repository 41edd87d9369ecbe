"""Where the files that ship with the package are: configuration groups and the built-in data.

A wheel carries them inside the package, a checkout has them beside it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


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
