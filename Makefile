# Everything a person types. What the targets do is told in README.md and docs/commands.md.

.DEFAULT_GOAL := help
.PHONY: help run test lint format mlx guide guide-evaluation bench requirements set-up clean

SET_UP = python=$$(sh scripts/find-python) && "$$python" scripts/set_up.py
SET_UP_CLIENTS = python=$$(sh scripts/find-python) && "$$python" scripts/other_clients.py

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 30

run: ## Set up what is missing, then start Minerva; ARGS="--port 9000" is passed on
	@$(SET_UP) run
	@exec .venv/bin/python manage.py serve $(ARGS)

test: ## Every check and every test, as the continuous integration runs them
	@$(SET_UP) dev
	@$(SET_UP_CLIENTS)
	@.venv/bin/python scripts/check.py all

lint: ## The checks without the tests: ruff, mypy, imports, templates, migrations
	@$(SET_UP) dev
	@.venv/bin/python scripts/check.py lint

format: ## Put code and templates into their one form
	@$(SET_UP) dev
	@.venv/bin/python scripts/check.py format

mlx: ## Set up MLX, for models in its format; on Apple silicon "make run" does it
	@$(SET_UP) mlx

guide: ## Train the built-in guide from nothing, and evaluate it: half an hour on two cores
	@$(SET_UP) guide
	@PYTHONPATH=scripts .venv/bin/python -m guide train

guide-evaluation: ## Print how good the built-in guide is
	@$(SET_UP) guide
	@PYTHONPATH=scripts .venv/bin/python -m guide evaluate

bench: ## Measure the engine, side by side with others: LLAMA_SERVER=PROGRAM, ARGS="--layers 30 --width 576"
	@$(SET_UP) dev
	@.venv/bin/python -m benchmarks.serving $(ARGS)

requirements: ## Pin the versions anew from pyproject.toml
	@$(SET_UP) dev
	@.venv/bin/python scripts/pin_requirements.py

set-up: ## Only set up, for running and testing, and start nothing
	@$(SET_UP) dev
	@$(SET_UP_CLIENTS)

clean: ## Remove what was set up; data and compiled llama.cpp wheels stay
	rm -rf .venv .venv-mlx .tools .clients .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
