"""Entry point of the command line: the commands put together, logging, exit codes.

A command is imported when it is called: PyTorch and the libraries around it take seconds.

A ``~`` at the beginning of an argument, or of its value, is the home folder, also in quotes (``--data '~/runs/*.nc'``,
``--out=~/run``).

Flags are for what everyone types, Hydra overrides (``trainer.max_steps=500``) for the rest. Exit codes: 0 for success;
2 for wrong input, with a message and no traceback; 1 for a failure of the package.
"""

import errno
import gc
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from gensim_graph.cli.verbosity import Quiet, Verbose, add_options, shown_messages
from gensim_graph.errors import InputError

log = logging.getLogger(__name__)

COMMANDS = {
    "demo": (
        "demonstration:demo_command",
        "Train, forecast and evaluate on the built-in data: about ten minutes on two cores.",
    ),
    "models": (
        "shipped_files:models_command",
        "Show the trained models that ship or were downloaded, with their size and place.",
    ),
    "data": (
        "shipped_files:data_app",
        "Show the data that ship; prepare an archive of any size for training, and show what it holds.",
    ),
    "mesh": ("meshes:mesh_app", "Look at meshes and the fields on them; bring them to other files."),
    "simulate": (
        "simulation:simulate_command",
        "Simulate sea ice under moving storms on any mesh: data to train on where there are none.",
    ),
    "train": ("training:train_command", "Train a model of the sea ice."),
    "distil": (
        "distilling:distil_command",
        "Train a student of a flow: a model that needs one evaluation of the network in each step instead of eleven.",
    ),
    "calibrate": (
        "distilling:calibrate_command",
        "Reduce the biases with which long runs of a student drift away.",
    ),
    "forecast": (
        "forecasts.forecasting:forecast_command",
        "Forecast an ensemble into a zarr store, of any length, on one process or many.",
    ),
    "assimilate": (
        "forecasts.assimilating:assimilate_command",
        "Correct a forecast with observations, step by step: an analysis, and what it changed.",
    ),
    "evaluate": ("evaluation:evaluate_command", "Score a forecast and write an HTML report with maps and curves."),
    "benchmark": ("benchmarks:benchmark_command", "Measure time and memory of the network on this machine."),
    "study": (
        "benchmarks:study_command",
        "Train on some resolutions and meshes, forecast on others, and score every pair in one table.",
    ),
}
"""Command -> module and function (or group) in ``gensim_graph.cli``, and its line in ``gensim-graph --help``."""


def load_command(name: str) -> Any:
    """Import a command and return it in the form that click calls.

    The result is :class:`click.Command` (or typer's own copy of that class).
    """
    place, _ = COMMANDS[name]
    module, _, attribute = place.partition(":")
    with _without_collection():
        found = getattr(import_module(f"gensim_graph.cli.{module}"), attribute)

    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
        single.command(name)(found)
        found = single

    command = typer.main.get_command(found)
    add_options(command)
    return command


@contextmanager
def _without_collection() -> Iterator[None]:
    """Pause the garbage collector: what an import makes stays, and each full collection would visit all of it."""
    enabled = gc.isenabled()
    gc.disable()

    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _LazyCommands(TyperGroup):
    """Group whose commands are known by name and help until one of them is called."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Put the home folder in place of ``~`` before anything reads the arguments."""
        return super().parse_args(ctx, [expand_home(word) for word in args])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that was typed."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name in COMMANDS else command, rest


app = typer.Typer(cls=_LazyCommands, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)
for _name, (_, _help) in COMMANDS.items():
    app.command(_name, help=_help)(lambda: None)


def expand_home(word: str) -> str:
    """Put the home folder in place of ``~/`` or ``~name/`` at the beginning of a word, or of its value after ``=``.

    The shell does so only without quotes, and not after ``=``. Hydra's ``~key``, which removes a setting, stays.

    Example:
        >>> import os
        >>> from gensim_graph.cli.main import expand_home
        >>> expand_home("twin=~/twin.zarr") == f"twin={os.path.expanduser('~')}/twin.zarr"
        True
        >>> expand_home("~trainer.clip"), expand_home("backup~/a.nc")
        ('~trainer.clip', 'backup~/a.nc')
    """
    name, path = re.fullmatch(r"([\w.+-]*=)?(.*)", word, flags=re.DOTALL).groups("")  # type: ignore[union-attr]
    return name + os.path.expanduser(path) if re.match(r"~[\w.-]*/|~$", path) else word


_NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk that is full or read-only, and of missing permission."""


def _print_version(wanted: bool) -> bool:
    if wanted:
        print(f"gensim-graph {version('gensim-graph')}")
        raise typer.Exit
    return wanted


@app.callback()
def common(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """A generative sea-ice model on any mesh."""


def main() -> None:
    """Run the command line; wrong input becomes one line of text and exit code 2."""
    with shown_messages():
        try:
            app()
        except InputError as error:
            _exit_with(str(error))
        except OSError as error:
            if error.errno not in _NO_PLACE:
                raise
            target = error.filename2 or error.filename or "the output"
            _exit_with(f"{target}: cannot be written ({error.strerror}); make room, or choose another place with --out")


def _exit_with(message: str) -> NoReturn:
    log.debug("the error came from here", exc_info=True)
    Console(stderr=True).print("[red]error:[/]", Text(message), highlight=False, soft_wrap=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
