"""A mesh file of neXtSIM-DG."""

NODE_LINES = "0 0\n1e4 0\n2e4 0\n0 1e4\n1e4 1e4\n2e4 1e4\n"


SMESH = f"ParametricMesh 2.0\n2 1\n{NODE_LINES}landmask 2\n1\n1\ndirichlet 2\n0 3\n1 1\nperiodic 0\n"
