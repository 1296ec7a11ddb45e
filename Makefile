# make book | test | lab, each in a .venv made on first use. In a conda or other environment of
# your own: make book PY=python
PYTHON ?= python3
PY ?= .venv/bin/python
# The stamp is older than its sources only when the environment has to be (re)installed.
ENV := $(if $(filter .venv/bin/python,$(PY)),.venv/.installed)
# two workers; one that has nothing left takes half of what the other still has
SHARE = -n 2 --dist worksteal
# What is checked for shapes and types at run time: the modules of formulas and readings, and not
# the loops of training (adamw, lbfgs, stack, trainer), whose calls are too many.
SHAPES = --jaxtyping-packages=grokkit.model,grokkit.engine.batched,grokkit.engine.tabulated,grokkit.engine.metrics,grokkit.optimum,grokkit.decomposition,grokkit.simulation,grokkit.theorems,grokkit.textbook,varma2023.convergence,varma2023.decomposition,varma2023.efficiency,varma2023.other_tasks,kinks,beartype.beartype
export PYTHONUNBUFFERED = 1
export MPLBACKEND = agg
# what one process compiled, the next need not: each chapter and each test worker imports torch
export PYTHONDONTWRITEBYTECODE =

.PHONY: help book pdf test test-fast test-slow quick lint sync lab clean
help:
	@echo "make book       execute every chapter and build the site"
	@echo "make pdf        the book as one file: build/book.pdf"
	@echo "make test       the tests, the built pages in a browser included, shapes checked"
	@echo "make test-fast  those of them that need neither a browser nor another process"
	@echo "make lab        the chapters in JupyterLab"
	@echo "make lint       style, types, chapters and notebooks in step"
	@echo "make sync       write the .ipynb beside each edited chapter .md"
	@echo "make quick      train every chapter's networks anew, small, and check what comes out"
	@echo "make test-slow  the tests that take minutes"

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12")'
	@echo "== environment: .venv (first time: a few minutes)"
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --disable-pip-version-check --progress-bar off --no-compile -c constraints.txt -e ".[figures,book,cluster,test]"
	@touch $@

book: $(ENV)
	$(PY) -m varma2023.publish check
	$(PY) -m varma2023.publish execute
	$(PY) -m varma2023.publish site
pdf: book
	$(PY) -m varma2023.publish.pdf
# a worker has one core: two threads in each would wait for one another
test test-fast: export OMP_NUM_THREADS = 1
test: $(ENV)
	$(PY) -m pytest -m "not slow" $(SHARE) $(SHAPES) $(REPORT)
test-fast: $(ENV)
	$(PY) -m pytest -m "not slow and not site and not process" $(SHARE)
test-slow: $(ENV)
	$(PY) -m pytest -m slow
# Two chapters side by side: what both need, whoever is first trains, and the other waits for it.
quick: $(ENV)
	rm -rf build/store
	GROKKIT_RESULTS= GROKKIT_STORE="$(CURDIR)/build/store" $(PY) -m varma2023.publish execute --profile quick
	$(PY) -m varma2023.publish verdicts --profile quick --need F1a F1b
lint: $(ENV)
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m varma2023.publish check
	$(PY) -m nbstripout --verify book/*.ipynb book/chapters/*.ipynb
sync: $(ENV)
	$(PY) -m varma2023.publish sync
lab: $(ENV)
	$(PY) -m jupyter lab book
clean:
	rm -rf build
