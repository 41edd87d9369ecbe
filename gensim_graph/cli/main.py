"""Entry point of the command line: the commands put together, logging, exit codes.

Flags are for what everyone types, Hydra overrides (``trainer.max_steps=500``) for the rest. Exit codes: 0 for success;
2 for wrong input, with a message and no traceback; 1 for a failure of the package.
"""

import logging
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text

from gensim_graph.cli.benchmarks import benchmark_command, study_command
from gensim_graph.cli.demo import demo_command
from gensim_graph.cli.evaluation import evaluate_command
from gensim_graph.cli.forecasting import forecast_command
from gensim_graph.cli.meshes import mesh_app
from gensim_graph.cli.simulation import simulate_command
from gensim_graph.cli.training import train_command
from gensim_graph.errors import InputError

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.add_typer(mesh_app, name="mesh")
app.command("train")(train_command)
app.command("simulate")(simulate_command)
app.command("forecast")(forecast_command)
app.command("evaluate")(evaluate_command)
app.command("benchmark")(benchmark_command)
app.command("study")(study_command)
app.command("demo")(demo_command)


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
) -> None:
    """A generative sea-ice model on any mesh."""


def main() -> None:
    """Run the command line; wrong input becomes one line of text and exit code 2."""
    logging.basicConfig(format="%(message)s", handlers=[RichHandler(console=Console(stderr=True), show_path=False)])
    try:
        app()
    except InputError as error:
        Console(stderr=True).print("[red]error:[/]", Text(str(error)), highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
