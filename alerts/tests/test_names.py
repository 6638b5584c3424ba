"""Every metric, label and label value that the rules and runbooks name is one that the exporter has."""

import json
import re
import subprocess

import promql_parser
import pytest
import yaml

from conftest import ALERTS
from stack import Process, free_port, get

GROUPS = yaml.safe_load((ALERTS / "zai.rules.yaml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}

# What Prometheus makes itself, and the labels that a scrape configuration gives.
OF_PROMETHEUS = {"up", "ALERTS", "ALERTS_FOR_STATE"}
OF_THE_SCRAPE = {"cluster", "namespace", "job", "pod", "instance", "container", "endpoint"}
# Values that appear when they are first seen: statuses in no documented row, codes in no table.
WHEN_SEEN = {("code", "403"), ("code", "400"), ("category", "unknown")}


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """Every selector in an expression."""
    found, waiting = [], [promql_parser.parse(expression)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)
        elif isinstance(node, promql_parser.BinaryExpr):
            waiting += [node.lhs, node.rhs]
        elif isinstance(node, promql_parser.Call):
            waiting += node.args
        elif isinstance(node, (promql_parser.AggregateExpr, promql_parser.ParenExpr, promql_parser.SubqueryExpr, promql_parser.UnaryExpr)):
            waiting.append(node.expr)
    return found


def queries_in_templates(text: str) -> list[str]:
    """The queries that an annotation makes, their gaps filled."""
    return [query.replace("%q", '"x"') for query in re.findall(r"printf `([^`]*)`", text)]


def expressions() -> list[tuple[str, str]]:
    """(where, expression) of all that is asked in rules, their texts, and runbooks."""
    found = []
    for rule in RULES:
        name = rule.get("alert") or rule["record"]
        found.append((name, rule["expr"]))
        for text in rule.get("annotations", {}).values():
            found += [(f"{name}, annotation", query) for query in queries_in_templates(text)]
    runbooks = (ALERTS / "runbooks.md").read_text()
    for block in re.findall(r"^```promql\n(.*?)^```", runbooks, flags=re.M | re.S):
        found += [("runbooks.md", query) for query in block.strip().split("\n\n")]
    return found


@pytest.fixture(scope="module")
def scrape(tmp_path_factory, exporter) -> dict[str, list[dict]]:
    """Metric -> the labels of its series, from /metrics of an exporter that has seen no error, and what one shows besides whose logs
    have more values of a label than it may keep apart."""
    folder = tmp_path_factory.mktemp("scrape")
    found = series_of(exporter, folder / "one", "")
    crowded = series_of(exporter, folder / "crowded", "limits: {label_values: 1}\n")
    assert crowded.keys() - found.keys() == {"zai_exporter_label_values_folded_total"}
    return crowded | found


def series_of(exporter, folder, limits: str) -> dict[str, list[dict]]:
    """What an exporter shows that follows two empty logs, each a value of a label where there are limits."""
    (folder / "state").mkdir(parents=True)
    (folder / "a.log").touch()
    (folder / "b.log").touch()
    labels = "    path_labels: '/(?<service>[ab])\\.log$'\n" if limits else ""
    (folder / "config.yaml").write_text(f"sources:\n  - paths: ['{folder}/*.log']\n{labels}{limits}")
    port = free_port()
    process = Process(
        "exporter",
        folder,
        [
            exporter,
            "serve",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--state.dir={folder / 'state'}",
            f"--config.file={folder / 'config.yaml'}",
        ],
        f"http://127.0.0.1:{port}/-/ready",
    )
    try:
        process.wait_ready()
        text = get(f"http://127.0.0.1:{port}/metrics")
    finally:
        process.stop()
    found: dict[str, list[dict]] = {}
    for name, pairs in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, flags=re.M):
        found.setdefault(name, []).append(dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', pairs)))
    return found


def test_expressions_are_found():
    places = {where for where, _ in expressions()}
    assert {"ZaiBalanceExhausted", "ZaiBalanceExhausted, annotation", "runbooks.md"} <= places


def test_every_metric_is_one_of_the_exporter(scrape):
    for where, expression in expressions():
        for selector in selectors(expression):
            assert selector.name in scrape.keys() | RECORDED | OF_PROMETHEUS, f"{where}: {selector.name}"


def labels_of(name: str, scrape: dict) -> set[str]:
    return {label for series in scrape[name] for label in series}


# The labels of what is recorded, from the metric that it sums up.
SUMMED_UP = {"zai:api_errors": "zai_api_errors_total", "zai:finish_reasons": "zai_finish_reasons_total"}


def test_every_matcher_names_a_label_and_a_value_of_the_exporter(scrape):
    checked = 0
    for where, expression in expressions():
        for selector in selectors(expression):
            metric = SUMMED_UP.get((selector.name or "").rsplit(":", 1)[0], selector.name)
            for matcher in selector.matchers.matchers:
                if matcher.name in OF_THE_SCRAPE or metric not in scrape:
                    continue
                assert matcher.name in labels_of(metric, scrape), f"{where}: {metric} has no label {matcher.name}"
                values = {series[matcher.name] for series in scrape[metric] if matcher.name in series}
                for wanted in matcher.value.split("|"):
                    if (matcher.name, wanted) not in WHEN_SEEN:
                        assert any(re.fullmatch(wanted, value) for value in values), f"{where}: {matcher.name}={wanted!r} is no value of {metric}"
                    checked += 1
    assert checked > 100


def test_every_label_that_is_summed_by_or_joined_on_exists(scrape):
    known = OF_THE_SCRAPE | {label for name in scrape for label in labels_of(name, scrape)} | {"seen_as"}
    for where, expression in expressions():
        for labels in re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", expression):
            for label in filter(None, re.split(r",\s*", labels)):
                assert label in known, f"{where}: {label}"


def catalogue(exporter) -> list[dict]:
    done = subprocess.run([exporter, "catalogue", "--output", "json"], capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    return rows if isinstance(rows, list) else rows["rows"]


def test_every_documented_row_is_watched_by_some_alert(exporter):
    """An alert selects each row of the catalogue, so that none is counted and never told."""
    watched = []
    for rule in RULES:
        if "alert" in rule and rule["alert"] != "ZaiErrorBudgetBurn":
            watched += [selector.matchers.matchers for _, text in [("", rule["expr"])] for selector in selectors(text)
                        if (selector.name or "").startswith(("zai_api_error_last_seen", "zai:api_errors")) and selector.matchers.matchers]

    def holds(matcher, row):
        operator, value = str(matcher.op), row.get(matcher.name, "")
        matched = re.fullmatch(matcher.value, value) if "Re" in operator else matcher.value == value
        return bool(matched) != ("Not" in operator)

    rows = catalogue(exporter)
    assert len(rows) > 50
    for row in rows:
        assert any(all(holds(matcher, row) for matcher in matchers) for matchers in watched), row
