"""Console of the command line: everything the commands print goes through it."""

from rich.console import Console

console = Console()
