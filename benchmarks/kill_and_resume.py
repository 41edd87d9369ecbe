"""Kill a preparation and a training at random moments; the same command goes on, and ends with the same files.

Usage: python benchmarks/kill_and_resume.py SOURCE... [--kills 10] [--steps 400] [--folder DIR] [--out DIR]

The sources, such as a year of output, are prepared once without interruption. Then the same command is killed
(``SIGKILL``) at random moments, begun again each time, and at last left alone; all files of the two stores are compared
byte by byte. A training on the store, with two processes that make its samples, validation and forecasts on the way, is
treated in the same way. Results are written to ``OUT/kill_and_resume.json``.
"""

import argparse
import filecmp
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from shared import build_parser, print_and_write, show_progress


def main() -> None:
    """Kill, go on and compare."""
    parser = build_parser(__doc__, out="results")
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="files of training data on one mesh")
    parser.add_argument("--kills", type=int, default=10, help="how often each command is killed")
    parser.add_argument("--steps", type=int, default=400, help="steps of the training")
    parser.add_argument("--folder", type=Path, default=Path("."), help="where stores and runs are written")
    options = parser.parse_args()
    work = options.folder / "kill_and_resume"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)

    try:
        store = work / "whole" / "store.zarr"
        found = {"prepare": kill_and_compare(prepare_command(options), work, options)}
        found["train"] = kill_and_compare(train_command(store, options), work, options)
        print_and_write(options.out / "kill_and_resume.json", found)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def prepare_command(options: argparse.Namespace) -> list[str]:
    """Return the command that prepares a store, without its place."""
    command = [sys.executable, "-m", "gensim_graph", "data", "prepare", *options.sources]
    return [*command, "--workers", "2", "--quiet", "--out", "store.zarr"]


def train_command(store: Path, options: argparse.Namespace) -> list[str]:
    """Return the command of a small training on a store, without its place.

    Args:
        store: the prepared store.
        options: the parsed command line.
    """
    small = ["operator.width=16", "operator.heads=1", "operator.blocks=1", "operator.cell_width=8", "data.batch=4"]
    watched = ["trainer.save_every=20", "trainer.validate_every=50", "trainer.forecast_every=100", "data.workers=2"]
    command = [sys.executable, "-m", "gensim_graph", "train", "--data", str(store.resolve()), "--quiet"]

    return [*command, f"trainer.max_steps={options.steps}", *small, *watched, "--out", "run"]


def kill_and_compare(command: list[str], work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run a command once to its end and once with interruptions; compare what it writes.

    Args:
        command: the command; its last word is the file or folder that it writes, in the current folder.
        work: folder for the results.
        options: the parsed command line.
    """
    sources = [str(Path(one).resolve()) for one in options.sources]
    command = [sources[options.sources.index(word)] if word in options.sources else word for word in command]
    whole, killed = work / "whole", work / "killed"
    for folder in (whole, killed):
        folder.mkdir(exist_ok=True)

    begin = time.perf_counter()
    subprocess.run(command, cwd=whole, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin

    chance, moments = random.Random(0), []
    while len(moments) < options.kills:
        process = subprocess.Popen(command, cwd=killed, stdout=subprocess.DEVNULL)
        wait = chance.uniform(0.1, 0.9) * seconds
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            moments.append(round(wait, 2))
            show_progress(f"{command[3]} was killed after {wait:.1f} s")
        else:  # it has come to its end before all kills: begin again
            shutil.rmtree(killed / command[-1])

    subprocess.run(command, cwd=killed, check=True, stdout=subprocess.DEVNULL)
    different = different_files(whole / command[-1], killed / command[-1])
    return {"seconds": round(seconds, 2), "killed_after": moments, "different_files": different}


def different_files(one: Path, other: Path) -> list[str]:
    """Return the names of files of two folders that differ or are in one of them only.

    Of the record of a training all rows are compared but those of the clock, of its last checkpoint all values: the
    same content may be written in several forms.
    """
    names = [{str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()} for path in (one, other)]
    common = sorted(names[0] & names[1])
    _, unequal, unreadable = filecmp.cmpfiles(one, other, common, shallow=False)
    contents = {"metrics.csv": _rows, "last.ckpt": _values}
    differing = [name for name in unequal if name not in contents or contents[name](one) != contents[name](other)]

    return sorted([*(names[0] ^ names[1]), *differing, *unreadable])


def _rows(run: Path) -> list[str]:
    rows = (run / "metrics.csv").read_text().splitlines()
    return [row for row in rows if row.split(",")[1] not in ("samples_per_second", "waiting")]


def _values(run: Path) -> Any:
    return _bytes_of(torch.load(run / "last.ckpt", map_location="cpu", weights_only=True))


def _bytes_of(content: Any) -> Any:
    """Replace tensors by their bytes, at any depth."""
    if isinstance(content, torch.Tensor):
        return content.numpy().tobytes()
    if isinstance(content, dict):
        return {name: _bytes_of(value) for name, value in content.items()}
    return [_bytes_of(value) for value in content] if isinstance(content, list | tuple) else content


if __name__ == "__main__":
    main()
