# Everything runs in .venv, which the first command makes: the demo with the package alone, the others add their tools.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The versions that the tests ran with: one list for Python 3.11, one for newer interpreters and the newest JAX.
CONSTRAINTS := constraints-$(shell $(firstword $(wildcard $(BIN)/python) $(PYTHON)) -c \
	'import sys; print("3.11" if sys.version_info < (3, 12) else "3.12")').txt
# PyTorch is gigabytes where its default build is the one for NVIDIA GPUs: its tests run in CI alone.
TORCH := $(if $(filter true,$(CI)),torch==2.13.0)
SOURCES := src tests scripts benchmarks examples
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
DATA ?= $(wildcard ../shared/data)
export FALLLINE_DATA ?= $(if $(DATA),$(abspath $(DATA)))

# What `make check` runs: less than a minute, some of every part.
QUICK := $(patsubst %,tests/%.py,test_layers study/test_study study/test_names optimizers/test_optimizers losses/test_losses \
	batching/test_batching stats/test_stats engine/test_layouts stats/test_exact_numbers study/test_plan \
	datasets/test_tables networks/test_network_language report/test_report_recipes cli/test_first_screen \
	store/test_golden_records)
# One more than two cores: some tests wait for other processes. Whole files go to a worker, in the order of conftest.py.
PYTEST := $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: demo test check style lint smoke bench clean

demo: $(VENV)/.ready
	rm -rf runs/demo
	$(BIN)/fallline run softmax/optimizers --preset quick --out runs/demo

test: style
	$(PYTEST)

check: style
	$(PYTEST) $(QUICK)

style: $(VENV)/.dev-ready
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

lint: style
	$(BIN)/pyright --pythonpath $(BIN)/python

# `make check` on another interpreter of this machine, with the other list of versions; installs no interpreter.
smoke:
	@python=$$(scripts/other_python.sh $(PYTHON)); \
	if [ -n "$$python" ]; then $(MAKE) check PYTHON=$$python VENV=.venv-other TORCH=; \
	else echo "smoke: this machine has no second Python between 3.11 and 3.14"; fi

bench: $(VENV)/.dev-ready .venv-peers/.ready
	$(BIN)/python benchmarks/whole.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/bench.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/dense.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/convolutions.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/neurons.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/volume.py

$(VENV)/.ready: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) -c $(CONSTRAINTS) -e .
	touch $@

$(VENV)/.dev-ready: $(VENV)/.ready
	$(PIP) -c $(CONSTRAINTS) -e '.[dev]' $(TORCH)
	touch $@

.venv-peers/.ready: benchmarks/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	touch $@

clean:
	rm -rf $(VENV) .venv-other .venv-peers runs
