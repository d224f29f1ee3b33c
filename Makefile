# Every target works on a fresh machine: it makes .venv first, and makes it anew when setup.py changes.
#   make demo PYTHON=python3.12    another interpreter than python3
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
CLUSTER ?= .cluster
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What has targets of its own: engines that `make install` does not bring.
ELSEWHERE := --ignore=tests/browser --ignore=tests/loader/torch_loader
PYTEST := TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: help install demo test test-all test-browser test-torch test-cluster lint format bench clean

help: ## Say what there is to make.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with the project and its tools.

demo: $(INSTALLED) ## Build the sample with `tfds build`, load it back, print a table and draw a contact sheet.
	$(BIN)/python examples/demo.py

test: lint ## Lint, and run all tests but the slow ones.
	$(PYTEST) -m "not slow" $(ELSEWHERE)

test-all: lint ## Lint, and run every test.
	$(PYTEST) $(ELSEWHERE)

test-browser: $(VENV)/.browser ## The page in a real browser; installs Debian's Chromium where it may.
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest tests/browser

test-torch: .venv-torch/.installed ## The tests with PyTorch, in an environment of their own (some gigabytes).
	TF_CPP_MIN_LOG_LEVEL=3 .venv-torch/bin/python -m pytest tests/loader/torch_loader tests/loader/gpu tests/examples/test_train_torch.py

test-cluster: $(INSTALLED) ## Beam jobs on other engines, with the image's environments for workers; takes long the first time.
	$(BIN)/python tests/cluster/install.py $(CLUSTER)
	KINETICS_CLUSTER=$(CLUSTER) TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest tests/cluster

lint: $(INSTALLED) ## ruff, pyright, import-linter.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(INSTALLED) ## Let ruff put the code in order.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Measure building and loading side by side with their limits, stock TFDS and readers of mp4.
	$(BIN)/python benchmarks/build.py
	$(BIN)/python benchmarks/load.py

clean: ## Remove .venv, the demo and all caches.
	rm -rf $(VENV) .venv-torch $(CLUSTER) demo build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(INSTALLED): setup.py
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "No $(PYTHON) here. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "$(PYTHON) is $$("$(PYTHON)" -V 2>&1), but Python 3.11 to 3.13 is needed. Name one: make PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/pip || "$(PYTHON)" -m venv --clear $(VENV) || \
	  { echo "$(PYTHON) cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV)/.browser: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[browser]'
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  { echo "No Chromium, and it cannot be installed here: as root, apt-get install chromium" >&2; exit 1; }
	@touch $@

.venv-torch/.installed: setup.py $(INSTALLED)
	$(BIN)/python -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check -e '.[torch,gpu]' hypothesis pytest pytest-timeout
	@touch $@
