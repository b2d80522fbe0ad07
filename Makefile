# Tributary. "make help" lists the targets.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
PRODUCTS ?= 20000
DATA     ?= .demo
MESH     ?=
PART     ?=

# The parts of test-full, the folders that each one tests, and how often: every run draws new
# seeds. What belongs to test-full alone stands in files with the build tag "full".
PARTS           := ingest processors sinks serve contracts whole
PART_ingest     := ingest
PART_processors := processors
PART_sinks      := sinks deploy
PART_serve      := serve
PART_contracts  := mesh schemas topics
PART_whole      := node cmd internal examples
RUNS_ingest     := 2
RUNS_processors := 10
RUNS_sinks      := 4
RUNS_serve      := 4
RUNS_contracts  := 10
RUNS_whole      := 1

# Versions of Postgres that are captured from besides the newest and the oldest.
POSTGRES_VERSIONS := 13.22.0 14 15 16 17

# $(call need,TOOL,MEND) fails with a sentence that names the mend.
need = @command -v $(1) >/dev/null || { echo "make: $(1) is missing; $(2)" >&2; exit 1; }
# $(call packages,FOLDERS) are the packages of those folders that exist.
packages = $(foreach folder,$(1),$(if $(wildcard $(folder)),./$(folder)/...))

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: tools
tools:
	$(call need,$(GO),install Go 1.26, or set GO=/path/to/go)
	$(call need,npm,the ClickHouse engine is an npm package: on Debian apt-get install nodejs npm)

.PHONY: test-tools
test-tools: tools
	$(call need,java,tests run on a real Kafka: on Debian apt-get install openjdk-17-jre-headless)
	$(call need,mvn,Kafka comes by Maven: on Debian apt-get install maven)
	$(call need,gcc,the race detector needs a C compiler: on Debian apt-get install gcc libc6-dev)

.PHONY: setup
setup: tools ## fetch every embedded part (Go modules, Postgres, the ClickHouse engine)
	@$(GO) mod download
	@$(GO) run ./cmd/setup postgres clickhouse

.PHONY: setup-test
setup-test: test-tools setup ## fetch also what only tests need (Kafka)
	@$(GO) run ./cmd/setup kafka

.PHONY: build
build: tools ## build bin/tributary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/tributary ./cmd/tributary

.PHONY: demo
demo: setup build ## run the example mesh on three Postgres databases (PRODUCTS=20000 DATA=.demo)
	@if [ -d "$(DATA)" ] && [ ! -e "$(DATA)/.tributary-demo" ] && [ -n "$$(ls -A "$(DATA)")" ]; then \
	  echo "make: $(DATA) holds something else; name an empty folder by DATA=…" >&2; exit 1; fi
	@mkdir -p "$(DATA)" && touch "$(DATA)/.tributary-demo"
	@exec bin/tributary demo --products "$(PRODUCTS)" --data "$(DATA)"

.PHONY: demo-clean
demo-clean: ## remove the demo's folder (DATA=.demo)
	@if [ ! -e "$(DATA)" ]; then exit 0; fi; \
	if [ ! -e "$(DATA)/.tributary-demo" ]; then \
	  echo "make: $(DATA) is not a folder that make demo made; remove it by hand" >&2; exit 1; fi; \
	rm -rf -- "$(DATA)"

.PHONY: up
up: mesh-named setup build ## run a mesh on your own databases (MESH=path of its manifest)
	@exec bin/tributary up -f "$(MESH)"

.PHONY: mesh-named
mesh-named:
	@[ -n "$(MESH)" ] || { echo "make: name the manifest: make up MESH=mesh.yaml" >&2; exit 1; }

.PHONY: lint
lint: ## check formatting, vet and the house rules
	$(GO) test ./internal/house
	$(GO) vet ./...

.PHONY: test
test: setup-test ## all tests, with real Postgres and Kafka (at most 12 minutes on 2 cores)
	$(GO) vet ./...
	$(GO) test -race -timeout 10m ./...

.PHONY: test-full
test-full: setup-test ## matrices, more seeds, more kills (PART=one of them; at most 60 minutes)
	@for part in $(if $(PART),$(PART),$(PARTS)); do $(MAKE) --no-print-directory "part-$$part"; done

.PHONY: $(PARTS:%=part-%)
$(PARTS:%=part-%): part-%:
	@echo "== test-full: $*"
	$(GO) test -race -tags full -timeout 30m -count $(RUNS_$*) $(call packages,$(PART_$*))

part-ingest: part-postgres-versions
.PHONY: part-postgres-versions
part-postgres-versions:
	@for version in $(POSTGRES_VERSIONS); do \
	  echo "== test-full: Postgres $$version"; \
	  TRIBUTARY_TEST_POSTGRES=$$version $(GO) test -race -timeout 10m ./ingest/postgres; \
	done

.PHONY: parts
parts: # the parts of test-full with their folders, for .ci/run
	@$(foreach part,$(PARTS),echo "$(part) $(PART_$(part))";)

.PHONY: bench
bench: setup build ## measure (figures and commands in bench/README.md)
	$(GO) run ./bench
