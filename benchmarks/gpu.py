"""Everything that is measured on a GPU, in one command that ends in time.

Usage: python benchmarks/gpu.py [--section NAME] [--budget 480] [--gensim CHECKOUT] [--out DIR] [--device cpu --quick]

The sections, in this order; each runs in a process of its own:

- ``correctness``: attention backends and the whole network against references;
- ``operator``: one evaluation of ``base`` on 512 x 512 cells, plain and compiled, beside GenSIM's network;
- ``training``: samples a second of ``small``, ``medium`` and ``base``, and the time spent waiting for data;
- ``forecast``: simulated years a day of ``base`` on an Arctic of 127,152 cells;
- ``attention``: one layer of attention beside dense attention and the speed limit of matrix products;
- ``scaling``: time and memory of ``small`` from 65,536 cells to ten million.

The budget is shared out between the sections; what one of them leaves goes to those after it. A section that is over
its limit is ended. Every result is printed and written to ``OUT/SECTION.json`` as soon as it is there, every error with
its traceback; the next measurement goes on. At the end all results are printed once more and written to
``OUT/gpu.json``. The exit code is 1 if something failed or is wrong, and 0 otherwise, also if a limit was reached.

The script needs no installation of the package. ``--gensim`` is a checkout of https://github.com/cerea-daml/gensim,
whose network needs ``einops``. ``--device cpu --quick`` tries all sections on a processor in two to three minutes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

from gpu_sections.record import LOST, in_words, written
from shared import build_parser, show_progress, write_json

from gensim_graph.errors import InputError
from gensim_graph.system import choose_device

SHARES = {"correctness": 60, "operator": 130, "training": 130, "forecast": 55, "attention": 40, "scaling": 65}
"""Shares of the budget: seconds of 480."""

_LINES_KEPT = 200
"""Last lines of the output of a section that are written if it ends too early."""


def main() -> None:
    """Run the chosen sections and show all results."""
    options = _options()
    try:
        choose_device(options.device)
    except InputError as reason:
        sys.exit(f"{reason} --quick for a trial")

    chosen = {name: share for name, share in SHARES.items() if name in (options.section or SHARES)}
    report = run_sections(chosen, _child(options), options.out, options.budget)
    print("\n".join(table(report)))
    sys.exit(int(any(has_failed(section) for section in report["sections"].values())))


def run_sections(shares: Mapping[str, float], child: Sequence[str], out: Path, budget: float) -> dict[str, Any]:
    """Run sections one after the other and collect what they wrote.

    Args:
        shares: section -> share of the budget, in any unit.
        child: command of a section, without its name and ``--resume``.
        out: folder of the results.
        budget: seconds for all sections together.

    Returns:
        The content of ``gpu.json``.
    """
    report: dict[str, Any] = {"command": sys.argv, "budget_seconds": budget, "machine": {}, "sections": {}}
    start = time.monotonic()

    for index, (name, share) in enumerate(shares.items()):
        left = budget - (time.monotonic() - start)
        limit = max(0.0, left) * share / sum(list(shares.values())[index:])
        show_progress(f"\n== {name}: at most {limit:.0f} s")

        section = run_section(name, child, out, limit)
        report["machine"] = report["machine"] or section.get("machine", {})
        report["sections"][name] = section
        report["wall_seconds"] = time.monotonic() - start
        write_json(out / "gpu.json", report)

    return report


def run_section(name: str, child: Sequence[str], out: Path, limit: float) -> dict[str, Any]:
    """Run one section in its own process, and end it at its limit.

    If its process crashes in a measurement, or loses the GPU by an error, another process goes on with the next one.

    Args:
        name: name of the section.
        child: command of a section, without its name and ``--resume``.
        out: folder of the results.
        limit: seconds for this section.

    Returns:
        What the section wrote, with its status and its time, and its last output if it ended too early.
    """
    file, start = out / f"{name}.json", time.monotonic()
    file.unlink(missing_ok=True)

    code, output = _run([*child, name], limit)
    while _has_next(file, code, output):
        show_progress(f"{name}: this process ended with exit code {code}; another one goes on")
        code, output = _run([*child, name, "--resume"], limit - (time.monotonic() - start))

    seconds = time.monotonic() - start
    section = written(file) | {"limit_seconds": limit, "wall_seconds": seconds}
    if code == 0:
        section["status"] = "done"
    else:
        section["status"] = f"ended at its limit of {limit:.0f} s" if code is None else f"failed with exit code {code}"
        section["output"] = output
    write_json(file, section)
    show_progress(f"{name}: {section['status']}, after {seconds:.0f} s")

    return section


def _has_next(file: Path, code: int | None, output: Sequence[str]) -> bool:
    """Return True if another process should go on; the output of a crash becomes the error of its measurement."""
    if code in (0, None):
        return False

    content = written(file)
    crashed = content.get("running")
    if crashed:
        content["errors"][crashed] = "\n".join([*output, f"the process ended with exit code {code}"])
        write_json(file, content | {"running": None})

    return bool(crashed) or code == LOST


def _run(command: Sequence[str], limit: float) -> tuple[int | None, list[str]]:
    """Exit code of a command, None if it was ended at its limit, and its last lines; they are printed as they come."""
    lines: deque[str] = deque(maxlen=_LINES_KEPT)
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # its helpers are ended with it
        env=_environment(),
    )

    def copy_output() -> None:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line.rstrip("\n"))

    reader = Thread(target=copy_output, daemon=True)
    reader.start()
    try:
        code = process.wait(timeout=max(0.0, limit))
    except subprocess.TimeoutExpired:
        code = None
    finally:
        _end_group(process.pid)
        process.wait()
        reader.join(timeout=5)

    return code, list(lines)


def _end_group(group: int) -> None:
    with suppress(ProcessLookupError):  # all have ended
        os.killpg(group, signal.SIGKILL)


def _environment() -> dict[str, str]:
    """Environment of a section: it finds the package and the sections, prints at once, and shows where it crashes."""
    here = Path(__file__).resolve().parent
    paths = [str(here), str(here.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    return os.environ | own


def _child(options: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", "gpu_sections", "--device", options.device, "--out", str(options.out)]
    command += ["--gensim", str(options.gensim)] if options.gensim else []
    return command + (["--quick"] if options.quick else [])


def has_failed(section: Mapping[str, Any]) -> bool:
    """Return True if a section crashed, or has an error or a wrong result; not if it only reached its limit."""
    wrong = any(result.get("passed") is False for result in section.get("results", {}).values())
    return section["status"].startswith("failed") or bool(section.get("errors")) or wrong


def table(report: Mapping[str, Any]) -> list[str]:
    """Return the lines of the summary.

    Args:
        report: content of ``gpu.json``.
    """
    lines = ["", "== summary", json.dumps(report["machine"])]
    for name, section in report["sections"].items():
        lines.append(
            f"{name}: {section['status']}, {section['wall_seconds']:.0f} s of {section['limit_seconds']:.0f} s"
        )
        lines += [f"  {what:<46} {in_words(result)}" for what, result in section.get("results", {}).items()]
        lines += [f"  {what:<46} skipped: {reason}" for what, reason in section.get("skipped", {}).items()]
        lines += [f"  {what:<46} ERROR: {text.splitlines()[-1]}" for what, text in section.get("errors", {}).items()]
        if section.get("running"):
            lines.append(f"  {section['running']:<46} not finished")

    return [*lines, f"{report.get('wall_seconds', 0):.0f} s of {report['budget_seconds']:.0f} s"]


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench/gpu")
    parser.add_argument("--section", action="append", choices=list(SHARES), help="only this section; may be repeated")
    parser.add_argument("--budget", type=float, default=480.0, help="seconds for all sections (default: 480)")
    parser.add_argument("--gensim", type=Path, help="checkout of GenSIM, to compare with")
    parser.add_argument("--device", default="cuda", help="cuda or cpu")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the sections on a processor")
    return parser.parse_args()


if __name__ == "__main__":
    main()
