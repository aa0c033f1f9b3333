.DEFAULT_GOAL := help
.PHONY: help docs setup setup-spark acceptance-spark demo portal test acceptance lint bench bench-export bench-attest bench-documents bench-faults dagster pictures lock bench-nightly bench-start bench-sizes bench-portal bench-moodle bench-xapi bench-spark bench-overlaps

BIN := .venv/bin

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Set up .venv and the system libraries; does nothing when all is there
	@scripts/setup.sh

setup-spark: ## Set up .venv-spark, with the second engine and Java; does nothing when all is there
	@scripts/setup.sh --spark

demo: setup ## Build the demo campus, export it and make the attestations of one session
	@$(BIN)/python scripts/demo.py

test: setup ## Run all tests (ARGS="-k name" for some)
	@$(BIN)/python -m pytest -n 2 --no-loadscope-reorder --ignore=tests/acceptance --ignore=tests/acceptance_spark $(ARGS)

acceptance: setup ## Run the tests that need LibreOffice, Chromium, PostgreSQL, MariaDB, Ralph, rsync or systemd-analyze, installing what is missing
	@scripts/acceptance.sh
	@$(BIN)/python -m pytest -n 2 tests/acceptance $(ARGS)

acceptance-spark: setup-spark ## Build the same models on Spark and compare every row with DuckDB's; installs Spark and Java
	@.venv-spark/bin/python -m pytest tests/acceptance_spark $(ARGS)

lint: setup ## Check style and types of Python and SQL
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --disable-progress-bar models tests/dbt

bench: setup ## Measure builds against their floor (EVENTS=1000000 MEMORY_LIMIT=4GB)
	@$(BIN)/python -m benchmarks.run --events $(or $(EVENTS),1000000) --memory-limit $(or $(MEMORY_LIMIT),4GB)

bench-spark: setup-spark ## Measure full builds of the same events on both engines (ARGS="--events 1000000 10000000")
	@.venv-spark/bin/python -m benchmarks.spark $(ARGS)

bench-overlaps: setup ## Measure a learner whose connections all overlap (ARGS="--connections 20000")
	@$(BIN)/python -m benchmarks.overlaps $(ARGS)

bench-export: setup ## Measure exports against a bare COPY (LINES=5000000)
	@$(BIN)/python -m benchmarks.export --lines $(or $(LINES),5000000)

bench-portal: setup ## Measure the pages on 5 million connections (ARGS="--connections 1000000")
	@$(BIN)/python -m benchmarks.portal $(ARGS)

bench-moodle: setup ## Measure the reading of a Moodle against the servers' own clients (ARGS="--events 5000000")
	@$(BIN)/python -m benchmarks.moodle $(ARGS)

bench-xapi: setup ## Measure the reading of statements from files and from an LRS (ARGS="--statements 100000")
	@$(BIN)/python -m benchmarks.xapi $(ARGS)

bench-attest: setup ## Measure the attestations against their floor (DOCUMENTS=200)
	@$(BIN)/python -m benchmarks.attest --documents $(or $(DOCUMENTS),200)

bench-documents: setup ## Measure the documents beside the attestation (after make demo)
	@$(BIN)/python -m benchmarks.documents

bench-faults: setup ## Kill builds, exports and attestation runs, and publish under readers (KILLS=30)
	@$(BIN)/python -m benchmarks.faults --kills $(or $(KILLS),30)

bench-nightly: setup ## Measure a night in which nothing is new against dbt alone
	@$(BIN)/python -m benchmarks.nightly

bench-start: setup ## Measure what a build takes beside its data, against importing its libraries
	@$(BIN)/python -m benchmarks.start

bench-sizes: setup ## Measure what homes take in time and on the disk (EVENTS="1000 100000 1000000")
	@$(BIN)/python -m benchmarks.sizes --events $(or $(EVENTS),1000 100000 1000000)

portal: demo ## Open the demo's pages, signed in, with nothing else set up (PORT=8000)
	@$(BIN)/python scripts/demo_portal.py

dagster: setup ## Open Dagster's web server on this project's home
	@$(BIN)/opco dagster

pictures: setup ## Draw the README's pictures from the demo (run make demo and make acceptance first)
	@$(BIN)/python scripts/pictures.py

docs: setup ## Write the generated parts of docs/ anew
	@$(BIN)/python scripts/generate_docs.py

lock: ## Resolve both requirements locks anew from pyproject.toml
	@scripts/lock.sh
