"""Arguments of the wrong kind or size: one message that says what was expected, and nothing computed."""

import subprocess
import sys

import numpy as np
import pytest
from support.places import ROOT
from support.surrogates import DATA, random_surrogate

from gensim_graph.errors import InputError, check_count
from gensim_graph.forecast import write_forecast
from gensim_graph.mesh import Mesh

MODEL = random_surrogate()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"members": 0}, r"forecast\.members: expected a number of 1 or more; came 0"),
        ({"members": -3}, r"forecast\.members: expected a number of 1 or more; came -3"),
        ({"batch": 0}, r"forecast\.batch: expected a number of 1 or more; came 0"),
        ({"steps": -1}, r"forecast\.steps: expected a number of 0 or more; came -1"),
        ({"seed": -1}, r"forecast\.seed: expected a number of 0 or more; came -1"),
    ],
)
@pytest.mark.parametrize("function", ["forecast", "rollout"])
def test_numbers_that_make_no_forecast(function, option, words):
    """At the call, not at the first step of the iterator."""
    with pytest.raises(InputError, match=words):
        getattr(MODEL, function)(DATA.isel(time=0), DATA, **({"steps": 1} | option))


@pytest.mark.parametrize("came", [1.5, "3", None, True, np.float64(2)])
def test_no_whole_number(came):
    with pytest.raises(InputError, match="members: expected a whole number; came"):
        check_count("members", came, least=1)


@pytest.mark.parametrize("came", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers(came):
    assert check_count("members", came, least=1) == 3


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_without_members(tmp_path, batch):
    with pytest.raises(InputError, match=r"forecast\.batch: expected a number of 1 or more, or auto; came"):
        write_forecast(MODEL, DATA.isel(time=0), DATA, tmp_path / "fc.zarr", batch=batch)
    assert not list(tmp_path.iterdir())


# Faces of different lengths

NODES = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [2, 0.5]]) * 1e4
RAGGED = [[0, 1, 2, 3], [1, 4, 2]]


@pytest.mark.parametrize("kind", ["lists", "arrays", "tuples"])
def test_faces_of_different_lengths(kind):
    make = {"lists": list, "arrays": np.array, "tuples": tuple}[kind]
    mesh = Mesh.from_faces(NODES, [make(row) for row in RAGGED])
    assert mesh.hash == Mesh.from_faces(NODES, np.array([[0, 1, 2, 3], [1, 4, 2, -1]])).hash


def test_a_short_row():
    with pytest.raises(InputError, match="faces 1 have fewer than three corners"):
        Mesh.from_faces(NODES, [[0, 1, 2, 3], [1, 4]])


# Types: in a process without the checks of the tests, which would refuse them first

PROGRAM = """
import sys
sys.path.insert(0, "tests")
import logging; logging.disable(logging.WARNING)
import gensim_graph as gg
from support.surrogates import DATA, MESH, random_surrogate

model, first = random_surrogate(), DATA.isel(time=0)
turned = random_surrogate()
turned.mirror = "sometimes"
NODES = [[0, 0], [1e4, 0], [1e4, 1e4], [0, 1e4]]
calls = {
    "open_store mesh": lambda: gg.open_store(DATA, mesh="box.msh"),
    "open_store variables": lambda: gg.open_store(DATA, variables="sic"),
    "open_store data": lambda: gg.open_store(DATA["sic"]),
    "open_store number": lambda: gg.open_store(3),
    "open_forcing mesh": lambda: gg.open_forcing(DATA, mesh="box.msh"),
    "train mesh": lambda: gg.train("box.msh", DATA, out=sys.argv[1], progress=False),
    "train variables": lambda: gg.train(MESH, DATA, variables="sic", out=sys.argv[1], progress=False),
    "attach mesh": lambda: gg.attach("box.msh", DATA),
    "attach order": lambda: gg.attach(DATA, MESH),
    "attach file": lambda: gg.attach(MESH, "run.nc"),
    "forecast initial": lambda: model.forecast("run.nc", DATA, steps=1),
    "forecast forcing": lambda: model.forecast(first, "run.nc", steps=1),
    "forecast mesh": lambda: model.forecast(first, DATA, steps=1, mesh="box.msh"),
    "forecast members": lambda: model.forecast(first, DATA, steps=1, members=2.5),
    "forecast steps": lambda: model.forecast(first, DATA, steps="4"),
    "forecast mirror": lambda: turned.forecast(first, DATA, steps=1),
    "faces of fractions": lambda: gg.Mesh.from_faces(NODES, [[0, 1, 2, 3], [1, 2, 0.5]]),
    "faces of text": lambda: gg.Mesh.from_faces(NODES, [[0, 1, 2, 3], "012"]),
    "faces of lists": lambda: gg.Mesh.from_faces(NODES, [[0, 1, 2, 3], [[0, 1, 2]]]),
    "write variables": lambda: gg.write_forecast(model, first, DATA, sys.argv[1] + ".zarr", variables="sic"),
    "write members": lambda: gg.write_forecast(model, first, DATA, sys.argv[1] + ".zarr", members=1.5),
    "write batch": lambda: gg.write_forecast(model, first, DATA, sys.argv[1] + ".zarr", batch="many"),
}
for name, call in calls.items():
    try:
        call()
    except gg.InputError as error:
        print(f"{name} | {error}")
    except Exception as error:
        print(f"{name} | WRONG {type(error).__name__}: {error}")
    else:
        print(f"{name} | WRONG nothing")
"""

EXPECTED = {
    "open_store mesh": "mesh: expected a Mesh; came str 'box.msh'; read it with gensim_graph.load_mesh",
    "open_store variables": "variables: expected a VariableTable; came str 'sic'",
    "open_store data": "data: expected a file, a dataset, or a list of them; came DataArray",
    "open_store number": "data: expected a file, a dataset, or a list of them; came int",
    "open_forcing mesh": "mesh: expected a Mesh; came str 'box.msh'",
    "train mesh": "mesh: expected a Mesh; came str 'box.msh'",
    "train variables": "variables: expected a VariableTable; came str 'sic'",
    "attach mesh": "mesh: expected a Mesh; came str 'box.msh'",
    "attach order": "mesh: expected a Mesh; came Dataset",
    "attach file": "data: expected a Dataset; came str 'run.nc'; open a file with gensim_graph.open_store",
    "forecast initial": "initial state: expected a Dataset; came str 'run.nc'",
    "forecast forcing": "forcing: expected a dataset, or files opened with gensim_graph.open_forcing(path, mesh)",
    "forecast mesh": "mesh: expected a Mesh; came str 'box.msh'",
    "forecast members": "forecast.members: expected a whole number; came 2.5",
    "forecast steps": "forecast.steps: expected a whole number; came '4'",
    "forecast mirror": "mirror: expected auto, always or never; came 'sometimes'",
    "faces of fractions": "faces must be integer node indices, one row for each face",
    "faces of text": "faces must be integer node indices, one row for each face",
    "faces of lists": "faces must be integer node indices, one row for each face",
    "write variables": "forecast.variables: expected a list of names, such as ['sic', 'sit']; came 'sic'",
    "write members": "forecast.members: expected a whole number; came 1.5",
    "write batch": "forecast.batch: expected a whole number, or auto; came 'many'",
}


@pytest.mark.slow
def test_arguments_of_another_type(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said = dict(line.split(" | ", 1) for line in done.stdout.splitlines())
    for name, words in EXPECTED.items():
        assert words in said[name], name
    assert not list(tmp_path.iterdir())
