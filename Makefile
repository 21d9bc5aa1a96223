# `make demo` and `make test` do all of their own set-up: a Python from 3.11 to 3.14 is all they need.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)

# What Python compiles is kept in one place, whatever the surroundings say: it is half of a test run.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/pycache

# One process for each processor, one thread each; a file's tests stay together, for what they share.
PARALLEL := -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.PHONY: help demo demo-tasks test nightly quick parity lint format hooks docs flags devkit-check clean

help:
	@echo "make demo    make a small world, pre-train on it, evaluate, write demo/report.html"
	@echo "make demo-tasks  after the demo: BEV segmentation on its pre-training and on random weights"
	@echo "make test    run the tests, in parallel"
	@echo "make quick   run those one wants while editing: all but the slow ones"
	@echo "make nightly fuzzing (2,000 cases), and every preset on a GPU that is not there"
	@echo "make parity  compare with the golden files, write docs/parity.md"
	@echo "make lint    ruff, ruff format, mypy and the import contracts, as CI runs them"
	@echo "make format  let ruff format and fix"
	@echo "make docs    build the documentation as a site: site/index.html; warnings are errors"
	@echo "make hooks   let git run make lint's commands before each commit (pre-commit)"
	@echo "make flags   write the list of the command line's flags anew (tests/cli/flags.txt)"
	@echo "make devkit-check  open an embedded world with the official nuScenes devkit"
	@echo "make clean   delete the environment and what the demo made"

demo: $(VENV)/.demo
	$(BIN)/mim4d demo demo

demo-tasks: $(VENV)/.demo
	$(BIN)/mim4d demo demo
	$(BIN)/mim4d demo-tasks demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PARALLEL)

nightly: $(VENV)/.dev
	MIM4D_FUZZ=400 $(BIN)/python -m pytest $(PARALLEL) tests/test_fuzz.py tests/training/test_fake_cuda.py

# Without the checker of shapes, which costs a third of the time; `make test` has it.
quick: $(VENV)/.dev
	$(BIN)/python -m pytest $(PARALLEL) -o addopts="-q -rs" -m "not slow"

parity: $(VENV)/.dev
	$(BIN)/python -m pytest --parity=docs/parity.md tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

hooks: $(VENV)/.dev
	$(BIN)/pre-commit install

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html"

flags: $(VENV)/.dev
	$(BIN)/python -m tests.cli.flags

devkit-check: $(VENV)/.demo
	$(BIN)/python scripts/devkit_check.py --out devkit-check --environment .venv-devkit

clean:
	rm -rf $(VENV) .venv-devkit demo devkit-check site

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no Python from 3.11 to 3.14 found; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "installing mim4d and what the demo needs (some minutes, mostly PyTorch) ..."
	$(BIN)/python -m pip install --quiet -e '.[viz,world]'
	@touch $@

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	@echo "installing what the documentation needs ..."
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing mim4d and what the tests need (some minutes, mostly PyTorch) ..."
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@
