#!/usr/bin/env python3
"""The version of a release, which many files name, and its notes.

    scripts/release.py check [TAG]      all files name the version of Cargo.toml; with a tag, it is that version's, and the changelog has it
    scripts/release.py bump VERSION     write the version into all of them, and date the changelog's section of what is unreleased
    scripts/release.py notes            print the changelog's section of this version

Exit code 0 if all is well, 1 if something does not agree, 64 for arguments that cannot be used.
"""

import datetime
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Each place that names the version, as group 2 of an expression. The snapshots of the charts are written by their tests.
PLACES = {
    "Cargo.toml": r'(?m)^(version = ")(.+)(")$',
    "Cargo.lock": r'(name = "zai-exporter"\nversion = ")(.+)(")',
    "Dockerfile": r"(?m)^(ARG VERSION=)(.+)()$",
    "helm/zai-exporter/Chart.yaml": r'(?m)^((?:version|appVersion): "?)([^"\n]+)("?)$',
    "helm/zai-exporter-lib/Chart.yaml": r'(?m)^((?:version|appVersion): "?)([^"\n]+)("?)$',
    "helm/zai-exporter-lib/templates/_sidecar.tpl": r'(define "zai-exporter-lib\.appVersion" -}}\n)(.+)(\n)',
    "helm/zai-exporter-lib/README.md": r"(name: zai-exporter-lib\n +version: )(.+)()",
    "helm/examples/consumer-chart/Chart.yaml": r"(name: zai-exporter-lib\n +version: )(.+)()",
    "helm/examples/kustomize/overlay/kustomization.yaml": r"(newTag: )(.+)()",
}
# Files that name an image of this project by tag.
IMAGES = (
    "Dockerfile",
    "deploy/README.md",
    "helm/examples/cronjob.yaml",
    "helm/examples/kustomize/component/sidecar.yaml",
    "helm/examples/snippets/bitnami-values.yaml",
    "helm/examples/snippets/prometheus-community-values.yaml",
)
IMAGE = r"(zai-exporter:)(\d+\.\d+\.\d+[\w.-]*)()"
VERSION = r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?"
UNRELEASED = "## [Unreleased]\n"


def places():
    yield from PLACES.items()
    yield from ((path, IMAGE) for path in IMAGES)


def current() -> str:
    return re.search(PLACES["Cargo.toml"], read("Cargo.toml"))[2]


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def section(version: str) -> str | None:
    """What the changelog says of a version, without its heading."""
    found = re.search(rf"(?ms)^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## \[|\Z)", read("CHANGELOG.md"))
    return found[1].strip() if found else None


def faults(tag: str | None):
    version = current()
    for path, expression in places():
        named = {found[2] for found in re.finditer(expression, read(path))}
        if named != {version}:
            yield f"{path}: names {', '.join(sorted(named)) or 'no version'}, and Cargo.toml says {version}; run scripts/release.py bump"
    if tag is not None and tag != f"v{version}":
        yield f"the tag {tag} is not that of version {version}: v{version}"
    if tag is not None and not section(version):
        yield f"CHANGELOG.md: has nothing under `## [{version}] - <date>`"


def bump(version: str) -> None:
    for path, expression in places():
        text = re.sub(expression, rf"\g<1>{version}\g<3>", read(path))
        (ROOT / path).write_text(text, encoding="utf-8")
    dated = f"{UNRELEASED}\n## [{version}] - {datetime.date.today():%Y-%m-%d}\n"
    (ROOT / "CHANGELOG.md").write_text(read("CHANGELOG.md").replace(UNRELEASED, dated, 1), encoding="utf-8")


def main(arguments: list[str]) -> int:
    match arguments:
        case ["check", *rest] if len(rest) <= 1:
            found = list(faults(rest[0] if rest else None))
            for fault in found:
                print(f"release: {fault}", file=sys.stderr)
            return 1 if found else 0
        case ["bump", version] if re.fullmatch(VERSION, version) and section(version) is None:
            bump(version)
            return 0
        case ["notes"]:
            notes = section(current())
            print(notes or f"release: CHANGELOG.md has nothing under `## [{current()}] - <date>`", file=sys.stdout if notes else sys.stderr)
            return 0 if notes else 1
    print(f"release: cannot use {arguments}; a version is 1.2.3 or 1.2.3-rc.1, and is not in the changelog yet\n{__doc__}", file=sys.stderr)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
