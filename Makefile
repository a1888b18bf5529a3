# Every target works from a fresh clone: what it needs besides Rust and Go it builds or installs into target/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

KUBERNETES_VERSION := 1.37.2
CONTROL_PLANE := target/control-plane/control-plane

say = @printf '\n== %s\n' "$(1)"
# One line that names what is missing: $(call need,COMMAND,NAME,WHERE)
need = @command -v $(1) >/dev/null || { echo "make: $(2) is missing ('$(1)' is not in PATH): $(3)" >&2; exit 1; }

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: need-rust need-go
need-rust:
	$(call need,cc,a C compiler,install gcc or clang: the cryptography is compiled with it)
	$(call need,cargo,Rust 1.89 or later,see https://rustup.rs)
need-go:
	$(call need,go,Go 1.26 or later,see https://go.dev/doc/install)

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

.PHONY: test
test: need-rust control-plane ## run every test
	$(call say,tests)
	cargo test --locked

.PHONY: clean
clean: ## remove everything that was built
	rm -rf target
