# `make` alone says what there is. Everything runs in .venv, which the first target that needs it builds.
PYTHON ?= python3
BIN := .venv/bin
# One worker a core and one thread a worker; files stay whole, since their fixtures are made once a file.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install demo test check check-fast docs serve clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Stamps: nothing is installed again unless pyproject.toml changes.
.venv/core.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gensim-graph needs Python 3.11 or later; say which with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/dev.stamp: .venv/core.stamp
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

install: .venv/dev.stamp  ## build .venv with everything that development needs

demo: .venv/core.stamp  ## train briefly on the built-in data, forecast, evaluate; the report is in demo/
	$(BIN)/gensim-graph demo --out demo/

test: .venv/dev.stamp check-fast  ## cheap lints, then all tests that are neither slow nor for a GPU
	$(PYTEST)

check-fast: .venv/dev.stamp  ## the lints that take seconds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

check: check-fast docs  ## everything: lints, types, layers, documentation, tests
	$(BIN)/mypy
	$(PYTEST)

docs: .venv/dev.stamp  ## build the site into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

serve: .venv/dev.stamp  ## show the site at http://127.0.0.1:8000 while writing
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

clean:  ## remove what was built, but not .venv
	rm -rf build dist site demo .pytest_cache .ruff_cache .mypy_cache .import_linter_cache *.egg-info
	find gensim_graph tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
