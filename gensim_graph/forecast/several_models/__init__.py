"""The trained models of one forecast: one, or several that share its members.

One set of weights does not know what it does not know: its members agree where the training data were silent. Members
of several trained models disagree there (deep ensembles, Lakshminarayanan et al. 2017,
https://arxiv.org/abs/1612.01474).

The members are dealt out in consecutive blocks, in the order of the models; sizes differ by one at most, and the first
blocks are the larger ones. The noise of a member depends on seed and member alone, whichever model computes it.

``model_agreement`` says what the models must have in common, ``model_set`` which of them computes which member.
``model_shares`` holds what the steps of each model need, ``part_guard`` its guard.
"""

from gensim_graph.forecast.several_models.model_set import ModelSet, digest_of_drivers
from gensim_graph.forecast.several_models.model_shares import ModelShare, ModelShares
from gensim_graph.forecast.several_models.part_guard import PartGuard, common_fields

__all__ = ["ModelSet", "ModelShare", "ModelShares", "PartGuard", "common_fields", "digest_of_drivers"]
