#!/bin/sh
# The light checks of the dashboards: source and files, Grafana's types, lint, metrics and labels, every query against a real
# Prometheus that scrapes real exporters. Exit code 0 if all pass.
#
#   dashboards/check/run.sh [options of pytest]
#
# Needs: prometheus (apt), `npm ci` in this folder, the Python packages of dashboards/tests/requirements.txt, the exporter
# (target/release/zai-exporter, or ZAI_EXPORTER_BIN).
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
[ -x "$python" ] || python=python3
exec "$python" -m pytest dashboards/tests "$@"
