"""Train what ships: the flow and its deterministic twin on the sets of configs/benchmark/shipped.yaml.

python benchmarks/train_shipped.py --data DATA --out bench/shipped
"""

import argparse
import logging
from pathlib import Path

import torch

from gensim_graph.heap import keep_freed_memory
from gensim_graph.study import Budget, read_plan
from gensim_graph.study.contenders import FLOW, TWIN, train_network

OVERRIDES = ("data.batch=4", "data.skip=24h", "data.core=4", "data.balance=0.5", "trainer.save_every=250")
"""Half of the clusters' worth of loss per sample, large meshes drawn from with the root of their size."""


def main() -> None:
    """Train one of the two; a run that was cut off goes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the genuine data")
    parser.add_argument("--out", type=Path, default=Path("bench/shipped"))
    parser.add_argument("--preset", default="small")
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--twin", action="store_true", help="the deterministic twin instead of the flow")
    parser.add_argument("--compile", action="store_true", help="compile the network: minutes, then faster")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    plan = read_plan("shipped")
    names = plan.trainings["shipped"]
    stores = [one for name in names for one in plan.sets[name].sources("train", options.data, options.out / "data")]
    compiled = (f"trainer.compile={str(options.compile).lower()}",)
    budget = Budget(options.preset, options.steps, OVERRIDES + compiled)
    name = TWIN if options.twin else FLOW
    surrogate = train_network(name, stores, budget, options.out / name)
    print(f"{surrogate.operator.n_parameters} weights in {options.out / name}")


if __name__ == "__main__":
    main()
