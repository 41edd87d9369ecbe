"""Report of a suite: samples, derived numbers and the machine, written as JSON with a figure."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from gensim_graph.benchmark.speed.measure import spread
from gensim_graph.system import write_atomically

PREPARE, FORWARD, BACKWARD = "prepare", "forward", "forward+backward"
"""Stages: from a mesh in memory to graph and plan; one evaluation without gradients; one with all gradients."""


@dataclass(frozen=True)
class Row:
    """One contestant at one stage and size.

    Attributes:
        contestant: name of the contestant.
        stage: ``prepare``, ``forward`` or ``forward+backward``.
        cells: number of cells; the margins of windows are not counted.
        seconds: one sample per round; empty if only memory was measured.
        peak_bytes: peak memory beyond network, graph and inputs; None if it was not measured.
    """

    contestant: str
    stage: str
    cells: int
    seconds: tuple[float, ...] = ()
    peak_bytes: int | None = None

    @property
    def microseconds_per_cell(self) -> float | None:
        """Median time per cell in microseconds; None without samples."""
        return 1e6 * spread(self.seconds).median / self.cells if self.seconds else None

    @property
    def bytes_per_cell(self) -> float | None:
        """Peak memory per cell; None if it was not measured."""
        return None if self.peak_bytes is None else self.peak_bytes / self.cells

    def to_dict(self) -> dict[str, Any]:
        """Return the row for JSON, with quartiles, time per cell and memory per cell."""
        found: dict[str, Any] = asdict(self)
        if self.seconds:
            found["spread_seconds"] = spread(self.seconds)._asdict()

        return found | {
            "microseconds_per_cell": self.microseconds_per_cell,
            "bytes_per_cell": self.bytes_per_cell,
        }


@dataclass(frozen=True)
class Ratio:
    """Cost of one contestant over that of another.

    Attributes:
        what: names of both.
        stage: stage of both.
        cells: number of cells.
        samples: one ratio per round.
    """

    what: str
    stage: str
    cells: int
    samples: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the ratio for JSON, with its quartiles."""
        return asdict(self) | {"spread": spread(self.samples)._asdict()}

    def __str__(self) -> str:
        median, lower, upper = spread(self.samples)
        return f"{median:.2f} ({lower:.2f} to {upper:.2f})"


@dataclass(frozen=True)
class Report:
    """Result of a suite.

    Attributes:
        name: name of the suite and of its files.
        machine: description of the machine.
        settings: options of the suite.
        rows: time and memory of each contestant.
        ratios: cost of one contestant over that of another.
        left_out: contestants that were not measured, with the reason.
        derived: further numbers.
    """

    name: str
    machine: dict[str, Any]
    settings: dict[str, Any]
    rows: tuple[Row, ...]
    ratios: tuple[Ratio, ...]
    left_out: tuple[str, ...] = ()
    derived: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "benchmark": self.name,
            "machine": self.machine,
            "settings": self.settings,
            "rows": [row.to_dict() for row in self.rows],
            "ratios": [ratio.to_dict() for ratio in self.ratios],
            "left_out": list(self.left_out),
            "derived": self.derived,
        }

    def write(self, out: Path, figure: Figure) -> tuple[Path, Path]:
        """Write ``NAME.json`` and ``NAME.png`` and return their paths.

        Args:
            out: folder, made if needed.
            figure: figure of the suite.
        """
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=1) + "\n"
        table, picture = out / f"{self.name}.json", out / f"{self.name}.png"
        write_atomically(table, lambda path: path.write_text(text))
        write_atomically(picture, lambda path: figure.savefig(path, format="png", dpi=130))

        return table, picture


def without_repeats(reasons: Iterable[str]) -> tuple[str, ...]:
    """Return the reasons in their order, without repetitions."""
    return tuple(dict.fromkeys(reasons))
