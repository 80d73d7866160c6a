# Every target that is for people carries its help after "##".

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

export PIP_DISABLE_PIP_VERSION_CHECK := 1

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# A stamp is newer than its lock file once what the lock names is installed.
SERVE := .venv/.serve
DEV := .venv/.dev
INSTALL := $(BIN)/pip install --quiet
INSTALL_LOCKED := $(INSTALL) --require-hashes --only-binary :all:
INSTALL_FRAUDKIT := $(INSTALL) --no-deps --no-build-isolation --editable .

# LightGBM links to the system's OpenMP runtime (Debian: libgomp1). Where that is missing,
# OPENMP holds the copy that scikit-learn brings.
OPENMP := .venv/lib/openmp
export LD_LIBRARY_PATH := $(CURDIR)/$(OPENMP)$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-11s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(DEV) ## Install everything into .venv: the service and the tools of development
	@echo "Ready: .venv"

.PHONY: serve
serve: $(SERVE) ## Serve on 127.0.0.1:8000 with the bundle in models/
	@$(BIN)/python -m service

.PHONY: test
test: $(DEV) ## Run all tests and doctests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet

.PHONY: check
check: $(DEV) ## Lint, format, types, layers, spelling, lock, files, advisories; changes nothing
	@echo "ruff: lint and format" && $(BIN)/ruff check --quiet && $(BIN)/ruff format --quiet --check
	@echo "mypy" && $(BIN)/mypy --no-error-summary
	@echo "import-linter" && { $(BIN)/lint-imports --no-logo > .venv/import-linter.txt 2>&1 \
		|| { cat .venv/import-linter.txt; exit 1; }; }
	@echo "codespell" && $(BIN)/codespell
	@echo "validate-pyproject" && $(BIN)/validate-pyproject pyproject.toml > /dev/null
	@echo "lock and files" && $(BIN)/python -m pytest --quiet --numprocesses 0 \
		tests/architecture/test_lock.py tests/architecture/test_files.py
	@$(MAKE) audit

.PHONY: audit
audit: $(DEV) ## Look for known vulnerabilities of the locked dependencies; asks osv.dev
	@$(BIN)/python -m tests.architecture.dependency_audit

.PHONY: bench
bench: $(DEV) ## Run the benchmarks
	@$(BIN)/python -m benchmarks.hotpath
	@$(BIN)/python -m benchmarks.http
	@$(BIN)/python -m benchmarks.peak
	@$(BIN)/python -m benchmarks.features
	@$(BIN)/python -m benchmarks.scoring

# Each peer of benchmarks.http has an environment of its own: their dependencies exclude each other.
PEERS := fastapi mlserver bentoml litserve
PEER_ENVIRONMENTS := $(PEERS:%=build/peers/%/.installed)

.PHONY: bench-peers
bench-peers: $(DEV) ## Install the peers of the service, each by itself, and run it against them
	@$(MAKE) --keep-going $(PEER_ENVIRONMENTS) || true
	@$(BIN)/python -m benchmarks.http

build/peers/%/.installed: requirements/peers-%.txt | $(DEV)
	@echo "Installing the peer $* into build/peers/$*."
	@rm -rf build/peers/$* && $(PYTHON) -m venv build/peers/$*
	@build/peers/$*/bin/pip install --quiet --require-hashes --only-binary :all: --requirement $< \
		|| { rm -rf build/peers/$*; echo "The peer $* cannot be installed here: it is left out."; exit 1; }
	@touch $@

DEMO_DATA := build/demo
DEMO_SIMULATE := --orders 100000 --seed 1 --out $(DEMO_DATA)
DEMO_TRAIN := --data $(DEMO_DATA)/orders.ndjson --mapping $(DEMO_DATA)/mapping.toml --seed 1 --out models/demo \
	--trained-on "A demo: trained on 100,000 orders of the simulated shop (fraudkit simulate, seed 1), on no real order. It shows how fraudkit works and must not decide about real customers."

.PHONY: demo-model
demo-model: $(SERVE) ## Rebuild the demo bundle in models/ from the simulated shop
	@$(BIN)/fraudkit simulate $(DEMO_SIMULATE)
	@$(BIN)/fraudkit train $(DEMO_TRAIN)

.PHONY: docs
docs: $(SERVE) ## Regenerate the pages that are made from the code
	@$(BIN)/python -m fraudkit.domain.document docs
	@$(BIN)/python -m fraudkit.features.document docs
	@$(BIN)/python -m fraudkit.payments.document docs

.PHONY: fmt
fmt: $(DEV) ## Format the code and apply safe lint fixes
	@$(BIN)/ruff format --quiet
	@$(BIN)/ruff check --quiet --fix

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: lock
lock: $(DEV) ## Lock the dependencies of pyproject.toml; UPGRADE=1 takes newer versions
	@inputs=$$($(BIN)/python -m tests.architecture.lock_inputs) && \
	export UV_CUSTOM_COMPILE_COMMAND="make lock (inputs $$inputs)" && \
	$(COMPILE) $(if $(UPGRADE),--upgrade) --all-extras --group build --group dev \
		--output-file requirements/dev.txt pyproject.toml && \
	$(COMPILE) --extra service --extra ip --extra postgres --extra redis --extra signing --group build --constraint requirements/dev.txt \
		--output-file requirements/serve.txt pyproject.toml

.PHONY: lock-peers
lock-peers: $(DEV) ## Lock what the peers need; UPGRADE=1 takes newer versions
	@export UV_CUSTOM_COMPILE_COMMAND="make lock-peers" && for peer in $(PEERS); do \
		$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements/peers-$$peer.txt \
			requirements/peers-$$peer.in || exit 1; done

.PHONY: clean
clean: ## Remove .venv, caches and build output; data/ and models/ stay
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/pip:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "fraudkit needs Python 3.11 or later: install it (Debian: apt-get install python3 python3-venv) or name it with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || \
		{ echo "$(PYTHON) cannot make a virtual environment: install the package python3-venv (apt-get install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

$(SERVE): requirements/serve.txt | $(BIN)/pip
	@echo "Installing what the service needs into .venv; this takes about a minute, once."
	@$(INSTALL_LOCKED) --requirement requirements/serve.txt
	@$(INSTALL_FRAUDKIT)
	@$(link_openmp)
	@touch $@

$(DEV): requirements/dev.txt | $(BIN)/pip
	@echo "Installing the service and the tools of development into .venv; this takes about a minute, once."
	@$(INSTALL_LOCKED) --requirement requirements/dev.txt
	@$(INSTALL_FRAUDKIT)
	@$(link_openmp)
	@touch $(SERVE) $@

define link_openmp
$(BIN)/python -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2> /dev/null || { \
	mkdir -p $(OPENMP) && \
	ln -sf $(CURDIR)/.venv/lib/python3*/site-packages/scikit_learn.libs/libgomp-*.so* $(OPENMP)/libgomp.so.1 && \
	echo "The OpenMP runtime is not installed: make uses the copy of scikit-learn. To train without make: apt-get install libgomp1."; }
endef
