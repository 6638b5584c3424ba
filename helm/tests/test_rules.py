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
