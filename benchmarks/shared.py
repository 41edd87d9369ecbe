"""Parts that all scripts of this folder share: their command line, the set-up of the process, progress and files.

The scripts are run from the checkout as ``python benchmarks/NAME.py``; Python then finds this module beside them. Each
script says in its docstring, which is also its ``--help``, what it measures and which files it writes.
"""

import argparse
import json
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gensim_graph.system import choose_device, keep_freed_memory, write_atomically


def build_parser(
    description: str | None,
    *,
    out: str | None = None,
    data: str | None = None,
    device: bool = False,
    threads: int | None = None,
) -> argparse.ArgumentParser:
    """Return a command line with the options that scripts have in common.

    Args:
        description: docstring of the script, shown as it is.
        out: default folder of ``--out``; None leaves the option out.
        data: help of ``--data``, a path; None leaves the option out.
        device: add ``--device``, with the default ``auto``.
        threads: default of ``--threads``; None leaves the option out.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)

    if data is not None:
        parser.add_argument("--data", type=Path, required=True, help=data)
    if out is not None:
        parser.add_argument("--out", type=Path, default=Path(out), help=f"where results are written (default: {out})")
    if device:
        parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    if threads is not None:
        parser.add_argument("--threads", type=int, default=threads, help="threads of PyTorch")

    return parser


def prepare_process(options: argparse.Namespace) -> torch.device:
    """Keep freed memory with the process, set the number of threads, and return the device.

    Args:
        options: the parsed command line; without ``--threads`` PyTorch keeps its own number, without ``--device`` the
            device is the CPU.
    """
    keep_freed_memory()
    if "threads" in options:
        torch.set_num_threads(options.threads)

    return choose_device(getattr(options, "device", "cpu"))


def peak_memory() -> int:
    """Largest memory that this process has taken so far, in bytes (Linux)."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def show_progress(text: str) -> None:
    """Print one line at once, also when the output goes to a file."""
    print(text, flush=True)


def write_text(path: Path, text: str) -> None:
    """Write a text; make its folder if needed, and leave no half-written file behind.

    Args:
        path: file to write.
        text: its content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda draft: draft.write_text(text))


def write_json(path: Path, content: Any) -> None:
    """Write numbers as indented JSON, as :func:`write_text` does.

    Args:
        path: file to write.
        content: lists, dictionaries, numbers and texts.
    """
    write_text(path, json.dumps(content, indent=1) + "\n")


def print_and_write(path: Path, content: Mapping[str, Any]) -> None:
    """Print the results of a script, and write them as JSON.

    Args:
        path: file to write.
        content: the results by name.
    """
    print(json.dumps(content, indent=1))
    write_json(path, content)
