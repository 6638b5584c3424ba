"""What the charts tell the exporter, told to the real one: its configuration files, its command line, its environment."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from charts import CI_NAMES, ci_values, consumer_chart, of_kind, one, pod_templates, render

LIMIT = 30.0
ERROR = (
    "2026-11-24 10:00:00,000 - app.llm - ERROR - chat failed: Error code: 429, with error text "
    '{"error":{"code":"1113","message":"Your account is in arrears, please recharge and try again"}}\n'
)
CONFIGURATIONS = [
    (name, manifest["metadata"]["name"], manifest["data"]["config.yaml"])
    for name in CI_NAMES
    for manifest in of_kind(render(ci_values(name)), "ConfigMap")
    if "config.yaml" in manifest.get("data", {})
]


@pytest.mark.parametrize(("name", "config_map", "text"), CONFIGURATIONS, ids=[f"{c[0]}-{c[1]}" for c in CONFIGURATIONS])
def test_the_exporter_takes_the_configuration(name, config_map, text, exporter, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    result = subprocess.run([exporter, "check-config", path], capture_output=True, text=True, check=False, timeout=LIMIT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_keys_of_the_schema_are_those_of_the_exporter(exporter, tmp_path):
    """The chart refuses unknown keys of the configuration; what it lets pass, the exporter has to take."""
    everything = {
        "hosts": ["llm-gateway.example.com"],
        "timezone": "Asia/Shanghai",
        "sources": [{"paths": ["/a/*.log"], "exclude": ["*.gz"], "labels": {"team": "search"}, "path_labels": "/(?<service>[^/]+)/"}],
        "limits": {"line_bytes": 1048576, "label_values": 100, "unknown_codes": 10},
        "catalogue": [
            {"code": "1322", "category": "api_policy_block", "condition": "quota_exhausted", "message": "m", "solution": "s", "wordings": ["w"]}
        ],
    }
    path = tmp_path / "config.yaml"
    rendered = render({"configMap": {"config": everything}, "dashboards": {"enabled": False}})
    path.write_text(one(rendered, "ConfigMap")["data"]["config.yaml"], encoding="utf-8")
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == everything
    result = subprocess.run([exporter, "check-config", path], capture_output=True, text=True, check=False, timeout=LIMIT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_flag_of_serve_is_in_the_chart(exporter):
    """A flag that the exporter gains has to get a value."""
    text = subprocess.run([exporter, "serve", "--help"], capture_output=True, text=True, check=True, timeout=LIMIT).stdout
    known = set(re.findall(r"\[env: (ZAI_EXPORTER_\w+)", text))
    values = {"config": {"existingConfigMap": "c"}, "web": {"existingSecret": "s"}, "logs": {"paths": ["/a.log"]}}
    template = dict(pod_templates(render({"zaiExporter": values}, consumer_chart())))["Deployment/zai"]
    given = {variable["name"] for variable in template["spec"]["initContainers"][0]["env"]}
    assert given == known


class Container:
    """A container of a Pod template as a process: its arguments and environment, with its directories moved below `root`."""

    def __init__(self, exporter: Path, container: dict, root: Path):
        self.port = free_port()
        self.root = root
        moved = {mount["mountPath"].rstrip("/"): root / mount["mountPath"].strip("/") for mount in container["volumeMounts"]}
        for folder in moved.values():
            folder.mkdir(parents=True, exist_ok=True)
        environment = {}
        for variable in container["env"]:
            value = variable.get("value", "")
            for old, new in moved.items():
                value = re.sub(rf"(^|,){re.escape(old)}(?=/|,|$)", lambda m, new=new: f"{m[1]}{new}", value)
            environment[variable["name"]] = value
        environment["ZAI_EXPORTER_WEB_LISTEN_ADDRESS"] = f"127.0.0.1:{self.port}"
        self.telemetry_path = environment["ZAI_EXPORTER_WEB_TELEMETRY_PATH"]
        self.arguments = [exporter, *container["args"]]
        self.environment = environment
        self.probe = container["livenessProbe"]
        self.process = None

    def __enter__(self):
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("ZAI_EXPORTER_")}
        self.process = subprocess.Popen(
            self.arguments, env=inherited | self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()

    def get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()

    def wait_for(self, path: str, text: str = "") -> str:
        """The body of the first answer 200 at the path that holds the text."""
        end = time.monotonic() + LIMIT
        last = "no answer"
        while time.monotonic() < end:
            assert self.process.poll() is None, f"{self.arguments} ended with {self.process.returncode}: {self.process.stdout.read()}"
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                status, last = self.get(path)
                if status == 200 and text in last:
                    return last
            time.sleep(0.05)
        raise AssertionError(f"{path} did not hold {text!r} within {LIMIT} s; last: {last[-2000:]}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def count(metrics: str, *labels: str) -> float:
    lines = [line for line in metrics.splitlines() if line.startswith("zai_api_errors_total{") and all(label in line for label in labels)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_the_sidecars_command_line_starts_the_exporter(exporter, tmp_path):
    template = dict(pod_templates(render({}, consumer_chart())))["Deployment/zai"]
    (container,) = template["spec"]["initContainers"]
    log = tmp_path / "var/log/app/sub/app.log"
    log.parent.mkdir(parents=True)
    log.write_text(ERROR, encoding="utf-8")
    with Container(exporter, container, tmp_path) as sidecar:
        assert sidecar.wait_for(sidecar.probe["httpGet"]["path"]) is not None
        sidecar.wait_for("/-/ready")
        metrics = sidecar.wait_for(sidecar.telemetry_path, "zai_api_errors_total")
        assert count(metrics, 'code="1113"') == 1
        with log.open("a", encoding="utf-8") as file:
            file.write(ERROR)
        line = 'zai_api_errors_total{category="account",code="1113",condition="balance_exhausted"} 2'
        sidecar.wait_for(sidecar.telemetry_path, line)
    # What ends a container: a signal, and an end of its own accord.
    assert sidecar.process.returncode == 0
    assert list((tmp_path / "var/lib/zai-exporter").iterdir()), "no state was written to the state's volume"
    with Container(exporter, container, tmp_path) as again:
        again.wait_for("/-/ready")
        assert count(again.wait_for(again.telemetry_path, "zai_api_errors_total"), 'code="1113"') == 2


def test_every_setting_reaches_the_exporter(exporter, tmp_path):
    values = ci_values("sidecar-settings")["sidecar"]
    values = {key: values[key] for key in ("logs", "settings", "state", "extraArgs")}
    template = dict(pod_templates(render({"zaiExporter": values}, consumer_chart())))["Deployment/zai"]
    (container,) = template["spec"]["initContainers"]
    log = tmp_path / "srv/app/logs/app.log"
    log.parent.mkdir(parents=True)
    log.write_text(ERROR, encoding="utf-8")
    with Container(exporter, container, tmp_path) as sidecar:
        sidecar.wait_for("/-/ready")
        metrics = sidecar.wait_for("/zai/metrics", "zai_api_errors_total")
        # `readFrom: end`: what was there before is passed over.
        assert count(metrics, 'code="1113"') == 0
        assert "zai_exporter_state_persistent 0" in metrics
        with log.open("a", encoding="utf-8") as file:
            file.write(ERROR)
        sidecar.wait_for("/zai/metrics", 'code="1113",condition="balance_exhausted"} 1')


def test_the_daemonset_reads_the_logs_of_the_node(exporter, tmp_path):
    manifests = render({"daemonSet": {"enabled": True, "namespaces": ["shop"]}})
    ((_, template),) = pod_templates(manifests)
    (container,) = template["spec"]["containers"]
    (config,) = [m for m in of_kind(manifests, "ConfigMap") if "config.yaml" in m["data"]]
    file = tmp_path / "etc/zai-exporter/config/config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(config["data"]["config.yaml"].replace("/var/log/pods", str(tmp_path / "var/log/pods")), encoding="utf-8")
    for namespace in ("shop", "other"):
        log = tmp_path / f"var/log/pods/{namespace}_chat-api-7d9f_0a1b2c3d/app/0.log"
        log.parent.mkdir(parents=True)
        log.write_text(f"2026-11-24T10:00:00.000000000Z stderr F {ERROR}", encoding="utf-8")
    with Container(exporter, container, tmp_path) as node:
        node.wait_for("/-/ready")
        metrics = node.wait_for(node.telemetry_path, 'namespace="shop"')
        labels = ('code="1113"', 'namespace="shop"', 'pod="chat-api-7d9f"', 'container="app"')
        assert count(metrics, *labels) == 1
        assert 'namespace="other"' not in metrics


def test_a_wrong_value_is_the_exporters_to_refuse(exporter, tmp_path):
    """What the schema cannot know (here: a pattern without a named group) ends the container with the reason, not a silent one."""
    values = {"configMap": {"config": {"sources": [{"paths": ["/a/*.log"], "path_labels": "/a/.*"}]}}, "dashboards": {"enabled": False}}
    path = tmp_path / "config.yaml"
    path.write_text(one(render(values), "ConfigMap")["data"]["config.yaml"], encoding="utf-8")
    result = subprocess.run([exporter, "check-config", path], capture_output=True, text=True, check=False, timeout=LIMIT)
    assert result.returncode == 64 and "path_labels" in result.stdout + result.stderr
