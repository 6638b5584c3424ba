"""Each values file of ci/, rendered and held against what Kubernetes and the Prometheus Operator take."""

import json
import re
import subprocess
import warnings

import helm_python
import kubernetes_validate
import pytest
import yaml

from charts import CHART, CI_NAMES, LIBRARY, CONSUMER, ci_values, consumer_chart, of_kind, one, pod_templates, render, rendered_files
from pod_security import restricted_violations

# Kubernetes itself knows nothing of these.
OPERATOR_KINDS = {"AlertmanagerConfig", "PodMonitor", "PrometheusRule", "ServiceMonitor"}
VERSIONS = sorted({f"1.{v.split('.')[1]}" for v in kubernetes_validate.utils.all_versions()} - {"1.25", "1.26", "1.27", "1.28"})
# The first version that serves a kind of the injection, by apiVersion.
SERVED_FROM = {"admissionregistration.k8s.io/v1beta1": "1.34", "admissionregistration.k8s.io/v1": "1.36"}


@pytest.fixture(scope="module")
def rendered():
    return {name: render(ci_values(name)) for name in CI_NAMES}


def test_the_newest_kubernetes_is_among_the_versions():
    assert VERSIONS[0] == "1.29" and VERSIONS[-1] == ".".join(kubernetes_validate.latest_version().split(".")[:2])


def test_every_section_of_the_values_has_a_values_file():
    sections = set(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")))
    assert sections - {key for name in CI_NAMES for key in ci_values(name)} == set()


@pytest.mark.parametrize("name", CI_NAMES)
def test_lint_finds_nothing(name):
    # A version that serves what is in the file, before it is called outdated.
    served = SERVED_FROM.get(f"admissionregistration.k8s.io/{ci_values(name).get('injection', {}).get('apiVersion', 'v1')}")
    assert findings(str(CHART), ci_values(name), kube_version=f"v{served}.0") == []


@pytest.mark.parametrize("chart", [LIBRARY, CONSUMER], ids=lambda path: path.name)
def test_lint_of_the_other_charts_finds_nothing(chart):
    assert findings(str(consumer_chart() if chart == CONSUMER else chart), {}) == []


def findings(chart: str, values: dict, **more) -> list[str]:
    report = helm_python.lint(chart, values, strict=True, **more)
    assert report["total_charts_linted"] == 1
    messages = [f"{m['path']}: {m['error']}" for m in report["messages"]]
    # An icon has to have an address on the web, and the project has none.
    return [m for m in messages if "icon is recommended" not in m] + report["errors"]


@pytest.mark.parametrize("kubernetes", VERSIONS)
@pytest.mark.parametrize("name", CI_NAMES)
def test_kubernetes_takes_every_object(rendered, name, kubernetes):
    for manifest in rendered[name]:
        if manifest["kind"] in OPERATOR_KINDS:
            continue
        if manifest["kind"].startswith("MutatingAdmissionPolicy") and minor(kubernetes) < minor(SERVED_FROM[manifest["apiVersion"]]):
            continue
        with warnings.catch_warnings():
            # An unknown kind only warns.
            warnings.simplefilter("error")
            kubernetes_validate.validate(manifest, kubernetes, strict=True)


def minor(version: str) -> int:
    return int(version.split(".")[1])


def test_the_prometheus_operator_takes_every_object(rendered, node_checks):
    manifests = [m for name in CI_NAMES for m in rendered[name] if m["kind"] in OPERATOR_KINDS]
    assert {m["kind"] for m in manifests} == OPERATOR_KINDS
    result = node_checks("operator.mjs", json.dumps(manifests))
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(manifests)} manifests checked, 0 mistakes" in result.stdout


# name of a broken PodMonitor: (what is done to it, what the report on it has to say)
MISTAKES = {
    "unknown-key": (lambda m: m["spec"].update(jobLable="x"), "jobLable"),
    "unknown-key-below": (lambda m: m["spec"]["podMetricsEndpoints"][0].update(intervall="30s"), "intervall"),
    "no-duration": (lambda m: m["spec"]["podMetricsEndpoints"][0].update(interval="often"), "interval"),
    "missing-key": (lambda m: m["spec"].pop("selector"), "selector"),
    "wrong-type": (lambda m: m["spec"].update(sampleLimit="many"), "sampleLimit"),
    "unknown-kind": (lambda m: m.update(kind="PodMonitr"), "no kind"),
}


def test_the_check_of_the_operators_kinds_finds_mistakes(rendered, node_checks):
    manifests = []
    for name, (change, _) in MISTAKES.items():
        manifest = json.loads(json.dumps(one(rendered["podmonitor"], "PodMonitor")))
        manifest["metadata"]["name"] = name
        change(manifest)
        manifests.append(manifest)
    # One without a mistake: a check that complains of everything would be none.
    manifests.append(one(rendered["default"], "PodMonitor"))
    result = node_checks("operator.mjs", json.dumps(manifests))
    assert result.returncode == 1
    for name, (_, expected) in MISTAKES.items():
        assert [line for line in result.stdout.splitlines() if f"/{name}:" in line and expected in line], name
    assert f"/{manifests[-1]['metadata']['name']}:" not in result.stdout


@pytest.mark.parametrize("name", CI_NAMES)
def test_snapshot(rendered, name, snapshot):
    snapshot(f"{name}.yaml", "---\n".join(yaml.safe_dump(shortened(m), sort_keys=False, width=120) for m in rendered[name]))


def shortened(manifest: dict) -> dict:
    """A manifest without the texts that have tests of their own: dashboards, and rules as alerts/zai.rules.yaml has them."""
    if manifest["kind"] == "ConfigMap" and manifest.get("data"):
        data = {key: "(the dashboard)" if key.endswith(".json") else text for key, text in manifest["data"].items()}
        return manifest | {"data": data}
    if manifest["kind"] == "PrometheusRule":
        names = [rule.get("alert") or rule["record"] for group in manifest["spec"]["groups"] for rule in group["rules"]]
        return manifest | {"spec": {"rules": sorted(set(names))}}
    return manifest


@pytest.mark.parametrize("name", CI_NAMES)
def test_objects_have_labels_and_distinct_names(rendered, name):
    manifests = [m for m in rendered[name] if not (name == "extra-manifests" and m["metadata"]["name"].startswith("zai-"))]
    for manifest in manifests:
        assert len(manifest["metadata"]["name"]) <= 63
        assert manifest["metadata"]["labels"]["helm.sh/chart"].startswith("zai-exporter-")
    keys = [(m["apiVersion"], m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in manifests]
    assert len(keys) == len(set(keys))


def test_nothing_is_created_with_everything_off(rendered):
    assert rendered["nothing"] == []


def test_nothing_of_the_cluster_is_touched_by_default(rendered):
    assert {m["kind"] for m in rendered["default"]} == {"PodMonitor", "PrometheusRule", "ConfigMap"}
    assert all("namespace" in m["metadata"] for m in rendered["default"])


@pytest.mark.parametrize("name", [n for n in CI_NAMES if n.startswith("daemonset")])
def test_the_daemonset_breaks_the_restricted_standard_only_where_it_must(rendered, name):
    ((_, template),) = pod_templates(rendered[name])
    allowed = re.compile(r"volume (node-logs(-\d+)?|zai-exporter-state) is a hostPath|runAs(NonRoot|User) is .*\(zai-exporter\)")
    assert [v for v in restricted_violations(template["spec"]) if not allowed.fullmatch(v)] == []


def test_no_pod_is_scraped_twice(rendered):
    manifests = rendered["daemonset-and-sidecars"]
    pods = one(manifests, "DaemonSet")["spec"]["template"]["metadata"]["labels"]
    (expression,) = one(manifests, "PodMonitor")["spec"]["selector"]["matchExpressions"]
    assert expression["operator"] == "Exists" and expression["key"] not in pods


@pytest.mark.parametrize("name", [n for n in CI_NAMES if n.startswith("daemonset") or n == "names"])
def test_the_servicemonitor_finds_the_service_the_service_the_pods_and_the_port(rendered, name):
    manifests = rendered[name]
    service, monitor, workload = (one(manifests, kind) for kind in ("Service", "ServiceMonitor", "DaemonSet"))
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]
    assert monitor["spec"]["jobLabel"] in service["metadata"]["labels"]
    template = workload["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    (port,) = service["spec"]["ports"]
    ports = {p["name"]: p["containerPort"] for p in template["spec"]["containers"][0]["ports"]}
    assert ports[port["targetPort"]] == port["port"] and monitor["spec"]["endpoints"][0]["port"] == port["name"]
    for policy in of_kind(manifests, "NetworkPolicy"):
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        assert policy["spec"]["ingress"][0]["ports"][0]["port"] in ports


def test_the_labels_of_the_application_survive_the_scrape_of_the_daemonset(rendered):
    # namespace, pod and container of a series are those of the logs; without this Prometheus would rename them.
    assert one(rendered["daemonset"], "ServiceMonitor")["spec"]["endpoints"][0]["honorLabels"] is True


@pytest.mark.parametrize("name", ["daemonset-tls"])
def test_tls_turns_the_probe_into_one_that_tls_cannot_refuse(rendered, name):
    ((_, template),) = pod_templates(rendered[name])
    probe = template["spec"]["containers"][0]["livenessProbe"]
    assert "tcpSocket" in probe and "httpGet" not in probe
    assert one(rendered[name], "ServiceMonitor")["spec"]["endpoints"][0]["scheme"] == "https"


@pytest.mark.parametrize("name", CI_NAMES)
def test_every_mount_has_its_volume_and_every_file_its_mount(rendered, name):
    for where, template in pod_templates(rendered[name]):
        check_mounts(where, template["spec"])


def check_mounts(where: str, pod: dict) -> None:
    volumes = [volume["name"] for volume in pod.get("volumes", [])]
    assert len(volumes) == len(set(volumes)), where
    for container in pod.get("initContainers", []) + pod["containers"]:
        mounts = container.get("volumeMounts", [])
        paths = [mount["mountPath"] for mount in mounts]
        assert len(paths) == len(set(paths)), where
        assert {mount["name"] for mount in mounts} <= set(volumes), where
        for variable in container.get("env", []):
            if variable["name"] in ("ZAI_EXPORTER_CONFIG_FILE", "ZAI_EXPORTER_WEB_CONFIG_FILE", "ZAI_EXPORTER_STATE_DIR"):
                assert any(f"{variable['value']}/".startswith(f"{path}/") for path in paths), variable


def test_the_dashboards_arrive_as_they_are():
    sources = sorted((CHART.parents[1] / "dashboards").glob("*.json"))
    assert sources
    maps = of_kind(render({"prometheusRule": {"enabled": False}}), "ConfigMap")
    data = {key: text for m in maps for key, text in m["data"].items()}
    assert data == {path.name: path.read_text(encoding="utf-8").strip() for path in sources}
    for m in maps:
        # The limit of a ConfigMap is 1 MiB.
        assert m["metadata"]["labels"]["grafana_dashboard"] == "1" and len(json.dumps(m)) < 900_000


def test_a_chart_packs_and_unpacks(tmp_path):
    helm_python.package(str(CHART), destination=str(tmp_path))
    (archive,) = tmp_path.glob("zai-exporter-*.tgz")
    names = subprocess.run(["tar", "-tzf", archive], capture_output=True, text=True, check=True).stdout.split()
    assert "zai-exporter/values.schema.json" in names and "zai-exporter/templates/_sidecar.tpl" in names
    assert not [name for name in names if "/ci/" in name or name.endswith("values-alerts.yaml")]
    packed = helm_python.Chart.load_archive(archive.read_bytes())
    assert packed.render({}, name="zai", namespace="monitoring").keys() == {
        f"zai-exporter/{path}" for path in rendered_files({})
    }
