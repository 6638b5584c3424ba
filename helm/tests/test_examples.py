"""The ways to the sidecar other than the injection: all of them end in the same container."""

import shutil
import subprocess
import warnings
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from charts import HELM, Loader, consumer_chart, documents, one, pod_templates, render
from pod_security import restricted_violations
from test_charts import VERSIONS, check_mounts

EXAMPLES = HELM / "examples"
FIXTURES = Path(__file__).parent / "fixtures"
LABEL = {"zai-exporter/job": "zai-exporter"}


def read(name: str) -> dict:
    return yaml.load((EXAMPLES / name).read_text(encoding="utf-8"), Loader)


def consumer(values: dict | None = None) -> dict[str, dict]:
    """The Pod templates of the example of a user's chart, by the name of the workload."""
    return dict(pod_templates(render(values or {}, consumer_chart())))


def canonical() -> dict:
    """The container that the library gives with its defaults."""
    (container,) = consumer()["Deployment/zai"]["spec"]["initContainers"]
    return container


def as_text(values: dict) -> dict:
    return {key: yaml.safe_dump(value) if isinstance(value, list) else value for key, value in values.items()}


def by_snippet(name: str, fixture: str, text: bool = False):
    def templates(_request):
        values = read(f"snippets/{name}-values.yaml")
        return dict(pod_templates(render(as_text(values) if text else values, FIXTURES / fixture)))

    return templates


def by_kustomize(request):
    command = [request.getfixturevalue("kubectl"), "kustomize", EXAMPLES / "kustomize" / "overlay"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    return dict(pod_templates(documents(result.stdout)))


def test_the_component_serves_stateful_sets_too(kubectl, tmp_path):
    shutil.copytree(EXAMPLES / "kustomize", tmp_path / "kustomize")
    for name in ("base/deployment.yaml", "overlay/mount.yaml"):
        path = tmp_path / "kustomize" / name
        path.write_text(path.read_text(encoding="utf-8").replace("kind: Deployment", "kind: StatefulSet"), encoding="utf-8")
    result = subprocess.run([kubectl, "kustomize", tmp_path / "kustomize/overlay"], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    ((name, template),) = pod_templates(documents(result.stdout))
    assert name == "StatefulSet/chat-api" and template["spec"]["initContainers"] == [canonical()]


WAYS = {
    "library": lambda _request: {"Deployment/zai": consumer()["Deployment/zai"]},
    "bitnami": by_snippet("bitnami", "bitnami-hooks"),
    "prometheus-community": by_snippet("prometheus-community", "prometheus-community-hooks"),
    "prometheus-community-text": by_snippet("prometheus-community", "prometheus-community-text-hooks", text=True),
    "kustomize": by_kustomize,
    "cronjob": lambda _request: dict(pod_templates([read("cronjob.yaml")])),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_leads_to_the_same_sidecar(way, request):
    ((_, template),) = WAYS[way](request).items()
    spec = template["spec"]
    everywhere = spec.get("initContainers", []) + spec["containers"]
    (sidecar,) = [container for container in everywhere if container["name"] == "zai-exporter"]
    native = sidecar in spec.get("initContainers", [])
    assert sidecar.pop("restartPolicy", None) == ("Always" if native else None)
    assert sidecar.pop("lifecycle", None) == ({"preStop": {"sleep": {"seconds": 60}}} if way == "cronjob" else None)
    expected = canonical()
    del expected["restartPolicy"]
    assert sidecar == expected
    assert template["metadata"]["labels"].items() >= LABEL.items()
    # The third of the three things, which users forget: the application writes where the sidecar reads.
    application = spec["containers"][0]
    (written,) = [mount for mount in application["volumeMounts"] if mount["name"] == "zai-logs"]
    (followed,) = [mount for mount in sidecar["volumeMounts"] if mount["name"] == "zai-logs"]
    assert written["mountPath"] == followed["mountPath"] and not written.get("readOnly") and followed["readOnly"]
    check_mounts(way, spec)
    assert restricted_violations(spec) == []
    monitor = one(render({}), "PodMonitor")["spec"]
    (selected,) = monitor["selector"]["matchExpressions"]
    assert selected["operator"] == "Exists" and {selected["key"], monitor["jobLabel"]} <= template["metadata"]["labels"].keys()
    assert monitor["podMetricsEndpoints"][0]["port"] in [port["name"] for port in sidecar["ports"]]


@pytest.mark.parametrize("kubernetes", VERSIONS)
def test_kubernetes_takes_the_examples(kubernetes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for manifest in [*render({}, consumer_chart()), read("cronjob.yaml"), read("kustomize/base/deployment.yaml")]:
            kubernetes_validate.validate(manifest, kubernetes, strict=True)


def test_the_sidecar_of_a_job_outlives_it_by_less_than_its_grace():
    template = read("cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    sleep = template["initContainers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleep < template["terminationGracePeriodSeconds"]


def test_five_lines():
    lines = (EXAMPLES / "consumer-chart" / "templates" / "deployment.yaml").read_text(encoding="utf-8").splitlines()
    included = [line.split('"')[1] for line in lines if "zai-exporter-lib" in line]
    assert included == [
        "zai-exporter-lib.podLabels",
        "zai-exporter-lib.initContainer",
        "zai-exporter-lib.volumeMounts",
        "zai-exporter-lib.volumes",
    ]


def test_a_second_workload_has_settings_of_its_own():
    template = consumer()["Deployment/zai-worker"]
    sidecar = template["spec"]["containers"][1]
    environment = {variable["name"]: variable["value"] for variable in sidecar["env"]}
    assert environment["ZAI_EXPORTER_PATHS"] == "/srv/worker/logs/**/*.log"
    assert template["metadata"]["labels"]["zai-exporter/job"] == "zai-exporter-worker"
    assert "restartPolicy" not in sidecar
    # What it does not set itself is that of the chart.
    assert sidecar["image"] == canonical()["image"]
    check_mounts("worker", template["spec"])


def test_an_existing_volume_is_mounted_once_and_not_added():
    template = consumer({"zaiExporter": {"logs": {"existingVolume": "data", "subPath": "logs"}}})["Deployment/zai"]["spec"]
    assert [volume["name"] for volume in template["volumes"]] == ["zai-exporter-state"]
    assert template["containers"][0]["volumeMounts"] is None
    mount = template["initContainers"][0]["volumeMounts"][0]
    assert mount == {"name": "data", "mountPath": "/var/log/app", "subPath": "logs", "readOnly": True}


def test_settings_of_the_library_reach_the_container():
    values = {
        "port": 9464,
        "lastScrapeSeconds": 20,
        "settings": {"listenAddress": "127.0.0.1:9464", "telemetryPath": "/m", "maxConnections": 16, "readFrom": "end", "logLevel": "debug", "logFormat": "json"},
        "state": {"volume": {"persistentVolumeClaim": {"claimName": "state"}}},
        "config": {"existingConfigMap": "cfg", "key": "zai.yaml"},
        "web": {"existingSecret": "web"},
        "extraArgs": ["--log.level=warn"],
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
    }
    spec = consumer({"zaiExporter": values})["Deployment/zai"]["spec"]
    sidecar = spec["initContainers"][0]
    assert {variable["name"]: variable["value"] for variable in sidecar["env"]} == {
        "ZAI_EXPORTER_WEB_LISTEN_ADDRESS": "127.0.0.1:9464",
        "ZAI_EXPORTER_WEB_TELEMETRY_PATH": "/m",
        "ZAI_EXPORTER_WEB_MAX_CONNECTIONS": "16",
        "ZAI_EXPORTER_LOG_READ_FROM": "end",
        "ZAI_EXPORTER_LOG_LEVEL": "debug",
        "ZAI_EXPORTER_LOG_FORMAT": "json",
        "ZAI_EXPORTER_STATE_DIR": "/var/lib/zai-exporter",
        "ZAI_EXPORTER_CONFIG_FILE": "/etc/zai-exporter/config/zai.yaml",
        "ZAI_EXPORTER_WEB_CONFIG_FILE": "/etc/zai-exporter/web/web-config.yaml",
        "TZ": "UTC",
    }
    assert sidecar["args"] == ["serve", "--log.level=warn"]
    assert sidecar["lifecycle"]["preStop"]["sleep"]["seconds"] == 20
    assert {"name": "zai-exporter-state", "persistentVolumeClaim": {"claimName": "state"}} in spec["volumes"]
    check_mounts("library", spec)
