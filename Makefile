# taskbench: `make` alone prints what there is to make.

GO        ?= go
# Where brokers run in tests: auto (the best that this machine has), docker, process or embedded.
BENCH_LAB ?= auto
# Flags for `bench compare`, as in: make bench BENCH="--brokers redis --duration 30s"
BENCH     ?=
# Flags for `go test`, as in: make test TESTFLAGS=-v
TESTFLAGS ?=
FUZZTIME  ?= 30s
FUZZ      ?= ./...

export BENCH_LAB

.DEFAULT_GOAL := help

# The recipes below fail when a command inside a pipe does.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# Scenarios measure, so nothing else runs beside them.
alone  = taskbench/scenarios
others = $$($(GO) list $(long) ./... | grep -vx $(alone))
# The others wait, most of the time, for servers to come up and leases to end: one package more at a time than there are
# processors, and first those that take longest. With two more some bounds on 2 cores are not kept.
long   = ./harness/lab/labs ./cmd/bench
atonce = -p $$(($$(nproc) + 1))

.PHONY: help bench test test-short process race interop check images engine judge bench-self fuzz clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bench: ## compare the brokers that this machine offers and write a report
	@$(GO) run ./cmd/bench compare $(BENCH)

test: ## vet and run every test, on the brokers of BENCH_LAB
	@$(GO) vet ./...
	@$(GO) run ./cmd/bench doctor --lab $(BENCH_LAB) >&2
	@code=0; \
	$(GO) test -timeout 20m $(atonce) $(TESTFLAGS) $(others) || code=$$?; \
	$(GO) test -timeout 20m $(TESTFLAGS) $(alone) || code=$$?; \
	exit $$code

test-short: ## run every test at its short profile, on embedded brokers: no engine, no servers
	@BENCH_LAB=embedded $(GO) test -short -timeout 10m $(TESTFLAGS) ./...

# One variant of each driver, the one that promises most, and Redis's streams: what a server makes of its directory when it is
# killed, frozen, started again or full.
process: ## hold servers to the contract, and break them, as processes of this machine, which takes their binaries
	@code=0; export BENCH_LAB=process; \
	$(GO) test -timeout 10m -parallel 8 $(TESTFLAGS) ./harness/lab/labs -run 'TestBrokersKeepTheirContract/:(quorum|aof-always|stream|lease|binlog|file)$$' || code=$$?; \
	$(GO) test -timeout 10m $(TESTFLAGS) $(alone) -run 'TestScenarios/^(broker-kill|broker-pause|disk-full)$$' || code=$$?; \
	exit $$code

race: ## run every test at its short profile under the race detector, on embedded brokers
	@BENCH_LAB=embedded $(GO) test -race -short -parallel $$(nproc) -timeout 20m $(TESTFLAGS) ./...

interop: ## hold worker and client against real Celery of two versions, which is installed, on Redis, RabbitMQ and databases
	@ci/celery/install >&2
	@TASKBENCH_CELERY=require $(GO) test -count 1 -timeout 15m -parallel 32 $(TESTFLAGS) ./worker/interop

check: ## look for what needs no run: format, vet, lint, architecture, changed modules
	@unformatted=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...)); \
	if [ -n "$$unformatted" ]; then echo "not formatted as gofmt does:" $$unformatted >&2; exit 1; fi
	@$(GO) vet ./...
	@$$($(GO) -C ci/lint tool -n golangci-lint) run ./...
	@$(GO) test ./ci/testlog ./ci -run "Architecture|Checker|Log|Skips"
	@$(GO) mod verify

images: ## build the container images that are used where no registry can be reached
	@$(GO) run ./cmd/bench images build

engine: ## install a container engine and start it (Debian and Ubuntu; as root or with sudo)
	@ci/engine

judge: ## try the checks: planted bugs must be caught to the task, healthy systems not blamed
	@$(GO) run ./ci/judge

bench-self: ## measure taskbench itself: generator, ledger, checks, worker against a bare client; fails where a goal is missed
	@$(GO) run ./ci/selfbench

fuzz: ## fuzz every fuzz target of the packages in FUZZ for FUZZTIME each
	@GO="$(GO)" ci/fuzz $(FUZZTIME) $(FUZZ)

clean: ## remove results, binaries, and whatever an interrupted run left behind
	@$(GO) run ./cmd/bench down
	@rm -rf runs out bin
