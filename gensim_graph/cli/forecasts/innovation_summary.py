"""What observations changed, as ``gensim-graph assimilate`` prints it at its end."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from gensim_graph.evaluate import open_innovations, score_innovations

_NUMBERS = ("bias", "rmse", "spread", "rcrv_std")


def print_innovations(store: Path, screen: Console, is_guided: bool) -> None:
    """Print the statistics of innovations by variable, of forecast and analysis.

    Args:
        store: of the analysis.
        screen: console to print on.
        is_guided: the flow was guided.
    """
    scores = score_innovations(open_innovations(store))["innovations"]
    table = Table("variable", "ensemble", "used", "bias", "rmse", "spread", "rcrv std", title="observed minus ensemble")
    for column in table.columns[2:]:
        column.justify = "right"
    for row in scores.to_dict("records"):
        table.add_row(row["variable"], row["model"], f"{row['n']:,}", *(f"{row[name]:.3g}" for name in _NUMBERS))

    screen.print(table)
    screen.print(
        "rcrv std: deviation of the innovations over what spread and errors say; 1 if right",
        highlight=False,
    )
    if is_guided:
        screen.print("forecast: of each member without the noise of its step, so its spread is small", highlight=False)
