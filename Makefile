# The verbs of this project. Needs only make, Python 3.11 or newer, and a package index; the tests, Chromium, too.
# Where Node is, they call the router by OpenAI's SDK for it, which npm fetches.
PYTHON ?= $(firstword $(foreach v,python3.13 python3.12 python3.11 python3,$(shell $(v) -c 'import sys, venv; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null)))
BIN = .venv/bin
PLUGINS = $(patsubst plugins/%/setup.py,plugins/%,$(wildcard plugins/*/setup.py))

.PHONY: help install serve test test-versions lint proof chaos bench bench-gate bench-peers clean

help:
	@echo "make serve          run the router of router.toml on http://127.0.0.1:3000"
	@echo "make test           run every check and test, as CI does"
	@echo "make lint           run the fast checks alone"
	@echo "make test-versions  run the tests with the lowest and newest versions that setup.py allows"
	@echo "make proof          prove that limits and credits are exact, on one router and on four"
	@echo "make chaos          break providers, Redis and the router itself under load (needs a C compiler)"
	@echo "make bench          measure the router (needs a C compiler)"
	@echo "make bench-gate     compare it with the commit before: a call, and a chunk"
	@echo "make bench-peers    install the gateways to measure it beside"

install: .venv/installed

.venv/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# Core and plugins in one step: alone, a plugin would ask the index for the core.
.venv/installed: .venv/python setup.py $(PLUGINS:=/setup.py)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[prices]' $(PLUGINS:%=-e %)
	@touch $@

.venv/tox: .venv/python
	$(BIN)/pip install --quiet --disable-pip-version-check "tox>=4.20" "tox-uv>=1.25"
	@touch $@

serve: .venv/installed
	@$(BIN)/tornado-router serve

test: .venv/tox
	$(BIN)/tox run

test-versions: .venv/tox
	$(BIN)/tox run -e lowest,newest

lint: .venv/tox
	$(BIN)/tox run -e lint,type

proof: .venv/tox
	$(BIN)/tox run -e proof

chaos: .venv/tox
	$(BIN)/tox run -e chaos

bench: .venv/installed
	$(BIN)/python bench/run.py
	$(BIN)/python bench/components.py

bench-gate: .venv/installed
	$(BIN)/python bench/gate.py

bench-peers: .venv/installed
	$(BIN)/python bench/peers.py install

clean:
	rm -rf .venv .tox build dist *.egg-info plugins/*/*.egg-info plugins/*/build bench/build
