"""Real exporters that read logs being written, and a real Prometheus that scrapes them and evaluates the alert rules.

Used by the tests, and by the rendering as a program:

    python stack.py --history-hours 6     prints one line of JSON when all is there, ends when its standard input closes

With a history, the exporters first read logs of the last hours, minute by minute, and are scraped after each: the samples are
given the time of the log lines and put into Prometheus as blocks, so that the graphs show hours and not seconds.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = REPOSITORY / "alerts" / "zai.rules.yaml"
HISTORY_STEP = 60
LIMIT = 60  # Seconds to wait for anything here: far more than it takes.

# Samples of the replayed history must not carry the clock of the replay.
OWN_CLOCK = re.compile(r"^zai_exporter_\w+_timestamp_seconds")


def exporter_binary() -> Path:
    path = Path(os.environ.get("ZAI_EXPORTER_BIN", REPOSITORY / "target" / "release" / "zai-exporter"))
    if not path.is_file():
        raise FileNotFoundError(
            f"no exporter at {path}: run `cargo build --release`, or set ZAI_EXPORTER_BIN to the binary"
        )
    return path


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(
            f"`{name}` is not installed: `apt-get install prometheus` brings prometheus and promtool"
        )
    return path


def catalogue() -> list[dict]:
    """Every documented code, as the exporter itself lists them.

    Without the rows that no log tells apart: of several rows of one HTTP status, one that the exporter knows no text of.
    """
    command = [str(exporter_binary()), "catalogue", "--output", "json"]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=LIMIT).stdout)

    def told_apart(row: dict) -> bool:
        alike = [other for other in rows if (other["category"], other["code"]) == (row["category"], row["code"])]
        return len(alike) == 1 or bool(row["wordings"] or row["weak"])

    return [row for row in rows if told_apart(row)]


def wait_for(what: str, condition, limit: float = LIMIT):
    """Ask `condition` until it gives something true, and return that."""
    end = time.monotonic() + limit
    while True:
        with contextlib.suppress(requests.ConnectionError):
            if result := condition():
                return result
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit:.0f} s for {what}")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---- logs ------------------------------------------------------------------------------------------------------------


def stamp(when: float) -> str:
    moment = datetime.fromtimestamp(when, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03d}"


def answered(when: float, finish_reason: str = "stop") -> str:
    return (
        f'{stamp(when)} - httpx - INFO - HTTP Request: POST https://open.bigmodel.cn/api/paas/v4/chat/completions "HTTP/1.1 200 OK"\n'
        f"{stamp(when + 0.2)} - app.llm - INFO - stream finished finish_reason={finish_reason}\n"
    )


def failed(when: float, row: dict) -> str:
    """One failed call as zhipuai-python logs it. Placeholders of the documented message are filled in as the API does.

    Of an HTTP status that means several things, or that is a business code as well, the message alone tells which.
    """
    of_status = row["category"] == "http"
    status = row["code"] if of_status else (row.get("http") or [429])[0]
    message = re.sub(r"\$\{(\w+)\}", r"some \1", row["message"])
    error = (
        {"message": message}
        if of_status and row["code"] in ("400", "404", "429", "500")
        else {"code": row["code"], "message": message}
    )
    body = json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":"))
    return f"{stamp(when)} - app.llm - ERROR - chat failed: Error code: {status}, with error text {body}\n"


@dataclass(frozen=True)
class Service:
    """A service whose log one exporter reads; `labels` come from the scrape configuration, as in a cluster."""

    name: str
    job: str
    labels: dict[str, str]
    # Its exporter has a configuration file, which adds labels to the series.
    configured: bool = False
    every_code: bool = False
    # Its exporter ends with an error just counted, as a pod does that dies with its account.
    ends: bool = False
    calls_a_minute: float = 60


IN_CLUSTER = "zai-exporter"
SERVICES = (
    Service(
        "search-1",
        IN_CLUSTER,
        {"cluster": "prod-eu", "namespace": "shop", "pod": "search-7c9d8b6f5-x2x9q"},
        calls_a_minute=90,
    ),
    Service(
        "search-2",
        IN_CLUSTER,
        {"cluster": "prod-eu", "namespace": "shop", "pod": "search-7c9d8b6f5-k8w4m"},
        calls_a_minute=70,
    ),
    Service(
        "chat",
        IN_CLUSTER,
        {"cluster": "prod-eu", "namespace": "support", "pod": "chatbot-5f6b7c8d9-hq7ns"},
        calls_a_minute=40,
    ),
    Service(
        "every-code",
        IN_CLUSTER,
        {"cluster": "staging", "namespace": "every-code", "pod": "every-code-0"},
        configured=True,
        every_code=True,
    ),
    Service("ended", IN_CLUSTER, {"cluster": "staging", "namespace": "ended", "pod": "ended-0"}, ends=True),
    # No labels but job and instance, as on a laptop.
    Service("laptop", "laptop", {}, every_code=True),
)


class Story:
    """What the services of the pictures live through. Always the same: the random numbers are seeded.

    The account of `chat` runs out of balance 40 minutes before the end; `search` has spells of limits, a short outage of the
    API in the middle, and one block by policy.
    """

    def __init__(self, rows: list[dict], start: float, end: float):
        self.rows = {(row["category"], row["code"], row["condition"]): row for row in rows}
        self.start, self.end = start, end
        self.random = random.Random(1113)

    def code(self, code: str) -> dict:
        return next(row for row in self.rows.values() if row["code"] == code and row["category"] != "http")

    def failure(self, service: Service, when: float) -> str | None:
        """The code that a call at `when` fails with, if it does."""
        before_end = self.end - when
        length = self.end - self.start
        dice = self.random.random()
        if service.name == "chat":
            if before_end < 40 * 60 and length > 3600:
                return "1113"
            return "1301" if dice < 0.012 else None
        if 0.50 < before_end / length < 0.54:
            return "1234" if dice < 0.15 else "500" if dice < 0.5 else None
        if 0.20 < before_end / length < 0.28:
            return "1302" if dice < 0.10 else "1305" if dice < 0.12 else None
        return "1302" if dice < 0.004 else "1214" if dice < 0.006 else "1301" if dice < 0.008 else None

    def lines(self, service: Service, since: float, until: float) -> str:
        """The log of `service` in [since, until), in time order."""
        if service.every_code:
            return self.every_code(since, until)
        if service.ends:
            return failed(until - 0.1, self.code("1113"))
        calls = service.calls_a_minute * (until - since) / 60
        count = int(calls) + (self.random.random() < calls % 1)
        written = []
        for when in sorted(since + self.random.random() * (until - since) for _ in range(count)):
            code = self.failure(service, when)
            written.append(failed(when, self.code(code)) if code else answered(when, self.ending()))
        blocked = self.end - 0.7 * (self.end - self.start)
        if service.name == "search-2" and since <= blocked < until and self.end - self.start > 3600:
            written.append(failed(blocked, self.code("1300")))
        return "".join(written)

    def ending(self) -> str:
        dice = self.random.random()
        return "tool_calls" if dice < 0.2 else "length" if dice < 0.25 else "sensitive" if dice < 0.256 else "stop"

    def every_code(self, since: float, until: float) -> str:
        """Each documented code once, spread over the time given, and some answers. One code that is documented nowhere too."""
        rows = [
            *self.rows.values(),
            {"category": "unknown", "code": "1999", "message": "Something that is in no table"},
        ]
        step = (until - since) / len(rows)
        endings = ("stop", "length", "tool_calls", "sensitive", "network_error")
        return "".join(
            failed(since + step * index, row) + answered(since + step * (index + 0.5), endings[index % len(endings)])
            for index, row in enumerate(rows)
        )


# ---- processes -------------------------------------------------------------------------------------------------------


class Stack:
    """A context: everything is there inside it, and every process has ended after it."""

    def __init__(self, history_hours: float = 0):
        self.history = history_hours * 3600
        self.rows = catalogue()
        self.endings = contextlib.ExitStack()
        self.ports: dict[str, int] = {}
        self.processes: dict[str, subprocess.Popen] = {}
        self.logs: dict[str, Path] = {}
        self.stop = threading.Event()
        self.start_of_data = 0.0
        # What the data source of Grafana would be told: `$__rate_interval` is derived from it.
        self.scrape_interval = HISTORY_STEP if history_hours else 1

    def __enter__(self):
        with contextlib.ExitStack() as endings:
            self.folder = Path(endings.enter_context(tempfile.TemporaryDirectory(prefix="zai-dashboards-")))
            self.endings = endings
            self._start_exporters()
            now = time.time()
            story_start = now - self.history
            self.story = Story(self.rows, story_start, now)
            if self.history:
                self._replay(story_start, now)
            self._start_prometheus()
            self._feed()
            self.start_of_data = story_start
            self._wait_for_data()
            self.endings = endings.pop_all()
        return self

    def __exit__(self, *_):
        self.endings.close()

    def _start(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen:
        output = self.endings.enter_context(open(self.folder / f"{name}.out", "wb"))
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
        )
        self.endings.callback(self._end, process)
        return process

    @staticmethod
    def _end(process: subprocess.Popen):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _alive(self, name: str, process: subprocess.Popen):
        if process.poll() is not None:
            output = (self.folder / f"{name}.out").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{name} ended with exit code {process.returncode}:\n{output}")

    def _start_exporters(self):
        # Outside a fixed zone the log times would be read as local time of whoever runs the tests.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ZAI_EXPORTER_")} | {
            "TZ": "UTC"
        }
        processes = {}
        for service in SERVICES:
            log = self.folder / service.name / "app.log"
            log.parent.mkdir()
            log.touch()
            state = self.folder / f"{service.name}-state"
            state.mkdir()
            port = free_port()
            self.ports[service.name], self.logs[service.name] = port, log
            command = [
                str(exporter_binary()),
                "serve",
                "--web.listen-address",
                f"127.0.0.1:{port}",
                "--state.dir",
                str(state),
            ]
            if service.configured:
                # One value more than allowed of a label that is taken from the path, so that one is folded.
                (log.parent / "second.log").touch()
                source = {
                    "paths": [str(log.parent / "*.log")],
                    "labels": {"team": "platform"},
                    "path_labels": r"/(?<file>[^/]+)\.log$",
                }
                configuration = self.folder / f"{service.name}.yaml"
                configuration.write_text(
                    yaml.safe_dump({"sources": [source], "limits": {"label_values": 1}}), encoding="utf-8"
                )
                command += ["--config.file", str(configuration)]
            else:
                command.append(str(log))
            processes[service.name] = self._start(service.name, command, environment)
        for name, process in processes.items():
            self.processes[name] = process
            wait_for(f"the exporter of {name}", lambda: self._alive(name, process) or self.scrape(name))

    def scrape(self, name: str) -> str:
        """The metrics of one exporter; empty while it is not ready (503)."""
        answer = requests.get(f"http://127.0.0.1:{self.ports[name]}/metrics", timeout=LIMIT)
        return answer.text if answer.status_code == 200 else ""

    def _append(self, service: Service, text: str):
        with self.logs[service.name].open("a", encoding="utf-8") as log:
            log.write(text)

    def read_to_the_end(self, name: str) -> str:
        """A scrape that has all that the log holds."""
        size = self.logs[name].stat().st_size

        def scrape():
            text = self.scrape(name)
            read = re.search(r"^zai_exporter_read_bytes_total (\S+)", text, re.M)
            return text if read and float(read[1]) >= size else ""

        return wait_for(f"the exporter of {name} to read {size} bytes", scrape)

    def _replay(self, start: float, end: float):
        """Live the history through: write a step's log, scrape, give the samples the time of the step."""
        families: dict[str, tuple[str, list[str]]] = {}
        for index in range(int((end - start) // HISTORY_STEP)):
            until = start + HISTORY_STEP * (index + 1)
            for service in SERVICES:
                if (
                    service.every_code or service.ends
                ) and index % 30:  # Half an hour: each code some times, not thousands of lines a step.
                    lines = ""
                else:
                    lines = self.story.lines(service, until - HISTORY_STEP, until)
                self._append(service, lines)
            for service in SERVICES:
                self._collect(families, service, self.read_to_the_end(service.name), until)
        text = (
            "".join(f"# TYPE {name} {kind}\n" + "".join(samples) for name, (kind, samples) in families.items())
            + "# EOF\n"
        )
        source = self.folder / "history.om"
        source.write_text(text, encoding="utf-8")
        command = [
            program("promtool"),
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "--quiet",
            str(source),
            str(self.folder / "tsdb"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
        if done.returncode:
            raise RuntimeError(f"promtool could not make blocks of the history: {done.stdout}{done.stderr}")

    def _collect(self, families: dict, service: Service, text: str, when: float):
        labels = {"job": service.job, "instance": f"127.0.0.1:{self.ports[service.name]}", **service.labels}
        added = ",".join(f'{name}="{value}"' for name, value in labels.items())
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)", text, re.M))
        shift = when - time.time()
        for line in [*(line for line in text.splitlines() if line and not line.startswith("#")), "up 1"]:
            series, value = line.rsplit(" ", 1)
            if OWN_CLOCK.match(series) and float(value):
                value = repr(float(value) + shift)
            name, brace, rest = series.partition("{")
            series = f"{name}{{{added},{rest}" if brace else f"{name}{{{added}}}"
            kind = kinds.get(name, "gauge")
            family = name.removesuffix("_total") if kind == "counter" else name
            families.setdefault(family, (kind, []))[1].append(f"{series} {value} {when:.3f}\n")

    def _start_prometheus(self):
        rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
        for group in rules["groups"]:
            group.pop("interval", None)  # As often as said below: the tests do not have a minute.
        (self.folder / "rules.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "2s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {
                    "job_name": job,
                    "static_configs": [
                        {"targets": [f"127.0.0.1:{self.ports[service.name]}"], "labels": service.labels}
                        for service in SERVICES
                        if service.job == job
                    ],
                }
                for job in dict.fromkeys(service.job for service in SERVICES)
            ],
        }
        (self.folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        port = free_port()
        self.prometheus = f"http://127.0.0.1:{port}"
        process = self._start(
            "prometheus",
            [
                program("prometheus"),
                f"--config.file={self.folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={self.folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
        )
        wait_for(
            "Prometheus",
            lambda: self._alive("prometheus", process) or requests.get(f"{self.prometheus}/-/ready", timeout=5).ok,
        )

    def _feed(self):
        """Go on writing the logs until the end, so that rates are not zero."""

        def write():
            last = self.story.end  # The logs have no gap after the history.
            last_codes = last
            while not self.stop.wait(0.3):
                now = time.time()
                self.story.end = now
                for service in SERVICES:
                    # Every code takes a while: calls that fail within some milliseconds of each other look like one.
                    if not service.every_code:
                        self._append(service, self.story.lines(service, last, now))
                    elif now - last_codes >= 3:
                        self._append(service, self.story.lines(service, last_codes, now))
                if now - last_codes >= 3:
                    last_codes = now
                last = now

        feeder = threading.Thread(target=write, daemon=True)
        feeder.start()
        self.endings.callback(feeder.join)
        self.endings.callback(self.stop.set)

    def query(self, expression: str, when: float | None = None) -> list[dict]:
        answer = requests.get(
            f"{self.prometheus}/api/v1/query", params={"query": expression, "time": when or time.time()}, timeout=LIMIT
        )
        body = answer.json()
        if body["status"] != "success":
            raise RuntimeError(f"Prometheus refused {expression}: {body['error']}")
        return body["data"]["result"]

    def _wait_for_data(self):
        """Until every documented code is in Prometheus, has risen between two scrapes, and an alert fires."""
        sent = len(self.rows)
        for selector in ('namespace="every-code"', 'job="laptop"'):
            documented = f'zai_api_errors_total{{{selector}, category!="unknown"}}'
            wait_for(
                f"each of {sent} documented codes ({selector}) to be counted twice",
                lambda: self._number(f"count(increase({documented}[1m]) > 0 and {documented} > 1)") >= sent,
            )
        # Seen once is not enough: a rise is between two scrapes.
        risen = 'increase(zai_api_errors_total{namespace="ended", code="1113"}[1m]) > 0'
        wait_for("the failures of the service that ends to rise", lambda: self.query(risen))
        self._end(self.processes["ended"])
        wait_for("Prometheus to miss the exporter that has ended", lambda: self.query('up{namespace="ended"} == 0'))
        for selector in ('namespace="every-code"', 'job="laptop"', *(['namespace="support"'] if self.history else [])):
            firing = f'ALERTS{{alertname="ZaiBalanceExhausted", alertstate="firing", {selector}}}'
            wait_for(f"ZaiBalanceExhausted of {selector} to fire", lambda: self.query(firing))

    def _number(self, expression: str) -> float:
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--history-hours", type=float, default=0)
    arguments = parser.parse_args()
    with Stack(arguments.history_hours) as stack:
        print(
            json.dumps(
                {
                    "prometheus": stack.prometheus,
                    "scrapeIntervalSeconds": stack.scrape_interval,
                    "start": stack.start_of_data,
                }
            ),
            flush=True,
        )
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
