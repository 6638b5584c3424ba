"""The PrometheusRule that the chart gives, held against Prometheus' own tool and against the tests of the alerts."""

import shutil
import subprocess

import pytest
import yaml

from charts import CI_NAMES, REPOSITORY, ci_values, of_kind, one, render

ALERTS = REPOSITORY / "alerts"
WITH_RULES = [name for name in CI_NAMES if ci_values(name).get("prometheusRule", {}).get("enabled", True)]


def run(*command) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", WITH_RULES)
def test_promtool_takes_the_rules(name, promtool, tmp_path):
    (rule,) = of_kind(render(ci_values(name)), "PrometheusRule")
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rule["spec"]), encoding="utf-8")
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", path)


def test_the_rules_of_the_default_values_are_those_that_the_alerts_are_tested_with():
    """alerts/tests run against alerts/zai.rules.yaml; the chart gives the same, so what holds there holds here."""
    assert yaml.safe_load((ALERTS / "zai.rules.yaml").read_text(encoding="utf-8")) == one(render({}), "PrometheusRule")["spec"]


def test_the_rules_of_the_default_values_pass_a_test_of_the_alerts(promtool, tmp_path):
    """The tests of all alerts on single events, run on what was rendered; the others take minutes, and run in alerts/."""
    test = ALERTS / "tests" / "events.yaml"
    assert yaml.safe_load(test.read_text(encoding="utf-8"))["rule_files"] == ["../zai.rules.yaml"]
    rule = one(render({}), "PrometheusRule")
    (tmp_path / "zai.rules.yaml").write_text(yaml.safe_dump(rule["spec"]), encoding="utf-8")
    (tmp_path / "tests").mkdir()
    shutil.copy(test, tmp_path / "tests")
    run(promtool, "test", "rules", tmp_path / "tests" / test.name)


SELECTORS = ['job="foo"', 'job=~"zai-.*",cluster!="eu"', 'job = "foo" , team!~"a|b,}c"', r'job=~"a\\d[[:alpha:]]+\u4e00",team=""']


@pytest.mark.parametrize("selector", SELECTORS)
def test_promtool_takes_the_rules_with_a_selector(selector, promtool, tmp_path):
    rule = one(render({"alerts": {"selector": selector, "rules": {"ZaiExporterDown": {"targets": selector}}}}), "PrometheusRule")
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rule["spec"]), encoding="utf-8")
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", path)
    rules = {r.get("alert"): r for group in rule["spec"]["groups"] for r in group["rules"]}
    assert f"zai_exporter_lag_bytes{{{selector}}}" in rules["ZaiExporterLagging"]["expr"]
    assert f"up{{{selector},{selector}}} == 0" in rules["ZaiExporterDown"]["expr"]


def up(job: str, endpoint: str, values: str) -> dict:
    return {"series": f'up{{namespace="shop",job="{job}",instance="{job}",pod="{job}",endpoint="{endpoint}"}}', "values": values}


def test_the_exporters_that_are_down_are_known_by_the_port_of_the_chart_or_by_what_is_said(promtool, tmp_path):
    port = one(render({"podMonitor": {}}), "PodMonitor")["spec"]["podMetricsEndpoints"][0]["port"]
    assert port == one(render({"daemonSet": {"enabled": True}}), "ServiceMonitor")["spec"]["endpoints"][0]["port"]
    series = [up("operator", port, "0x30"), up("own", "", "0x30"), up("other", "", "0x30")]
    firing(promtool, tmp_path, {}, "ZaiExporterDown", series, {'{job="operator"}'}, "group by (job)")
    values = {"alerts": {"rules": {"ZaiExporterDown": {"targets": 'job="own"'}}}}
    firing(promtool, tmp_path, values, "ZaiExporterDown", series, {'{job="own"}'}, "group by (job)")


def firing(promtool, tmp_path, values: dict, alert: str, series: list[dict], expected: set[str], by: str) -> None:
    """Renders the rules with the values and asks promtool which of an alert fire after half an hour."""
    rule = one(render(values), "PrometheusRule")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]), encoding="utf-8")
    test = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {
                "expr": f'{by} (ALERTS{{alertname="{alert}",alertstate="firing"}})',
                "eval_time": "30m",
                "exp_samples": [{"labels": labels, "value": 1} for labels in sorted(expected)],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}), encoding="utf-8")
    run(promtool, "test", "rules", tmp_path / "test.yaml")


SERVICE = "zai-zai-exporter-node"
NARROWED = [{"namespaces": ["shop"]}, {"config": {"sources": [{"paths": ["/var/log/pods/shop_*/*/*.log"]}]}}]


def followed(instance: str, files: int, job: str = "zai-exporter", **labels: str) -> list[dict]:
    of = ",".join(f'{name}="{value}"' for name, value in {"namespace": "monitoring", "job": job, "instance": instance, "pod": instance, **labels}.items())
    return [
        {"series": f"zai_exporter_files_followed{{{of}}}", "values": f"{files}x30"},
        {"series": f"zai_exporter_files_waiting{{{of}}}", "values": "0x30"},
    ]


@pytest.mark.parametrize("narrowed", NARROWED, ids=lambda section: "-".join(section))
def test_a_node_with_nothing_to_follow_is_no_fault_where_the_daemonset_is_narrowed(narrowed, promtool, tmp_path):
    values = {"daemonSet": {"enabled": True, **narrowed}}
    assert one(render(values), "Service")["metadata"]["name"] == SERVICE
    nodes = followed("node-1", 3, service=SERVICE) + followed("node-2", 0, service=SERVICE)
    # A sidecar of the same job, whose target has no Service; and exporters that another one scrapes.
    others = followed("sidecar", 0) + followed("unit", 0, job="unit", service="another")
    firing(promtool, tmp_path, values, "ZaiExporterNoLogFile", nodes + others, {'{pod="sidecar"}', '{pod="unit"}'}, "group by (pod)")
    # No node follows anything: the paths are wrong. One alert, of none of them.
    nodes = followed("node-1", 0, service=SERVICE) + followed("node-2", 0, service=SERVICE)
    firing(promtool, tmp_path, values, "ZaiExporterNoLogFile", nodes, {'{job="zai-exporter"}'}, "group by (job, pod)")


def test_a_node_that_waits_for_a_named_file_is_one_whether_narrowed_or_not(promtool, tmp_path):
    waits = followed("node-1", 3, service=SERVICE)
    waits[1]["values"] = "1x30"
    firing(promtool, tmp_path, {"daemonSet": {"enabled": True, **NARROWED[0]}}, "ZaiExporterNoLogFile", waits, {'{pod="node-1"}'}, "group by (pod)")


@pytest.mark.parametrize("values", [{}, {"daemonSet": {"enabled": True}}, {"daemonSet": {"enabled": False, **NARROWED[0]}}], ids=str)
def test_an_exporter_with_nothing_to_follow_is_a_fault_where_no_daemonset_is_narrowed(values, promtool, tmp_path):
    # Where all namespaces are followed, a node has at least the log of the exporter itself.
    nodes = followed("node-1", 3, service=SERVICE) + followed("node-2", 0, service=SERVICE)
    firing(promtool, tmp_path, values, "ZaiExporterNoLogFile", nodes, {'{pod="node-2"}'}, "group by (pod)")


def test_the_text_of_the_alert_names_the_daemonset_where_no_node_has_anything_to_follow():
    rule = one(render({"daemonSet": {"enabled": True, **NARROWED[0]}}), "PrometheusRule")
    alert = next(r for group in rule["spec"]["groups"] for r in group["rules"] if r.get("alert") == "ZaiExporterNoLogFile")
    text = alert["annotations"]["description"]
    assert text.startswith("{{ with $labels.instance }}The zai-exporter {{ . }}{{ with $labels.pod }} in pod {{ . }}{{ end }}{{ else }}Each zai-exporter")
    assert f"of the DaemonSet {SERVICE}{{{{ end }}}} of {{{{ $labels.job }}}}" in text
