"""The computer that the package runs on: device, memory and disk, files, the terminal, compilation of the C++ code.

Modules are independent of each other and can be read in any order; ``compiler`` uses ``files`` and ``resources``.
``replay`` records work of a GPU and repeats it.
"""

from gensim_graph.system.compiler import CompilerError, compiled
from gensim_graph.system.disk_space import check_space, size_in_words
from gensim_graph.system.files import forget_content, write_atomically
from gensim_graph.system.machine import choose_device, describe_machine, free_memory, precision
from gensim_graph.system.memory import keep_freed_memory, present_objects_kept, return_freed_memory
from gensim_graph.system.progress_bar import one_line_bar, stderr_screen
from gensim_graph.system.replay import Replay
from gensim_graph.system.resources import cache_folder, resource

__all__ = [
    "CompilerError",
    "Replay",
    "cache_folder",
    "check_space",
    "choose_device",
    "compiled",
    "describe_machine",
    "forget_content",
    "free_memory",
    "keep_freed_memory",
    "one_line_bar",
    "precision",
    "present_objects_kept",
    "resource",
    "return_freed_memory",
    "size_in_words",
    "stderr_screen",
    "write_atomically",
]
