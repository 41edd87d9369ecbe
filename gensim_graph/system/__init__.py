"""The computer that the package runs on: device and memory, files and folders, compilation of the C++ code.

Modules are independent of each other and can be read in any order; ``compiler`` uses ``files`` and ``resources``.
"""

from gensim_graph.system.compiler import CompilerError, compiled
from gensim_graph.system.files import write_atomically
from gensim_graph.system.machine import choose_device, describe_machine, free_memory, precision
from gensim_graph.system.memory import keep_freed_memory
from gensim_graph.system.resources import cache_folder, resource

__all__ = [
    "CompilerError",
    "cache_folder",
    "choose_device",
    "compiled",
    "describe_machine",
    "free_memory",
    "keep_freed_memory",
    "precision",
    "resource",
    "write_atomically",
]
