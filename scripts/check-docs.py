#!/usr/bin/env python3
"""Holds the documentation against the program: metrics against a real scrape, flags against --help, links against the files.

    scripts/check-docs.py

The exporter is ZAI_EXPORTER_BIN, or target/release/zai-exporter. It is started on copies of examples/*.log, on a port of the system's
choice, and ended again. Exit code 0 if all agrees; otherwise 1, with one line for each thing that does not.

Needs nothing but Python's standard library.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = ROOT / os.environ.get("ZAI_EXPORTER_BIN", "target/release/zai-exporter")
METRICS = ROOT / "docs/METRICS.md"
CONFIGURATION = ROOT / "docs/CONFIGURATION.md"
# Folders that hold what others wrote, or what was built.
NOT_OURS = {"target", "node_modules", ".git", ".venv", ".pytest_cache", ".cache"}
# Names that begin like a metric: a label of alerts, the crate.
OTHER_NAMES = {"zai_scope", "zai_exporter"}
# Flags of every command, which explain themselves.
EVERYWHERE = {"--help", "--version"}
LIMIT_SECONDS = 60

# Two values of one label where one is allowed: a metric that has no series until something is folded is in the scrape too.
CONFIG = """\
sources:
  - paths: ["{folder}/*.log"]
    path_labels: '/(?<service>[^/.]+)[^/]*\\.log$'
limits: {{label_values: 1}}
"""


def main():
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"check-docs: no exporter at {BINARY}: run `cargo build --release --locked`, or set ZAI_EXPORTER_BIN")
    faults = check_metrics(scrape()) + check_flags() + check_links()
    for fault in faults:
        print(f"check-docs: {fault}", file=sys.stderr)
    if faults:
        sys.exit(1)
    print("check-docs: metrics, flags and links agree")


# ---- metrics ----------------------------------------------------------------------------------------------------------


def check_metrics(exposition):
    """Every metric of the scrape is a row of METRICS.md with its type and labels, and the other way round."""
    faults = []
    kinds, labels = parse(exposition)
    documented = metric_rows(METRICS)
    for name in sorted(kinds.keys() - documented.keys()):
        faults.append(f"{relative(METRICS)}: {name} is in the scrape and has no row here")
    for name, (line, kind, named) in sorted(documented.items()):
        if name not in kinds:
            faults.append(f"{relative(METRICS)}:{line}: {name} is not in a scrape")
            continue
        if kind != kinds[name]:
            faults.append(f"{relative(METRICS)}:{line}: {name} is a {kinds[name]}, not a {kind}")
        if named != labels[name]:
            have, want = ", ".join(sorted(labels[name])) or "none", ", ".join(sorted(named)) or "none"
            faults.append(f"{relative(METRICS)}:{line}: the labels of {name} are {have}, not {want}")
    for path in markdown():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for name, more in re.findall(r"\b(zai_\w+)([*:]?)", line):
                # `zai_exporter_*` and recording rules (`zai_api:…`) are no names of metrics.
                if name not in kinds and name not in OTHER_NAMES and not more:
                    faults.append(f"{relative(path)}:{number}: {name} is not in a scrape")
    return faults


def parse(exposition):
    """The types of all families, and the labels that their samples have. The label that CONFIG adds is left out."""
    kinds, labels = {}, {}
    for line in exposition.splitlines():
        if match := re.match(r"# TYPE (\S+) (\S+)", line):
            kinds[match[1]] = match[2]
            labels.setdefault(match[1], set())
        elif match := re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ", line):
            # Values may hold anything, escaped quotes too.
            names = re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', match[2] or "")
            labels.setdefault(match[1], set()).update(set(names) - {"service"})
    return kinds, labels


def metric_rows(path):
    """`| `name` | type | `label`, … | …`: the rows of the tables, by name."""
    rows = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        name = re.fullmatch(r"`(\w+)`", cells[0])
        if name and len(cells) >= 4 and cells[1] in {"counter", "gauge", "histogram", "summary"}:
            rows[name[1]] = (number, cells[1], set(re.findall(r"`(\w+)`", cells[2])))
    return rows


def scrape():
    """The exposition of an exporter that follows the examples."""
    with tempfile.TemporaryDirectory() as folder:
        for log in sorted((ROOT / "examples").glob("*.log")):
            shutil.copy(log, folder)
        config = Path(folder) / "zai.yaml"
        config.write_text(CONFIG.format(folder=folder))
        address = f"127.0.0.1:{free_port()}"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ZAI_EXPORTER_")}
        command = [BINARY, "serve", "--web.listen-address", address, "--config.file", config]
        with open(Path(folder) / "stderr", "w+") as log:
            exporter = subprocess.Popen(command, stderr=log, env=environment)
            try:
                return get_when_ready(exporter, f"http://{address}/metrics", log)
            finally:
                exporter.send_signal(signal.SIGTERM)
                try:
                    exporter.wait(LIMIT_SECONDS)
                except subprocess.TimeoutExpired:
                    exporter.kill()
                    exporter.wait()


def get_when_ready(exporter, url, log):
    """The body of `url` as soon as it is answered with 200."""
    end = time.monotonic() + LIMIT_SECONDS
    reason = "no answer"
    while time.monotonic() < end:
        if exporter.poll() is not None:
            log.seek(0)
            sys.exit(f"check-docs: {BINARY} ended with {exporter.returncode}:\n{log.read()}")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as e:
            reason = f"status {e.code}"
        except OSError as e:
            reason = str(e)
        time.sleep(0.02)
    sys.exit(f"check-docs: {url} was not ready after {LIMIT_SECONDS} s: {reason}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---- flags ------------------------------------------------------------------------------------------------------------


def check_flags():
    """Every flag of every command is in CONFIGURATION.md, with its variable and default; and no other flag is there."""
    faults = []
    text = CONFIGURATION.read_text()
    known = set()
    for command in ["serve", "scan", "catalogue", "check-config"]:
        for flag, variable, default in flags(command):
            known.add(flag)
            row = next((line for line in text.splitlines() if line.startswith(f"| `{flag}")), None)
            if row is None:
                faults.append(f"{relative(CONFIGURATION)}: no row for {flag} of {command}")
                continue
            for what, value in [("variable", variable), ("default", default)]:
                if value and f"`{value}`" not in row:
                    faults.append(f"{relative(CONFIGURATION)}: the row of {flag} lacks its {what} {value}")
    for number, line in enumerate(text.splitlines(), 1):
        for flag in re.findall(r"`(--[a-z][a-z.-]*)", line):
            if flag not in known | EVERYWHERE:
                faults.append(f"{relative(CONFIGURATION)}:{number}: no command has the flag {flag}")
    return faults


def flags(command):
    """Flags, variables and defaults, as `--help` prints them."""
    done = subprocess.run([BINARY, command, "--help"], capture_output=True, text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        if match := re.match(r"\s+(?:-\w, )?(--[a-z][a-z.-]*)", line):
            found.append([match[1], None, None])
        elif match := re.match(r"\s+(\[[A-Z|]+\]\.\.\.)$", line):
            # In a table, a bar has to be escaped.
            found.append([match[1].replace("|", r"\|"), None, None])
        elif found:
            if match := re.search(r"\[env: (\w+)=", line):
                found[-1][1] = match[1]
            if match := re.search(r"\[default: ([^\]]+)\]", line):
                found[-1][2] = match[1]
    return [entry for entry in found if entry[0] not in EVERYWHERE]


# ---- links ------------------------------------------------------------------------------------------------------------


def check_links():
    """Every relative link and picture of every Markdown file leads to a file, and its anchor to a heading."""
    faults = []
    for path in markdown():
        for number, line in enumerate(without_code(path), 1):
            for target in re.findall(r"\]\(([^()\s]+)\)", line):
                if re.match(r"[a-z]+:", target):
                    continue
                name, _, anchor = urllib.parse.unquote(target).partition("#")
                file = (path.parent / name).resolve() if name else path
                if not file.exists():
                    faults.append(f"{relative(path)}:{number}: {target} leads to nothing")
                elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                    faults.append(f"{relative(path)}:{number}: {name or path.name} has no heading #{anchor}")
    return faults


def without_code(path):
    """The lines of a file, with those of fenced code left empty."""
    fenced = False
    for line in path.read_text().splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            yield ""
        else:
            yield "" if fenced else re.sub(r"`[^`]*`", "", line)


def anchors(path):
    """The anchors of a file's headings, as they are made from the headings' text."""
    found = set()
    for line in path.read_text().splitlines():
        if match := re.match(r"#+ +(.*)", line):
            text = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1].lower()))
            found.add(text.strip().replace(" ", "-"))
        found.update(re.findall(r'<a (?:id|name)="([^"]+)"', line))
    return found


def markdown():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f not in NOT_OURS)
        yield from (Path(folder) / f for f in sorted(files) if f.endswith(".md"))


def relative(path):
    return path.relative_to(ROOT)


if __name__ == "__main__":
    main()
