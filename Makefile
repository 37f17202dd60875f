# What one does with yaoku. `make` alone lists it.

CARGO ?= cargo
DATA ?= yaoku-data
LISTEN ?= 127.0.0.1:7788
FUZZ_SECONDS ?= 60

.PHONY: help run build test lint deny unit conformance fuzz bench clean

help:
	@echo "make run          build the release binary and serve on $(LISTEN), data in ./$(DATA)"
	@echo "make test         everything below, installing what it needs inside ./target"
	@echo "make lint         formatting, lints, licences and advisories"
	@echo "make unit         Rust tests: units, properties, wire, crashes"
	@echo "make conformance  the official SDKs against the release binary"
	@echo "make fuzz         every fuzz target for $(FUZZ_SECONDS) seconds"
	@echo "make bench        yaoku against the floor of its HTTP stack; see bench/README.md"
	@echo "make clean        remove what was built; ./$(DATA) stays"

run: build
	target/release/yaoku server --data-dir $(DATA) --listen $(LISTEN)

build:
	$(CARGO) build --release --locked --bin yaoku

test: lint unit conformance fuzz

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

bench: build
	$(CARGO) build --release --locked -p yaoku-bench
	target/release/yaoku-bench --server target/release/yaoku
	target/release/yaoku-bench primitives

clean:
	$(CARGO) clean
	rm -rf fuzz/target
