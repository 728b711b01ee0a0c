# `make demo` and `make test` work on a machine that has make, and Python 3.11+ with pip.
# What they install stands in requirements/*.lock, every file named by its hash.

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
ARGS   ?=

REQ := requirements
BIN := $(VENV)/bin

# Each process begins with a stretch of its own and takes from the other's end later: what the tests of a file share is
# made once.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# An active environment is none of our business: neither its packages nor its interpreter get in here.
ifdef VIRTUAL_ENV
export PATH := $(subst $(VIRTUAL_ENV)/bin:,,$(PATH))
endif
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME
# Images for containers like to set it. Every process of ours would then compile all it imports: some seconds each.
unexport PYTHONDONTWRITEBYTECODE

UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
# The system's certificates, because of proxies that inspect TLS (NATIVE_TLS is what uv before 0.13 called it); the
# interpreter at hand, because uv would otherwise try to download one.
export UV_SYSTEM_CERTS ?= 1
export UV_NATIVE_TLS ?= 1
export UV_PYTHON_DOWNLOADS ?= never

# Wheels only: a source package would run its own code here, built with tools that no lock names.
INSTALL := $(UV) pip install -q --python $(BIN)/python
LOCKED  := --require-hashes --only-binary :all:
COMPILE := $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes \
           --no-header --no-emit-index-url --no-emit-find-links $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help demo test test-faults test-power test-sim test-api test-mutations bench lint types lock clean

help:  ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

demo: $(VENV)/.runtime  ## run the whole network on this machine; ARGS="--keep DIR" goes to `axis demo`
	$(BIN)/axis demo $(ARGS)

test: $(VENV)/.dev  ## run the tests; JOBS=0 for one process, ARGS="-k receipt" goes to pytest
	$(PYTEST) -m "not faults and not power and not mutations and not fuzz" $(ARGS)

test-faults: $(VENV)/.dev  ## run the longer tests: kills while documents flow, hostile files
	$(PYTEST) -m faults $(ARGS)

test-power: $(VENV)/.dev  ## cut the power at every point of a node's life, start it again on what was synced
	$(PYTEST) -m power $(ARGS)

test-sim: $(VENV)/.dev  ## simulate networks of nodes by seed; SEED=7 replays one, ARGS="--seconds 600" goes on for longer
	$(BIN)/python -m tests.sim --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(ARGS)

test-api: $(VENV)/.fuzz  ## ask a node all that the description of its API permits, and much that it does not
	$(BIN)/python -m pytest -m fuzz $(ARGS)

test-mutations: $(VENV)/.dev  ## switch off each defence in turn, of the judge and of nodes, and see its tests turn red
	$(PYTEST) -m mutations -o faulthandler_timeout=600 $(ARGS)

# The allocator's settings are those of the unit file in docs/operations.md.
bench: $(VENV)/.bench  ## measure beside floors and peers; ARGS="--pairs 3 --slice 0.2" for a short look
	MALLOC_MMAP_THRESHOLD_=268435456 MALLOC_TRIM_THRESHOLD_=536870912 $(BIN)/python -m benchmarks $(ARGS)

lint: $(VENV)/.dev  ## check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

types: $(VENV)/.dev  ## check types
	$(BIN)/mypy

clean:  ## remove what make made, so that the next run starts from nothing
	rm -rf $(VENV) .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment -------------------------------------------------------------------------------------

# The user's pip settings may demand an environment or --user; neither goes together with --target.
.uv/bin/uv: $(REQ)/uv.lock
	@$(PYTHON) -m pip --version >/dev/null || { \
	  echo "make needs pip or uv: install python3-pip, or put uv on PATH" >&2; exit 1; }
	PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore \
	  $(PYTHON) -m pip install -q --disable-pip-version-check $(LOCKED) --upgrade --target .uv -r $<
	@touch $@

# The interpreter goes to uv by its path: the word `python3` would let uv choose another one.
$(BIN)/python: | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(UV) venv -q --allow-existing --no-project --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)

# Two installs, because hashes cannot be asked of an editable project.
$(VENV)/.runtime: $(REQ)/runtime.lock $(REQ)/build.lock pyproject.toml | $(BIN)/python
	$(INSTALL) $(LOCKED) -r $(REQ)/runtime.lock
	$(INSTALL) --no-deps --build-constraint $(REQ)/build.lock -e .
	@touch $@

$(VENV)/.dev: $(REQ)/dev.lock $(VENV)/.runtime
	$(INSTALL) $(LOCKED) -r $(REQ)/dev.lock
	@touch $@

$(VENV)/.bench: $(REQ)/bench.lock $(VENV)/.dev
	$(INSTALL) $(LOCKED) -r $(REQ)/bench.lock
	@touch $@

# An environment of its own: what asks a node over HTTP shares nothing with it.
$(VENV)/.fuzz: $(REQ)/fuzz.lock $(VENV)/.dev
	$(UV) venv -q --allow-existing --no-project --python $(BIN)/python $(VENV)/fuzz
	$(UV) pip install -q --python $(VENV)/fuzz/bin/python $(LOCKED) -r $(REQ)/fuzz.lock
	@touch $@

# --- the locks -------------------------------------------------------------------------------------------

# Keeps the versions that still fit; `make lock UPGRADE=--upgrade` takes the newest ones. runtime.lock comes first
# and binds the others, so a package has one version everywhere. No address of a package server is written down.
lock: | $(UV)  ## renew requirements/*.lock from pyproject.toml; UPGRADE=--upgrade moves to newer versions
	$(COMPILE) pyproject.toml -o $(REQ)/runtime.lock
	$(COMPILE) pyproject.toml --extra postgres -c $(REQ)/runtime.lock -o $(REQ)/postgres.lock
	$(COMPILE) pyproject.toml --extra hsm -c $(REQ)/runtime.lock -o $(REQ)/hsm.lock
	$(COMPILE) pyproject.toml --extra s3 -c $(REQ)/runtime.lock -o $(REQ)/s3.lock
	$(COMPILE) --group dev -c $(REQ)/runtime.lock -o $(REQ)/dev.lock
	$(COMPILE) --group bench -c $(REQ)/runtime.lock -o $(REQ)/bench.lock
	$(COMPILE) --group fuzz -c $(REQ)/runtime.lock -c $(REQ)/dev.lock -o $(REQ)/fuzz.lock
	printf '%s\n' 'hatchling>=1.27' editables | $(COMPILE) --no-annotate - -o $(REQ)/build.lock
	printf '%s\n' 'uv>=0.13' | $(COMPILE) --no-annotate - -o $(REQ)/uv.lock
	@! grep -nE '://|^file:|^--' $(REQ)/*.lock || { echo "a lock names an address" >&2; exit 1; }
