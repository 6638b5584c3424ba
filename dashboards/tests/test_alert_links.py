"""Each alert opens the panel that shows it, with what is chosen at the top of the board; and a link that leads elsewhere is found."""

import re

import pytest
import yaml
from alert_links import complaints, opened_by
from board_files import load
from stack import RULES, catalogue

RULES_OF_ALL = [
    rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
RECORDED = {rule["record"]: rule["expr"] for rule in RULES_OF_ALL if "record" in rule}
ALERTS = [rule for rule in RULES_OF_ALL if "alert" in rule]


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return catalogue()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert['alert']}-{alert['labels'].get('long_window', '')}")
def test_alert_opens_the_panel_that_shows_it(alert, rows):
    url = alert["annotations"]["dashboard_url"]
    assert list(complaints(url, alert["expr"], RECORDED, rows)) == []
    variables = {variable["name"] for variable in load(opened_by(url)[0])["templating"]["list"]}
    assert set(re.findall(r"&var-(\w+)=", url)) == {"cluster", "namespace", "job", "instance"} <= variables


MISLED = {
    "a board that there is not": ("ZaiBalanceExhausted", "zai-accounts?viewPanel=10", "no board zai-accounts"),
    "no panel": ("ZaiBalanceExhausted", "zai-overview?", "no panel None"),
    "a panel that there is not": ("ZaiBalanceExhausted", "zai-overview?viewPanel=99", "no panel 99"),
    "a heading": ("ZaiErrorBudgetBurn", "zai-errors?viewPanel=901", "no panel 901"),
    "a panel of another metric": ("ZaiExporterLagging", "zai-exporter?viewPanel=50", "does not show zai_exporter_lag_bytes"),
    "a panel of one of two ways": ("ZaiExporterReadErrors", "zai-exporter?viewPanel=5", "zai_exporter_abandoned_bytes_total"),
    "a panel of other conditions": ("ZaiUnknownErrors", "zai-overview?viewPanel=10", "leaves out zai_api_errors_total"),
    "a panel without streams": ("ZaiServerErrorsHigh", "zai-errors?viewPanel=20", "does not show zai_finish_reasons_total"),
}


@pytest.mark.parametrize("misled", MISLED)
def test_a_link_that_leads_elsewhere_is_complained_of(misled, rows):
    name, target, says = MISLED[misled]
    expression = next(alert["expr"] for alert in ALERTS if alert["alert"] == name)
    url = f"https://grafana.example/d/{target}&from=now-6h".replace("?&", "?")
    assert any(says in complaint for complaint in complaints(url, expression, RECORDED, rows))
