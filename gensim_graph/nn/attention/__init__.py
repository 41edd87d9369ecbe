"""TODO gensim_graph.nn.attention."""

from gensim_graph.nn.attention.backends import AUTO, BACKENDS, CHOICES, local_attention, plan_attention
from gensim_graph.nn.attention.heads import HEAD_CONTENT, AttentionPlan, Packed
from gensim_graph.nn.attention.layer import HeadWeights, LocalAttention
from gensim_graph.nn.attention.localisation import Localisation, LocalisationHead

__all__ = [
    "AUTO",
    "BACKENDS",
    "CHOICES",
    "HEAD_CONTENT",
    "AttentionPlan",
    "HeadWeights",
    "LocalAttention",
    "Localisation",
    "LocalisationHead",
    "Packed",
    "local_attention",
    "plan_attention",
]
