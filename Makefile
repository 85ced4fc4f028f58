# Front door of the project. `make help` lists what there is; every target makes what it needs first.
# Set-up talks on stderr only, so `make -s demo > result` holds the result.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
VARIANT ?= cpu
TORCH_INDEX_URL ?=
BASE_IMAGE ?=
T ?=
export TORCH_INDEX_URL BASE_IMAGE

PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
LOCKS := sandbox_image/requirements-cpu.txt sandbox_image/requirements-prepare.txt
TORCH_INDEX := $(if $(TORCH_INDEX_URL),--extra-index-url $(TORCH_INDEX_URL))
FILTER := $(if $(T),$(if $(findstring /,$(T)),$(T),-k "$(T)"))
SOURCES := controller shared sandbox_image tests
DEMO := --goal "Classify handwritten digits with >95% accuracy" --data digits --planner search --max-iterations 6 --num-seeds 3

.PHONY: help venv dev engine gvisor gvisor-if-ours image demo test unit attacks cheats lint format lock bench bench-quality bench-memory fuzz chaos coverage clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMPS)/venv ## Make .venv with the program in it
dev: $(STAMPS)/dev ## Add what the tests and checks need, torch included

$(STAMPS)/python:
	@if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo "make: $(PYTHON) is older than 3.11; name another one: make PYTHON=python3.12" >&2; exit 2; \
	elif ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "make: installing python3-venv with apt-get" >&2; \
			{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv; } >&2; \
		else \
			echo "make: $(PYTHON) lacks the modules venv and ensurepip; install python3-venv, or name another" \
				"Python: make PYTHON=..." >&2; exit 2; \
		fi; \
	fi
	@$(PYTHON) -m venv $(VENV) >&2
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/venv: pyproject.toml $(STAMPS)/python
	@echo "make: installing the program into $(VENV)" >&2
	@$(PIP) install --quiet -e . >&2
	@touch $@

# On the image's own platform the tests use the image's own wheels.
$(STAMPS)/dev: pyproject.toml $(LOCKS) $(STAMPS)/python
	@echo "make: installing the tests' tools and torch into $(VENV)" >&2
	@if $(BIN)/python -c 'import platform, sys; sys.exit((sys.version_info[:2], platform.system(), platform.machine()) \
			!= ((3, 11), "Linux", "x86_64"))'; then \
		$(PIP) install --quiet --no-deps --require-hashes $(TORCH_INDEX) $(LOCKS:%=-r %) >&2; \
	else \
		$(PIP) install --quiet $(TORCH_INDEX) "$$(awk -F '[ +]' '/^torch==/ { print $$1 }' sandbox_image/requirements-cpu.txt)" \
			$$(awk '/^(torchvision|safetensors)==/ { print $$1 }' sandbox_image/requirements-cpu.txt) >&2; \
	fi || { echo "make: torch could not be installed; TORCH_INDEX_URL=... names PyTorch's CPU wheel index" >&2; exit 2; }
	@$(PIP) install --quiet -e '.[dev]' >&2
	@touch $@ $(STAMPS)/venv

engine: venv ## Find the container engine; as root on Debian or Ubuntu set one up where none answers
	@$(BIN)/python -m fumehood.sandbox.engine

gvisor: venv engine ## As root: install gVisor and register it with the engine, for --policy strict
	@$(BIN)/python -m fumehood.sandbox.gvisor

# The tests of --policy strict run on gVisor. Root has it registered, but with an engine of somebody else's only by asking.
gvisor-if-ours: venv engine
	@if [ "$$(id -u)" = 0 ]; then $(BIN)/python -m fumehood.sandbox.gvisor --if-ours; fi

image: venv engine ## Build the sandbox image (VARIANT=cpu|cuda, TORCH_INDEX_URL=..., BASE_IMAGE=...)
	@$(BIN)/fumehood image build --variant $(VARIANT)

demo: image ## Research on real handwritten digits, from goal to report
	@$(BIN)/fumehood run $(DEMO)

test: dev engine gvisor-if-ours image ## Run every test (T=word or T=path chooses)
	@$(PYTEST) -n 2 --dist loadgroup $(FILTER)

unit: dev ## Run the quick tests that need neither a container engine nor torch (T=...)
	@$(PYTEST) -n auto -m "unit and not slow and not integration" $(FILTER)

attacks: dev engine image ## Try every attack and every control under two policies, and print what was seen
	@FUMEHOOD_ATTACK_TABLE=1 $(PYTEST) -q tests/attacks $(FILTER)

cheats: dev engine image ## Try every planted cheat beside its honest twin, and print what was seen
	@FUMEHOOD_CHEAT_TABLE=1 $(PYTEST) -q tests/cheats $(FILTER)

lint: dev ## Check style, types, import rules and the README's commands
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy controller shared sandbox_image
	@PYTHONPATH=sandbox_image $(BIN)/lint-imports
	@$(BIN)/python tests/readme_commands.py

format: dev ## Rewrite the sources in the house style
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

lock: venv ## Resolve the image's lock files anew
	@$(BIN)/python sandbox_image/lock.py

bench: dev engine image ## Measure what isolation costs (FUMEHOOD_BENCH_ITEMS=1,4 chooses; see tests/bench)
	@PYTHONPATH=tests:sandbox_image:controller:shared $(BIN)/python -m bench $(DEMO)

bench-quality: dev engine image ## Compare searches with plain scikit-learn (QUALITY="--bare --splits 0,1"; see tests/bench)
	@PYTHONPATH=tests:sandbox_image:controller:shared $(BIN)/python -m bench.quality $(QUALITY)

bench-memory: dev engine image ## Measure what memory saves, over paired searches (MEMORY="--tasks A,B --seeds 0,1"; see tests/bench)
	@PYTHONPATH=tests:sandbox_image:controller:shared $(BIN)/python -m bench.memory $(MEMORY)

fuzz: dev ## Read 12,000 hostile inputs, as rooms could send them (FUZZ="INPUTS-PER-TARGET SEED")
	@PYTHONPATH=tests:controller:shared $(BIN)/python -m fuzz $(FUZZ)

chaos: dev engine image ## Kill, interrupt, restart and fill up, and count what went wrong (CHAOS="--seed N PART ...")
	@PYTHONPATH=tests:sandbox_image:controller:shared $(BIN)/python -m chaos $(CHAOS)

coverage: dev engine gvisor-if-ours image ## Run every test and tell which lines none of them reached
	@$(BIN)/coverage run --source=controller/fumehood,shared/fumehood_shared -m pytest $(FILTER)
	@$(BIN)/coverage report --show-missing --skip-covered

clean: ## Remove .venv and caches of tools; images, runs and data stay
	@rm -rf $(VENV) .coverage htmlcov .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +
