"""What each part of the design is worth: trained without it, forecast on the resolution of the training and on others.

Usage: python benchmarks/ablations.py [--data DIR] [--plan quick] [--steps 1500] [--variants a,b] [--out DIR]

Every variant but one is trained from the same seed on the same samples, one change at a time:

- ``other seed``: as designed, with other weights, samples and noise: differences as large as this one mean nothing;
- ``no quadrature``: keys count the same whatever their area;
- ``no taper``: keys end where the halo ends, at an edge that depends on the clusters;
- ``learned width``: every head has one width and no direction, learned but not predicted from the state;
- ``fixed width``: the widths stay as they were initialised;
- ``no spacing``: the network is not told the spacing of the cells;
- ``one level``: samples are not coarsened;
- ``spacings``: the unit of gradients is the spacing of each cell, and what the cells are told of it;
- ``unit of gradients``: 16 km for gradients and the lengths of the boundary, but the cells are told their spacing;
- ``unit of embedding``: the other way round;
- ``unit of reach``: the reach and the localisation of the attention are in units of 16 km, too;
- ``with spin-up``: the first day of every run is trained on, too.

Scores of all variants stand in ``ablations.md``; running again goes on.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from gensim_graph.benchmark.resolutions import (
    Protocol,
    StudyOptions,
    TrainingBudget,
    as_markdown,
    read_plan,
    run_resolutions,
)
from gensim_graph.data import sampling
from gensim_graph.graph import MeshGraph, in_unit
from gensim_graph.nn import Modulation, Operator
from gensim_graph.nn.attention import layer as attention
from gensim_graph.surrogate import model as surrogate_module
from gensim_graph.system import keep_freed_memory, write_atomically
from gensim_graph.train import plan as train_plan

LENGTH = 16e3
SPACINGS = "operator.unit_km=null"


def on_graphs(change: Callable[[MeshGraph], None], **keywords: Any) -> ExitStack:
    """Every prepared graph, in training and forecasts, is changed."""

    def changed(prepare: Callable[..., MeshGraph]) -> Callable[..., MeshGraph]:
        def prepared(*arguments: Any, **others: Any) -> MeshGraph:
            graph = prepare(*arguments, **others, **keywords).clone()
            change(graph)
            return graph

        return prepared

    stack = ExitStack()
    stack.enter_context(patch.object(sampling, "graph_of_cells", changed(sampling.graph_of_cells)))
    stack.enter_context(patch.object(surrogate_module, "cached_graph", changed(surrogate_module.cached_graph)))
    return stack


def no_quadrature(graph: MeshGraph) -> None:
    graph.key_log_area = torch.where(graph.halo_valid, 0.0, -1e4)


def no_taper(graph: MeshGraph) -> None:
    graph.radius = graph.radius * 1e4


def unit_of_gradients(graph: MeshGraph) -> None:
    changed = in_unit(graph, LENGTH)
    graph.gradient, graph.boundary = changed.gradient, changed.boundary


def unit_of_embedding(graph: MeshGraph) -> None:
    graph.length = torch.full_like(graph.length, LENGTH)


def with_localisation(fixed: bool) -> Any:
    """Nothing is predicted; ``fixed``: nor learned."""
    plain = attention.localise

    def localise(log_scale: torch.Tensor, *predicted: torch.Tensor) -> Any:
        return plain(log_scale.detach() if fixed else log_scale, *(0 * part for part in predicted))

    return patch.object(attention, "localise", localise)


def no_spacing() -> Any:
    """The coefficients of the logarithm of the length stay at zero, where they begin."""
    build = train_plan.build_operator

    def built(*arguments: Any) -> Operator:
        operator = build(*arguments)
        for module in operator.modules():
            if isinstance(module, Modulation):
                module.from_length.requires_grad_(False)
        return operator

    return patch.object(train_plan, "build_operator", built)


@contextmanager
def nothing() -> Iterator[None]:
    """The design as it is."""
    yield


VARIANTS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "as designed": (nothing, ()),
    "other seed": (nothing, ("trainer.seed=1",)),
    "no quadrature": (lambda: on_graphs(no_quadrature), ()),
    "no taper": (lambda: on_graphs(no_taper), ()),
    "learned width": (lambda: with_localisation(fixed=False), ()),
    "fixed width": (lambda: with_localisation(fixed=True), ()),
    "no spacing": (no_spacing, ()),
    "one level": (nothing, ("data.levels=[1.0]",)),
    "spacings": (nothing, (SPACINGS,)),
    "unit of gradients": (lambda: on_graphs(unit_of_gradients), (SPACINGS,)),
    "unit of embedding": (lambda: on_graphs(unit_of_embedding), (SPACINGS,)),
    "unit of reach": (lambda: on_graphs(lambda graph: None, length=LENGTH), ()),
    "with spin-up": (nothing, ("data.skip=0h",)),
}


def main() -> None:
    arguments = _arguments()
    keep_freed_memory()
    plan, rows, left_out = read_plan(arguments.plan), [], []
    names = arguments.variants.split(",")
    for name in names:
        change, overrides = VARIANTS[name]
        budget = TrainingBudget(
            arguments.preset, arguments.steps, (*TrainingBudget.overrides, *overrides), baselines=()
        )
        out = arguments.out / name.replace(" ", "_")
        protocol = Protocol(arguments.members, 4, arguments.starts)
        study = StudyOptions(plan, out, arguments.data, budget, protocol, arguments.out / "data")
        with change():
            run_resolutions(study, lambda what, share, name=name: print(f"{name}: {what}", flush=True))
        report = json.loads((out / "resolutions.json").read_text())
        left_out += report["left_out"]
        for row in report["rows"]:
            if row["contender"] == "flow":
                rows.append(row | {"contender": f"flow, {name}"})
            elif name == names[0]:
                rows.append(row)
    table = as_markdown(rows, arguments.members, sorted(set(left_out)))
    print(table)
    write_atomically(arguments.out / "ablations.md", lambda path: path.write_text(table))
    write_atomically(arguments.out / "ablations.json", lambda path: path.write_text(json.dumps(rows, indent=1)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the files that the plan names")
    parser.add_argument("--plan", default="quick", help="quick, resolutions, or a YAML file")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--members", type=int, default=6)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--out", type=Path, default=Path("bench/ablations"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
