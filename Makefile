# The two commands of the README, and those of the developers. Everything happens inside .venv.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONWARNINGS := ignore::DeprecationWarning

.PHONY: demo test test-all test-cluster test-cluster-quick check docs format bench clean

# `make demo`: install, build a corpus from the bundled real videos, verify it, audit it, train on it for a few seconds, say where to look.
demo: .venv/built
	rm -rf out/demo out/demo-training
	$(BIN)/longtake build examples/demo/corpus.yaml
	$(BIN)/longtake verify out/demo
	$(BIN)/longtake show out/demo
	$(BIN)/longtake audit out/demo --config examples/demo/corpus.yaml
	$(BIN)/longtake train examples/demo/train.yaml
	@echo
	@echo "The corpus:          out/demo (shards/*.tar are WebDataset; README.md is its card)"
	@echo "What was dropped:    out/demo/ledger (Parquet; reasons in docs/ledger.md)"
	@echo "The audit:           out/demo/audit/report.html (open it in a browser)"
	@echo "The loss curve:      out/demo-training/loss.png"
	@echo "Look at one sample:  $(BIN)/longtake show out/demo mammals --output sample.png"
	@echo "Look through it:     $(BIN)/longtake browse out/demo"

# `make test`: the whole test suite, in as many processes as it is quick in; each needs a core and 3 GB.
TEST_PROCESSES ?= 2
test: .venv/tested
	$(BIN)/python -m pytest -q --durations=10 -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# `make test-all`: with the cases that are left out for time.
test-all: .venv/tested
	$(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder -m 'not cluster'

# `make test-cluster`: hosts, servers and workers of a cluster on this machine (docs/cloud.md). It takes root, Go, and minutes to fetch
# the servers at first. `make test-cluster-quick`: the demo on two hosts with workers, of which one is killed.
test-cluster: .venv/tested
	$(BIN)/python -m pytest -q -m cluster -rs --durations=20 tests/cluster
test-cluster-quick: .venv/tested
	$(BIN)/python -m pytest -q -m cluster -rs -k 'two_worker_hosts or sdk_worker_killed' tests/cluster

check: .venv/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(links)
	$(BIN)/mypy -p longtake

# `make docs`: docs/ and the reference of the Python API, from its docstrings, as HTML.
docs: .venv/built
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(links)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "The reference: out/docs/reference.html"

# The package as its wheel has it. Neither mypy nor mkdocstrings can follow an editable install of a mapped layout.
define links
rm -rf .venv/links && mkdir -p .venv/links/longtake
ln -s $(addprefix ../../../package/,__init__.py torch.py py.typed) .venv/links/longtake/
ln -s $(addprefix ../../../,schemas library pipeline model jobs) .venv/links/longtake/
endef

format: .venv/tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/created:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

.venv/built: .venv/created setup.py pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[build,train,audit]'
	touch $@

.venv/tested: .venv/built
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv out build dist *.egg-info
