#!/usr/bin/env python3
"""What `serve` costs, and how soon it shows what was written: bench/serve.py [NAME ...]

    bench/serve.py                    all measurements, some four minutes
    bench/serve.py ready catch_up     only these

Prints one line for each figure, with its aim. CPU is the kernel's account of the process; memory its resident set. It needs a release build
and one and a half gigabytes in the folder for temporary files.
"""
import http.client
import json
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("ZAI_EXPORTER_BIN", str(ROOT / "target/release/zai-exporter"))
TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 120
ERROR = '2026-08-10 08:54:07,768 - app.llm - ERROR - call %d failed: Error code: 429, with error text {"error":{"code":"1302","message":"Rate limit reached for requests"}}\n'
QUIET = "2026-08-10 08:54:07,768 - app.worker - INFO - job %d user=u17 latency_ms=12 queue depth=3 status ok, next poll in 250 ms, region=cn-north-1\n"


class Exporter:
    """A running `serve`, on a free port, killed at the end."""

    def __init__(self, folder, *arguments, pause=0.001):
        self.pause = pause
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [BINARY, "serve", f"--web.listen-address=127.0.0.1:{self.port}", f"--state.dir={folder}/state", "--log.level=warn", *map(str, arguments)]
        self.started = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(f"{folder}/own.log", "w"))
        self.connection = None

    def __enter__(self):
        self.wait(lambda: self.get("/-/ready")[0] == 200, self.pause)
        self.ready = time.perf_counter() - self.started
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def get(self, path):
        """Status and body; status 0 while it does not answer."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            self.connection.request("GET", path)
            answer = self.connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            self.connection = None
            return 0, ""

    def value(self, name, scrape=None):
        """The sum of a metric's series."""
        lines = (scrape or self.get("/metrics")[1]).splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + "{", name + " ")))

    def wait(self, condition, pause=0.0005):
        until = time.perf_counter() + PATIENCE
        while not condition():
            if time.perf_counter() > until:
                sys.exit("waited too long; is another program using all of the machine?")
            time.sleep(pause)

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def resident(self):
        """In MiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def show(what, measured, aim, unit, more=""):
    judged = "" if aim is None else f"aim {aim:<6} {'reached' if measured <= aim else 'MISSED':8}"
    print(f"{what:60} {measured:9.2f} {unit:9} {judged:20} {more}", flush=True)


def ready(folder):
    """Start to ready with an empty log."""
    log = folder / "empty.log"
    log.touch()
    times = []
    for run in range(15):
        place = folder / f"run{run}"
        place.mkdir()
        with Exporter(place, log) as exporter:
            times.append(exporter.ready * 1000)
    show("start to ready, an empty log", statistics.median(times), 50, "ms")


def visible(folder):
    """From a written line to its count, with scrapes going on."""
    log = folder / "app.log"
    log.touch()
    delays = []
    with Exporter(folder, log) as exporter:
        stop = threading.Event()

        def scrape_all_the_time():
            other = http.client.HTTPConnection("127.0.0.1", exporter.port)
            while not stop.wait(0.05):
                other.request("GET", "/metrics")
                other.getresponse().read()

        scraper = threading.Thread(target=scrape_all_the_time)
        scraper.start()
        with open(log, "a") as out:
            for n in range(1, 101):
                out.write(ERROR % n)
                out.flush()
                written = time.perf_counter()
                exporter.wait(lambda: exporter.value("zai_api_errors_total") >= n, pause=0)
                delays.append((time.perf_counter() - written) * 1000)
                time.sleep(0.02)
        stop.set()
        scraper.join()
    show("a written error visible in /metrics, median of 100", statistics.median(delays), 20, "ms", f"slowest {max(delays):.1f}")


def scrape(folder):
    """A scrape with its commit: one pod's series, and some thousands."""
    for pods, aim in [(1, 2), (85, 20)]:
        place = folder / f"pods{pods}"
        logs = place / "logs"
        for pod in range(pods):
            path = logs / f"prod_chat-{pod}_8d7f0f5c-0000-4000-8000-{pod:012}" / "app"
            path.mkdir(parents=True)
            (path / "0.log").write_text("2026-08-10T08:54:07.768Z stderr F " + ERROR % pod)
        config = place / "config.yaml"
        config.write_text(f'sources: [{{paths: ["{logs}/*/*/*.log"], path_labels: kubernetes}}]\nlimits: {{label_values: 1000}}\n')
        with Exporter(place, f"--config.file={config}") as exporter:
            exporter.wait(lambda: exporter.value("zai_api_errors_total") >= pods)
            times = []
            changing = open(logs / f"prod_chat-0_8d7f0f5c-0000-4000-8000-{0:012}" / "app" / "0.log", "a")
            for n in range(100):
                changing.write("2026-08-10T08:54:07.768Z stderr F " + ERROR % n)
                changing.flush()
                before = time.perf_counter()
                text = exporter.get("/metrics")[1]
                times.append((time.perf_counter() - before) * 1000)
            series = sum(not line.startswith("#") for line in text.splitlines())
            show(f"a scrape with its commit, {series} series, median", statistics.median(times), aim, "ms", f"slowest {max(times):.1f}")


def steady(folder):
    """CPU at 10,000 lines a second."""
    log = folder / "app.log"
    log.touch()
    with Exporter(folder, log) as exporter:
        exporter.get("/metrics")
        seconds, before, start, n = 20, exporter.cpu(), time.perf_counter(), 0
        next_scrape = start + 5
        with open(log, "a") as out:
            while time.perf_counter() < start + seconds:
                out.write("".join(ERROR % (n + i) if i == 50 else QUIET % (n + i) for i in range(100)))
                out.flush()
                n += 100
                if time.perf_counter() > next_scrape:
                    exporter.get("/metrics")
                    next_scrape += 5
                time.sleep(max(0, start + n / 10_000 - time.perf_counter()))
        exporter.wait(lambda: exporter.value("zai_exporter_read_lines_total") >= n)
        used = exporter.cpu() - before
        show(f"CPU at {n / seconds:,.0f} lines/s, 1 % errors, a scrape each 5 s", 100 * used / seconds, 1, "% of core")


def many(folder, files):
    for n in range(files):
        (folder / f"{n:05}.log").write_text(ERROR % n + QUIET % n)


def idle(folder):
    """CPU and memory with many files at rest."""
    for files, memory in [(100, 8), (10_000, 24)]:
        place = folder / f"files{files}"
        place.mkdir()
        many(place, files)
        with Exporter(place, f"{place}/*.log") as exporter:
            exporter.wait(lambda: exporter.value("zai_api_errors_total") >= files, pause=0.05)
            before, seconds = exporter.cpu(), 20
            time.sleep(seconds)
            used = 100 * (exporter.cpu() - before) / seconds
            show(f"CPU at rest, {files:,} files", used, 0.1 if files == 100 else None, "% of core")
            exporter.get("/metrics")
            show(f"resident memory, {files:,} files", exporter.resident(), memory, "MiB")


def scan_cost(*arguments):
    """CPU seconds and the result of a scan."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = subprocess.run([BINARY, "scan", "--output", "json", *map(str, arguments)], capture_output=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(found)


def lines_of(size):
    return "".join(ERROR % n if n % 100 == 50 else QUIET % n for n in range(size // len(QUIET)))


def serve_cost(folder, path, lines):
    """CPU seconds until a backlog of so many lines is read and committed: that is what ready means."""
    # To be asked whether it is ready costs the exporter too: seldom.
    with tempfile.TemporaryDirectory(dir=folder) as place, Exporter(pathlib.Path(place), path, pause=0.02) as exporter:
        used = exporter.cpu()
        if exporter.value("zai_exporter_read_lines_total") != lines:
            sys.exit(f"{path}: not all lines were read")
        return used


def costs(folder, path, lines, runs=5):
    """The median costs of `scan` and `serve`, after one run that warms the cache."""
    scan_cost(path)
    return statistics.median(scan_cost(path)[0] for _ in range(runs)), statistics.median(serve_cost(folder, path, lines) for _ in range(runs))


def catch_up(folder):
    """A backlog by `serve`, beside `scan`; and one in ten thousand files, beside one that is a single file, for each byte."""
    size, files = 200_000_000, 10_000
    large = folder / "large.log"
    text = lines_of(size // 100)
    large.write_text(text * 100)
    scanned, served = costs(folder, large, 100 * text.count("\n"))
    show("catching up 200 MB, times the CPU of scan", served / scanned, 1.3, "x", f"scan {scanned:.3f} s, serve {served:.3f} s (10 ms steps)")
    for kilobytes in [100, 20]:
        small = folder / f"small{kilobytes}"
        small.mkdir()
        piece = lines_of(kilobytes * 1000)
        for n in range(files):
            (small / f"{n:05}.log").write_text(piece)
        times = files * len(piece) / size
        of = f"10,000 files of {kilobytes} kB, times one file of all"
        for what, cost, one in zip(["scan", "serve"], costs(folder, f"{small}/*.log", files * piece.count("\n")), [scanned, served]):
            show(f"{what} of {of}", cost / (times * one), 2, "x", f"{cost:.3f} s, {(cost - times * one) / files * 1e6:.0f} us for each file")


def week(folder):
    """Memory over the rotations of a week: one each ten minutes, seven files kept."""
    log = folder / "app.log"
    log.touch()
    with Exporter(folder, log) as exporter:
        total, after_a_day = 0, 0
        for rotation in range(7 * 144):
            with open(log, "a") as out:
                out.write("".join(ERROR % n if n % 100 == 50 else QUIET % n for n in range(total, total + 200)))
            total += 200
            exporter.wait(lambda: exporter.value("zai_exporter_read_lines_total") >= total)
            for n in range(6, 0, -1):
                if (folder / f"app.log.{n}").exists():
                    (folder / f"app.log.{n}").rename(folder / f"app.log.{n + 1}")
            log.rename(folder / "app.log.1")
            log.touch()
            if rotation == 144:
                after_a_day = exporter.resident()
        end = exporter.resident()
        show("growth of memory, days 2 to 7 of rotations", max(0, end - after_a_day), 0.5, "MiB", f"{after_a_day:.1f} to {end:.1f} MiB")


def size(_):
    show("the binary", os.stat(BINARY).st_size / 2**20, 8, "MiB")


ALL = [size, ready, visible, scrape, steady, idle, catch_up, week]


def main():
    wanted = sys.argv[1:]
    unknown = set(wanted) - {one.__name__ for one in ALL}
    if unknown:
        sys.exit(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(one.__name__ for one in ALL)}")
    for one in ALL:
        if not wanted or one.__name__ in wanted:
            with tempfile.TemporaryDirectory() as folder:
                one(pathlib.Path(folder))


main()
