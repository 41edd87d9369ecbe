r"""Train a student with one evaluation a step from a trained flow, on the sets of configs/benchmark/shipped.yaml.

Usage: python benchmarks/student.py --data DATA --out bench/student --compile

The stages of --stages follow each other, each from the weights of the one before: ``1:1500`` are 1500 optimisation
steps on single forecast steps, ``4:250`` are 250 through rollouts that grow to 4 steps, ``1:2500:20`` are 2500 on
single steps in chains of 20, each from the states in which the step before ended. Trained stages are kept; the same
command continues an interrupted run. The student is scored as the flow is:

python benchmarks/shipped.py --data DATA --out bench/student_scores --model bench/student/models/last --twin-steps 0
"""

import logging
from pathlib import Path

import torch
import xarray as xr
from shared import build_parser, prepare_process
from shipped import OVERRIDES, TRAINING

from gensim_graph.benchmark.resolutions import read_plan
from gensim_graph.config import compose_config
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import config_of, fit, plan_training


def main() -> None:
    """Train one stage after the other."""
    parser = build_parser(
        __doc__, data="folder of the genuine data", out="bench/student", threads=torch.get_num_threads()
    )
    parser.add_argument("--model", default="small", help="the flow")
    parser.add_argument("--stages", default="1:2500,1:2500:20", help="rollout:steps:chain, by stage")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="peak rate")
    parser.add_argument("--compile", action="store_true", help="compile the network: takes minutes, then runs faster")
    parser.add_argument("overrides", nargs="*", help="further settings, such as objective.members=4")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    prepare_process(options)

    plan = read_plan("shipped")
    sets = plan.trainings[TRAINING]
    stores = [one for key in sets for one in plan.sets[key].sources("train", options.data, options.out / "data")]
    model = Surrogate.load(options.model)
    stages = [stage.split(":") for stage in options.stages.split(",")]

    for number, (rollout, steps, *chain) in enumerate(stages):
        overrides = [
            *OVERRIDES,
            "objective=crps",
            "sampler.steps=1",
            "sampler.method=euler",
            "data.validation=0",
            f"data.rollout={rollout}",
            f"data.chain={chain[0] if chain else 1}",
            f"trainer.max_steps={steps}",
            f"trainer.learning_rate={options.learning_rate}",
            f"trainer.compile={str(options.compile).lower()}",
            *options.overrides,
        ]
        model = train_stage(model, stores, overrides, options.out / "models" / f"stage_{number + 1}")

    model.save(options.out / "models" / "last")


def train_stage(model: Surrogate, stores: list[xr.Dataset], overrides: list[str], folder: Path) -> Surrogate:
    """Train a stage from the model of the stage before, or go on with it.

    Args:
        model: from which the stage starts.
        stores: trajectories to train on.
        overrides: settings.
        folder: of the stage.
    """
    if (folder / "surrogate.json").exists():
        return Surrogate.load(folder)
    config = config_of(model, compose_config(None, overrides), overrides)
    return fit(plan_training(data=stores, config=config, start=model), folder)


if __name__ == "__main__":
    main()
