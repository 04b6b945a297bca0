# Everything runs in .venv, which the first command makes: the demo with the package alone, the others add their tools.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
DATA ?= $(wildcard ../shared/data)
export FALLLINE_DATA ?= $(if $(DATA),$(abspath $(DATA)))

.PHONY: demo test lint bench clean

demo: $(VENV)/.ready
	rm -rf runs/demo
	$(BIN)/fallline run softmax/optimizers --preset quick --out runs/demo

test: $(VENV)/.dev-ready
	$(BIN)/ruff check src tests scripts benchmarks
	$(BIN)/pytest -n 2 --dist loadfile

lint: $(VENV)/.dev-ready
	$(BIN)/ruff check src tests scripts benchmarks

bench: $(VENV)/.dev-ready .venv-peers/.ready
	$(BIN)/python benchmarks/whole.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/bench.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/dense.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/convolutions.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/neurons.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/volume.py

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -c constraints.txt -e .
	touch $@

$(VENV)/.dev-ready: $(VENV)/.ready
	$(PIP) -c constraints.txt -e '.[dev]'
	touch $@

.venv-peers/.ready: benchmarks/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	touch $@

clean:
	rm -rf $(VENV) .venv-peers runs
