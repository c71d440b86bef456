# The commands that everything hangs on. Each brings the checkout's own environment up to date first, so any of them may be the first.
# ARGS is passed on to pytest:  make unit ARGS="-k retention -x"

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
TYPED := contract/src server/src agent/src lab tools tests/support
PINNED := agent agent-cloud build server server-otel dev uv
# Tests wait for their server half of the time, and each worker costs four seconds to start: two workers a core, and whoever is done takes from the others.
SPREAD := -n 4 --dist worksteal
# Servers and agents that work together within one process: they share nothing, so they run side by side, unlike the rest of tests/integration.
SERVED := tests/integration/server

export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# Compiled once, not at each start: where the environment forbids it, tests and linters take twice the time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help init fmt check check-types check-ansible check-style check-doors generated test unit integration lab-test bench demo demo-down lab-build lab-up lab-down build docs pins

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

init: $(STAMP) ## Make the environment in .venv; nothing to do when it is up to date

$(STAMP): requirements/uv.txt requirements/dev.txt contract/pyproject.toml server/pyproject.toml agent/pyproject.toml
	@echo "Bringing $(VENV) up to date…"
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Cannot make $(VENV): $(PYTHON) has no venv module. Install it: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Cannot make $(VENV): $(PYTHON) is older than 3.11. Name a newer one: make PYTHON=python3.11 init"; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	export VIRTUAL_ENV=$(CURDIR)/$(VENV)
	$(BIN)/uv pip sync --quiet --require-hashes requirements/dev.txt
	$(BIN)/uv pip install --quiet --offline --no-deps --no-build-isolation -e contract -e server -e agent
	touch $(STAMP)

fmt: init ## Format the code and mend what ruff can mend by itself
	@ruff format
	ruff check --fix

check: init ## Lint, types, doors, generated files: under a minute
	@$(MAKE) --jobs=2 --keep-going --output-sync=target check-types check-ansible check-style check-doors generated
	echo "All checks passed."

check-types:
	@mypy $(TYPED)

check-ansible:
	@ansible-lint --offline --strict -q

check-style:
	@ruff format --check
	ruff check
	yamllint --strict .

check-doors:
	@PYTHONPATH=collections lint-imports

generated: init ## Check that generated files are what their generators would write
	@python -m tools.settings_reference --check
	python -m tools.openapi --check
	python -m tools.permissions_reference --check
	python -m tools.reasons_reference --check

test: lab-build ## Every test; the command that CI runs
	@pytest tests/unit $(SERVED) $(SPREAD) $(ARGS)
	pytest tests/integration tests/lab --ignore $(SERVED) $(ARGS)

unit: init ## Tests without programs of the outside; half a minute
	@pytest tests/unit $(SPREAD) $(ARGS)

integration: lab-build ## Tests with our own programs, databases and stores
	@pytest $(SERVED) $(SPREAD) $(ARGS)
	pytest tests/integration --ignore $(SERVED) $(ARGS)

lab-test: lab-build ## Tests on a real cluster; the node profile needs root
	@pytest tests/lab $(ARGS)

lab-build: init ## Build what the lab is made of; nothing to do when it is cached
	@python -m lab.build all

bench: init ## This system beside stock Velero, its API beside Eve and at a million jobs (ARGS="--only api")
	@python -m tests.bench $(ARGS)

demo: init ## From nothing to a verified restore
	@python -m tools.demo up $(ARGS)

demo-down: init ## Take away all that the demo started
	@python -m tools.demo down $(ARGS)

lab-up: init ## Start a lab: make lab-up ARGS="--profile node"
	@python -m lab up $(ARGS)

lab-down: init ## Stop the lab and leave nothing behind
	@python -m lab down $(ARGS)

build: init ## Collections and wheels into dist/, the images, and their sizes
	@mkdir -p dist
	rm -f dist/*.tar.gz dist/*.whl
	ansible-galaxy collection build --force --output-path dist .
	ansible-galaxy collection build --force --output-path dist collections/ansible_collections/cloudcasa/core
	for package in contract server agent; do python -m build --wheel --no-isolation --outdir dist $$package; done
	python -m lab.build image:server image:agent image:agent-cloud
	ls -lh dist
	python -m lab.build sizes

docs: init ## The documentation, as HTML in docs/_build/html
	@sphinx-build -q -W --keep-going -b html docs docs/_build/html
	echo "Read docs/_build/html/index.html"

pins: init ## Pin the requirements anew, with hashes; review the difference before committing it
	@for name in $(PINNED); do
	  uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header requirements/$$name.in -o requirements/$$name.txt
	done
