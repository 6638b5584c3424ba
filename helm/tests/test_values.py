"""Values: wrong ones are refused with a message that says which and why; what is generated from them is up to date."""

import json
import re
import shutil
import subprocess
import sys

import helm_python
import pytest
import yaml

from charts import CHART, HELM, LIBRARY, REPOSITORY, consumer_chart, of_kind, one, render, rendered_files

DIGEST = "sha256:" + "0" * 64
LABELLED = {"additionalLabels": {"release": "a"}}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # Misspelled keys, at the top, below, and in what goes to the exporter or the API server.
        ({"podMonitr": {"enabled": True}}, "additional properties 'podMonitr' not allowed"),
        ({"podMonitor": {"intervall": "30s"}}, "at '/podMonitor': additional properties 'intervall' not allowed"),
        ({"sidecar": {"setings": {}}}, "at '/sidecar': additional properties 'setings' not allowed"),
        ({"sidecar": {"image": {"tag": "1"}}}, "at '/sidecar': additional properties 'image' not allowed"),
        ({"sidecar": {"resources": {"limit": {}}}}, "at '/sidecar/resources': additional properties 'limit' not allowed"),
        ({"sidecar": {"containerSecurityContext": {"runAsuser": 1}}}, "additional properties 'runAsuser' not allowed"),
        ({"daemonSet": {"tolerationS": []}}, "additional properties 'tolerationS' not allowed"),
        ({"configMap": {"config": {"host": ["a.example.com"]}}}, "at '/configMap/config': additional properties 'host' not allowed"),
        ({"daemonSet": {"config": {"sources": [{"path": "/a"}]}}}, "missing property 'paths'"),
        ({"alerts": {"objektive": 99}}, "at '/alerts': additional properties 'objektive' not allowed"),
        ({"alerts": {"rules": {"ZaiBalanceExausted": {"enabled": False}}}}, "'ZaiBalanceExausted' not allowed"),
        ({"alerts": {"rules": {"ZaiRateLimited": {"treshold": 5}}}}, "additional properties 'treshold' not allowed"),
        # Types.
        ({"podMonitor": {"enabled": "yes"}}, "at '/podMonitor/enabled': got string, want boolean"),
        ({"sidecar": {"port": "10064"}}, "at '/sidecar/port': got string, want integer"),
        ({"podMonitor": None}, "missing property 'podMonitor'"),
        ({"image": {"tag": 1.0}}, "at '/image/tag': got number, want string"),
        # Ranges, names and forms.
        ({"sidecar": {"port": 70000}}, "at '/sidecar/port': maximum: got 70,000, want 65,535"),
        ({"sidecar": {"settings": {"logLevel": "verbose"}}}, "value must be one of 'error', 'warn', 'info', 'debug'"),
        ({"sidecar": {"settings": {"readFrom": "start"}}}, "value must be one of 'beginning', 'end'"),
        ({"sidecar": {"settings": {"telemetryPath": "metrics"}}}, "at '/sidecar/settings/telemetryPath'"),
        ({"sidecar": {"logs": {"mountPath": "var/log"}}}, "at '/sidecar/logs/mountPath'"),
        # A comma parts two paths in the exporter's environment.
        ({"sidecar": {"logs": {"paths": ["/a,b/*.log"]}}}, "at '/sidecar/logs/paths/0'"),
        ({"injection": {"apiVersion": "v1alpha1"}}, "value must be one of 'v1', 'v1beta1'"),
        ({"injection": {"mode": "sidecar"}}, "value must be one of 'initContainer', 'container'"),
        ({"podMonitor": {"interval": "30"}}, "at '/podMonitor/interval'"),
        ({"image": {"digest": "0123"}}, "at '/image/digest'"),
        ({"image": {"repository": "zai-exporter:1"}}, "at '/image/repository'"),
        ({"alerts": {"rules": {"ZaiRateLimited": {"severity": "page"}}}}, "value must be one of 'critical', 'warning', 'info'"),
        ({"alerts": {"rules": {"ZaiRateLimited": {"for": "10 minutes"}}}}, "at '/alerts/rules/ZaiRateLimited/for'"),
        ({"alerts": {"objective": 100}}, "at '/alerts/objective'"),
        ({"alerts": {"rules": {"ZaiExporterDown": {"targets": ""}}}}, "at '/alerts/rules/ZaiExporterDown/targets': minLength"),
        ({"alerts": {"rules": {"ZaiExporterDown": {"targets": "zai-exporter"}}}}, "at '/alerts/rules/ZaiExporterDown/targets'"),
        # What no single value is wrong about.
        ({"networkPolicy": {"enabled": True}}, "networkPolicy.enabled: there is a policy for the DaemonSet only"),
        ({"injection": {"enabled": True, "selection": "namespace"}}, "injection.namespaceSelector: with injection.selection=namespace"),
        ({"injection": {"enabled": True}, "sidecar": {"logs": {"existingVolume": "a"}}}, "sidecar.logs.existingVolume: the injection"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_wrong_values_are_refused(values, expected):
    with pytest.raises(helm_python.HelmError) as refusal:
        render(values)
    assert expected in str(refusal.value)


SELECTORS_REFUSED = [
    '{job="foo"}',
    "job=foo",
    "job='foo'",
    "zai-exporter",
    'job=="foo"',
    '1job="foo"',
    'job="foo",',
    ',job="foo"',
    'job="foo",,team="a"',
    'job="foo" team="a"',
    'job="foo"}',
    'job="foo',
    # No escape of PromQL.
    r'job=~"\d"',
    # What a template of Prometheus in the texts would break on.
    'job="a`b"',
    'job="a%b"',
]


@pytest.mark.parametrize("selector", SELECTORS_REFUSED)
def test_a_selector_that_is_no_list_of_matchers_is_refused(selector):
    with pytest.raises(helm_python.HelmError) as refusal:
        render({"alerts": {"selector": selector}})
    assert "at '/alerts/selector'" in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"zaiExporter": {"imge": {}}}, "additional properties 'imge' not allowed"),
        ({"zaiExporter": {"port": 0}}, "at '/port': minimum: got 0, want 1"),
        ({"zaiExporter": {"image": {"repository": ""}}}, "at '/image/repository'"),
    ],
)
def test_wrong_values_of_the_library_are_refused_in_a_chart_that_uses_it(values, expected):
    with pytest.raises(helm_python.HelmError) as refusal:
        render(values, consumer_chart())
    assert expected in str(refusal.value)


def test_global_values_of_other_charts_are_let_be():
    assert render({"global": {"imageRegistry": "registry.example.com"}})


def test_what_is_generated_is_up_to_date():
    result = subprocess.run([sys.executable, HELM / "build.py", "--check"], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_drift_check_sees_drift(tmp_path):
    """A copy of the repository's parts with one letter changed in each generated file is out of date in each."""
    copy = tmp_path / "helm"
    shutil.copytree(HELM, copy, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    (copy / "tests" / "node" / "node_modules").symlink_to(HELM / "tests" / "node" / "node_modules")
    shutil.copytree(REPOSITORY / "dashboards", tmp_path / "dashboards", ignore=shutil.ignore_patterns("node_modules", "check", "pictures"))
    generated = [
        "zai-exporter/templates/_sidecar.tpl",
        "zai-exporter/values.schema.json",
        "zai-exporter-lib/values.schema.json",
        "zai-exporter/dashboards/zai-overview.json",
    ]
    for name in generated:
        path = copy / name
        path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    readme = copy / "zai-exporter" / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace("`podMonitor.jobLabel`", "`podMonitor.jobLable`"), encoding="utf-8")
    values = copy / "zai-exporter" / "values.yaml"
    text = values.read_text(encoding="utf-8")
    values.write_text(text.replace("  lastScrapeSeconds: 0", "  lastScrapeSeconds: 1"), encoding="utf-8")
    result = subprocess.run([sys.executable, copy / "build.py", "--check"], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 1
    named = {line.split(":")[0].removeprefix("helm/") for line in result.stdout.splitlines()}
    assert named == {*generated, "zai-exporter/README.md", "zai-exporter/values.yaml"}


@pytest.mark.parametrize("chart", [CHART, LIBRARY], ids=lambda path: path.name)
def test_the_versions_agree(chart):
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    cargo = re.search(r'^version = "(.+)"', (REPOSITORY / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert metadata["appVersion"] == cargo
    template = (LIBRARY / "templates" / "_sidecar.tpl").read_text(encoding="utf-8")
    assert re.search(r'define "zai-exporter-lib.appVersion" -}}\n(.*)\n', template)[1] == cargo


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "zai-exporter:0.1.0"),
        ({"registry": "registry.example.com:5000", "repository": "a/b", "tag": "v2"}, "registry.example.com:5000/a/b:v2"),
        ({"repository": "a/b", "tag": "v2", "digest": DIGEST}, f"a/b@{DIGEST}"),
    ],
)
def test_the_image(image, expected):
    daemon_set = one(render({"image": image, "daemonSet": {"enabled": True}}), "DaemonSet")
    assert daemon_set["spec"]["template"]["spec"]["containers"][0]["image"] == expected


def test_large_numbers_stay_whole():
    values = {"configMap": {"config": {"limits": {"line_bytes": 1048576}}}, "podMonitor": {"sampleLimit": 1000000}}
    manifests = render({**values, "dashboards": {"enabled": False}})
    assert "line_bytes: 1048576\n" in one(manifests, "ConfigMap")["data"]["config.yaml"]
    assert one(manifests, "PodMonitor")["spec"]["sampleLimit"] == 1000000


def test_the_thresholds_reach_the_rules():
    def rule(values, name):
        groups = one(render({"alerts": values}), "PrometheusRule")["spec"]["groups"]
        return [r for group in groups for r in group["rules"] if r.get("alert") == name]

    values = {"rules": {"ZaiRateLimited": {"threshold": 12.5, "for": "7m", "severity": "info"}, "ZaiUnknownErrors": {"enabled": False}}}
    (limited,) = rule(values, "ZaiRateLimited")
    assert "12.5" in limited["expr"] and limited["for"] == "7m" and limited["labels"]["severity"] == "info"
    assert rule(values, "ZaiUnknownErrors") == [] and rule({}, "ZaiUnknownErrors") != []


@pytest.mark.parametrize(
    ("values", "expected", "absent"),
    [
        ({}, ["The project publishes no image", "kube-prometheus-stack ignores", "five lines with zai-exporter-lib"], ["hostPath"]),
        ({"image": {"registry": "registry.example.com"}}, ["registry.example.com/zai-exporter:0.1.0"], ["publishes no image"]),
        ({"injection": {"enabled": True}}, ['zai-exporter/inject: "true"', "rollout restart"], ["five lines"]),
        ({"daemonSet": {"enabled": True}}, ["pod-security.kubernetes.io/enforce=privileged", "all namespaces"], []),
        ({"daemonSet": {"enabled": True, "namespaces": ["shop"]}}, ["(shop)"], ["all namespaces"]),
        ({"alertmanagerConfig": {"enabled": True}}, ["alertmanagerConfigMatcherStrategy"], []),
        (
            {"podMonitor": {"additionalLabels": {"release": "a"}}, "prometheusRule": {"additionalLabels": {"release": "a"}}},
            ["zai_exporter_build_info", "PodMonitor, PrometheusRule: with the labels"],
            ["kube-prometheus-stack", "ServiceMonitor"],
        ),
        # The DaemonSet has a monitor of its own.
        (
            {"daemonSet": {"enabled": True}, "podMonitor": LABELLED, "prometheusRule": LABELLED},
            ["kube-prometheus-stack", "--set serviceMonitor.additionalLabels.release="],
            ["podMonitor.additionalLabels", "prometheusRule.additionalLabels", "with the labels that you gave"],
        ),
        (
            {"daemonSet": {"enabled": True}, "podMonitor": LABELLED, "prometheusRule": LABELLED, "serviceMonitor": LABELLED},
            ["PodMonitor, PrometheusRule, ServiceMonitor: with the labels"],
            ["kube-prometheus-stack"],
        ),
        ({"podMonitor": {"enabled": False}, "prometheusRule": {"enabled": False}}, ["alerts/zai.rules.yaml"], ["placeholders", "serviceMonitor", "targets"]),
        (
            {"daemonSet": {"enabled": True}, "podMonitor": {"enabled": False}, "prometheusRule": {"enabled": False}},
            ["--set serviceMonitor.additionalLabels.release=", "zai_exporter_build_info"],
            ["podMonitor.additionalLabels", "serviceMonitor.enabled is off"],
        ),
        (
            {"daemonSet": {"enabled": True}, "podMonitor": {"enabled": False}, "prometheusRule": {"enabled": False}, "serviceMonitor": {"enabled": False}},
            ["serviceMonitor.enabled is off: scrape the port named zai-metrics of the Service zai-zai-exporter-node"],
            ["additionalLabels"],
        ),
        ({"podMonitor": {"enabled": False}}, ["alerts.rules.ZaiExporterDown.targets"], []),
        ({}, [], ["alerts.rules.ZaiExporterDown.targets"]),
        ({"dashboards": {"enabled": False}}, [], ["Grafana"]),
    ],
)
def test_the_notes_say_what_to_do_next(values, expected, absent):
    notes = rendered_files(values)["templates/NOTES.txt"]
    assert [text for text in expected if text not in notes] == []
    assert [text for text in absent if text in notes] == []


def test_labels_and_names_reach_every_object():
    values = {"commonLabels": {"team": "search"}, "fullnameOverride": "errors", "daemonSet": {"enabled": True}}
    manifests = render(values)
    assert all(m["metadata"]["labels"]["team"] == "search" for m in manifests)
    assert all(m["metadata"]["name"].startswith("errors") for m in manifests)
    assert len(of_kind(manifests, "ConfigMap")) > 1
