# Two commands do everything, set-up included:
#   make demo    the main job, once, on a synthetic cohort -> demo/index.html
#   make test    format, lint, types, layers, tests

PYTHON ?= python3
BIN := .venv/bin
SMALL := --small
# Tests run in so many processes, each with one thread: many short ones gain more from that.
WORKERS ?= 2
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: setup demo demo-small test test-all docs clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "carina needs Python 3.11 or newer; name one with make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[demo,dev,tensorboard]'
	@touch $@

demo: setup
	$(BIN)/carina demo --out demo

# The same commands on a handful of studies: shows that the path is whole, not what the model can do.
demo-small: setup
	rm -rf build/demo-small
	$(BIN)/carina demo --out build/demo-small $(SMALL)

test: setup
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/mypy
	$(TESTS) -m "not slow"

test-all: setup
	$(TESTS)

docs: setup
	$(BIN)/python docs/build.py
	$(BIN)/python docs/described.py
	$(BIN)/python docs/finetuned.py

clean:
	rm -rf build demo .venv
