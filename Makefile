# What one does with yaoku. `make` alone lists it.

CARGO ?= cargo
DATA ?= yaoku-data
LISTEN ?= 127.0.0.1:7788
SOAK_SECONDS ?= 3600
# How many parts of `make test` run side by side.
TEST_JOBS ?= 3

.PHONY: help run build check test lint fmt clippy deny unit conformance integrations fuzz bench bench-build bench-scale soak instructions clean

help:
	@echo "make run          build the release binary and serve on $(LISTEN), data in ./$(DATA)"
	@echo "make check        formatting, lints and unit tests: a few minutes, with Rust alone"
	@echo "make test         everything below up to 'fuzz', $(TEST_JOBS) parts side by side (TEST_JOBS), each target fuzzed"
	@echo "                  for 10 seconds; installs what it needs inside ./target, logs in target/logs"
	@echo "make lint         formatting (fmt), lints (clippy), licences and advisories of dependencies (deny)"
	@echo "make unit         Rust tests: units, properties, wire, crashes"
	@echo "make instructions instructions of a request against bench/instructions.json"
	@echo "make conformance  the official SDKs against the binary, built with the profile 'ci' (PROFILE)"
	@echo "make integrations Ceph's object store and MariaDB, from Debian's packages, with their keys in yaoku"
	@echo "make fuzz         every fuzz target for 60 seconds (FUZZ_SECONDS)"
	@echo "make bench        yaoku against the floor of its HTTP stack; see bench/README.md"
	@echo "make bench-scale  the same with 1,000,000 keys against few"
	@echo "make soak         load, changes and restarts for SOAK_SECONDS, $(SOAK_SECONDS) by default"
	@echo "make clean        remove what was built; ./$(DATA) stays"

run: build
	target/release/yaoku server --data-dir $(DATA) --listen $(LISTEN)

build:
	$(CARGO) build --release --locked --bin yaoku

check: fmt clippy
	$(CARGO) test --workspace --locked --lib --bins

lint: fmt clippy deny

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny:
	tests/deny

unit:
	$(CARGO) test --workspace --locked

conformance:
	conformance/run

integrations:
	integrations/run

instructions:
	bench/instructions

fuzz:
	fuzz/run $(or $(FUZZ_SECONDS),60)

# make test: its parts, what each waits for, and what it does. Those that others wait for stand first.
SUITES := python node go java caching-python caching-go caching-java vault-python vault-node vault-go kubernetes-go kmip-python kmip-go
PARTS := tools fmt build clippy deny sdk-go sdk-java sdk-python sdk-node sdk-vault-go sdk-vault-python sdk-vault-node sdk-kubernetes-go \
    sdk-kmip-python sdk-kmip-go sdk-caching-python sdk-caching-go sdk-caching-java unit instructions \
    $(SUITES:%=conformance-%) integrations fuzz-build fuzz

test:
	@rm -rf target/logs; started=$$(date +%s); \
	$(MAKE) --no-print-directory -k -j$(TEST_JOBS) $(PARTS:%=part-%) || true; \
	tests/summary $$(($$(date +%s) - started)) $(PARTS)

.PHONY: test $(PARTS:%=part-%)
part-deny part-fuzz-build: part-tools
part-fuzz: part-fuzz-build
part-instructions part-integrations: part-build
$(SUITES:%=part-conformance-%): part-conformance-%: part-build part-sdk-%

part-tools: ; @tests/part tools tests/tools
part-fmt: ; @tests/part fmt $(CARGO) fmt --all --check
part-build: ; @tests/part build tests/binaries
# The Rust tests are compiled once, by Clippy's compiler, which lints what it compiles: cargo-clippy would check everything a second time.
part-clippy part-unit: export RUSTC_WORKSPACE_WRAPPER := clippy-driver
part-clippy part-unit: export CLIPPY_ARGS := -Dwarnings
part-unit: part-clippy
part-clippy: ; @tests/part clippy $(CARGO) test --workspace --all-targets --locked --no-run
part-deny: ; @tests/part deny tests/deny
part-unit: ; @tests/part unit tests/unit
part-instructions: ; @tests/part instructions bench/instructions
part-fuzz-build: ; @tests/part fuzz-build fuzz/run --build
part-fuzz: ; @tests/part fuzz fuzz/run $(or $(FUZZ_SECONDS),10)
$(SUITES:%=part-sdk-%): part-sdk-%: ; @tests/part sdk-$* conformance/$*/install
$(SUITES:%=part-conformance-%): ; @tests/part $(@:part-%=%) conformance/run $(@:part-conformance-%=%)
part-integrations: ; @tests/part integrations integrations/run

bench: bench-build
	target/release/yaoku-bench standard
	target/release/yaoku-bench primitives

bench-scale: bench-build
	target/release/yaoku-bench scale

soak: bench-build
	target/release/yaoku-bench soak --seconds $(SOAK_SECONDS)

bench-build: build
	$(CARGO) build --release --locked -p yaoku-bench

clean:
	$(CARGO) clean
	rm -rf fuzz/target
