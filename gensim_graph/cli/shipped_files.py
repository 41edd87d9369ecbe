"""``gensim-graph models`` and ``gensim-graph data``: the weights and the data that ship, and their places."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperGroup

from gensim_graph.cli.archives import archive_info_command, prepare_command
from gensim_graph.cli.console import command_line, place, results, say
from gensim_graph.data import cyclone_meshes, cyclone_trajectories
from gensim_graph.surrogate import SHIPPED, downloaded_models, model_folder
from gensim_graph.system import resource, size_in_words

_USES = {
    "train": "training; taken by train without --data",
    "test": "test at 16 km; never used for training",
    "zero_shot": "test at 8 km, a resolution without training data",
}
"""Split of the built-in trajectories -> their use."""

_MODELS = {
    "small": "12-h steps at 4 to 60 km: storms, and the seasons if the air temperature is given",
    "small-1": "student of small: one evaluation in each step, ten times faster",
    "small@1": "weights of the release before: 4 to 30 km, winter, brittle ice under storms",
}
"""Shipped model -> its use."""


class _DataGroup(TyperGroup):
    """Group that lists the data if no other command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Put ``list`` in front of arguments without a command."""
        named = any(word in self.commands for word in args) or "--help" in args
        return super().parse_args(ctx, args if named else ["list", *args])


data_app = typer.Typer(cls=_DataGroup, rich_markup_mode="rich", add_completion=False)
data_app.command("prepare")(prepare_command)
data_app.command("info")(archive_info_command)


def models_command() -> None:
    """Show the trained models that ship or were downloaded, with their size and place.

    [dim]gensim-graph models[/]
    """
    table = Table("model", "size", "use")
    for name in SHIPPED:
        table.add_row(name, _size(model_folder(name)), _MODELS[name])
    results.print(table)

    for name in SHIPPED:
        folder = model_folder(name)
        _show(
            f"{name} is in {place(folder)}; its card says what it was trained on, and where it fails: README.md there"
        )
    for address, folder in downloaded_models().items():
        say(f"downloaded: {place(address)}, {_size(folder)}, in {place(folder)}")
    say(f"forecast with:{command_line('gensim-graph', 'forecast', '--model', SHIPPED[0], '--initial', 'FILE@TIME')}")


@data_app.callback()
def data_command() -> None:
    """Show the data that ship; prepare an archive of any size for training, and show what it holds.

    Without a command: [dim]gensim-graph data list[/].
    """


@data_app.command("list")
def list_command(
    folder: Annotated[bool, typer.Option("--folder", help="Print the folder of the data alone, for scripts.")] = False,
) -> None:
    """Show the data that ship; the same as gensim-graph data.

    [dim]gensim-graph data[/]

    [dim]ln -s "$(gensim-graph data --folder)" meshes[/]
    """
    if folder:
        print(resource("meshes"))
        return

    table = Table("file", "size", "use")
    for name, path in cyclone_meshes().items():
        table.add_row(path.name, _size(path), f"mesh of trajectories at {name.split('_')[1].replace('km', ' km')}")
    for split, use in _USES.items():
        for path in cyclone_trajectories(split):  # type: ignore[arg-type]
            table.add_row(path.name, _size(path), use)
    results.print(table)

    _show(f"the files are in {place(resource('meshes', 'cyclone_512km'))}")
    if not Path("meshes").exists():
        say(
            "the commands of the tutorial look for them in meshes/; link them to this folder with:\n"
            '  ln -s "$(gensim-graph data --folder)" meshes'
        )


def _show(text: str) -> None:
    results.print(text, soft_wrap=True, highlight=False)


def _size(path: Path) -> str:
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    return size_in_words(sum(one.stat().st_size for one in files))
