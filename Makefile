# `make demo` and `make test` do all the set-up that they need.
.PHONY: setup demo test lint bench package proto contracts
BIN := .venv/bin

setup:
	@sh packaging/setup.sh

demo: setup
	@$(BIN)/gpn-desktop demo $(ARGS)

test: setup
	$(BIN)/pytest $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	sh proto/gen.sh --check
	$(BIN)/python contracts/gen.py --check

bench: setup
	@$(BIN)/python -m tests.bench $(ARGS)

# An application that needs nothing of the machine's, in dist/; ARGS=--check tests it.
package: setup
	@sh packaging/package.sh $(ARGS)

# Generated code, made anew.
proto: setup
	sh proto/gen.sh

contracts: setup
	sh contracts/build.sh $(ARGS)
