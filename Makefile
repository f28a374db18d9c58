# Everything stands behind a target; `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.venv/run: requirements/run.txt pyproject.toml scripts/make-venv
	@scripts/make-venv $(PYTHON) requirements/run.txt .venv/run

.venv/dev: requirements/dev.txt pyproject.toml scripts/make-venv
	@scripts/make-venv $(PYTHON) requirements/dev.txt .venv/dev

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: .venv/run ## run Roost: environment, keeper, first cell, sign-in link
	@$(BIN)/roost up

.PHONY: venv
venv: .venv/dev ## the environment that tests and tools need

.PHONY: system-deps
system-deps: ## what tests need beside Python: Chromium, nginx, Node packages
	@scripts/system-deps

.PHONY: check
check: .venv/dev ## format, lint, types, layers: the fast half of CI
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: fmt
fmt: .venv/dev ## format and fix
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .

.PHONY: test
test: .venv/dev system-deps check ## everything that CI runs
	@$(BIN)/pytest

.PHONY: lock
lock: .venv/dev ## lock the dependencies again, without index addresses
	@scripts/lock

.PHONY: demo
demo: .venv/run ## two tenants in a host page, with recorded traces
	@$(BIN)/python -m examples.demo.main

.PHONY: bench-proxy
bench-proxy: .venv/dev ## what forwarding costs, beside direct, a bare pass-through and nginx
	@$(BIN)/python -m bench.proxy

.PHONY: bench-cells
bench-cells: .venv/dev ## how fast a cell wakes, and what it weighs
	@$(BIN)/python -m bench.cells --plain

.PHONY: bench
bench: .venv/dev ## Roost beside Phoenix's own way, in one run
	@$(BIN)/python -m bench.all

.PHONY: soak
soak: .venv/dev ## kill everything at random moments, and count every span (ROUNDS=200)
	@$(BIN)/python -m bench.soak
