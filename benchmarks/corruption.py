"""Damage small files of every format at random, read them, and count what happens.

Allowed are an InputError that names the file, and a result that is possible: finite nodes and positive areas, finite
fields within their bounds, increasing times. Everything else is written to ``--out`` and ends with exit code 1: another
exception, a crash of Python, more than a minute, an impossible result, or a result that differs although only an
attribute without a meaning was changed.

    python benchmarks/corruption.py --count 10000
    python benchmarks/corruption.py --only "msh 4.1" --round 137     # one again, with its traceback

Each round has random numbers of its own. Formats are read in processes of their own.
"""

import argparse
import faulthandler
import json
import logging
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from corruption_files import SAMPLES, Result
from support.corrupt import damaged

from gensim_graph import InputError

LIMIT = 60.0  # s, for one file
SLOW = 10.0  # s of the processor
RUBBISH = ["", "?", "m of ice", "days since never", "face face", "NaN", "\u00e9", "x" * 500, "mesh", "time lat lon"]
NUMBERS = [0, -1, 1, 2**31 - 1, 1e30, float("nan")]
MEANT = {
    *("units", "scale_factor", "add_offset", "_FillValue", "missing_value", "valid_range", "valid_min", "valid_max"),
    *("standard_name", "cell_methods", "calendar", "coordinates", "dtype", "start_index", "_Unsigned", "axis"),
}
"""Attributes that change the result. Those of a topology and of a grid mapping do too, see :func:`is_meant`."""


def is_meant(name: str) -> bool:
    """Return True if a file says with an attribute what its numbers are."""
    topology = ("face", "node", "edge", "cf_role", "dimension", "bound", "open", "coast", "type")
    plane = ("grid_mapping", "crs", "lat", "lon", "projection", "axis", "parallel", "false_", "flattening", "radius")
    sphere = ("sphere", "periodic", "on_a")
    return name in MEANT or any(part in name for part in (*topology, *plane, *sphere))


# Damage


def damage(folder: Path, rng: np.random.Generator) -> tuple[Path, str]:
    """Damage one file in a folder; return it, and the kind of damage or the name of the changed attribute."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = files[rng.integers(len(files))]
    if rng.random() < 0.35:
        kind = _change_content(path, rng)
        if kind:
            return path, kind

    path.write_bytes(damaged(path.read_bytes(), rng))
    return path, "bytes"


def _change_content(path: Path, rng: np.random.Generator) -> str:
    """Change attributes or values of a file that stays readable; an empty text if the format has none."""
    if path.suffix == ".nc":
        return _change_netcdf(path, rng)
    if path.suffix == ".json":
        return _change_json(path, rng)
    if path.suffix in (".msh", ".out", ".smesh", ".dat", ".vtu"):
        return _change_text(path, rng)
    return ""


def _change_netcdf(path: Path, rng: np.random.Generator) -> str:
    with netCDF4.Dataset(path, "a") as content:
        groups = [content, *content.groups.values()]
        holders = groups + [variable for group in groups for variable in group.variables.values()]
        holders = [one for one in holders if set(one.ncattrs()) - {"_FillValue"}] or holders
        holder = holders[rng.integers(len(holders))]
        names = sorted(set(holder.ncattrs()) - {"_FillValue"})

        if not names or (rng.random() < 0.3 and isinstance(holder, netCDF4.Variable)):
            return _change_values(holder, rng) if isinstance(holder, netCDF4.Variable) else ""

        name = names[rng.integers(len(names))]
        if rng.random() < 0.3:
            holder.delncattr(name)
        else:
            holder.setncattr(name, _other_value(rng))
    return f"attribute {name}"


def _change_values(variable: netCDF4.Variable, rng: np.random.Generator) -> str:
    """Put a value that cannot be right into a variable."""
    if variable.dtype.kind not in "iuf" or not variable.size:
        return ""
    variable.set_auto_maskandscale(False)
    if isinstance(variable.dtype, type) or "_Unsigned" in variable.ncattrs():
        return ""
    values = np.atleast_1d(np.array(variable[...]))
    top = np.inf if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    values.flat[rng.integers(values.size)] = [top, 0 if values.dtype.kind == "u" else -1, 0][rng.integers(3)]
    variable[...] = values.reshape(variable.shape)
    return "value"


def _change_json(path: Path, rng: np.random.Generator) -> str:
    """Change one entry, at any depth."""
    place: Any = json.loads(path.read_text())
    whole = place
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return ""
        key = keys[rng.integers(len(keys))]
        if not isinstance(place[key], dict | list) or rng.random() < 0.1:
            break
        place = place[key]

    if rng.random() < 0.3:
        del place[key]
    else:
        place[key] = _other_value(rng)
    path.write_text(json.dumps(whole))
    return f"entry {key}"


def _change_text(path: Path, rng: np.random.Generator) -> str:
    """Replace a digit or a word."""
    if rng.random() < 0.5:
        content = bytearray(path.read_bytes())
        digits = [at for at, byte in enumerate(content) if byte in b"0123456789"]
        if digits:
            content[digits[rng.integers(len(digits))]] = int(rng.choice(list(b"0123456789")))
            path.write_bytes(content)
            return "digit"

    words = path.read_bytes().split(b" ")
    words[rng.integers(len(words))] = rng.choice([b"0", b"-1", b"999999999", b"1e400", b"nan", b"word", b"", b"0x1"])
    path.write_bytes(b" ".join(words))
    return "word"


def _other_value(rng: np.random.Generator) -> Any:
    return str(rng.choice(RUBBISH)) if rng.random() < 0.6 else float(rng.choice(NUMBERS))


# One round


def outcome(name: str, source: Path, path: Path, truth: Result, rng: np.random.Generator) -> dict:
    """Damage a copy of a sample, read it and judge."""
    part, kind = damage(source, rng)
    start = time.process_time()
    result: dict[str, Any] = {"damage": f"{kind} of {part.relative_to(source)}"}

    try:
        found = SAMPLES[name].read(path)
    except InputError as error:
        result |= {"outcome": "refused" if str(source) in str(error) else "unnamed", "text": str(error)[:300]}
    except AssertionError as error:
        result |= {"outcome": "impossible", "text": str(error)[:300]}
    except Exception:
        result |= {"outcome": "exception", "text": traceback.format_exc()[-2500:]}
    else:
        changed = [key for key in {*truth, *found} if not _equal(truth.get(key), found.get(key))]
        result |= {"outcome": "changed" if changed else "same", "text": ", ".join(sorted(changed))[:200]}
        if changed and kind.startswith("attribute ") and not is_meant(kind.removeprefix("attribute ")):
            result["outcome"] = "silent"

    result["seconds"] = time.process_time() - start
    if result["seconds"] > SLOW and result["outcome"] in ("same", "changed", "refused"):
        result["outcome"] = "slow"
    return result


def _equal(one: Any, other: Any) -> bool:
    if one is None or other is None or np.shape(one) != np.shape(other):
        return False

    same = np.asarray(one == other) | ((one != one) & (other != other))  # NaN equals NaN here
    return bool(np.all(same))


def work(name: str, rounds: range, seed: int, out: Path, folder: Path) -> None:
    """Read damaged files of one format; print a line of JSON for each."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    whole, place = folder / "whole", folder / "file"
    if not whole.exists():
        whole.mkdir()
        relative = SAMPLES[name].make(whole).relative_to(whole)
        (folder / "path").write_text(str(relative))
    relative = Path((folder / "path").read_text())
    truth = SAMPLES[name].read(whole / relative)

    for number in rounds:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(whole, place)
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        result = outcome(name, place, place / relative, truth, np.random.default_rng([seed, number]))
        faulthandler.cancel_dump_traceback_later()

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"round": number, "megabytes": peak} | result), flush=True)
        if result["outcome"] not in ("same", "changed", "refused"):
            shutil.copytree(place, out / f"{name} {number}", dirs_exist_ok=True)


# All rounds


def run_format(name: str, count: int, seed: int, out: Path) -> list[dict]:
    """Run all rounds of a format; a process that ends before its time is a crash, and the next goes on after it."""
    results: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        while len(results) < count:
            command = [sys.executable, __file__, "--only", name, "--seed", str(seed), "--out", str(out)]
            command += ["--worker", folder, "--first", str(len(results)), "--count", str(count)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
            results += lines
            if len(results) < count:
                text = ended.stderr[-2500:]
                kind = "hang" if "Timeout" in text else "crash"
                number = len(results)
                results.append({"round": number, "outcome": kind, "text": text, "seconds": LIMIT, "megabytes": 0.0})
                place = Path(folder) / "file"
                if not place.exists():
                    raise RuntimeError(f"{name}: {text}")
                shutil.copytree(place, out / f"{name} {number}", dirs_exist_ok=True)
    return results


def report(name: str, results: list[dict]) -> str:
    """Row of a table in Markdown."""
    counts = Counter(one["outcome"] for one in results)
    bad = {kind: number for kind, number in counts.items() if kind not in ("same", "changed", "refused")}
    seconds = max(one["seconds"] for one in results)
    grown = max(one["megabytes"] for one in results) - results[0]["megabytes"]
    row = f"| {name} | {counts['same']} | {counts['changed']} | {counts['refused']} | {seconds:.2f} | {grown:.0f} |"
    return f"{row} {bad or ''}"


def main() -> int:
    """Read the command line, run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="damaged files in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("bench/corruption"), help="where bad cases are kept")
    parser.add_argument("--only", help="one format")
    parser.add_argument("--round", type=int, help="one round of the format of --only")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    if options.worker or options.round is not None:
        last = options.count if options.round is None else options.round + 1
        first = options.first if options.round is None else options.round
        folder = options.worker or Path(tempfile.mkdtemp())
        work(options.only, range(first, last), options.seed, options.out, folder)
        return 0

    names = [options.only] if options.only else list(SAMPLES)
    each, bad = -(-options.count // len(names)), []
    print("| format | same | changed | refused | longest, s | more memory, MB |\n|---|---|---|---|---|---|", flush=True)
    for name in names:
        results = run_format(name, each, options.seed, options.out)
        (options.out / f"{name}.json").write_text(json.dumps(results, indent=1))
        print(report(name, results), flush=True)
        bad += [one for one in results if one["outcome"] not in ("same", "changed", "refused")]

    print(f"{each * len(names)} damaged files, {len(bad)} of them not read as they should")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
