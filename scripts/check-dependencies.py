#!/usr/bin/env python3
"""Holds the locked crates against deny.toml: licences, sources, and second versions of a crate.

    scripts/check-dependencies.py

The part of `cargo deny` that needs no program to be built and no connection, so that the tests have it; `make deny` has all.
Exit code 0 if all is allowed; otherwise 1, with one line for each crate that is not.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "registry+https://github.com/rust-lang/crates.io-index"


def main() -> int:
    rules = tomllib.loads((ROOT / "deny.toml").read_text(encoding="utf-8"))
    crates = locked(rules["graph"]["targets"])
    faults = [
        *(f"{name(crate)}: its source is {crate['source']}, not crates.io" for crate in crates if crate["source"] != SOURCE),
        *(
            f"{name(crate)}: no licence of {crate['license']!r} is in `licenses.allow`"
            for crate in crates
            if not allowed(crate["license"] or "", set(rules["licenses"]["allow"]))
        ),
        *second_versions(crates, {entry["crate"] for entry in rules["bans"]["skip"]}),
        *(f"{name(crate)}: is in `bans.deny`" for crate in crates if crate["name"] in {entry["crate"] for entry in rules["bans"]["deny"]}),
    ]
    for fault in faults:
        print(f"check-dependencies: {fault}", file=sys.stderr)
    if not faults:
        print(f"check-dependencies: {len(crates)} crates are what deny.toml allows")
    return 1 if faults else 0


def name(crate: dict) -> str:
    return f"{crate['name']} {crate['version']}"


def locked(targets: list[str]) -> list[dict]:
    """The crates of Cargo.lock that builds and tests for the targets take, this project's own aside."""
    tree = ["tree", "--edges=all", "--prefix=none", "--format={p}", *(f"--target={target}" for target in targets)]
    taken = {tuple(line.split()[:2]) for line in cargo(*tree).splitlines() if line}
    metadata = json.loads(cargo("metadata", "--format-version=1"))
    others = [package for package in metadata["packages"] if package["id"] not in metadata["workspace_members"]]
    return [package for package in others if (package["name"], f"v{package['version']}") in taken]


def cargo(*arguments: str) -> str:
    command = ["cargo", *arguments, "--locked", "--all-features"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def allowed(expression: str, licences: set[str]) -> bool:
    """Whether an SPDX expression can be kept with these licences. `/` is an old way to write OR."""

    def without_brackets(text: str) -> bool:
        choices = re.split(r"\s+OR\s+|\s*/\s*", text.strip())
        return any(all(licence in {*licences, "kept"} for licence in re.split(r"\s+AND\s+", choice)) for choice in choices)

    innermost = re.compile(r"\(([^()]*)\)")
    while innermost.search(expression):
        expression = innermost.sub(lambda found: "kept" if without_brackets(found[1]) else "not kept", expression)
    return without_brackets(expression)


def second_versions(crates: list[dict], skipped: set[str]):
    versions: dict[str, list[str]] = {}
    for crate in crates:
        versions.setdefault(crate["name"], []).append(crate["version"])
    for crate, known in versions.items():
        if len([version for version in known if not is_skipped(crate, version, skipped)]) > 1:
            yield f"{crate}: versions {', '.join(known)}; `bans.skip` has no reason for that"
    for entry in skipped:
        if not any(len(known) > 1 and is_skipped(crate, version, {entry}) for crate, known in versions.items() for version in known):
            yield f"`bans.skip` names {entry}, and no crate has a second version of it"


def is_skipped(crate: str, version: str, skipped: set[str]) -> bool:
    return any(entry.split("@")[0] == crate and f"{version}.".startswith(f"{entry.split('@')[1]}.") for entry in skipped)


if __name__ == "__main__":
    sys.exit(main())
