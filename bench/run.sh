#!/usr/bin/env bash
# Makes client logs, runs zai-exporter, mtail, grep and wc over them in turn, and prints what each costs beside ours.
#
#   bench/run.sh [MEGABYTES]        default 500; needs mtail (apt-get install mtail) and a release build
#
# CPU seconds are the kernel's own account of each finished process, the median of three runs after one that warms the cache (mtail
# runs once: it is that slow). Quote ratios: machines differ, and so do their neighbours.
set -euo pipefail
cd "$(dirname "$0")/.."
megabytes=${1:-500}
binary=${ZAI_EXPORTER_BIN:-target/release/zai-exporter}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 bench/make_logs.py "$work" "$megabytes"

# CPU seconds (user + system) of a command.
cost() { /usr/bin/env python3 - "$@" <<'PY'
import os, resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
use = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{use.ru_utime + use.ru_stime:.3f}")
PY
}
median() { cost "$@" >/dev/null; for _ in 1 2 3; do cost "$@"; done | sort -n | sed -n 2p; }

export LC_ALL=C
printf '%-10s %9s %9s %9s %9s %12s %12s\n' log 'ours s' 'grep s' 'wc s' 'mtail s' 'mtail/ours' 'ours/grep'
for log in client json errors cri docker; do
  file=$work/$log.log
  read -r ours < <(median "$binary" scan --output json "$file")
  read -r grep_ < <(median grep -c '"code":"1302"' "$file")
  read -r wc_ < <(median wc -l "$file")
  read -r mtail_ < <(cost mtail --one_shot --one_shot_format prometheus --progs bench/errors.mtail --logs "$file")
  counted=$("$binary" scan --output json "$file" | python3 -c 'import json,sys; print(sum(e["count"] for e in json.load(sys.stdin)["errors"]))')
  written=$(cat "$work/$log.count")
  [ "$counted" = "$written" ] || { echo "$log: counted $counted, written $written" >&2; exit 1; }
  python3 - "$log" "$ours" "$grep_" "$wc_" "$mtail_" <<'PY'
import sys
log, ours, grep, wc, mtail = sys.argv[1], *map(float, sys.argv[2:])
print(f"{log:10} {ours:9.3f} {grep:9.3f} {wc:9.3f} {mtail:9.3f} {mtail / ours:11.0f}x {ours / max(grep, 0.001):11.1f}x")
PY
done
