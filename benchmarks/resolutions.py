"""Train on some resolutions and kinds of mesh, forecast others, and score every pair.

Usage: python benchmarks/resolutions.py [--data DIR] [--plan resolutions] [--quick] [--gensim CHECKOUT] ...

The same as ``gensim-graph benchmark --suite resolutions``: it takes the same options and writes the same files.
"""

import sys

from gensim_graph.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["benchmark", "--suite", "resolutions"]
    main()
