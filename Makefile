# Everything is installed into .venv, nothing into the system.

PYTHON ?= python3
# For pytest and the benchmarks: make test ARGS="-k health -x"
ARGS ?=

# Most tests wait for processes of their own, so more run at once than there are processors.
WORKERS ?= 3

# How long `make soak` takes.
SECONDS ?= 1200

VENV := .venv
BIN := $(VENV)/bin
# The warnings of the build are for those who package, not for those who want to run it.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q --disable-pip-version-check
# Rules of flake8-async that need to know which functions are for `nursery.start`.
STARTABLE := watch,serve,serve_orders,serve_control,obey_signals

# What has been installed, and when: a change of what it came from installs it again.
INSTALLED := $(VENV)/.installed
EQUIPPED := $(VENV)/.equipped

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench soak clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED) ## run the demo in the foreground; needs nothing but Python, Ctrl-C ends it
	@exec env PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/oxtrio -c examples/demo/oxfile.toml run

test: $(EQUIPPED) ## run all tests (some: make test ARGS="-k health")
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: $(EQUIPPED) ## lint, formatting, types, the architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	find oxtrio -name '*.py' -exec $(BIN)/flake8-async --startable-in-context-manager=$(STARTABLE) {} +
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: $(EQUIPPED) ## put the code into the form that `make check` asks for
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(EQUIPPED) ## measure, and print a table
	@$(BIN)/python -m benchmarks $(ARGS)

soak: $(EQUIPPED) ## everything at random for 20 minutes: make soak SECONDS=60 ARGS="--seed 7"
	@$(BIN)/python -m benchmarks soak --seconds $(SECONDS) $(ARGS)

clean: ## remove everything that make has made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@command -v $(PYTHON) > /dev/null || { \
	  echo "error: there is no $(PYTHON); on Debian and Ubuntu, as root: apt-get install python3 python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV); this happens once"
	@$(PYTHON) tools/environment.py $(VENV)
	@touch $@

$(INSTALLED): $(VENV)/.made pyproject.toml
	@$(PIP) -e .
	@touch $@

$(EQUIPPED): $(INSTALLED) tests/requirements-examples.txt tests/requirements-servers.txt $(wildcard examples/*/requirements.txt)
	@echo "installing what the tests need"
	@$(PIP) -e '.[test,check]' -r tests/requirements-examples.txt -r tests/requirements-servers.txt
	@touch $@
