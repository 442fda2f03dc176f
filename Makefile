# Each target makes .venv first when it is missing, out of date or half-installed.
# Another Python:           make test PYTHON=python3.12
# More for pytest:          make test PYTEST_ARGS="-n 2 -k store"

.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$p" -c '$(SUPPORTED)' >/dev/null 2>&1 && echo "$$p" && exit; done; echo python3)
PYTEST_ARGS ?=

.PHONY: help install quickstart test test-slow lint bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -e 's/:.*## /\t/' | expand -t 14

install: $(STAMP) ## make .venv and install the tested stack and this package into it

quickstart: $(STAMP) ## compare our models with RecBole's baselines on ml-100k in five languages
	$(BIN)/recbole-xlrec quickstart

test: $(STAMP) ## run the tests and the examples in the docstrings
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-slow: $(STAMP) ## run the tests that `make test` leaves out
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

lint: $(STAMP) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP) ## measure speed and memory, one benchmark after another
	@set -e; for file in $$(find tests/benchmarks -name '[!_]*.py' | sort); do \
		echo "== $$file"; $(BIN)/python "$$file"; done

clean: ## remove build outputs and caches; .venv, runs and converted data stay
	rm -rf build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache log log_tensorboard saved
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +

# The stamp is written last; an install that was cut off has left .installing and begins anew. recbole and this package
# go in with --no-deps: recbole 1.2.1 asks for a ray that has no wheels beyond Python 3.11.
$(STAMP): requirements.txt setup.cfg pyproject.toml
	@if [ -e $(VENV)/.installing ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		"$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { \
			echo "Python 3.10 to 3.13 is needed; '$(PYTHON)' says: $$("$(PYTHON)" --version 2>&1)." \
				"Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }; \
		"$(PYTHON)" -m venv --clear $(VENV); \
	fi
	@touch $(VENV)/.installing
	$(BIN)/python -m pip install -r requirements.txt
	$(BIN)/python -m pip install --no-deps recbole==1.2.1
	$(BIN)/python -m pip install --no-deps -e .
	@mv $(VENV)/.installing $@ && touch $@
