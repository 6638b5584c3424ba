#!/usr/bin/env python3
"""Rotations by logrotate itself, with a writer of 4,000 lines a second, scrapes and kill -9: bench/logrotate.py [SECONDS] [SEED ...]

For each way of rotating, what `serve` counts must be no more than was written, and no less than is on the disk in the end: where a file is
copied and cut, or compressed while its writer still holds it, logrotate loses lines itself, of which the exporter may have read some. It must
hold all that was written where nothing is lost. It needs logrotate and a release build, and ends with status 1 where a count is wrong.
"""
import contextlib
import gzip
import http.client
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("ZAI_EXPORTER_BIN", str(ROOT / "target/release/zai-exporter"))
LINE = '2026-08-10 08:54:07,768 - app.llm - ERROR - call %d failed: Error code: 429, with error text {"error":{"code":"1302","message":"Rate limit reached for requests"}}\n'
BATCH = 40
# What logrotate is told; whether the writer is told to let go of the file, as it should be; whether the exporter is killed.
WAYS = {
    "create": ("create", True, True),
    "compress": ("create\n compress", True, True),
    "delaycompress": ("create\n compress\n delaycompress", True, True),
    "dateext": ("create\n dateext\n dateformat -%Y%m%d-%s\n compress", True, True),
    "create, held": ("create", False, False),
    "compress, held": ("create\n compress", False, False),
    "delaycompress, held": ("create\n compress\n delaycompress", False, False),
    "copytruncate": ("copytruncate", False, False),
    "copytruncate, compress": ("copytruncate\n compress", False, False),
}
# Here logrotate loses no line.
WHOLE = {way for way, (what, told, _) in WAYS.items() if told or what == "create"}


class Writer(threading.Thread):
    """Appends batches of lines; opens the log anew when it is told to, or notices late that it was renamed."""

    def __init__(self, log, told):
        super().__init__()
        self.log, self.told, self.written, self.stopped = log, told, 0, threading.Event()
        self.please = log.parent.parent / "reopen"

    def run(self):
        out, checked = open(self.log, "ab", buffering=0), time.monotonic()
        while not self.stopped.wait(BATCH / 4_000):
            for _ in range(BATCH):
                out.write((LINE % self.written).encode())
                self.written += 1
            late = not self.told and time.monotonic() > checked + 0.03
            if self.please.exists() or late and self.renamed(out):
                out.close()
                out = open(self.log, "ab", buffering=0)
                self.please.unlink(missing_ok=True)
            checked = time.monotonic() if late else checked
        out.close()

    def renamed(self, out):
        return not self.log.exists() or not os.path.samestat(os.fstat(out.fileno()), self.log.stat())


class Exporter:
    """A `serve` that can be killed and started again; what it showed must never go back."""

    def __init__(self, folder, path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = [BINARY, "serve", f"--web.listen-address=127.0.0.1:{self.port}", f"--state.dir={folder}/state", "--log.level=error", path]
        self.shown, self.back, self.ready = 0, 0, False
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def scrape(self):
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            lines = answer.read().decode().splitlines()
            if answer.status == 200:
                count = int(sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("zai_api_errors_total{")))
                self.back += count < self.shown
                self.shown, self.ready = max(self.shown, count), True
        return self.shown


def run(way, seconds, seed):
    """One way of rotating; returns what is wrong."""
    what, told, kills = WAYS[way]
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        logs = folder / "logs"
        logs.mkdir(mode=0o755)
        log = logs / "app.log"
        log.touch()
        please = folder / "reopen"
        reopen = f" postrotate\n touch {please}; while [ -e {please} ]; do sleep 0.003; done\n endscript\n" if told else ""
        (folder / "logrotate.conf").write_text(f"{log} {{\n size 1\n rotate 100\n missingok\n {what}\n{reopen}}}\n")
        (folder / "logrotate.conf").chmod(0o644)
        command = ["logrotate", "--force", "--state", folder / "logrotate.state", folder / "logrotate.conf"]
        writer, exporter = Writer(log, told), Exporter(folder, str(log) if seed % 2 else f"{logs}/*.log")
        counts = {"rotations": 0, "kills": 0}

        def rotate():
            # It complains of what is written while it compresses, and where a date has come twice.
            counts["rotations"] += subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0

        # What was renamed before the first start is not the exporter's.
        while not exporter.ready:
            exporter.scrape()
            time.sleep(0.01)
        writer.start()
        end = time.monotonic() + seconds
        next_rotation, next_kill = 0, time.monotonic() + draw.uniform(0.3, 1.5)
        try:
            while time.monotonic() < end:
                exporter.scrape()
                if time.monotonic() > next_rotation:
                    rotate()
                    next_rotation = time.monotonic() + draw.uniform(0.1, 0.9)
                if kills and time.monotonic() > next_kill:
                    exporter.kill()
                    counts["kills"] += 1
                    time.sleep(draw.choice([0, draw.uniform(0, 0.6)]))
                    if draw.random() < 0.4:
                        rotate()
                    exporter.start()
                    next_kill = time.monotonic() + draw.uniform(0.3, 2)
                time.sleep(0.02)
            writer.stopped.set()
            writer.join()
            until = time.monotonic() + 10
            while exporter.scrape() < writer.written and time.monotonic() < until:
                time.sleep(0.1)
        finally:
            writer.stopped.set()
            exporter.kill()
        texts = [gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes() for path in logs.iterdir()]
        least = writer.written if way in WHOLE else sum(text.count(b"\n") for text in texts)
        right = least <= exporter.shown <= writer.written and not exporter.back
        figures = f"{writer.written:8,} {exporter.shown:8,} {counts['rotations']:9} {counts['kills']:6} {exporter.back:6}"
        print(f"{way:24} {seed:4} {figures}  {'right' if right else 'WRONG: at least ' + str(least)}", flush=True)
        return not right


def main():
    if not shutil.which("logrotate"):
        sys.exit("logrotate is not installed")
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8
    seeds = [int(seed) for seed in sys.argv[2:]] or [1, 2]
    print(f"{'rotation':24} seed  written  counted rotations  kills   back")
    sys.exit(1 if sum(run(way, seconds, seed) for way in WAYS for seed in seeds) else 0)


main()
