#!/usr/bin/env bash
# Makes client logs, runs zai-exporter, mtail, grep and wc over them in turn, and prints what each costs beside ours.
#
#   bench/run.sh [MEGABYTES]        default 500; needs mtail (apt-get install mtail) and a release build
#
# CPU seconds (user + system) are the kernel's own account of each finished process, the median of five runs after one that warms the
# cache, taken in turn; mtail runs once for each of its programs: it is that slow. `mtail` does our work, lines and errors by code;
# `mtail 1` has a single expression. `grep` counts a literal with a rare byte (`"`), `grep 2` one without, which it finds more slowly. What they print
# goes to a file: grep stops at the first hit where it is thrown away. Quote ratios: machines differ, and so do their neighbours.
set -euo pipefail
cd "$(dirname "$0")/.."
megabytes=${1:-500}
binary=${ZAI_EXPORTER_BIN:-target/release/zai-exporter}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 bench/make_logs.py "$work" "$megabytes"

export LC_ALL=C
python3 bench/compare.py "$binary" "$work"
