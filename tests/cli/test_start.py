"""The command line and the package start at once: what takes seconds to import is imported when it is used."""

import subprocess
import sys

import numpy as np
import pytest

import gensim_graph as gg
from gensim_graph.cli.main import COMMANDS, load_command
from gensim_graph.evaluate import persistence
from gensim_graph.io import mesh_to_dataset

HEAVY = ("torch", "lightning", "torch_geometric", "xarray", "matplotlib", "scipy")


@pytest.mark.parametrize(
    "program",
    [
        "import gensim_graph",
        "import sys; sys.argv = ['gensim-graph', '--help']; from gensim_graph.cli import main; main()",
        "import sys; sys.argv = ['gensim-graph', '--version']; from gensim_graph.cli import main; main()",
    ],
)
def test_nothing_heavy_is_imported_at_the_start(program):
    check = f"import atexit, sys; atexit.register(lambda: print('found', *set({HEAVY}) & set(sys.modules)))\n{program}"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == "found"


def test_evaluate_needs_no_network_without_a_model(small_mesh, tmp_path):
    """The libraries of the network take longer to import than the scores of a small forecast to compute."""
    truth = mesh_to_dataset(small_mesh)
    hours = np.arange(3) * np.timedelta64(12, "h")
    thickness = np.random.default_rng(0).uniform(0.5, 2.0, (3, small_mesh.n_faces))
    truth = truth.assign_coords(time=np.datetime64("2000-01-01", "ns") + hours)
    truth["sit"] = ("time", "face"), thickness, {"units": "m"}
    truth.to_netcdf(tmp_path / "run.nc")
    persistence(truth.isel(time=0), hours[1:]).to_zarr(tmp_path / "forecast.zarr")

    found = imports_of("evaluate", tmp_path / "forecast.zarr", "--truth", tmp_path / "run.nc", "--out", tmp_path / "r")
    assert (tmp_path / "r" / "report.html").exists()
    assert not found & {"torch_geometric", "lightning", "gensim_graph.nn", "gensim_graph.surrogate"}


def test_models_need_no_library_that_only_few_use():
    """Each of them takes a second or a hundred megabytes, in every process of a preparation or a training."""
    program = "import gensim_graph.data, gensim_graph.surrogate, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(found.stdout.split()) & {"torch_geometric", "torch._dynamo", "trimesh", "lightning", "matplotlib"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_they_say_themselves(name):
    """The help of a command begins with its line in the list."""
    text = " ".join(str(load_command(name).help).split())
    assert text.startswith(COMMANDS[name][1])


def imports_of(*arguments: object) -> set[str]:
    """Modules that a command has imported in a new process."""
    program = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from gensim_graph.cli import main; main()"
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_train_and_evaluate_stay_functions():
    """Importing the packages of the same name does not hide them."""
    import gensim_graph.evaluate
    import gensim_graph.train  # noqa: F401

    assert gg.train.__name__ == "train"
    assert gg.evaluate.__name__ == "evaluate"
    assert callable(gg.train)
    assert callable(gg.evaluate)


def test_every_public_name_is_there():
    assert set(gg.__all__) <= set(dir(gg))
    for name in gg.__all__:
        assert getattr(gg, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        gg.nothing  # noqa: B018
