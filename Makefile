# The project's commands. `make demo` and `make test` need python3 (3.11 or newer) and node; they install the rest here.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
READY := .venv/.ready node_modules/.ready

.PHONY: demo start check test lint format clean

demo: $(READY)  ## show the main job on samples: events in, mails out; exits 0 only if all is as it should be
	@$(BIN)/python -m mlevents demo

start: $(READY)  ## run the app on this machine: the URLs of `func start`, Azurite, and a mailbox
	@$(BIN)/python -m mlevents start

check: $(READY)  ## find every mistake in rules/
	@$(BIN)/python -m mlevents check

test: $(READY) lint  ## all that CI runs
	$(BIN)/python -m pytest --cov --cov-report=term

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv node_modules .mlevents .mypy_cache .ruff_cache .pytest_cache .coverage* *.egg-info

.venv/.ready: requirements.txt requirements-dev.txt requirements-local.txt constraints.txt
	@echo "installing the Python packages into .venv"
	@$(PYTHON) -m venv .venv
	@$(PIP) install -r requirements.txt -r requirements-dev.txt azurefunctions-extensions-base -c constraints.txt
	@$(PIP) install --no-deps --ignore-requires-python -r requirements-local.txt
	@touch $@

node_modules/.ready: package.json package-lock.json
	@echo "installing Azurite into node_modules"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@
