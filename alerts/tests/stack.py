"""Exporters, Prometheus, Alertmanager and a receiver of pages, all on loopback, for the end-to-end test."""

import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

# No request of these tests may leave the machine by a proxy of the environment.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_for(what: str, condition, limit: float = 60.0):
    """The first true answer of `condition`, which is asked again and again."""
    end = time.monotonic() + limit
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit:.0f} s in vain for {what}; the last answer was {answer!r}")
        time.sleep(0.1)


def get(url: str) -> str | None:
    """The body of a 200, or None where nothing answers with one yet."""
    try:
        with OPENER.open(url, timeout=5) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]


class Receiver:
    """Takes what Alertmanager posts: `received` holds (path, alert) for each alert of each notification."""

    def __init__(self):
        self.received: list[tuple[str, dict]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received.extend((self.path, alert) for alert in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def alerts(self, path: str, **labels: str) -> list[dict]:
        return [
            alert
            for at, alert in list(self.received)
            if at == path and all(alert["labels"].get(name) == value for name, value in labels.items())
        ]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Process:
    """A program that is ended for certain, and whose last words are at hand."""

    def __init__(self, name: str, folder: Path, command: list[str], ready: str):
        self.name, self.command, self.ready_url = name, [str(part) for part in command], ready
        self.log = folder / f"{name}.log"
        self.start()

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env={**os.environ, "TZ": "UTC"})

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
            return get(self.ready_url) is not None

        wait_for(f"{self.name} to answer at {self.ready_url}", ready)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


class Service:
    """An application's log with an exporter beside it."""

    def __init__(self, namespace: str, folder: Path, exporter: Path, history: list[str]):
        self.namespace = namespace
        self.path = folder / f"{namespace}.txt"
        self.path.write_text("".join(line + "\n" for line in history))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        state = folder / f"{namespace}-state"
        state.mkdir()
        self.process = Process(
            f"exporter-{namespace}",
            folder,
            [exporter, "serve", f"--web.listen-address=127.0.0.1:{self.port}", f"--state.dir={state}", self.path],
            f"{self.url}/-/ready",
        )

    def write(self, *lines: str):
        with self.path.open("a") as log:
            log.write("".join(line + "\n" for line in lines))


class Stack:
    """All of it. Times are short: what the rules call minutes is seconds here."""

    def __init__(self, folder: Path, prometheus: str, alertmanager: str, rules: str, routes: dict):
        self.folder, self.rules, self.routes = folder, rules, routes
        self.programs = prometheus, alertmanager
        self.receiver = Receiver()
        self.services: dict[str, Service] = {}
        self.processes: list[Process] = []

    def add(self, exporter: Path, namespace: str, history: list[str]) -> Service:
        service = Service(namespace, self.folder, exporter, history)
        self.services[namespace] = service
        self.processes.append(service.process)
        return service

    def start(self):
        prometheus, alertmanager = self.programs
        for service in self.services.values():
            service.process.wait_ready()
        (self.folder / "rules.yaml").write_text(self.rules)
        (self.folder / "alertmanager.yaml").write_text(yaml.safe_dump(self.routes))
        self.alertmanager_url = f"http://127.0.0.1:{free_port()}"
        self.prometheus_url = f"http://127.0.0.1:{free_port()}"
        targets = [
            {
                "targets": [f"127.0.0.1:{service.port}"],
                "labels": {"cluster": "test", "namespace": service.namespace, "pod": f"{service.namespace}-0"},
            }
            for service in self.services.values()
        ]
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [self.alertmanager_url.removeprefix("http://")]}]}]},
            "scrape_configs": [{"job_name": "assistant", "static_configs": targets}],
        }
        (self.folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        self.run(
            "alertmanager",
            [
                alertmanager,
                f"--config.file={self.folder / 'alertmanager.yaml'}",
                f"--storage.path={self.folder / 'alertmanager'}",
                f"--web.listen-address={self.alertmanager_url.removeprefix('http://')}",
                "--cluster.listen-address=",
            ],
            f"{self.alertmanager_url}/-/ready",
        )
        self.run(
            "prometheus",
            [
                prometheus,
                f"--config.file={self.folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={self.folder / 'prometheus'}",
                f"--web.listen-address={self.prometheus_url.removeprefix('http://')}",
            ],
            f"{self.prometheus_url}/-/ready",
        )
        for service in self.services.values():
            wait_for(
                f"a scrape of {service.namespace}",
                lambda service=service: self.query(f'up{{namespace="{service.namespace}"}} == 1'),
            )

    def run(self, name: str, command: list[str], ready: str):
        process = Process(name, self.folder, command, ready)
        self.processes.append(process)
        process.wait_ready()

    def query(self, expression: str) -> list[dict]:
        answer = get(f"{self.prometheus_url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return json.loads(answer)["data"]["result"] if answer else []

    def value(self, expression: str) -> float | None:
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def firing(self, namespace: str) -> set[str]:
        return {entry["metric"]["alertname"] for entry in self.query(f'ALERTS{{namespace="{namespace}",alertstate="firing"}}')}

    def held_back(self, namespace: str) -> set[str]:
        """The alerts of a namespace that Alertmanager inhibits."""
        answer = get(f"{self.alertmanager_url}/api/v2/alerts?inhibited=true")
        return {
            alert["labels"]["alertname"]
            for alert in json.loads(answer or "[]")
            if alert["labels"].get("namespace") == namespace and alert["status"]["inhibitedBy"]
        }

    def wait_evaluated(self, scraped_after: float):
        """Until each exporter was scraped after a time, and all rule groups were evaluated after that."""
        wait_for(
            "a scrape of every exporter",
            lambda: self.value(f"count(timestamp(zai_exporter_build_info) > {scraped_after})") == len(self.services),
        )
        after = time.time()
        wait_for(
            "an evaluation of every rule group",
            lambda: all(
                datetime.fromisoformat(group["lastEvaluation"]).timestamp() > after
                for group in json.loads(get(f"{self.prometheus_url}/api/v1/rules") or '{"data": {"groups": []}}')["data"]["groups"]
            ),
        )

    def stop(self):
        for process in reversed(self.processes):
            process.stop()
        self.receiver.stop()
