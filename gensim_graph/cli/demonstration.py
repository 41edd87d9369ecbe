"""``gensim-graph demo``: the whole path on the built-in data."""

from pathlib import Path
from typing import Annotated

import typer

from gensim_graph.cli.console import console
from gensim_graph.demo import Study, run_study
from gensim_graph.system import keep_freed_memory


def demo_command(
    out: Annotated[Path, typer.Option(help="Folder of everything.")] = Path("demo"),
    steps: Annotated[int, typer.Option(help="Training steps.", min=1)] = Study.steps,
) -> None:
    """Train, forecast and evaluate on the built-in data: about ten minutes on two cores.

    [dim]gensim-graph demo --out demo/[/]
    """
    keep_freed_memory()
    run_study(Study(steps=steps, twin_steps=max(1, steps // 4)), out, console)
