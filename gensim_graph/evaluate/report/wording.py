"""Words for the short names that tables and files use: variables by their meaning, facts of a model as sentences."""

from collections.abc import Iterable

from gensim_graph.variables import Variable, vector_pairs

_FILLERS = {"a", "along", "at", "in", "mesh", "of", "on", "the", "to"}
"""Words with which the meaning of a vector must not end, once the axis of its components is left out."""


def variable_words(variables: Iterable[Variable]) -> dict[str, str]:
    """Return the meaning of every variable and every vector: name -> words.

    A variable without a ``long_name`` keeps its name. A vector, such as ``siu, siv``, is named by the words with which
    the meanings of both components begin.

    Args:
        variables: the variables; the two components of a vector follow each other.
    """
    rows = list(variables)
    words = {variable.name: variable.long_name or variable.name for variable in rows}
    for first, second in vector_pairs(rows):
        x, y = rows[first], rows[second]
        words[f"{x.name}, {y.name}"] = vector_words(x, y)

    return words


def vector_words(x: Variable, y: Variable) -> str:
    """Return the meaning of a vector, such as ``ice drift``: the words with which both components begin.

    Args:
        x: the first component.
        y: the second component.

    Returns:
        The words, or the names of both components if their meanings begin differently.
    """
    shared = []
    for here, there in zip(x.long_name.split(), y.long_name.split(), strict=False):
        if here != there:
            break
        shared.append(here)

    while shared and shared[-1] in _FILLERS:
        shared.pop()

    return " ".join(shared) or f"{x.name}, {y.name}"


def capitalised(text: str) -> str:
    """Begin a text with a capital letter, and leave the other letters as they are."""
    return text[:1].upper() + text[1:]


def fact_label(key: str) -> str:
    """Return the label of a fact about a model: ``trained_on`` becomes Trained on."""
    return capitalised(key.replace("_", " "))
