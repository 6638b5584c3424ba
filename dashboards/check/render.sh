#!/bin/bash
# Draw the dashboards with Grafana's component library in headless Chromium, from real exporters and a real Prometheus.
# Exit code 0 if no panel shows an error or no data. Pictures of all views go to target/dashboards.
#
#   dashboards/check/render.sh [--update]
#
# --update also replaces the pictures of the README in dashboards/pictures.
#
# Needs what run.sh needs, and chromium (apt; or CHROMIUM with the path of one).
set -euo pipefail
cd "$(dirname "$0")/../.."
case "${1:-}" in '' | --update) ;; *) echo "unknown option $1: only --update is known" >&2; exit 64 ;; esac
python=${PYTHON:-.venv/bin/python}
[ -x "$python" ] || python=python3
chromium=${CHROMIUM:-/usr/bin/chromium}
[ -x "$chromium" ] || { echo "no Chromium at $chromium: apt-get install chromium, or set CHROMIUM" >&2; exit 1; }
[ -d dashboards/check/node_modules ] || { echo "run \`npm ci\` in dashboards/check first" >&2; exit 1; }

# The stack runs as long as its standard input is open, and ends its own processes.
coproc STACK { "$python" dashboards/tests/stack.py --history-hours 6; }
stack_pid=$STACK_PID
stack_in=${STACK[1]}
end_stack() { exec {stack_in}>&- && wait "$stack_pid"; }
trap 'end_stack || true' EXIT

read -r stack <&"${STACK[0]}" || { echo "the exporters and Prometheus did not start; the reason is above" >&2; exit 1; }
status=0
CHROMIUM=$chromium node dashboards/check/render.mjs --stack "$stack" --pictures target/dashboards || status=$?
if [ "$status" -eq 0 ] && [ "${1:-}" = --update ]; then
  mkdir -p dashboards/pictures
  cp target/dashboards/zai-{overview,errors,exporter}.png dashboards/pictures/
fi
exit "$status"
