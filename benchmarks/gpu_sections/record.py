"""Record of a section: every measurement is printed and written as soon as it is there, and so is every error."""

import gc
import json
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from shared import show_progress, write_json

from gensim_graph.benchmark.speed.measure import TimedCall, seconds_of, spread
from gensim_graph.benchmark.speed.peak_memory import peak_of

LOST = 75
"""Exit code of a section whose process can no longer use the GPU after an error."""

_ENOUGH_SECONDS = 4.0
"""Rounds of a measurement end after this time, but not before the third one."""


class DeviceLostError(RuntimeError):
    """Raised after an error that makes every later use of the GPU in this process fail."""


class Record:
    """Results of a section, in ``OUT/SECTION.json``.

    Args:
        file: the JSON file.
        device: a GPU is checked after every error.
        machine: description of the machine.
        resume: keep the results of the file, and measure only what was not tried before.
        rounds: samples of each time.
    """

    def __init__(
        self,
        file: Path,
        device: torch.device,
        machine: Mapping[str, Any] | None = None,
        resume: bool = False,
        rounds: int = 9,
    ) -> None:
        self.file, self.device, self.rounds = file, device, rounds
        empty = {"status": "running", "machine": dict(machine or {}), "results": {}, "errors": {}, "skipped": {}}
        self.content: dict[str, Any] = empty | (written(file) if resume else {})
        self._write(running=None)

    def measure(self, name: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """Carry out one measurement and write its result, or its error.

        Args:
            name: name of the measurement.
            run: returns the result: names with numbers and texts. Memory that it allocates is given back.

        Returns:
            The result; None after an error.

        Raises:
            DeviceLostError: the GPU cannot be used any more by this process.
        """
        if name in self.content["results"] or name in self.content["errors"]:  # of the process before this one
            return self.content["results"].get(name)

        self._write(running=name)
        try:
            result = run()
        except Exception:
            self.fail(name, traceback.format_exc())
            result = None
        else:
            self.content["results"][name] = result
            show_progress(f"{self.file.stem}: {name}: {in_words(result)}")
            self._write(running=None)

        self._tidy()
        return result

    def timed(self, run: TimedCall, rounds: int | None = None) -> dict[str, Any]:
        """Time and peak memory of a call that has been built before.

        The first run includes all compilation; the second one measures the memory; the rounds follow.

        Args:
            run: function to measure.
            rounds: largest number of samples; None takes that of the record. Fewer, but at least three, are taken if
                they take long.

        Returns:
            Median and quartiles in seconds, the first run, the peak memory of a run, and the memory that was held
            before.
        """
        first = seconds_of(run, self.device)
        held = torch.cuda.memory_allocated(self.device) if self.device.type == "cuda" else None
        peak = peak_of(run, self.device)

        wanted = min(rounds or self.rounds, self.rounds)
        samples: list[float] = []
        while len(samples) < wanted and (len(samples) < 3 or sum(samples) < _ENOUGH_SECONDS):
            samples.append(device_seconds(run, self.device))
        median, lower, upper = spread(samples)

        times = {"median_seconds": median, "lower_seconds": lower, "upper_seconds": upper, "rounds": len(samples)}
        return times | {"first_seconds": first, "peak_bytes": peak, "held_bytes": held}

    def fail(self, name: str, text: str) -> None:
        """Print and write an error.

        Args:
            name: name of the measurement.
            text: the traceback.
        """
        self.content["errors"][name] = text
        show_progress(f"{self.file.stem}: {name}: ERROR\n{text}")
        self._write(running=None)

    def skip(self, name: str, reason: str) -> None:
        """Note that something is not measured.

        Args:
            name: name of the measurement.
            reason: why not.
        """
        self.content["skipped"][name] = reason
        show_progress(f"{self.file.stem}: {name}: skipped: {reason}")
        self._write(running=None)

    def _write(self, running: str | None) -> None:
        self.content["running"] = running
        write_json(self.file, self.content)

    def _tidy(self) -> None:
        torch.compiler.reset()  # compiled code of the measurement before would keep its network
        gc.collect()
        if self.device.type == "cuda":
            try:
                torch.cuda.synchronize(self.device)
                torch.cuda.empty_cache()
            except RuntimeError as error:
                raise DeviceLostError(str(error)) from None


def written(file: Path) -> dict[str, Any]:
    """Return what a section wrote; nothing if it did not come so far."""
    return json.loads(file.read_text()) if file.exists() else {}


def device_seconds(run: TimedCall, device: torch.device) -> float:
    """Time of one run in seconds; on a GPU between two events on the device.

    Args:
        run: function to time.
        device: where it runs.
    """
    if device.type != "cuda":
        return seconds_of(run, device)

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    start.record()
    run()
    end.record()
    torch.cuda.synchronize(device)

    return 1e-3 * start.elapsed_time(end)


def in_words(result: Mapping[str, Any]) -> str:
    """Return a result as one line; lists and tables in it are left out.

    Example:
        >>> in_words({"median_seconds": 0.0123, "peak_bytes": 4.5e9, "cells": 4096})
        'median 12.3 ms, peak 4.5 GB, cells 4096'
    """
    return ", ".join(
        _entry(name, value) for name, value in result.items() if isinstance(value, bool | float | int | str)
    )


def _entry(name: str, value: Any) -> str:
    what, _, unit = name.replace("_", " ").rpartition(" ")
    match unit:
        case "seconds":
            return f"{what} {value:.4g} s" if value >= 1 else f"{what} {1e3 * value:.4g} ms"
        case "bytes":
            return f"{what} {value / 1e9:.4g} GB"

    number = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{what} {unit} {number}".strip()
