"""Links of notebooks to pages: they are written for the files, as on GitHub, and the site has pages in their place."""

import re
from typing import Any

_LINK = re.compile(r'href="(?!https?:)(?P<page>[^"#]+)\.(?:md|ipynb)(?P<place>#[^"]*)?"')


def on_page_content(html: str, page: Any, **kwargs: Any) -> str:
    """Let links of a notebook lead to pages of the site; MkDocs does so for Markdown only.

    Args:
        html: content of the page.
        page: the page.
        **kwargs: configuration and files, not used.
    """
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    return _LINK.sub(lambda link: f'href="{link["page"]}.html{link["place"] or ""}"', html)
