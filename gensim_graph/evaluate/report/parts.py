"""Parts of a page: text, tables and pictures, and the sections that hold them.

A part has a ``kind``, by which the template ``page.html.jinja`` chooses how to write it.
"""

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, Literal

from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures import Animation, as_png


@dataclass(frozen=True)
class Text:
    """A paragraph, with or without a heading."""

    text: str
    heading: str = ""
    kind: str = "text"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: the number.
        word: its meaning, written below it; a colour alone does not reach every reader.
        kind: ``good`` or ``bad`` news, which chooses the colour.
    """

    text: str
    word: str = ""
    kind: Literal["", "good", "bad"] = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: its content, with units.
        columns: heads of the columns.
        rows: cells; the first cell is the head of its row.
        labels: number of columns at the left that hold words instead of numbers.
        folded: if given, the table is hidden behind this line until the reader opens it.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    labels: int = 1
    folded: str = ""
    kind: str = "table"


@dataclass(frozen=True)
class Picture:
    """A figure inside the page.

    Attributes:
        figure: it is drawn once, when the picture is made, and not kept; or the content of a PNG file.
        heading: shown above it.
        caption: shown below it.
        alt: description for readers who cannot see it.
        source: the image as a data URL, made from ``figure``.
    """

    figure: InitVar[Figure | bytes]
    heading: str
    caption: str
    alt: str
    source: str = field(init=False, repr=False)
    kind: str = "picture"

    def __post_init__(self, figure: Figure | bytes) -> None:
        content = figure if isinstance(figure, bytes) else as_png(figure)
        object.__setattr__(self, "source", "data:image/png;base64," + b64encode(content).decode("ascii"))


Part = Text | Table | Picture | Animation


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        name: target of links to it.
        heading: shown above it and in the list of sections.
        parts: its content; a section without parts is left out.
    """

    name: str
    heading: str
    parts: list[Part] = field(default_factory=list)


def number_text(value: object, digits: int = 4) -> str:
    """Format a number; NaN becomes a dash.

    Args:
        value: a number; anything else is only converted to text.
        digits: significant digits.
    """
    if not isinstance(value, int | float):
        return str(value)

    return "–" if math.isnan(value) else f"{value:.{digits}g}"


def variable_cell(name: str, words: Mapping[str, str]) -> Cell:
    """Name a variable in a table: its meaning, and below it the short name that files use.

    Args:
        name: short name of the variable or vector.
        words: short name -> meaning.
    """
    meaning = words.get(name, name)
    return Cell(meaning, "" if meaning == name else name)


def number_table(
    caption: str,
    columns: Mapping[str, str],
    rows: Sequence[Mapping[Any, Any]],
    labels: int = 1,
    folded: str = "",
    words: Mapping[str, str] | None = None,
) -> Table:
    """Make a table of numbers without words or colours.

    Args:
        caption: its content, with units.
        columns: name in the rows -> head of the column.
        rows: records of a data frame.
        labels: number of columns at the left that hold words.
        folded: see :class:`Table`.
        words: variable -> its meaning, for a column ``variable``.
    """
    cells = [
        [
            variable_cell(row[name], words or {}) if name == "variable" else Cell(number_text(row[name]))
            for name in columns
        ]
        for row in rows
    ]
    return Table(caption, [*columns.values()], cells, labels, folded)
