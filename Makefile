# Every target works from a fresh clone: what it needs besides Rust, Go and Python it builds or installs into target/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# From left to right, also with -j: what is missing is said before anything long is built.
.NOTPARALLEL:

KUBERNETES_VERSION := 1.37.2
CONTROL_PLANE := target/control-plane/control-plane
PYTHON ?= python3
CONFORMANCE := target/conformance

say = @printf '\n== %s\n' "$(1)"
# One line that names what is missing: $(call need,COMMAND,NAME,WHERE)
need = @command -v $(1) >/dev/null || { echo "make: $(2) is missing ('$(1)' is not in PATH): $(3)" >&2; exit 1; }
# The same for what is too old: $(call need-version,WHAT TELLS THE VERSION,NAME,MAJOR,MINOR,WHERE)
need-version = @version=$$($(1)) && [[ $$version =~ ([0-9]+)\.([0-9]+) ]] && \
	((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] >= $(3) * 1000 + $(4))) || { \
		echo "make: $(2) $(3).$(4) or later is missing ('$(1)' says '$$version'): $(5)" >&2; exit 1; }

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: need-rust need-go need-python
need-rust:
	$(call need,cc,a C compiler,install gcc or clang: the cryptography is compiled with it)
	$(call need,cargo,Rust 1.89 or later,see https://rustup.rs)
	$(call need-version,cargo --version,Rust,1,89,see https://rustup.rs)
need-go:
	$(call need,go,Go 1.26 or later,see https://go.dev/doc/install)
	$(call need-version,cd tests/control-plane && go env GOVERSION,Go,1,26,see https://go.dev/doc/install)
need-python:
	$(call need,$(PYTHON),Python 3.9 or later,see https://www.python.org/downloads)
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || { \
		echo "make: Python 3.9 or later with its venv module is missing ('$(PYTHON)' is not that): on Debian, install python3-venv" >&2; exit 1; }

.PHONY: build
build: need-rust ## build the release binary: target/release/dcs-operator
	$(call say,building the release binary)
	cargo build --release --locked

.PHONY: control-plane
control-plane: need-go $(CONTROL_PLANE) ## build the Kubernetes control plane that demo and tests run on

version := k8s.io/component-base/version
client_version := k8s.io/client-go/pkg/version
minor := $(word 2,$(subst ., ,$(KUBERNETES_VERSION)))
link := -s -w -X $(version).gitVersion=v$(KUBERNETES_VERSION) -X $(version).gitCommit= -X $(version).gitMajor=1 \
	-X $(version).gitMinor=$(minor) -X $(client_version).gitVersion=v$(KUBERNETES_VERSION) \
	-X $(client_version).gitCommit=

$(CONTROL_PLANE): $(wildcard tests/control-plane/*) | need-go
	$(call say,building the control plane (the first time this takes minutes: it compiles Kubernetes))
	cd tests/control-plane && go build -trimpath -ldflags "$(link)" -o ../../$@.new .
	@mv $@.new $@

# The venv is made anew whenever its requirements change, and only then; the stamp comes last.
$(CONFORMANCE)/venv/stamp: tests/conformance/requirements.txt | need-python
	$(call say,installing the vendor's Python SDK)
	rm -rf $(CONFORMANCE)/venv
	$(PYTHON) -m venv $(CONFORMANCE)/venv
	$(CONFORMANCE)/venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: conformance
conformance: need-rust need-python $(CONFORMANCE)/venv/stamp ## let the vendor's Python SDK judge the simulator
	$(call say,conformance)
	@# The binary that the tests have built, instead of another one with other features.
	cargo test --locked --no-run --test it
	cd tests/conformance && PYTHONPYCACHEPREFIX=$(CURDIR)/$(CONFORMANCE)/pycache ../../$(CONFORMANCE)/venv/bin/python -m pytest

.PHONY: lint
lint: need-rust need-go ## check format, lints and documentation; warnings are errors
	$(call say,format)
	cargo fmt --check
	@unformatted=$$(gofmt -l tests/control-plane); test -z "$$unformatted" || { echo "gofmt: $$unformatted" >&2; exit 1; }
	$(call say,lints)
	cargo clippy --locked --all-targets -- -D warnings
	cd tests/control-plane && go vet -trimpath .
	$(call say,documentation)
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

.PHONY: generate
generate: need-rust ## write crds/ and the generated pages of docs/
	$(call say,generating crds/ and docs/)
	rm -rf crds docs/reference
	cargo run --locked --quiet -- crds --dir crds
	cargo run --locked --quiet -- docs --dir docs

.PHONY: test
test: need-rust need-go need-python control-plane ## run every test
	$(call say,tests)
	cargo test --locked
	@$(MAKE) conformance

.PHONY: soak
soak: need-rust ## run the loop's fault tests in full: every point, fault and lag, thousands of seeds (half an hour)
	$(call say,soaking)
	DCS_OPERATOR_SOAK=1 cargo test --locked --test it loop_ -- --nocapture

.PHONY: demo
demo: need-rust need-go build control-plane ## see it work, from kubectl apply to Ready and back: no cluster and no cloud account needed
	@demo/demo.sh

.PHONY: dev
dev: need-rust need-go build control-plane ## the same environment, kept up until it is interrupted
	@demo/dev.sh

.PHONY: simulate
simulate: need-rust ## serve a simulated cloud on http://127.0.0.1:8686 until it is interrupted
	$(call say,building the simulator)
	cargo build --locked
	$(call say,serving; interrupt to end)
	@target/debug/dcs-operator simulate --addr 127.0.0.1:8686 --speed 20

.PHONY: bench
bench: need-rust need-go build control-plane ## measure the operator (memory, processor, time to Ready) and the simulator
	@benches/operator.sh
	$(call say,measuring (an optimised build comes first))
	cargo bench --locked --quiet --bench simulator --bench accounts

.PHONY: clean
clean: ## remove everything that was built
	rm -rf target
