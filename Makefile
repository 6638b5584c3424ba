# `make setup` once, then `make test`. What each part needs and shows is in CONTRIBUTING.md.
PYTEST = .venv/bin/python -m pytest -q -p no:cacheprovider
export ZAI_EXPORTER_BIN ?= $(CURDIR)/target/release/zai-exporter
# The binary that ships in the image and the tarball: linked statically.
export ZAI_EXPORTER_STATIC_BIN ?= $(CURDIR)/target/$(shell rustc -vV | sed -n 's/^host: //p')/release/zai-exporter

.PHONY: setup build static test lint dependencies deny sbom rust instructions hostile fuzz docs alerts alerts-mutants helm dashboards dashboards-render page

setup:
	scripts/setup.sh

build:
	cargo build --release --locked

# The tests of the alerts mostly wait for Prometheus: the static binary is built meanwhile.
test: lint dependencies rust instructions docs
	+$(MAKE) --no-print-directory --jobs=2 --output-sync=target alerts helm
	+$(MAKE) --no-print-directory dashboards dashboards-render page

lint:
	cargo fmt --all --check
	cargo clippy --all-targets --locked -- -D warnings

# Licences, sources and second versions of the locked crates; one version in all files.
dependencies:
	.venv/bin/python scripts/check-dependencies.py
	.venv/bin/python scripts/release.py check
	$(PYTEST) scripts/tests

# The same by cargo-deny, with known vulnerabilities where their database can be fetched.
deny:
	scripts/deny.sh

# What is in the binary, as CycloneDX.
sbom:
	deploy/sbom.sh

rust: build
	cargo test --locked

# Slower than before? Counted, not timed.
instructions: build
	python3 bench/instructions.py

# Logs that are made to be slow cost no more than their length asks for. Counted, takes minutes.
hostile: build
	python3 bench/hostile.py

# Bytes for which a property of fuzz/properties does not hold. Needs a nightly toolchain and cargo-fuzz.
FUZZ_SECONDS ?= 60
fuzz:
	cargo +nightly fuzz build --sanitizer none --codegen-units 16
	for target in $$(cargo +nightly fuzz list); do \
	    mkdir -p fuzz/grown/$$target && \
	    cargo +nightly fuzz run --sanitizer none --codegen-units 16 $$target fuzz/grown/$$target fuzz/corpus/$$target -- \
	        -dict=fuzz/dictionaries/$$target.dict -max_total_time=$(FUZZ_SECONDS) -timeout=20 -print_final_stats=1 || exit 1; \
	done

# Every rule changed in every way that matters, and the tests that must notice; takes minutes.
alerts-mutants:
	.venv/bin/python alerts/tests/mutants.py

alerts: build
	$(PYTEST) alerts/tests

static:
	deploy/static.sh

helm: build static
	$(PYTEST) helm/tests

dashboards: build
	dashboards/check/run.sh

dashboards-render: build
	dashboards/check/render.sh

page: build
	cd tests/browser && npm test --silent

docs: build
	python3 scripts/check-docs.py
