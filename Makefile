# Every target works from a fresh clone. It builds or installs what it needs besides Rust, Go and Python into target/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Prerequisites run in order, also with -j, so that missing tools are reported before long builds.
.NOTPARALLEL:

KUBERNETES_VERSION := 1.37.2
CONTROL_PLANE := target/control-plane/control-plane
PYTHON ?= python3
CONFORMANCE := target/conformance

say = @printf '\n== %s\n' "$(1)"
# Fails if a command is missing: $(call need,COMMAND,NAME,REMEDY)
need = @command -v $(1) >/dev/null || { echo "make: $(2) is missing ('$(1)' is not in PATH): $(3)" >&2; exit 1; }
# Fails if a version is too old: $(call need-version,VERSION COMMAND,NAME,MAJOR,MINOR,REMEDY)
need-version = @version=$$($(1)) && [[ $$version =~ ([0-9]+)\.([0-9]+) ]] && \
	((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] >= $(3) * 1000 + $(4))) || { \
		echo "make: $(2) $(3).$(4) or later is missing ('$(1)' prints '$$version'): $(5)" >&2; exit 1; }

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: need-rust need-go need-python
need-rust:
	$(call need,cc,a C compiler,install gcc or clang; it compiles the cryptography library)
	$(call need,cargo,Rust 1.89 or later,see https://rustup.rs)
	$(call need-version,cargo --version,Rust,1,89,see https://rustup.rs)
need-go:
	$(call need,go,Go 1.26 or later,see https://go.dev/doc/install)
	$(call need-version,cd tests/control-plane && go env GOVERSION,Go,1,26,see https://go.dev/doc/install)
need-python:
	$(call need,$(PYTHON),Python 3.9 or later,see https://www.python.org/downloads)
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || { \
		echo "make: Python 3.9 or later with its venv module is missing (checked '$(PYTHON)'): on Debian, install python3-venv" >&2; exit 1; }

.PHONY: build
build: need-rust ## build the release binary: target/release/dcs-operator
	$(call say,building the release binary)
	cargo build --release --locked

.PHONY: control-plane
control-plane: need-go $(CONTROL_PLANE) ## build the Kubernetes control plane for demo and tests

version := k8s.io/component-base/version
client_version := k8s.io/client-go/pkg/version
minor := $(word 2,$(subst ., ,$(KUBERNETES_VERSION)))
link := -s -w -X $(version).gitVersion=v$(KUBERNETES_VERSION) -X $(version).gitCommit= -X $(version).gitMajor=1 \
	-X $(version).gitMinor=$(minor) -X $(client_version).gitVersion=v$(KUBERNETES_VERSION) \
	-X $(client_version).gitCommit=

$(CONTROL_PLANE): $(wildcard tests/control-plane/*) | need-go
	$(call say,building the control plane (the first build compiles Kubernetes and takes minutes))
	cd tests/control-plane && go build -trimpath -ldflags "$(link)" -o ../../$@.new .
	@mv $@.new $@

# The venv is rebuilt when its requirements change. The stamp is written last.
$(CONFORMANCE)/venv/stamp: tests/conformance/requirements.txt | need-python
	$(call say,installing the vendor's Python SDK)
	rm -rf $(CONFORMANCE)/venv
	$(PYTHON) -m venv $(CONFORMANCE)/venv
	$(CONFORMANCE)/venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: conformance
conformance: need-rust need-python $(CONFORMANCE)/venv/stamp ## test the simulator with the vendor's Python SDK
	$(call say,conformance)
	@# Builds the binary with the features of the tests, so that cargo does not build it twice.
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
soak: need-rust ## run the properties and the loop's fault tests in full: every point, fault and lag (half an hour)
	$(call say,soaking)
	DCS_OPERATOR_SOAK=1 cargo test --locked --lib plan::
	DCS_OPERATOR_SOAK=1 cargo test --locked --test it loop_ -- --nocapture

.PHONY: demo
demo: need-rust need-go build control-plane ## run a demo of create, update and delete; needs no cluster and no cloud account
	@demo/demo.sh

.PHONY: dev
dev: need-rust need-go build control-plane ## run the environment of the demo until it is interrupted
	@demo/dev.sh

.PHONY: simulate
simulate: need-rust ## serve a simulated cloud on http://127.0.0.1:8686 until it is interrupted
	$(call say,building the simulator)
	cargo build --locked
	$(call say,serving; press Ctrl-C to stop)
	@target/debug/dcs-operator simulate --addr 127.0.0.1:8686 --speed 20

.PHONY: bench
bench: need-rust need-go build control-plane ## measure the operator (memory, CPU, requests, time to Ready) and the simulator (ten minutes)
	@benches/operator.sh
	$(call say,measuring (builds optimised code first))
	cargo bench --locked --quiet --bench simulator --bench accounts

.PHONY: clean
clean: ## remove all build results
	rm -rf target
