#!/usr/bin/env bash
# Everything that is measured on a GPU, in one command: benchmarks/gpu.sh [GENSIM_CHECKOUT]
#
# Correctness first (backends against the float64 reference, forward and backward, float32 and bfloat16), then attention
# against dense SDPA and the ceiling of matrix products, scaling to ten million cells, and, with a checkout of
# https://github.com/cerea-daml/gensim, both networks on 512 x 512 cells with the simulated years a day. OUT (default
# bench/gpu) receives JSON and figures; PYTHON is the interpreter of an environment with the package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python} out=${OUT:-bench/gpu} gensim=${1:-}

"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || {
    echo "PyTorch finds no GPU; nothing to measure" >&2
    exit 1
}
mkdir -p "$out"
"$python" -m pytest -q -m gpu tests | tee "$out/tests.txt"
run() { "$python" -m gensim_graph benchmark --device cuda --out "$out" "$@"; }
run --suite attention --cells 16384,65536,262144,1048576 --rounds 15
run --suite scaling --cells 65536,262144,1048576,4194304,9998244 --rounds 5
"$python" benchmarks/scatter.py --device cuda --cells 262144 --out "$out"
if [ -n "$gensim" ]; then
    "$python" benchmarks/compare_gensim.py --gensim "$gensim" --device cuda --cells 512 --batch 64 --presets base,large \
        --rounds 11 --compile --out "$out"
fi
