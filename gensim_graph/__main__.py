"""``python -m gensim_graph``: the command line."""

from gensim_graph.cli import main

main()
