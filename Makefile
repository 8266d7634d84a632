# The project's commands. `make demo` and `make test` need python3 (3.11 or newer) and node; they install the rest here.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
READY := $(VENV)/.ready node_modules/.ready
LOCKS := requirements.txt requirements-dev.txt requirements-local.txt
PLAYWRIGHT := $(VENV)/.playwright
MKDOCS := $(VENV)/.mkdocs
COMPILE = $(BIN)/uv pip compile --quiet --no-strip-extras --generate-hashes $(UPGRADE)

# Requests to this machine must not go through a proxy.
export NO_PROXY := localhost,127.0.0.1,$(NO_PROXY),$(no_proxy)
export no_proxy := $(NO_PROXY)

# Compile each module once instead of in every process that the tests and the demo start, and outside the source tree.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(abspath $(VENV))/bytecode

.PHONY: help demo install start check test test-fast test-browser pictures docs links bench soak fuzz lint collected format lock audit sbom clean

help:  ## list the targets; `make` alone does so, too
	@awk -F ':.*## *' '/^[a-z-]+:.*##/ { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## run the app on sample events, and check its effects; KEEP=1 keeps it running
	@$(BIN)/mlevents demo $(if $(KEEP),--keep)

install: $(READY)  ## install everything that the other targets need; they do so, too

start: $(READY)  ## run the app on this machine, with Azurite and a mailbox
	@$(BIN)/mlevents start

check: $(READY)  ## find every error in rules/
	@$(BIN)/mlevents check

# Three processes, even on two cores: many tests wait for processes that they have started.
test: $(READY)  ## check style and types, and run all tests with coverage
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint collected
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --cov --cov-report=term --durations 10

test-fast: $(VENV)/.ready  ## run the tests that need no other process, in about a minute
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not services and not slow and not soak and not fuzz" --durations 10

test-browser: $(READY) $(PLAYWRIGHT)  ## run the tests of the page in Chromium, which this machine must have
	$(BIN)/python -m pytest -m browser --durations 5

pictures: $(READY) $(PLAYWRIGHT)  ## make the pictures of the docs from a run of the demo; needs Chromium
	@$(BIN)/python -m docs.pictures.make

# Strict: a broken link, a page that the navigation lacks, or a file from another site ends it.
docs: $(READY) $(MKDOCS)  ## build the documentation as a site, in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

links: $(VENV)/.ready  ## request the links of the docs to other sites, and report those that lead nowhere
	@$(BIN)/python .ci/links.py

bench: $(READY)  ## measure an event and a cold start, and compare with peers
	@$(BIN)/python -m benchmarks.race
	@$(BIN)/python -m benchmarks.telemetry
	@$(BIN)/python -m benchmarks.cold_start
	@$(BIN)/python -m benchmarks.clients

soak: $(READY)  ## run minutes of crashes, kills and simulated days
	$(BIN)/python -m pytest -m soak -s --timeout 1800

fuzz: $(READY)  ## try thousands of hostile inputs, from fixed seeds
	$(BIN)/python -m pytest -m fuzz -s --timeout 1800

lint: $(READY)  ## run ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Compile the tests, whose assertions pytest rewrites, once instead of in each of its processes. They report errors.
collected: $(READY)
	@$(BIN)/python -m pytest --collect-only -qq >/dev/null 2>&1 || true

format: $(READY)  ## format the code, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The command that uv writes into a lock file tells Dependabot how to compile it.
lock: $(VENV)/.ready  ## renew the lock files after a change of requirements*.in; all versions: make lock UPGRADE=--upgrade
	$(COMPILE) --universal --python-version 3.11 requirements.in -o requirements.txt
	$(COMPILE) --universal --python-version 3.11 requirements-dev.in -o requirements-dev.txt
	$(COMPILE) --universal --python-version 3.11 requirements-browser.in -o requirements-browser.txt
	$(COMPILE) --universal --python-version 3.11 requirements-docs.in -o requirements-docs.txt
	$(COMPILE) --no-deps --python-version 3.13 requirements-local.in -o requirements-local.txt

audit: $(VENV)/.ready  ## compare the lock files with published advisories, if their services can be reached
	@$(BIN)/python .ci/advisories.py

sbom: $(VENV)/.ready  ## write sbom.json, the CycloneDX list of what is deployed
	@$(BIN)/python .ci/sbom.py > sbom.json

clean:  ## remove all that was installed, and the data of `make start`
	rm -rf .venv .venv-* node_modules site .mlevents .mypy_cache .ruff_cache .pytest_cache .coverage* *.egg-info

# Wheels only: building a package would install build tools that no lock file has.
$(VENV)/.ready: $(LOCKS) mlevents/mlevents.sh
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("$(PYTHON) is older than Python 3.11: name another, as in `make PYTHON=python3.12`")'
	@echo "installing the Python packages into $(VENV) (this takes minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --no-compile --require-hashes --only-binary :all: -r requirements.txt -r requirements-dev.txt
	@$(PIP) install --no-compile --require-hashes --no-deps --ignore-requires-python -r requirements-local.txt
	@install -m 755 mlevents/mlevents.sh $(BIN)/mlevents
	@touch $@

$(PLAYWRIGHT): $(VENV)/.ready requirements-browser.txt
	@$(PIP) install --no-compile --require-hashes --only-binary :all: -r requirements-browser.txt
	@touch $@

$(MKDOCS): $(VENV)/.ready requirements-docs.txt
	@$(PIP) install --no-compile --require-hashes --only-binary :all: -r requirements-docs.txt
	@touch $@

node_modules/.ready: package.json package-lock.json
	@echo "installing Azurite into node_modules"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@
