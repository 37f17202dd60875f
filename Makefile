# What one does with yaoku. `make` alone lists it.

CARGO ?= cargo
DATA ?= yaoku-data
LISTEN ?= 127.0.0.1:7788
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 3600

.PHONY: help run build test lint deny unit conformance fuzz bench bench-build bench-scale soak instructions clean

help:
	@echo "make run          build the release binary and serve on $(LISTEN), data in ./$(DATA)"
	@echo "make test         everything below, installing what it needs inside ./target"
	@echo "make lint         formatting, lints, licences and advisories"
	@echo "make unit         Rust tests: units, properties, wire, crashes"
	@echo "make conformance  the official SDKs against the release binary"
	@echo "make fuzz         every fuzz target for $(FUZZ_SECONDS) seconds"
	@echo "make bench        yaoku against the floor of its HTTP stack; see bench/README.md"
	@echo "make bench-scale  the same with 1,000,000 keys against few"
	@echo "make soak         load, changes and restarts for SOAK_SECONDS, $(SOAK_SECONDS) by default"
	@echo "make instructions instructions of a request against bench/instructions.json"
	@echo "make clean        remove what was built; ./$(DATA) stays"

run: build
	target/release/yaoku server --data-dir $(DATA) --listen $(LISTEN)

build:
	$(CARGO) build --release --locked --bin yaoku

test: lint unit instructions conformance fuzz

lint: deny
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny:
	tests/deny

unit:
	$(CARGO) test --workspace --locked

conformance: build
	conformance/run

fuzz:
	fuzz/run $(FUZZ_SECONDS)

bench: bench-build
	target/release/yaoku-bench standard
	target/release/yaoku-bench primitives

bench-scale: bench-build
	target/release/yaoku-bench scale

soak: bench-build
	target/release/yaoku-bench soak --seconds $(SOAK_SECONDS)

instructions:
	bench/instructions

bench-build: build
	$(CARGO) build --release --locked -p yaoku-bench

clean:
	$(CARGO) clean
	rm -rf fuzz/target
