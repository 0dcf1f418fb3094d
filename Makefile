# `make demo` and `make test` need nothing but Python 3.10 to 3.13 with pip and venv: the rest goes into .venv.

MAKEFLAGS += --no-print-directory
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=

.PHONY: demo test test-docker tested check bench docs pins op-sets clean

demo: $(READY)  ## train on real digits, deploy, prove, predict
	@examples/digits/demo.sh

test: $(READY)  ## every test; ARGS='tests/unit -k plan' for some
	@tests/run.sh $(ARGS)

test-docker: $(READY)  ## the tests that need a Docker Engine, on one that the testbed makes where none is
	@tests/run.sh docker $(ARGS)

tested: $(READY)  ## note which kinds of source are served and proven, for docs/sources.md
	@NOTE_TESTED=1 $(BIN)/pytest -q tests/integration/test_source_kinds.py tests/integration/test_estimator.py \
		tests/integration/test_jax.py tests/integration/test_real_models.py

check: $(READY)  ## lint, format, types, layers, docs drift
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@layers=$$($(BIN)/lint-imports --no-logo) || { echo "$$layers"; exit 1; }
	@$(BIN)/python docs/generate.py --check

bench: $(READY)  ## ratios; ARGS='cli render' for some
	@$(BIN)/python benchmarks/run.py $(ARGS)

docs: $(READY)  ## write docs/reference.md and docs/deployer.schema.json again
	@$(BIN)/python docs/generate.py

pins: $(READY)  ## resolve requirements/constraints.txt again
	@requirements/pin.sh

op-sets: $(READY)  ## ask every TensorFlow for its ops again; downloads two gigabytes
	@$(BIN)/python requirements/op_sets.py

clean: ## stop the examples' servers, remove what was made; the environment stays
	@for folder in examples/*/; do \
	    if [ -d "$$folder.deployer" ] && [ -x $(BIN)/deployer ]; then \
	        (cd "$$folder" && ../../$(BIN)/deployer down --all --quiet || [ $$? -eq 10 ]); \
	    fi; \
	    rm -rf "$$folder.deployer" "$$folder"models "$$folder"*.keras; \
	done
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements/constraints.txt requirements/environment.sh
	@requirements/environment.sh
	@touch $@
