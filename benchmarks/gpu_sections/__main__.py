"""Run one section: ``python -m gpu_sections NAME``, started by ``benchmarks/gpu.py``."""

import argparse
import functools
import importlib
import sys
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from shared import build_parser, prepare_process, show_progress

from gensim_graph.system import describe_machine
from gpu_sections import ABSENT
from gpu_sections.record import LOST, DeviceLostError, Record

SECTIONS = {
    "correctness": "correctness.check",
    "operator": "evaluation.measure_operator",
    "training": "training.measure",
    "forecast": "forecast.measure",
    "attention": "attention.measure",
    "scaling": "evaluation.measure_scaling",
}
"""Section -> module and function; a package that is missing stops only the sections that need it."""


def main() -> None:
    """Run the section of the command line; its exit code is 1 after an error outside its measurements."""
    options = _options()
    device = prepare_process(options)
    if ABSENT:
        show_progress(
            f"{options.name}: not installed here: {', '.join(ABSENT)}; what needs one of them fails and says so"
        )
    if options.quick:  # the same code is traced, but the minutes of compilation are spared
        torch.compile = functools.partial(torch.compile, backend="aot_eager")

    record = Record(
        options.out / f"{options.name}.json", device, _machine(device), options.resume, 1 if options.quick else 9
    )
    try:
        module, _, function = SECTIONS[options.name].partition(".")
        getattr(importlib.import_module(f"gpu_sections.{module}"), function)(record, device, options)
    except DeviceLostError:
        sys.exit(LOST)
    except Exception:
        record.fail("the section itself", traceback.format_exc())
        sys.exit(1)


def _machine(device: torch.device) -> dict[str, Any]:
    found = describe_machine(device) | {"cuda": torch.version.cuda, "not_installed": ABSENT}
    if find_spec("triton"):
        import triton

        found["triton"] = triton.__version__
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "gpu_memory_bytes": properties.total_memory,
            "multiprocessors": properties.multi_processor_count,
            "compute_capability": f"{properties.major}.{properties.minor}",
        }

    return found


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench/gpu", device=True)
    parser.add_argument("name", choices=list(SECTIONS), help="the section")
    parser.add_argument("--gensim", type=Path, help="checkout of GenSIM")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--resume", action="store_true", help="go on after the last measurement")
    return parser.parse_args()


if __name__ == "__main__":
    main()
