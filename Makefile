# `make demo` and `make test` are all a fresh machine needs: Python 3.11, pip, git and make.
# What else is needed is installed here, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOMS := compiler runtime

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo demo-rogue validation test test-external lint types bench bench-page fuzz torture docs format clean

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.run-time: pyproject.toml .ci/venv
	@PYTHON=$(PYTHON) .ci/venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run-time
	@.ci/debian graphviz dot "drawing and its tests"
	@.ci/debian ripgrep rg "the comparison of grep with and without it"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --group bench
	@touch $@

setup: $(VENV)/.run-time  ## the virtual environment with the run-time packages
setup-dev: $(VENV)/.dev  ## the same with what tests need

demo: setup  ## compile and run demo/quickstart, offline
	@$(BIN)/python demo/quickstart/demo.py

demo-rogue: setup  ## compile demo/rogue and walk its four scenarios, simulated
	@$(BIN)/python demo/rogue/demo.py

validation: setup  ## run demo/rogue and write docs/validation/rogue.md from that run
	@$(BIN)/python demo/rogue/demo.py docs/validation/rogue.md

test: lint types  ## lint, types and all fast tests
	@$(BIN)/python -m pytest -q -n 2 -m "not slow and not external"

test-external: setup-dev  ## tests against programs of others, which it installs into build/external
	@.ci/debian chromium chromium "the test of the report in a browser"
	@for programs in agents pre-commit yaml-language-server; do PYTHON=$(BIN)/python .ci/$$programs build/external || exit 1; done
	@ATTRACTOR_AGENTS=$(CURDIR)/build/external/node_modules/.bin \
	ATTRACTOR_PRE_COMMIT=$(CURDIR)/build/external/pre-commit/bin/pre-commit \
	ATTRACTOR_YAML_LANGUAGE_SERVER=$(CURDIR)/build/external/node_modules/.bin/yaml-language-server \
	$(BIN)/python -m pytest -q -m external tests/external

lint: setup-dev  ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup-dev  ## mypy --strict: each room alone, then the front door over all of them
	@for room in $(ROOMS); do $(BIN)/mypy $$room || exit 1; done
	@mkdir -p build/types/attractor
	@for room in $(ROOMS) schemas cli; do ln -sfn ../../../$$room build/types/attractor/$$room; done
	@MYPYPATH=build/types $(BIN)/mypy --namespace-packages --explicit-package-bases -p attractor.cli

docs: setup-dev  ## regenerate the reference pages from schemas and registry
	@$(BIN)/python docs/generate.py

format: setup-dev  ## let ruff rewrite
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

bench: $(VENV)/.bench  ## the measured figures, as ratios in one run
	@$(BIN)/python -m bench

bench-page: $(VENV)/.bench  ## the same, written to docs/benchmarks.md
	@$(BIN)/python -m bench --page docs/benchmarks.md

fuzz: setup-dev  ## slow tests: fuzzing for exceptions and for time
	@$(BIN)/python -m pytest -q -n 2 -m slow --override-ini addopts="--import-mode=importlib --strict-markers -ra"

torture: setup-dev  ## kill runs 200 times at random moments and compare how they end
	@$(BIN)/python -m pytest -q -m slow tests/torture

clean:  ## remove what was built
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
