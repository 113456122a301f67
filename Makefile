# What people and scripts may rely on. `make help` lists the targets.
#
# demo, test, bench and soak work in private mount and network namespaces; the machine keeps its
# network, /etc/cni and /var/lib/cni as they are. They need root, and on Debian they install what
# is missing (iproute2, containernetworking-plugins, python3-venv; for test, bench and soak also
# containerd, busybox-static and strace), and nothing otherwise. Where there is Go, test and soak
# build a containerd 2.x, once, into ~/.cache/cni-route.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE_PACKAGES := iproute2 containernetworking-plugins python3-venv
NEEDS := PYTHON='$(PYTHON)' sh tests/needs.sh

.DEFAULT_GOAL := help
.PHONY: help venv demo test check bench soak clean node-packages test-packages

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-8s %s\n' "$$name" "$$what"; done

venv: $(VENV)/made ## .venv with the project and all its tools (.venv/bin/cni-route is the command)

# Made again only when the project's metadata changes; the file is the proof that it was finished.
$(VENV)/made: setup.cfg pyproject.toml
	@$(NEEDS) python3-venv
	@echo "venv: installing the project and its tools into $(VENV)"
	@$(BIN)/python -c '' 2>/dev/null || "$$($(NEEDS) --python)" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

node-packages:
	@$(NEEDS) --root $(NODE_PACKAGES)

test-packages:
	@$(NEEDS) --root $(NODE_PACKAGES) containerd busybox-static strace

demo: node-packages venv ## a node with real CNI plugins and pods, and what cni-route does there
	@$(BIN)/python -m tests.demo

test: test-packages venv ## all tests, tier by tier, from unit tests to whole nodes
	@$(BIN)/python -m tests.runtime.builds
	@$(BIN)/python tests/tiers.py

check: venv ## formatting, lint, types, the import contract, the house rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy -p cni_route -p sync_service
	@$(BIN)/lint-imports --config setup.cfg
	@$(BIN)/python -m pytest -q -p no:cacheprovider tests/house

bench: test-packages venv ## the figures of the budgets, as a table: p50, p99, n, ratios
	@$(BIN)/python -m tests.bench

soak: test-packages venv ## the long runs, with full counts; a summary goes to docs/measured.md
	@$(BIN)/python -m tests.runtime.builds
	@CNI_ROUTE_SOAK=1 $(BIN)/python tests/tiers.py --summary docs/measured.md

clean: ## remove caches and build output (the venv stays: rm -r .venv)
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .coverage
	@find cni_route sync_service tests -name __pycache__ -type d -prune -exec rm -rf {} +
