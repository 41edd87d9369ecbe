"""Docstrings are written to be read in a terminal; this makes Markdown of what Markdown would garble."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):`(?:~(?:\w+\.)*(?P<last>\w+)|(?P<text>[^`<]+?)(?: <[^>]+>)?)`")
_TABLE = re.compile(r"^=+(?: +=+)+$.*^=+(?: +=+)+$", re.MULTILINE | re.DOTALL)


def to_markdown(text: str) -> str:
    """Cross-reference roles become code, tables ruled with ``=`` become preformatted text."""
    text = _ROLE.sub(lambda role: f"`{role['last'] or role['text']}`", text)
    return _TABLE.sub(lambda table: f"```text\n{table[0]}\n```", text)


class Docstrings(griffe.Extension):
    """Apply :func:`to_markdown` to every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)
