r"""Average the weights of models that were trained from the same start: one model, better than each where they differ.

Usage: python benchmarks/average_weights.py --models A B:0.5 C --out FOLDER

A number after a colon is the share of a model, 1 by default. Trainings that begin from the same weights end in the same
valley of the loss, and their mean lies deeper in it than they do (Wortsman et al. 2022, arXiv:2203.05482). It blends
what trainings of different kinds have learned, such as short steps and slow drifts. Statistics and sampler are those of
the first model. A model is a folder or the name of one that ships; those after the first may be the checkpoint of a
training (``last.ckpt``).
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Tensor

Weights = dict[str, Tensor]

_AVERAGE = "average.module."
"""Before the names of the averaged weights in a checkpoint."""


def main() -> None:
    """Write the average."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", required=True, metavar="MODEL[:SHARE]", help="at least two models")
    parser.add_argument("--out", type=Path, required=True, help="folder of the average")
    options = parser.parse_args()

    parts = [_model_and_share(text) for text in options.models]
    first = Surrogate.load(parts[0][0])
    others = [(weights_of(name), share) for name, share in parts[1:]]
    weights = averaged([(first.operator.state_dict(), parts[0][1]), *others])
    first.operator.load_state_dict(weights)
    shares = ", ".join(f"{Path(name).name} {share:g}" for name, share in parts)
    replace(first, information=first.information | {"average_of": shares}).save(options.out)


def averaged(parts: list[tuple[Weights, float]]) -> Weights:
    """Average weights of the same names and shapes.

    Args:
        parts: weights and share of each model.
    """
    first, total = parts[0][0], sum(share for _, share in parts)
    for weights, _ in parts[1:]:
        if {name: one.shape for name, one in weights.items()} != {name: one.shape for name, one in first.items()}:
            sys.exit("the models have networks of different sizes; expected trainings from the same start")
    return {
        name: sum(share / total * weights[name].double() for weights, share in parts).to(one.dtype)
        for name, one in first.items()
    }


def weights_of(name: str) -> Weights:
    """Return the weights of a model, or the averaged weights of a checkpoint.

    Args:
        name: of the model, or path.
    """
    if not name.endswith(".ckpt"):
        return dict(Surrogate.load(name).operator.state_dict())
    state = torch.load(name, map_location="cpu", weights_only=True)["state_dict"]
    return {key.removeprefix(_AVERAGE): one for key, one in state.items() if key.startswith(_AVERAGE)}


def _model_and_share(text: str) -> tuple[str, float]:
    name, _, share = text.rpartition(":")
    try:
        return (name, float(share)) if name else (text, 1.0)
    except ValueError:
        sys.exit(f"{text}: expected a number after the colon, the share of the model; came '{share}'")


if __name__ == "__main__":
    main()
