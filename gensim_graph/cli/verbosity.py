"""Amount of messages: ``--verbose`` and ``--quiet``, which every command takes, and the handler of log messages."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.text import Text

from gensim_graph.cli.console import console
from gensim_graph.errors import InputError

log = logging.getLogger("gensim_graph")

_STYLES = {logging.DEBUG: "dim", logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


class MessageHandler(logging.Handler):
    """Write log messages to standard error: each on one line that the terminal wraps, so that paths stay whole."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message; its level stands in front, except for information.

        Args:
            record: the message.
        """
        text = Text()
        if record.levelno != logging.INFO:
            text.append(f"{record.levelname.lower()}: ", style=_STYLES.get(record.levelno, ""))

        text.append(self.format(record))

        from gensim_graph.system import stderr_screen  # imports PyTorch, which --help does not need

        stderr_screen().print(text, highlight=False, soft_wrap=True)


@contextmanager
def shown_messages() -> Iterator[None]:
    """Show log messages inside, at first information and warnings; the options of a command change the amount."""
    root, level = logging.getLogger(), log.level
    handler = MessageHandler()
    root.addHandler(handler)
    _set_amount(logging.INFO)

    try:
        yield
    finally:
        root.removeHandler(handler)
        log.setLevel(level)
        console.quiet = False


def _set_amount(level: int) -> None:
    log.setLevel(level)
    console.quiet = level >= logging.WARNING


def _on_choice(level: int, name: str) -> Any:
    def choose(context: Any, wanted: bool) -> bool:
        if wanted:
            first = context.meta.setdefault("gensim_graph.verbosity", name)
            if first != name:
                raise InputError(f"{first} and {name}: give one of them")
            _set_amount(level)
        return wanted

    return choose


Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        callback=_on_choice(logging.DEBUG, "--verbose"),
        is_eager=True,
        expose_value=False,
        help="Say more: details of the files that are read, and where an error came from.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        callback=_on_choice(logging.WARNING, "--quiet"),
        is_eager=True,
        expose_value=False,
        help="Only warnings, errors and what was asked for; no progress bar.",
    ),
]


def add_options(command: Any) -> None:
    """Add ``--verbose`` and ``--quiet`` to a command, and to all commands of a group.

    Args:
        command: of click, or typer's own copy of that class.
    """
    command.params += [one for one in _common_options() if one.name not in {known.name for known in command.params}]
    for inner in getattr(command, "commands", {}).values():
        add_options(inner)


def _common_options() -> list[Any]:
    holder = typer.Typer(add_completion=False)

    @holder.command()
    def options(verbose: Verbose = False, quiet: Quiet = False) -> None:
        pass

    return [one for one in typer.main.get_command(holder).params if one.name in ("verbose", "quiet")]
