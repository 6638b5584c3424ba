#!/usr/bin/env bash
# Installs what building and testing need besides a Rust toolchain: Debian packages (Prometheus, Alertmanager, Chromium, Node.js,
# Python, valgrind, strace, shellcheck), a Python environment in .venv, and the npm packages of the dashboards' and the charts' checks. Can be run again.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(prometheus prometheus-alertmanager chromium fonts-dejavu-core curl gcc valgrind strace shellcheck)
command -v node >/dev/null || packages+=(nodejs npm)
# Debian's Python comes without what makes an environment.
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3 python3-venv python3-pip)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  # Prometheus and Alertmanager are only run by tests: their services must not start, and take their ports, by being installed.
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

python3 -m venv .venv
requirements=()
for file in alerts/tests/requirements.txt dashboards/tests/requirements.txt helm/tests/requirements.txt; do
  [ -f "$file" ] && requirements+=(-r "$file")
done
.venv/bin/pip install --quiet --disable-pip-version-check "${requirements[@]}"

for folder in dashboards/check helm/tests/node tests/browser; do
  [ -f "$folder/package-lock.json" ] && (cd "$folder" && npm ci --silent --no-audit --no-fund)
done
cargo fetch --locked
echo "set up"
