"""Skill that each part of the design contributes: train without it, then forecast on several resolutions.

Usage: python benchmarks/ablations.py [--data DIR] [--plan quick] [--steps 1500] [--variants a,b] [--out DIR]

Every variant except ``other seed`` is trained from the same seed on the same samples and differs from the design in one
point:

- ``other seed``: the design, with other initial weights, samples and noise; differences smaller than this one are not
  significant;
- ``no quadrature``: all keys of the attention count the same, whatever their area;
- ``no taper``: attention weights do not fall to zero at the reach; they end at the edge of the halo, which depends on
  the clusters;
- ``learned width``: every head has one width and no direction, learned but not predicted from the state;
- ``fixed width``: the widths stay as they were initialised;
- ``no spacing``: the network does not receive the spacing of the cells;
- ``one level``: samples are not coarsened;
- ``spacings``: gradients and the embedding of the cells use the spacing of each cell as their unit of length;
- ``unit of gradients``: gradients and boundary lengths in units of 16 km, the embedding in spacings;
- ``unit of embedding``: the embedding in units of 16 km, gradients and boundary lengths in spacings;
- ``unit of reach``: reach and localisation of the attention are in units of 16 km, too;
- ``with spin-up``: the first day of every run is used for training, too.

The scores of all variants are in ``OUT/ablations.md`` and ``OUT/ablations.json``. The same command continues a study
that was interrupted.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from shared import build_parser, prepare_process, show_progress, write_json, write_text

from gensim_graph.benchmark.resolutions import (
    Protocol,
    StudyOptions,
    StudyPlan,
    TrainingBudget,
    as_markdown,
    read_plan,
    run_resolutions,
)
from gensim_graph.data import sampling
from gensim_graph.graph import MeshGraph, with_length_unit
from gensim_graph.nn import Modulation, Operator
from gensim_graph.nn.attention import interface as attention
from gensim_graph.surrogate import step_model
from gensim_graph.train import plan as train_plan

LENGTH = 16e3
"""Unit of length in m of the variants that change it."""

SPACINGS = "operator.unit_km=null"
"""Configuration in which the unit of length is the spacing of each cell."""


def main() -> None:
    """Train and score every variant, then write one table."""
    options = _options()
    prepare_process(options)
    plan = read_plan(options.plan)
    names = options.variants.split(",")
    rows, left_out = [], set()

    for name in names:
        report = run_variant(name, plan, options)
        left_out |= set(report["left_out"])
        rows += _rows_of_variant(name, report["rows"], with_baselines=name == names[0])

    table = as_markdown(rows, options.members, sorted(left_out))
    print(table)
    write_text(options.out / "ablations.md", table)
    write_json(options.out / "ablations.json", rows)


def run_variant(name: str, plan: StudyPlan, options: argparse.Namespace) -> dict[str, Any]:
    """Train a variant and forecast all tests with it; results of an earlier run are read.

    Args:
        name: key of ``VARIANTS``.
        plan: sets to train on and to forecast.
        options: the command line.
    """
    change, overrides = VARIANTS[name]
    budget = TrainingBudget(options.preset, options.steps, (*TrainingBudget.overrides, *overrides), baselines=())
    protocol = Protocol(options.members, 4, options.starts)
    out = options.out / name.replace(" ", "_")
    study = StudyOptions(plan, out, options.data, budget, protocol, options.out / "data")

    with change():
        run_resolutions(study, lambda what, share: show_progress(f"{name}: {what}"))

    return json.loads((out / "resolutions.json").read_text())


def _rows_of_variant(name: str, rows: list[dict[str, Any]], with_baselines: bool) -> list[dict[str, Any]]:
    """Rows of the flow, renamed after the variant; those of the baselines are the same in all variants."""
    kept = []
    for row in rows:
        if row["contender"] == "flow":
            kept.append(row | {"contender": f"flow, {name}"})
        elif with_baselines:
            kept.append(row)

    return kept


def change_graphs(change: Callable[[MeshGraph], None], **keywords: Any) -> ExitStack:
    """Return a context in which every graph is changed after it was built, in training and in forecasts.

    Args:
        change: changes a copy of a graph in place.
        **keywords: further arguments for the functions that build graphs.
    """

    def changed(prepare: Callable[..., MeshGraph]) -> Callable[..., MeshGraph]:
        def prepared(*arguments: Any, **others: Any) -> MeshGraph:
            graph = prepare(*arguments, **others, **keywords).clone()
            change(graph)
            return graph

        return prepared

    stack = ExitStack()
    stack.enter_context(patch.object(sampling, "graph_of_cells", changed(sampling.graph_of_cells)))
    stack.enter_context(patch.object(step_model, "cached_graph", changed(step_model.cached_graph)))

    return stack


def no_quadrature(graph: MeshGraph) -> None:
    """Let all valid keys count the same."""
    graph.key_log_area = torch.where(graph.halo_valid, 0.0, -1e4)


def no_taper(graph: MeshGraph) -> None:
    """Make the reach so large that the taper is 1 for all keys."""
    graph.radius = graph.radius * 1e4


def unit_of_gradients(graph: MeshGraph) -> None:
    """Take 16 km as the unit of gradients and boundary lengths."""
    changed = with_length_unit(graph, LENGTH)
    graph.gradient = changed.gradient
    graph.boundary = changed.boundary


def unit_of_embedding(graph: MeshGraph) -> None:
    """Take 16 km as the unit of the embedding."""
    graph.length = torch.full_like(graph.length, LENGTH)


def with_localisation(fixed: bool) -> Any:
    """Return a context in which the localisation of the attention is not predicted from the state.

    Args:
        fixed: the widths are not learned either.
    """
    original = attention.localise

    def localise(log_scale: torch.Tensor, *predicted: torch.Tensor) -> Any:
        return original(log_scale.detach() if fixed else log_scale, *(0 * part for part in predicted))

    return patch.object(attention, "localise", localise)


def no_spacing() -> Any:
    """Return a context in which the weights of the logarithm of the spacing keep their initial value, zero."""
    original = train_plan.build_operator

    def build(*arguments: Any) -> Operator:
        operator = original(*arguments)
        for module in operator.modules():
            if isinstance(module, Modulation):
                module.from_length.requires_grad_(False)
        return operator

    return patch.object(train_plan, "build_operator", build)


@contextmanager
def unchanged_design() -> Iterator[None]:
    """Change nothing."""
    yield


VARIANTS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "as designed": (unchanged_design, ()),
    "other seed": (unchanged_design, ("trainer.seed=1",)),
    "no quadrature": (lambda: change_graphs(no_quadrature), ()),
    "no taper": (lambda: change_graphs(no_taper), ()),
    "learned width": (lambda: with_localisation(fixed=False), ()),
    "fixed width": (lambda: with_localisation(fixed=True), ()),
    "no spacing": (no_spacing, ()),
    "one level": (unchanged_design, ("data.levels=[1.0]",)),
    "spacings": (unchanged_design, (SPACINGS,)),
    "unit of gradients": (lambda: change_graphs(unit_of_gradients), (SPACINGS,)),
    "unit of embedding": (lambda: change_graphs(unit_of_embedding), (SPACINGS,)),
    "unit of reach": (lambda: change_graphs(lambda graph: None, length=LENGTH), ()),
    "with spin-up": (unchanged_design, ("data.skip=0h",)),
}
"""Name -> the context to train and forecast in, and overrides of the configuration."""


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench/ablations")
    parser.add_argument("--data", type=Path, help="folder of the files that the plan names")
    parser.add_argument("--plan", default="quick", help="quick, resolutions, or a YAML file")
    parser.add_argument("--preset", default="tiny", help="size of the network")
    parser.add_argument("--steps", type=int, default=1500, help="training steps of each variant")
    parser.add_argument("--members", type=int, default=6, help="ensemble members of each forecast")
    parser.add_argument("--starts", type=int, default=2, help="forecasts of each trajectory")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="names separated by commas")
    return parser.parse_args()


if __name__ == "__main__":
    main()
