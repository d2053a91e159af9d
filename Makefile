.PHONY: install check test test-all docs

install:  ## the package, its tests, and its documentation, editable
	python -m pip install --quiet -e '.[test,docs]'

check:  ## linters and types
	ruff check .
	ruff format --check .
	mypy
	codespell *.md docs  # one spelling, American; options in pyproject.toml

test:  ## the quick tests
	pytest

test-all:  ## every test
	pytest --slow

docs:  ## the site, into docs/_build/html; every warning is an error
	python -m sphinx -E -W --keep-going -q -b html docs docs/_build/html
