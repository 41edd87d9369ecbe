"""The command line and the package start at once: what takes seconds to import is imported when it is used."""

import subprocess
import sys

import pytest

import gensim_graph as gg
from gensim_graph.cli.main import COMMANDS, load_command

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


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_they_say_themselves(name):
    """The help of a command begins with its line in the list."""
    text = " ".join(str(load_command(name).help).split())
    assert text.startswith(COMMANDS[name][1])


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
