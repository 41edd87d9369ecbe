"""What a page of a report is made of: sections of text, tables and pictures, and how they become HTML."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from gensim_graph.evaluate.pictures import Animation
from gensim_graph.evaluate.report.gallery import Picture

MARKER = '<meta name="generator" content="gensim-graph report">'


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: the number.
        word: what it means, beside it; colour alone says nothing.
        kind: whether that is good news.
    """

    text: str
    word: str = ""
    kind: Literal["", "good", "bad"] = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: what it holds, with units.
        columns: heads; the first ones, ``labels`` of them, are of columns of words.
        rows: cells; the first one heads its row.
        labels: columns of words.
        folded: shown when asked for, with this as the question; empty for a table that is always there.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    labels: int = 1
    folded: str = ""
    kind: str = "table"


@dataclass(frozen=True)
class Text:
    """A paragraph, with a heading or none."""

    text: str
    heading: str = ""
    kind: str = "text"


Part = Text | Table | Picture | Animation


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        name: for links to it.
        heading: shown above and in the list of sections.
        parts: what it holds.
    """

    name: str
    heading: str
    parts: list[Part] = field(default_factory=list)


def render(title: str, facts: dict[str, str], sections: Sequence[Section]) -> str:
    """The page as HTML; it needs nothing else."""
    environment = Environment(
        loader=PackageLoader("gensim_graph.evaluate", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.jinja")

    return template.render(marker=MARKER, title=title, facts=facts, sections=[part for part in sections if part.parts])


def number(value: object, digits: int = 4) -> str:
    """A number as text; a dash where there is none."""
    if not isinstance(value, int | float):
        return str(value)
    return "–" if math.isnan(value) else f"{value:.{digits}g}"


def plain(caption: str, columns: dict[str, str], rows: list[dict], labels: int = 1, folded: str = "") -> Table:
    """A table of numbers: column of the rows -> head."""
    cells = [[Cell(number(row[name])) for name in columns] for row in rows]
    return Table(caption, [*columns.values()], cells, labels, folded)
