"""The folder of a sweep: a numbered folder for each training, and a file that says which is which."""

import json
from pathlib import Path

from gensim_graph.errors import InputError
from gensim_graph.system import write_atomically
from gensim_graph.train import CHANGEABLE

_SWEEP = "multirun.json"


def open_sweep(folder: Path, runs: list[list[str]]) -> None:
    """Record which overrides belong to which number, or check them where a sweep goes on.

    Args:
        folder: of the sweep.
        runs: overrides of each training. Those of :data:`~gensim_graph.train.run_folder.CHANGEABLE` may be others than
            before, as for a single run.

    Raises:
        InputError: the folder holds a sweep over other values, or something else.
    """
    record = folder / _SWEEP
    rows = {str(number): row for number, row in enumerate(runs)}
    if record.exists():
        if _of_same_runs(json.loads(record.read_text())) != _of_same_runs(rows):
            raise InputError(f"{record}: holds a sweep over other values; choose another folder with --out")
        return
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder}: exists and is not a sweep of trainings; choose another folder with --out")

    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(record, lambda path: path.write_text(json.dumps(rows, indent=1)))


def _of_same_runs(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    """Leave out the overrides that a run may be resumed with other values of."""
    return {number: [one for one in row if one.partition("=")[0] not in CHANGEABLE] for number, row in rows.items()}
