"""The page as HTML, from its title, facts and sections; it needs no other file and no network."""

from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from gensim_graph.evaluate.report.parts import Section

MARKER = '<meta name="generator" content="gensim-graph report">'
"""Line by which an earlier report is recognised."""


def render(title: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """Render the page as HTML.

    Args:
        title: heading of the page.
        facts: label -> text, shown first.
        sections: those without parts are left out.
    """
    environment = Environment(
        loader=PackageLoader("gensim_graph.evaluate.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html.jinja")
    shown = [section for section in sections if section.parts]

    return template.render(marker=MARKER, title=title, facts=facts, sections=shown)
