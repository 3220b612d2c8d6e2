.PHONY: setup test lint
BIN := .venv/bin

setup:
	@sh packaging/setup.sh

test: setup
	$(BIN)/pytest $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
