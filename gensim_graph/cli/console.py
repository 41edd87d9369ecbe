"""Consoles of the command line: everything that the commands print goes through them.

Paths and commands are printed in the form in which a shell takes them, and never broken into lines, so that they can be
copied.
"""

import shlex

from rich.console import Console
from rich.markup import escape

console = Console()
"""Progress and messages; silent with ``--quiet``."""

results = Console()
"""Tables and reports that a command was asked for; printed with ``--quiet`` too."""


def say(message: str) -> None:
    """Print a message to the user in one line, however narrow the terminal is; the terminal wraps it by itself.

    Args:
        message: text with rich markup; :func:`place` and :func:`command_line` escape what the user named.
    """
    console.print(message, soft_wrap=True, highlight=False)


def place(path: object) -> str:
    """Return a path in bold, quoted for a shell."""
    return f"[bold]{escape(shlex.quote(str(path)))}[/]"


def command_line(*words: object) -> str:
    """Return a command to copy, on a line of its own.

    Args:
        *words: the program and its arguments, not quoted.

    Example:
        >>> from gensim_graph.cli.console import command_line
        >>> command_line("gensim-graph", "train", "--data", "my runs/*.nc").strip()
        "gensim-graph train --data 'my runs/*.nc'"
    """
    return f"\n  {escape(shlex.join(str(word) for word in words))}"
