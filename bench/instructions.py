#!/usr/bin/env python3
"""The guard against slow changes that noise cannot hide: instructions counted by valgrind, compared with bench/instructions.json.

    bench/instructions.py            counts, prints, and fails where a figure is more than 10 % above the kept one
    bench/instructions.py --update   keeps the counted figures

What is counted is `scan` over two megabytes of each of the benchmark's logs, less what it takes to scan an empty file, for each byte of
log. The same binary gives the same figures on a busy machine; another compiler gives others, so the file names the one that it is for.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
KEPT = HERE / "instructions.json"
KINDS = ["client", "json", "errors", "cri", "docker"]
MEGABYTES = 2
MARGIN = 0.10


def instructions(binary, log):
    """How many instructions a scan of `log` takes."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary, "scan", "--output", "json", str(log)]
    # The environment decides about time zones and libc's choices: none of it is the caller's.
    run = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C"})
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not found:
        sys.exit(f"valgrind could not count a scan of {log.name}:\n{run.stderr[-2000:]}")
    return int(found.group(1))


def count(binary):
    """Instructions at the start, and for each byte of each kind of log."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([sys.executable, HERE / "make_logs.py", folder, str(MEGABYTES)], check=True)
        empty = folder / "empty.log"
        empty.touch()
        start = instructions(binary, empty)
        figures = {"start": start}
        for kind in KINDS:
            log = folder / f"{kind}.log"
            figures[kind] = round((instructions(binary, log) - start) / log.stat().st_size, 3)
        return figures


def compiler():
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--update", action="store_true", help="keep the counted figures")
    arguments.add_argument("--binary", default=os.environ.get("ZAI_EXPORTER_BIN", "target/release/zai-exporter"))
    arguments = arguments.parse_args()
    counted = count(arguments.binary)
    if arguments.update:
        KEPT.write_text(json.dumps({"rustc": compiler(), "instructions": counted}, indent=2) + "\n")
        print(f"kept {counted}")
        return
    kept = json.loads(KEPT.read_text())
    worse = []
    print(f"{'log':8} {'kept':>14} {'now':>14} {'change':>8}")
    for kind, now in counted.items():
        before = kept["instructions"][kind]
        change = now / before - 1
        print(f"{kind:8} {before:14} {now:14} {change:+8.1%}")
        if change > MARGIN:
            worse.append(kind)
    if worse and compiler() != kept["rustc"]:
        print(f"the figures were kept for rustc {kept['rustc']}, this is {compiler()}: not comparable, run bench/instructions.py --update")
        return
    if worse:
        sys.exit(f"{', '.join(worse)}: more than {MARGIN:.0%} above the kept figures. Find out why, or keep them: bench/instructions.py --update")


if __name__ == "__main__":
    main()
