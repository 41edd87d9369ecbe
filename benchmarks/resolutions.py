"""Train on some resolutions and kinds of mesh, forecast others: every score of every pair.

Usage: python benchmarks/resolutions.py [--data DIR] [--plan resolutions] [--quick] [--gensim CHECKOUT] ...

The same as ``gensim-graph benchmark --suite resolutions``, whose options it takes; what it writes is described there.
"""

import sys

from gensim_graph.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["benchmark", "--suite", "resolutions"]
    main()
