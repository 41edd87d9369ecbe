"""Refusal of operations for which the processor would wait for a GPU; it can be checked without one."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class NoWaiting(TorchDispatchMode):
    """Refuses the operations for which the processor would wait for a GPU."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "masked_select", "unique", "item"), name
        if name in ("index", "index_put", "index_put_"):
            assert all(index is None or index.dtype != torch.bool for index in arguments[1]), "boolean index"
        if name == "_to_copy" and keywords:
            assert keywords.get("device") in (None, arguments[0].device), "copy between devices"
        return function(*arguments, **(keywords or {}))
