# make demo, make test. `make` lists the rest.
SHOP ?= online_retail
TORCH ?= $(if $(wildcard .venv/.installed-gpu),gpu,cpu)
# Any Python 3.11 to 3.13 that can make an environment; PYTHON=/path/to/python overrides.
PYTHON ?= $(firstword $(shell for p in python3 python3.11 python3.12 python3.13 $$HOME/.pyenv/versions/3.1[123]*/bin/python; do \
	"$$p" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo "$$p"; done))

BIN := .venv/bin
INSTALLED := .venv/.installed-$(TORCH)
TORCH_PIN := torch==$(shell sed -n 's/^torch==//p' constraints.txt)
CPU_INDEX := https://download.pytorch.org/whl/cpu
SIZE_cpu := about 0.9 GB, 3 GB on disk
SIZE_gpu := about 4 GB, 8 GB on disk
# A file's tests stay together: they share what is expensive to make.
PYTEST := $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help install demo up stop test lint check lock bench-peers clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     one night on real orders through Airflow and MLflow   SHOP=online_retail|marketplace  AGAIN=1"
	@echo "make stop     end every process the demo started, also after a crash"
	@echo "make up       start MLflow and Airflow without running a night"
	@echo "make test     the whole suite"
	@echo "make check    format, lint, types, import rules and the fast tests"
	@echo "make install  .venv from constraints.txt                            TORCH=cpu|gpu  PYTHON=python3.11"
	@echo "make bench-peers  environments of the peers that benchmarks/ measures against"
	@echo "make lock     resolve constraints.txt anew from pyproject.toml"

install: $(INSTALLED)

$(INSTALLED): constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 with venv was found: install one, or say make $(MAKECMDGOALS) PYTHON=/path/to/python."; exit 1; }
	@$(PYTHON) -m recsys.stack.preflight --torch $(TORCH)
	@echo "Installing into .venv with $(PYTHON): a download of $(SIZE_$(TORCH)), some minutes. Another torch: TORCH=cpu or TORCH=gpu."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(MAKE) --no-print-directory torch-$(TORCH)
	@echo "torch is in; now Airflow, MLflow and the rest ..."
	@$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	@$(BIN)/python -m recsys.ranking.warm
	@rm -f .venv/.installed-* && touch $@

# A wheel at hand is taken; else the small CPU build from PyTorch's own index.
torch-cpu:
	@$(BIN)/pip install --quiet --no-index --no-deps "$(TORCH_PIN)" 2>/dev/null \
		|| $(BIN)/pip install --quiet -c constraints.txt "$(TORCH_PIN)" --extra-index-url $(CPU_INDEX)

# `===` leaves out builds with a local tag such as +cpu: on Linux PyPI's is the CUDA build.
torch-gpu:
	@$(BIN)/pip install --quiet -c constraints.txt "$(subst ==,===,$(TORCH_PIN))"

demo: $(INSTALLED) $(if $(filter marketplace,$(SHOP)),shops/marketplace/data/orders.csv.gz)
	@$(BIN)/recsys demo --config shops/$(SHOP)/recsys.toml $(if $(AGAIN),--again)

up: $(INSTALLED)
	@$(BIN)/recsys up --config shops/$(SHOP)/recsys.toml

shops/marketplace/data/orders.csv.gz: | $(INSTALLED)
	@$(BIN)/recsys simulate shops/marketplace/data

stop:
	@for shop in $$(ls .runtime 2>/dev/null); do \
		test -f "shops/$$shop/recsys.toml" && $(BIN)/recsys down --config "shops/$$shop/recsys.toml"; done; true

test: $(INSTALLED)
	$(PYTEST)

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint
	$(PYTEST) -m "not slow and not services"

# Universal: one file for every Python and system. torch keeps no local tag, so that CPU and CUDA builds both match.
lock: $(INSTALLED)
	@$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --all-extras --no-header --no-annotate --upgrade \
		--no-strip-markers pyproject.toml -o constraints.txt

bench-peers:
	@benchmarks/peers.sh

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build
