# Everything a newcomer needs. `make` alone prints this list.
# Needs Python 3.11+, git and make; the rest is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Packages and not paths: mypy would see a module twice, by its path and as it is imported.
CHECKED := -p clearml_snapshot -p tests -p docs
# `make bench-data BENCH_SIZES=1e9` takes ten minutes and 4 GB.
BENCH_DATA ?= /tmp/bench
BENCH_SIZES ?= 1e5 1e6 1e7 1e8
GROWTH_SIZES ?= $(BENCH_SIZES)
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help install demo test one cov build lint format types imports docs pictures bench growth bench-data scale soak clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Install the tool and its tools into .venv
	@# A strict editable install links file by file: new files, .sql too, need linking again.
	@$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e . 2>$(VENV)/link.log \
		|| { cat $(VENV)/link.log >&2; exit 1; }

# The stamp is written last, so a broken or interrupted install is tried again.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; say which: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@# Warnings about how the package is built are for those who look for them.
	@{ $(BIN)/pip install -q --disable-pip-version-check --upgrade pip "setuptools>=77" \
		&& $(BIN)/pip install -q --disable-pip-version-check -e . --group dev; } 2>$(VENV)/install.log \
		|| { cat $(VENV)/install.log >&2; exit 1; }
	@touch $@

demo: install ## Export from the embedded stand-in server and query the result
	$(BIN)/clearml-snapshot demo

test: install lint types imports ## Everything that CI checks
	@# Hundreds of tests start the program: byte-compiled once, even where the environment forbids it.
	$(PYTEST) -n 3 --dist worksteal $(PYTEST_OPTIONS)

one: install ## Run one file, folder or test: make one T=tests/test_docs.py
	@test -n "$(T)" || { echo "T is empty; name a test: make one T=tests/test_docs.py" >&2; exit 2; }
	$(PYTEST) $(T)

cov: install ## Run all tests and list the lines that none of them reaches
	$(PYTEST) -n 3 --dist worksteal --cov=clearml_snapshot --cov-report=term-missing:skip-covered

build: install ## Build the wheel and the source archive into dist/
	$(BIN)/python -m build --no-isolation

lint: install ## Check style, format and spelling, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m docs.spelling

format: install ## Apply the format and the safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install ## mypy --strict
	$(BIN)/mypy $(CHECKED)

imports: install ## The direction of imports
	@$(BIN)/lint-imports --no-logo

docs: install ## Write again what is generated from the code
	$(BIN)/python -m docs.generate

pictures: install ## Draw again what each query shows on a terminal
	$(BIN)/python -m tests.cli.pictures

bench: install ## Compare with the SDK and with DuckDB, measure memory (half an hour)
	$(BIN)/python tests/bench/compare_sdk.py
	$(BIN)/python tests/bench/cold_query.py
	$(BIN)/python tests/bench/memory.py
	$(BIN)/python tests/bench/catalogue.py
	$(BIN)/python -m tests.bench.data --folder $(BENCH_DATA) 1e6 1e7 1e8
	$(BIN)/python -m tests.bench.questions $(BENCH_DATA)/1e8
	$(BIN)/python -m tests.bench.writing $(BENCH_DATA)/1e7
	$(BIN)/python -m tests.bench.verify_speed $(BENCH_DATA)/1e6 $(BENCH_DATA)/1e7
	$(BIN)/python -m tests.bench.hand_over
	$(BIN)/python -m tests.bench.report_speed $(BENCH_DATA)/1e7

growth: install ## Measure the growth from 10^5 to 10^9 points (GROWTH_SIZES) for docs/performance.md
	$(BIN)/python -m tests.bench.growth --folder $(BENCH_DATA) $(GROWTH_SIZES)
	$(BIN)/python -m docs.generate

bench-data: install ## Write realistic datasets of 10^5 to 10^8 points (BENCH_SIZES) into BENCH_DATA
	$(BIN)/python -m tests.bench.data --folder $(BENCH_DATA) $(BENCH_SIZES)

scale: install ## Simulate a large team at 1/1000 for docs/scale.md (a quarter of an hour; needs BENCH_SIZES=1e9)
	$(BIN)/python -m tests.bench.scale --folder $(BENCH_DATA)/scale
	$(BIN)/python -m docs.generate

soak: install ## 200 exports killed, a year of nights, 1,000 bits flipped, 10,000 lives of tasks (an hour)
	$(BIN)/python tests/bench/soak.py
	$(BIN)/python tests/bench/year.py
	$(BIN)/python -m tests.bench.flips
	$(BIN)/python -m tests.bench.lives
	$(BIN)/python -m tests.bench.repeat
	$(BIN)/python -m tests.bench.zeros
	$(BIN)/python -m tests.bench.bent
	$(BIN)/python -m tests.bench.planted
	$(BIN)/python -m tests.bench.kills
	$(BIN)/python -m tests.bench.tab
	$(BIN)/python -m tests.bench.hostile
	SOAK=1 $(BIN)/python -m pytest -q tests/cli/test_screen.py tests/exporter/store/copying tests/exporter/store/objects tests/exporter/store/writing/remote tests/queries/test_readers_during_commits.py tests/cli/engine tests/queries/shards tests/queries/notes/test_single_zeros.py tests/queries/ask/test_standalone_sql.py
	$(BIN)/python -m tests.bench.long_texts

clean: ## Remove .venv, builds and caches; never a dataset
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -not -path './data/*' -prune -exec rm -rf {} +
