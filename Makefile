# Everything a newcomer, a developer or the build calls. `make run` and `make test` install what they need by themselves.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
PORT ?= 8787
LOCKS := infra/dependencies
BIN := .venv/bin
SAM := .venv-sam/bin/sam
CHECKED := functions shared infra tests bench

help:  ## Show what can be called
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

# $(call install,FOLDER,LOCK): a virtual environment that holds just what the lock lists, hashes checked.
# --no-deps, because a lock names everything already and pip, left to resolve, looks past it for a requirement with extras.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Prorata needs Python 3.11 or newer. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "Installing into $(1) from $(2) ..."
	@if command -v uv >/dev/null; then \
		uv venv --quiet --seed --allow-existing --python "$$(command -v $(PYTHON))" $(1) && \
		uv pip sync --quiet --python $(1)/bin/python --require-hashes $(2); \
	else \
		$(PYTHON) -m venv $(1) && \
		$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(2); \
	fi
	@touch $(1)/.installed
endef

.venv/.installed: $(LOCKS)/dev.txt
	$(call install,.venv,$(LOCKS)/dev.txt)

.venv-sam/.installed: $(LOCKS)/sam.txt
	$(call install,.venv-sam,$(LOCKS)/sam.txt)

# The functions run under this one's Python: the template's version, where it can be found.
.venv-deploy/.installed: PYTHON = $(or $(LAMBDA_PYTHON),python3)
.venv-deploy/.installed: $(LOCKS)/deploy.txt
	$(call install,.venv-deploy,$(LOCKS)/deploy.txt)

setup: .venv/.installed  ## Install what running and testing takes into .venv

run: setup  ## Run Prorata on this machine, with a sample seller and a calendar in hand
	@$(BIN)/python -m infra.local run --port $(PORT)

test: setup browser check .venv-deploy/.installed  ## Pass every test, `make check` and `make deploy-local`
	$(BIN)/python -m pytest -n auto --dist worksteal
	@$(MAKE) --no-print-directory deploy-local

proof: setup  ## Every fault at every call, every two within reach, and by chance: over an hour on 2 cores
	$(BIN)/python -m tests.faults proof

# The tests of the pay page drive a Chromium. Where Debian's packages can be installed, it is; else this says what to do.
browser:  ## See to it that there is a Chromium to test the pay page with
	@command -v chromedriver >/dev/null || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "Installing Chromium ..." && \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium chromium-driver >/dev/null; \
	} || { echo "The pay page is tested in Chromium. Please install it with its driver (chromedriver), as in" \
		"\`sudo apt-get install chromium chromium-driver\`."; exit 1; }

check: setup template  ## Lint, types, layers, template
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

template: setup .venv-sam/.installed  ## Validate template.yaml, as it is and as AWS expands it
	$(BIN)/cfn-lint template.yaml
	@mkdir -p .local
	$(BIN)/python -m infra.local.deploy_template > .local/expanded.json && $(BIN)/cfn-lint .local/expanded.json
	SAM_CLI_TELEMETRY=0 $(SAM) validate --lint --region eu-central-1

format: setup  ## Lay out the code as the checks want it
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

lock: .venv-lock/bin/uv  ## Look for newer versions and write the locks anew, with hashes and without addresses
	@for name in requirements dev sam deploy; do \
		.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--upgrade --custom-compile-command "make lock" --output-file $(LOCKS)/$$name.txt $(LOCKS)/$$name.in; \
	done

.venv-lock/bin/uv:
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet uv

build: setup .venv-sam/.installed  ## Package the functions and their layer for AWS, into .aws-sam
	SAM_CLI_TELEMETRY=0 $(SAM) build

deploy-local: setup .venv-sam/.installed .venv-deploy/.installed  ## Deploy to a stand-in for AWS on this machine, and drive it over HTTP
	@$(BIN)/python -m infra.local.deploy

# What `sam build` calls for each function and for the layer (BuildMethod: makefile); it says where by ARTIFACTS_DIR.
build-%:
	cp -R functions shared "$$ARTIFACTS_DIR"
	find "$$ARTIFACTS_DIR" -name __pycache__ -prune -exec rm -r {} +
	$(call compile,/var/task)

# What the layer is made for: Lambda's Python and processor. `make deploy-local` names this machine's in their place.
LAMBDA_VERSION ?= 3.13
LAMBDA_PLATFORM ?= manylinux2014_aarch64
LAYER := --no-deps --require-hashes --requirement $(LOCKS)/requirements.txt --only-binary :all: \
	--implementation cp --python-version $(LAMBDA_VERSION) $(addprefix --platform ,$(LAMBDA_PLATFORM))
WHEELS := .local/wheels-$(shell cksum < $(LOCKS)/requirements.txt | cut -d " " -f 1)-$(LAMBDA_VERSION)-$(or \
	$(LAMBDA_PLATFORM),$(shell uname -sm | tr " " "-"))

build-DependenciesLayer: $(WHEELS)/.fetched
	$(BIN)/python -m pip install --quiet --target "$$ARTIFACTS_DIR/python" --no-compile --no-index --find-links $(WHEELS) $(LAYER)
	$(call compile,/opt)

wheels: $(WHEELS)/.fetched

# Fetched once for each lock, Python and platform: from then on a layer is built without a network.
$(WHEELS)/.fetched:
	@echo "Fetching what the layer is made of into $(@D) ..."
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --dest $(@D) $(LAYER)
	@touch $@

# $(call compile,WHERE): byte code for Lambda's Python beside the sources, which saves more than half of a cold start.
# Unchecked, because unpacking a package moves its files' dates; WHERE is their folder on Lambda, for tracebacks.
define compile
	@python="$(LAMBDA_PYTHON)"; if [ -n "$$python" ]; then \
		"$$python" -m compileall -q --invalidation-mode unchecked-hash -s "$$ARTIFACTS_DIR" -p $(1) "$$ARTIFACTS_DIR"; \
	else \
		echo "No python3.13 here: packed without byte code, which works and starts more slowly."; \
	fi
endef

# The template's version: on PATH, or one that pyenv or uv keeps. (What is on PATH may be pyenv's and not work.)
LAMBDA_PYTHON ?= $(shell for python in python3.13 "$$(pyenv root 2>/dev/null)"/versions/3.13*/bin/python3.13 \
	"$$(uv python find --no-python-downloads 3.13 2>/dev/null)"; do \
	"$$python" -c "" 2>/dev/null && echo "$$python" && break; done)

clean:  ## Remove what was built and installed
	rm -rf .venv .venv-sam .venv-deploy .venv-lock .aws-sam .local .hypothesis .mypy_cache .ruff_cache .pytest_cache

.PHONY: help setup run test proof browser check template format lock build wheels deploy-local clean
