# `make run` shows Drover at work; `make test` checks everything. Both set up what they need.
.DEFAULT_GOAL := help
SHELL := /bin/bash
SERVERS := crates/kit/servers/build.sh

.PHONY: help run demo test lint fmt doc bench fuzz soak dev-cluster servers deny

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t16

run: ## Drover by itself, with an administrator's kubeconfig and what to type
	cargo build --locked --bin drover
	deploy/dev/run.sh target/debug/drover .dev/run

dev-cluster: servers ## a real cluster, added to the Drover that `make run` runs
	cargo build --locked --bin drover
	cargo run --locked --quiet -p drover-kit --bin dev-cluster -- --dir .dev --register target/debug/drover --config .dev/run/drover.yaml

demo: servers ## a gateway in front of two real clusters, from manifests alone, with people who may more and less
	cargo build --locked --bin drover
	cargo run --locked --quiet -p drover-kit --bin dev-cluster -- --gateway target/debug/drover --dir .dev --clusters 2

# Most tests wait for a server most of the time: four at once on two cores.
test: lint servers ## everything: format, lints, licences, docs, all tests
	cargo build --locked --workspace --all-targets
	DROVER_TEST_BIN="$$($(SERVERS) | tail -n1)" RUST_TEST_THREADS=4 cargo test --locked --workspace
	cargo test --locked --workspace --features drover/otel --test traces

lint: deny doc ## format, clippy, licences, documentation
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --workspace --features drover/otel --lib --test traces -- -D warnings

fmt: ## formats everything
	cargo fmt --all

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

deny:
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny
	cargo deny --locked --log-level error check bans licenses sources

servers: ## builds and caches the real servers that the tests use, and installs Debian's
	@crates/kit/servers/packages.sh
	@$(SERVERS)

bench: ## the tables of docs/performance.md, beside Envoy, nginx, HAProxy, pingora-proxy, and etcd with kube-apiserver
	benches/run.sh

fuzz: ## every fuzz target for a minute
	fuzz/run.sh 60

soak: servers ## the long runs
	DROVER_TEST_BIN="$$($(SERVERS) | tail -n1)" DROVER_SOAK_SECONDS="$${DROVER_SOAK_SECONDS:-900}" \
		cargo test --locked --release --test informers -- --nocapture
	cargo build --locked --release -p drover-apiserver --example serve
	DROVER_TEST_BIN="$$($(SERVERS) | tail -n1)" DROVER_SOAK_SECONDS="$${DROVER_SOAK_SECONDS:-900}" \
		cargo test --locked --release -p drover-apiserver --test clients storm -- --nocapture
	DROVER_TEST_BIN="$$($(SERVERS) | tail -n1)" DROVER_COPY_MB="$${DROVER_COPY_MB:-200}" \
		cargo test --locked --release --test kubectl cp_brings -- --nocapture
