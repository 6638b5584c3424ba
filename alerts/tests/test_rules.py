"""The rules: what promtool says of them, that each alert is tested whole, and that its texts lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

import generate
from conftest import ALERTS

RULES = ALERTS / "zai.rules.yaml"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTING = [rule for group in GROUPS for rule in group["rules"] if "alert" in rule]
NAMES = sorted({rule["alert"] for rule in ALERTING})
TESTS = sorted((ALERTS / "tests").glob("*.yaml"))
EVENT_ALERTS = [rule for rule in ALERTING if "zai_api_error_last_seen" in rule["expr"] and rule["labels"]["zai_scope"] != "exporter"]


def run(command: list) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_promtool_finds_nothing_to_say(promtool):
    run([promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES])


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_promtool_tests_pass(promtool, path):
    run([promtool, "test", "rules", path])


def alert_tests(name: str):
    """(has alerts, test) of each alert_rule_test on this alert, over all files."""
    for path in TESTS:
        for group in yaml.load(path.read_text(), yaml.CSafeLoader)["tests"]:
            for test in group.get("alert_rule_test", []):
                if test["alertname"] == name:
                    yield bool(test["exp_alerts"]), test


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_a_positive_test_and_the_minute_before(name):
    minutes = {"fires": set(), "silent": set()}
    annotated = set()
    for fires, test in alert_tests(name):
        minute = int(re.fullmatch(r"(\d+)m", test["eval_time"])[1])
        minutes["fires" if fires else "silent"].add(minute)
        for alert in test["exp_alerts"]:
            annotated.add(frozenset(alert["exp_annotations"]))
    assert any(minute - 1 in minutes["silent"] for minute in minutes["fires"]), f"{name}: {minutes}"
    assert annotated == {frozenset(("summary", "description", "runbook_url", "dashboard_url"))}


def test_every_alert_is_in_its_conventions():
    for rule in ALERTING:
        assert re.fullmatch(r"Zai[A-Za-z]+", rule["alert"])
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url", "dashboard_url"}
        assert "{{" not in rule["annotations"]["summary"], f"{rule['alert']}: a summary is the same for all"
        assert "{{" in rule["annotations"]["description"] or rule["alert"] == "ZaiExporterAbsent"
        assert re.search(r"/d/zai-(overview|errors|exporter)\?viewPanel=\d+&from=", rule["annotations"]["dashboard_url"])


def test_events_page_by_the_time_in_the_log():
    """No alert on a single event goes by a counter: a restart or a scrape gap would fool it."""
    assert len(EVENT_ALERTS) == 8
    for rule in EVENT_ALERTS:
        assert rule["labels"]["severity"] == "critical"
        assert "increase(" not in rule["expr"]
        assert "zai_api_errors_total" not in rule["expr"]


# ---- runbooks -------------------------------------------------------------------------------------------------------

RUNBOOKS = ALERTS / "runbooks.md"


def runbooks() -> dict[str, str]:
    parts = re.split(r"^### (\w+)$", RUNBOOKS.read_text(), flags=re.M)
    return {name: text.split("\n## ")[0] for name, text in zip(parts[1::2], parts[2::2])}


def test_there_is_a_runbook_for_each_alert_and_no_other():
    assert sorted(runbooks()) == NAMES
    for rule in ALERTING:
        assert rule["annotations"]["runbook_url"].endswith(f"/runbooks.md#{rule['alert'].lower()}")


@pytest.mark.parametrize("name", NAMES)
def test_each_runbook_is_whole(name):
    text = runbooks()[name]
    titles = re.findall(r"^\*\*(\w+)\.\*\*", text, flags=re.M)
    assert titles == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    diagnosis = text.split("**Diagnosis.**")[1].split("**Mitigation.**")[0]
    assert re.search(r"^```promql\n", diagnosis, flags=re.M), "a diagnosis has queries to paste"


# ---- the one source -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", generate.FILES)
def test_the_plain_files_are_what_the_chart_gives(name):
    assert (ALERTS / name).read_text() == generate.file_text(name), "run `python alerts/generate.py`"


def test_the_charts_values_hold_the_same_alerts_section():
    """values-alerts.yaml documents the section; values.yaml is what Helm reads."""
    values = yaml.safe_load((generate.CHART / "values.yaml").read_text())
    assert values["alerts"] == yaml.safe_load((generate.CHART / "values-alerts.yaml").read_text())["alerts"]


def rules_with(values: dict) -> list[dict]:
    groups = yaml.safe_load(generate.render("zai-exporter.rules", {"alerts": values}))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_switches_severities_times_and_thresholds_can_be_set(promtool, tmp_path):
    values = {
        "interval": "30s",
        "selector": 'job=~"zai-.*"',
        "runbookBaseUrl": "https://wiki.example/zai",
        "dashboardBaseUrl": "https://grafana.example",
        "labels": {"team": "search"},
        "annotations": {"contact": "#search"},
        "eventWindow": "1h30m",
        "objective": 99.5,
        "rules": {
            "ZaiEndUserLocked": {"severity": "warning", "for": "1m", "keepFiringFor": "2h", "labels": {"team": "abuse"}},
            "ZaiExporterAbsent": {"enabled": False},
            "ZaiRateLimited": {"threshold": 12.5, "minCalls": 7, "annotations": {"contact": "#limits"}},
            "ZaiErrorBudgetBurn": {"slow": {"factor": 2, "severity": "info"}},
        },
    }
    text = generate.render("zai-exporter.rules", {"alerts": values})
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    run([promtool, "check", "rules", "--lint=all", "--lint-fatal", path])
    document = yaml.safe_load(text)
    assert {group["interval"] for group in document["groups"]} == {"30s"}
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    alerts = {rule["alert"]: rule for rule in rules if "alert" in rule}
    assert "ZaiExporterAbsent" not in alerts
    locked = alerts["ZaiEndUserLocked"]
    assert locked["labels"] == {"severity": "warning", "team": "abuse", "zai_scope": "end_user"}
    assert (locked["for"], locked["keep_firing_for"]) == ("1m", "2h")
    assert "[1h30m]" in locked["expr"] and "time() - 5400" in locked["expr"]
    assert locked["annotations"]["runbook_url"] == "https://wiki.example/zai#zaienduserlocked"
    assert locked["annotations"]["dashboard_url"].startswith("https://grafana.example/d/zai-overview?")
    limited = alerts["ZaiRateLimited"]
    assert "* 100 > 12.5" in limited["expr"] and ">= 7" in limited["expr"]
    assert (limited["labels"]["team"], limited["annotations"]["contact"]) == ("search", "#limits")
    assert alerts["ZaiErrorBudgetBurn"]["labels"]["severity"] == "info"  # the last of the three is the slow one
    assert "> 2 * (100 - 99.5)" in alerts["ZaiErrorBudgetBurn"]["expr"]
    for rule in rules:
        for selector in re.findall(r"\b(?:zai_\w+|up|process_\w+)\b(?![^{]*`)(\{[^}]*\}|)", rule["expr"]):
            assert 'job=~"zai-.*"' in selector, rule["expr"]


def test_a_list_of_excluded_conditions_can_be_set():
    budget = [rule for rule in rules_with({"budgetExcludedConditions": ["invalid_request"]}) if rule.get("record", "").startswith("zai:budget")]
    assert len(budget) == 2
    assert all('condition!~"invalid_request"' in rule["expr"] for rule in budget)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rules": {"ZaiBalanceExhaused": {"enabled": False}}}, 'alerts.rules has no alert "ZaiBalanceExhaused"; there are Zai'),
        ({"rules": {"ZaiRateLimited": {"treshold": 3}}}, 'alerts.rules.ZaiRateLimited has no setting "treshold"'),
        ({"rules": {"ZaiErrorBudgetBurn": {"fast": {"faktor": 3}}}}, 'alerts.rules.ZaiErrorBudgetBurn.fast has no setting "faktor"'),
        ({"rules": {"ZaiRateLimited": {"severity": "page"}}}, 'severity "page" is none of critical, warning, info'),
        ({"eventWindow": "a while"}, '"a while" is no duration such as 90s, 15m or 1h30m'),
        ({"objective": 90}, "alerts.objective 90 cannot be used"),
        ({"objective": 100}, "alerts.objective 100 cannot be used"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(Exception, match="alerts") as refusal:
        rules_with(values)
    assert message in str(refusal.value)


def test_the_headers_name_files_that_exist():
    for name in generate.FILES:
        for path in re.findall(r"helm/[\w./-]+", (ALERTS / name).read_text()):
            assert Path(ALERTS.parent, path.rstrip(".")).exists(), path
