"""Price of zero-shot forecasts: errors over those of the same kind of network trained on the data set of the test."""

from collections.abc import Mapping
from typing import Any

from gensim_graph.benchmark.resolutions.contenders import LINEAR, PERSISTENCE


def price_table(rows: list[dict[str, Any]], trainings: Mapping[str, tuple[str, ...]]) -> str:
    """RMSE at the first lead time over that of the same contender when it is trained only on the data set of the test.

    Args:
        rows: scores of a study.
        trainings: names of the data sets of each training.

    Returns:
        Table in Markdown; empty if no training has only the data set of a test.
    """
    errors = {(row["contender"], row["training"], row["test"]): _first(row) for row in rows}
    names = list(dict.fromkeys(name for own in errors.values() for name in own))
    lines = []

    for (contender, training, test), own in errors.items():
        home = next((name for name, sets in trainings.items() if tuple(sets) == (test,)), None)
        at_home = errors.get((contender, home, test))
        if contender == PERSISTENCE or at_home is None or training == home:
            continue

        ratios = " | ".join(
            f"{own[v] / max(at_home[v], 1e-30):.2f}" if v in own and v in at_home else "" for v in names
        )
        lines.append((contender == LINEAR, f"| {test} | {contender} | {training} | {ratios} |"))

    if not lines:
        return ""

    head = f"| forecast | | trained on | {' | '.join(names)} |\n{'|---' * (len(names) + 3)}|"
    text = "RMSE at the first lead time over that of the same network trained on the set that is forecast, and no more."
    body = "\n".join(line for _, line in sorted(lines, key=lambda one: one[0]))

    return f"## The price of not having been trained there\n\n{text}\n\n{head}\n{body}\n"


def _first(row: dict[str, Any]) -> dict[str, float]:
    """RMSE by variable at the first lead time."""
    lead = min(one["lead_hours"] for one in row["scores"])
    return {one["variable"]: one["rmse"] for one in row["scores"] if one["lead_hours"] == lead}
