"""What Lightning trains with ``objective=consistency``: the first steps from a flow to a student.

The student has to land from any point on the way of the flow where its own average lands from the point that is one
step of Heun further on (Song et al. 2023, arXiv:2303.01469). So it learns from the flow, within a few hundred steps, to
let the noise decide where it lands. What it then lacks in sharpness and spread, the score of members teaches it.
"""

from copy import deepcopy

import torch

from gensim_graph.config import TrainerConfig
from gensim_graph.data import TrainingBatch
from gensim_graph.nn import GraphPlan, Operator, face_graph
from gensim_graph.train.rollouts.member_rollout import Evaluate
from gensim_graph.train.training_module import TrainingModule
from gensim_graph.typing import Tensor

_STEP = 1 / 8
"""Difference of the flow times of two points that shall land at the same place."""


class ConsistencyTraining(TrainingModule):
    """Training of a student by a flow.

    Args:
        operator: the network, with the weights of the flow.
        config: rates and length of the training.
    """

    def __init__(self, operator: Operator, config: TrainerConfig) -> None:
        super().__init__(operator, config)
        self.scale_model.requires_grad_(False)  # belongs to the loss of the flow
        self.teacher = deepcopy(operator).requires_grad_(False)

    def training_loss(self, batch: TrainingBatch) -> tuple[Tensor, Tensor]:
        """Return the loss of the network, summed over cells and variables, and the sum of its weights.

        Args:
            batch: training samples of the flow.
        """
        return self._loss(batch, self._network(), self.operator.plan(batch.graph))

    @torch.no_grad()
    def loss_of_average(self, batch: TrainingBatch) -> tuple[Tensor, Tensor]:
        """Return the loss of the averaged weights, summed, and the sum of its weights.

        Args:
            batch: validation samples.
        """
        return self._loss(batch, self._evaluate_average, self.operator.plan(batch.graph))

    def _loss(self, batch: TrainingBatch, student: Evaluate, plan: GraphPlan) -> tuple[Tensor, Tensor]:
        """Squared difference of the velocities from a point to both ends, summed, and the sum of the weights.

        Args:
            batch: training samples of the flow.
            student: velocity of the student.
            plan: of the graph of the batch.
        """
        faces = face_graph(batch.graph)
        begin = batch.flow_time.clamp(max=1 - _STEP)
        later = begin + _STEP
        noise = batch.noised - batch.flow_time[:, faces, None] * batch.velocity  # z = eps + tau (x1 - eps)
        point = noise + begin[:, faces, None] * batch.velocity

        with torch.no_grad():
            ahead = self._one_step_on(batch, point, begin, plan)
            left = self._evaluate_average(ahead, batch.conditions, later, plan)
            end = ahead + (1 - later)[:, faces, None] * left
            wanted = (end - point) / (1 - begin)[:, faces, None]

        error = (student(point, batch.conditions, begin, plan) - wanted).square()
        return (error * batch.weight).sum(), batch.weight.sum()

    def _one_step_on(self, batch: TrainingBatch, point: Tensor, begin: Tensor, plan: GraphPlan) -> Tensor:
        """Follow the flow of the teacher for one step of Heun."""
        prepared = self.teacher.prepare(batch.conditions, plan)
        first = self.teacher.velocity(point, begin, prepared)
        second = self.teacher.velocity(point + _STEP * first, begin + _STEP, prepared)
        return point + _STEP / 2 * (first + second)
