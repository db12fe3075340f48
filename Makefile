# Every target sets up what it needs. Variables: ARGS (passed on), PYTHON (3.11 to 3.13), PORT of the MLflow pages.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
PORT   ?= 5000
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup run sweep ui test lint format wheel clean

help:  ## what each target does
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  Settings are passed on: make run ARGS="model=minilm regime=1:10"'

setup: $(VENV)/.complete  ## make .venv and install everything, the embedded models included

# torch first and pinned, so that nothing else picks another build of it
$(VENV)/.complete: pyproject.toml constraints.txt requirements-embedded.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "patentlab needs Python 3.11 to 3.13; say which: make setup PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-embedded.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt --group dev -e .
	@touch $@

run: setup  ## the main job: SmolLM2-135M with LoRA on the demonstration corpus
	$(BIN)/python -m patentlab.run $(ARGS)

sweep: setup  ## four runs: two regimes by two shares of real documents
	$(BIN)/python -m patentlab.run -m $(or $(ARGS),regime=1:10,1:100 mix=0.2,0.3)

ui: setup  ## the MLflow pages of all runs, on loopback
	$(BIN)/python -m patentlab.ui port=$(PORT) $(ARGS)

test: setup  ## unit and integration tests, in WORKERS=2 processes
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: setup  ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean:  ## remove .venv and what tools left behind; runs and caches stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
