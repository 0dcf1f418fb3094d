# Needs Python 3.10 to 3.13 with venv. Everything else is installed into .venv.

MAKEFLAGS += --no-print-directory
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=

.PHONY: help demo test unit test-docker coverage tested check fix bench docs pins op-sets clean

help:  ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(READY)  ## train on real digits, deploy, verify, predict
	@examples/digits/demo.sh

test: $(READY)  ## run every test; ARGS='tests/unit -k plan' runs some
	@tests/run.sh $(ARGS)

unit: $(READY)  ## run the unit tests; ARGS='-k plan' runs some
	@tests/run.sh unit $(ARGS)

coverage: $(READY)  ## report covered lines by package; ARGS='tests/unit' runs some tests
	@tests/run.sh coverage $(ARGS)

test-docker: $(READY)  ## run the tests that need a Docker Engine; starts one if necessary
	@tests/run.sh docker $(ARGS)

tested: $(READY)  ## record the kinds of source that are verified, for docs/sources.md
	@NOTE_TESTED=1 $(BIN)/pytest -q tests/integration/test_source_kinds.py tests/integration/test_estimator.py \
		tests/integration/test_jax.py tests/integration/test_real_models.py

fix: $(READY)  ## correct and format what ruff can
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

check: $(READY)  ## lint, format, types, layers, dependencies, generated docs, words
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@layers=$$($(BIN)/lint-imports --no-logo) || { echo "$$layers"; exit 1; }
	@$(BIN)/deptry deployer 2>/dev/null || $(BIN)/deptry deployer
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python docs/words.py

bench: $(READY)  ## measure performance; ARGS='cli render' runs some benchmarks
	@$(BIN)/python benchmarks/run.py $(ARGS)

docs: $(READY)  ## regenerate the reference and the schema
	@$(BIN)/python docs/generate.py

pins: $(READY)  ## resolve requirements/constraints.txt again
	@requirements/pin.sh

op-sets: $(READY)  ## regenerate the table of TensorFlow's ops; downloads two gigabytes
	@$(BIN)/python requirements/op_sets.py

clean:  ## stop servers of the examples and remove generated files; keeps .venv
	@for directory in examples/*/; do \
	    if [ -d "$$directory.deployer" ] && [ -x $(BIN)/deployer ]; then \
	        (cd "$$directory" && ../../$(BIN)/deployer down --all --quiet || [ $$? -eq 10 ]); \
	    fi; \
	    rm -rf "$$directory.deployer" "$$directory"models "$$directory"*.keras; \
	done
	@rm -rf build dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements/constraints.txt requirements/environment.sh
	@requirements/environment.sh
	@touch $@
