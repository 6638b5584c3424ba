#!/usr/bin/env python3
"""Rotations, followed by zai-exporter and by mtail at the same time: how much of what was written each counted.

    bench/rotation.py        needs mtail (apt-get install mtail) and a release build

One writer writes numbered error lines; both programs follow the same file. Prints what each lost of them, or doubled.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("ZAI_EXPORTER_BIN", str(ROOT / "target/release/zai-exporter"))
LINE = '2026-08-10 08:54:07,768 ERROR call {n} failed: Error code: 429, with error text {{"error":{{"code":"1302","message":"Rate limit reached for requests"}}}}\n'


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def counted(url, metric):
    try:
        text = urllib.request.urlopen(url, timeout=10).read().decode()
    except OSError:
        return 0
    lines = (line for line in text.splitlines() if line.startswith(metric) and "1302" in line)
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)


class Writer:
    def __init__(self, path, rate):
        self.path, self.rate, self.written, self.lock = path, rate, 0, threading.Lock()
        self.file = open(path, "ab", buffering=0)
        self.halves = False

    def run(self, seconds):
        start = time.monotonic()
        while (now := time.monotonic() - start) < seconds:
            with self.lock:
                while self.written < now * self.rate:
                    self.line(self.file)
            time.sleep(0.002)

    def line(self, file):
        data = LINE.format(n=self.written).encode()
        half = len(data) // 2 if self.halves else len(data)
        file.write(data[:half])
        if self.halves:
            time.sleep(0.0005)
            file.write(data[half:])
        self.written += 1

    def rename(self, generation, held):
        os.rename(self.path, f"{self.path}.{generation}")
        time.sleep(held)  # the writer goes on in the renamed file
        with self.lock:
            self.file.close()
            self.file = open(self.path, "ab", buffering=0)

    def copytruncate(self, generation):
        with self.lock:
            shutil.copyfile(self.path, f"{self.path}.{generation}")
            os.truncate(self.path, 0)


def scenario(name, rate, rotations, every, rotate, halves=False):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/app.log"
        writer = Writer(path, rate)
        writer.halves = halves
        ours, mtail = port(), port()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        programs = [
            subprocess.Popen([BINARY, "serve", path, f"--web.listen-address=127.0.0.1:{ours}"], **quiet),
            subprocess.Popen(["mtail", "--progs", str(ROOT / "bench/errors.mtail"), "--logs", path, "--address", "127.0.0.1", "--port", str(mtail)], **quiet),
        ]
        try:
            while True:  # both answer
                try:
                    for url in (f"http://127.0.0.1:{ours}/metrics", f"http://127.0.0.1:{mtail}/metrics"):
                        urllib.request.urlopen(url, timeout=10)
                    break
                except OSError:
                    time.sleep(0.05)
            thread = threading.Thread(target=writer.run, args=(rotations * every,))
            thread.start()
            for generation in range(rotations):
                time.sleep(every)
                if rotate:
                    rotate(writer, generation)
            thread.join()
            values, last = None, (-1, -1)
            while values != last:  # until neither counts any more
                last = values
                time.sleep(1.5)
                values = (counted(f"http://127.0.0.1:{ours}/metrics", "zai_api_errors_total"), counted(f"http://127.0.0.1:{mtail}/metrics", "errors_total"))
        finally:
            for program in programs:
                program.kill()
                program.wait()
            writer.file.close()
        lost = [f"{100 * (writer.written - v) / writer.written:.2f} %" for v in values]
        print(f"| {name} | {writer.written} | {lost[0]} | {lost[1]} |", flush=True)


print("| scenario | lines written | ours lost | mtail lost |\n|---|---|---|---|")
scenario("200 renames, one each 0.1 s, 5,000 lines/s", 5_000, 200, 0.1, lambda w, g: w.rename(g, 0))
scenario("150 renames, one each 0.13 s, the old file held 30 ms", 5_000, 150, 0.13, lambda w, g: w.rename(g, 0.03))
scenario("13 renames at 1 s, held 0.5 s, 5,000 lines/s", 5_000, 13, 1.0, lambda w, g: w.rename(g, 0.5))
scenario("copy and truncate each 1 s, 500 lines/s", 500, 15, 1.0, lambda w, g: w.copytruncate(g))
scenario("each line written in two halves, 500 lines/s", 500, 10, 1.0, None, halves=True)
