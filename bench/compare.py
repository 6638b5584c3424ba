#!/usr/bin/env python3
"""Runs the programs of bench/run.sh over its logs in turn and prints the table: compare.py BINARY FOLDER."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

RUNS = 5
BENCH = pathlib.Path(__file__).resolve().parent


def cost(command):
    """CPU seconds of a finished command."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, _, use = os.wait4(process.pid, 0)
        return use.ru_utime + use.ru_stime


def mtail(program, log):
    return ["mtail", "--one_shot", "--one_shot_format", "prometheus", "--progs", BENCH / program, "--logs", log]


def compare(binary, log):
    """The median cost of each program."""
    commands = {
        "ours": [binary, "scan", "--output", "json", log],
        "wc": ["wc", "-l", log],
        "grep": ["grep", "-c", '"code":"1302"', log],
        "grep 2": ["grep", "-c", "code=1302", log],
    }
    costs = {name: [] for name in commands}
    for command in commands.values():
        cost(command)
    for _ in range(RUNS):
        for name, command in commands.items():
            costs[name].append(cost(command))
    figures = {name: statistics.median(all_) for name, all_ in costs.items()}
    if shutil.which("mtail"):
        figures |= {"mtail": cost(mtail("errors.mtail", log)), "mtail 1": cost(mtail("one.mtail", log))}
    return figures


def check(binary, log):
    """The count must be exact, or the figures are worth nothing."""
    scanned = json.loads(subprocess.run([binary, "scan", "--output", "json", log], capture_output=True, check=True).stdout)
    counted, written = sum(e["count"] for e in scanned["errors"]), int(log.with_suffix(".count").read_text())
    if counted != written:
        sys.exit(f"{log.stem}: counted {counted}, written {written}")


def main():
    binary, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    names = ["ours", "wc", "grep", "grep 2", "mtail", "mtail 1"]
    ratios = [("mtail", "ours"), ("mtail 1", "ours"), ("ours", "wc"), ("ours", "grep"), ("ours", "grep 2")]
    print(f"{'log':8}", *(f"{n:>8}" for n in names), *(f"{a + '/' + b:>13}" for a, b in ratios))
    for kind in ["client", "json", "errors", "cri", "docker"]:
        log = folder / f"{kind}.log"
        check(binary, log)
        figures = compare(binary, log)
        row = [f"{figures[n]:8.3f}" if n in figures else f"{'-':>8}" for n in names]
        row += [f"{figures[a] / figures[b]:12.1f}x" if a in figures and figures[b] else f"{'-':>13}" for a, b in ratios]
        print(f"{kind:8}", *row, flush=True)


main()
