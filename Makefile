# What a contributor runs; .ci/run runs all of it but bench.
lint:
	ruff check .
	ruff format --check .
	mypy
	codespell

test:
	python -m pytest

slow:
	python -m pytest -m slow

coverage:
	coverage run -m pytest -n 0
	coverage report

docs:
	$(MAKE) -C docs html

bench:
	python benchmarks/bench_start.py

.PHONY: lint test slow coverage docs bench
