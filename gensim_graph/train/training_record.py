"""The record of a training: ``metrics.csv`` in its folder, always, and further loggers of Lightning by choice."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch import loggers
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from gensim_graph.errors import InputError
from gensim_graph.system import write_atomically

FILE = "metrics.csv"
_COLUMNS = ("step", "measure", "value")

_LOGGERS = {"tensorboard": "TensorBoardLogger", "wandb": "WandbLogger", "mlflow": "MLFlowLogger"}
"""Choice of the user -> logger of Lightning; each needs its own package."""

LOGGERS = ("csv", *_LOGGERS)


class RecordFile(Logger):
    """Appends measures to ``metrics.csv``, one row each; a resumed run goes on in the same file.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / FILE

    @property
    def name(self) -> str:
        """Name of the logger, for Lightning."""
        return "csv"

    @property
    def version(self) -> int:
        """Version of the logger, for Lightning."""
        return 0

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Append measures.

        Args:
            metrics: measure -> value.
            step: steps that are done.
        """
        is_new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(_COLUMNS)
            writer.writerows((step, name, f"{float(value):.6g}") for name, value in metrics.items())

    def log_hyperparams(self, *args: Any, **keywords: Any) -> None:
        """Do nothing: ``run.json`` has the settings.

        Args:
            *args, **keywords: given by Lightning, not used.
        """


def build_loggers(names: str, folder: Path) -> list[Logger]:
    """Build the loggers of a run.

    Args:
        names: of :data:`LOGGERS`, separated by commas; csv is always there.
        folder: of the run.

    Raises:
        InputError: an unknown name, or its package is not installed.
    """
    chosen: list[Logger] = [RecordFile(folder)]

    for name in filter(None, (part.strip() for part in names.split(","))):
        if name == "csv":
            continue
        if name not in _LOGGERS:
            raise InputError(f"trainer.logger={name}: expected some of {', '.join(LOGGERS)}, separated by commas")
        try:
            chosen.append(getattr(loggers, _LOGGERS[name])(save_dir=str(folder)))
        except ImportError as error:
            raise InputError(f"trainer.logger={name}: its package is missing ({error}); install it with pip") from None

    return chosen


def has_record(folder: Path) -> bool:
    """Return True if a run has a record of its training."""
    return (folder / FILE).exists()


def cut_record(folder: Path, step: int) -> None:
    """Remove the measures after a step from the record of a run, which an interruption left there.

    Args:
        folder: of the run; it may have no record.
        step: the step from which the run goes on.
    """
    if not has_record(folder):
        return

    path = folder / FILE
    table = pd.read_csv(path)
    if (table["step"] > step).any():
        kept = table[table["step"] <= step]
        write_atomically(path, lambda part: kept.to_csv(part, index=False))


def read_record(folder: Path) -> pd.DataFrame:
    """Read the measures of a run: index step, one column for each measure.

    Args:
        folder: of the run.

    Raises:
        InputError: the run has no record.
    """
    path = folder / FILE
    if not has_record(folder):
        raise InputError(f"{path}: there is no record of a training in this folder")

    table = pd.read_csv(path)
    return table.pivot_table(index="step", columns="measure", values="value", aggfunc="last")
