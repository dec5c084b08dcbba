#!/usr/bin/env bash
# Runs each fuzz target for so many seconds (60 when not given); stops at the first that finds something.
# What was found lies in fuzz/artifacts/<target>/. Seeds are in fuzz/seeds, what fuzzing learns in fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
# What a target writes (a manifest in a folder of its own) goes with the run.
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
# The sanitizer looks for misuse of memory, which safe Rust has none of; without it ten times as much is tried.
CARGO_FUZZ="cargo +nightly fuzz"
$CARGO_FUZZ build --fuzz-dir . --sanitizer none
for target in $($CARGO_FUZZ list --fuzz-dir .); do
  mkdir -p "corpus/$target" "seeds/$target"
  echo "fuzz: $target, $seconds s"
  log=$(mktemp)
  if ! $CARGO_FUZZ run --fuzz-dir . --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "fuzz: $target found something, see fuzz/artifacts/$target" >&2
    exit 1
  fi
  grep -E 'number_of_executed_units|average_exec_per_sec|new_units_added' "$log" || true
  rm -f "$log"
done
