"""``benchmarks/gpu.py``: a failure, a crash or a limit costs neither the results before it nor those after it."""

import json
import sys
from importlib import import_module

import pytest
import torch
from support.places import ROOT

CHILD = """
import json, os, pathlib, sys, time
name, resumed = sys.argv[1], "--resume" in sys.argv
file = pathlib.Path(__file__).with_name(f"{name}.json")
found = json.loads(file.read_text()) if resumed else {"results": {"first": {"seconds": 1.0}}, "errors": {}}
print("speaks:", name)
if name == "loses" and resumed:
    found["results"]["second"] = {"passed": True}
file.write_text(json.dumps(found))
if name == "raises":
    raise ValueError("no such thing")
if name == "lasts":
    time.sleep(60)
if name == "loses" and not resumed:
    sys.exit(75)
if name == "crashes" and not resumed:
    file.write_text(json.dumps(found | {"running": "second"}))
    print("a message of the system", flush=True)
    os.abort()
"""


@pytest.fixture
def driver(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("gpu")


@pytest.fixture
def record(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("gpu_sections.record")


def test_the_next_section_goes_on(driver, tmp_path, capfd):
    """After a failure, after the limit, and in a new process after a crash or the loss of the GPU."""
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    (tmp_path / "fine.json").write_text('{"results": {"of the run before": {}}}')
    shares = dict.fromkeys(("raises", "lasts", "loses", "crashes", "fine"), 1)

    report = driver.run_sections(shares, [sys.executable, str(child)], tmp_path, budget=8)

    assert report == json.loads((tmp_path / "gpu.json").read_text())
    sections = report["sections"]
    assert [sections[name]["status"].split()[0] for name in shares] == ["failed", "ended", "done", "done", "done"]
    assert all(sections[name]["results"]["first"] == {"seconds": 1.0} for name in shares)
    assert "of the run before" not in sections["fine"]["results"]
    assert sections["loses"]["results"]["second"] == {"passed": True}
    assert "ValueError: no such thing" in sections["raises"]["output"]
    assert sections["lasts"]["wall_seconds"] == pytest.approx(sections["lasts"]["limit_seconds"], abs=1)
    assert [driver.has_failed(sections[name]) for name in shares] == [True, False, False, True, False]
    assert "a message of the system" in sections["crashes"]["errors"]["second"]
    shown = capfd.readouterr().out
    assert all(f"speaks: {name}" in shown for name in shares)
    assert "  first" in "\n".join(driver.table(report))


def test_a_measurement_that_fails_is_written_in_full(record, tmp_path, capsys):
    file, device = tmp_path / "some.json", torch.device("cpu")
    some = record.Record(file, device)
    assert some.measure("good", lambda: {"median_seconds": 0.5}) == {"median_seconds": 0.5}
    assert some.measure("bad", lambda: {"ratio": 1 / 0}) is None

    content = record.written(file)
    assert content["results"] == {"good": {"median_seconds": 0.5}}
    assert content["errors"]["bad"].startswith("Traceback")
    assert "ZeroDivisionError" in content["errors"]["bad"]
    assert "ZeroDivisionError" in capsys.readouterr().out

    again = record.Record(file, device, resume=True)
    assert again.measure("good", lambda: {"median_seconds": 0.0}) == {"median_seconds": 0.5}
    assert again.measure("bad", lambda: {"ratio": 1}) is None
    assert again.measure("new", lambda: {"ratio": 1}) == {"ratio": 1}
    assert set(record.written(file)["results"]) == {"good", "new"}


def test_shares_and_functions_belong_to_the_same_sections(driver):
    sections = import_module("gpu_sections.__main__").SECTIONS
    assert list(sections) == list(driver.SHARES)
    for place in sections.values():
        module, _, function = place.partition(".")
        assert f"def {function}(" in (ROOT / "benchmarks" / "gpu_sections" / f"{module}.py").read_text()


def test_a_result_in_words(record):
    result = {"median_seconds": 0.0123, "peak_bytes": 4.5e9, "cells": 4096, "held_bytes": None, "errors": {"x": 1.0}}
    assert record.in_words(result) == "median 12.3 ms, peak 4.5 GB, cells 4096"


def test_absent_packages_stop_only_what_uses_them(monkeypatch):
    """Constants can be made of them at import; what asks something of them fails and names the package."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    absent = import_module("gpu_sections.absent")
    monkeypatch.setattr(absent, "OPTIONAL", ("no_such_maps",))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    assert absent.replace_absent() == ["no_such_maps"]

    code = "from no_such_maps.planes import CRS\nPLANE = CRS.from_epsg(3413)\n"
    names: dict = {"__name__": "gensim_graph.maps"}
    exec(code, names)
    with pytest.raises(ModuleNotFoundError, match=r"CRS is used here, but the package no_such_maps is not"):
        names["PLANE"].to_wkt()
    with pytest.raises(ModuleNotFoundError):  # others only ask if it is there
        exec("import no_such_maps.other", {"__name__": "some_library"})
    for name in [name for name in sys.modules if name.startswith("no_such_maps")]:
        del sys.modules[name]
