"""Every expression names only metrics and labels that the exporter has, by a scrape of it."""

import re

import lint
import promql_parser
import pytest
from board_files import UIDS, expressions, load

# Prometheus itself adds these to what it scrapes, or makes them of the rules. Its operator calls the port of a target `endpoint`.
OF_PROMETHEUS = {"up": {"endpoint"}, "ALERTS": {"alertname", "alertstate", "severity", "pod", "instance"}}
OF_TARGETS = {"cluster", "namespace", "job", "instance", "pod"}
# Made by label_replace in the expressions themselves.
MADE = {"seen_as", "part", "why", "name"}


@pytest.fixture(scope="module")
def exported(stack):
    """Metric -> its labels."""
    text = stack.read_to_the_end("every-code")
    metrics: dict[str, set[str]] = {name: set() for name in re.findall(r"^# TYPE (\S+)", text, re.M)}
    for name, labels in re.findall(r"^([a-z_]+)(\{.*\})? \S+$", text, re.M):
        metrics.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    assert "zai_api_errors_total" in metrics and "zai_exporter_build_info" in metrics
    return metrics


def unknown(expression: str, board: dict, exported: dict[str, set[str]]):
    known = exported | OF_PROMETHEUS
    for node, _ in lint.walk(lint.parse(expression, board)):
        if isinstance(node, promql_parser.VectorSelector):
            if node.name not in known:
                yield f"metric {node.name}"
                continue
            for matcher in node.matchers.matchers:
                if matcher.name not in known[node.name] | OF_TARGETS:
                    yield f"label {matcher.name} of {node.name}"
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            below = {selector.name for selector, _ in lint.selectors(node)}
            there = OF_TARGETS | MADE | set().union(*(known.get(name, set()) for name in below))
            for label in set(node.modifier.labels) - there:
                yield f"label {label} of {', '.join(sorted(below))}"


@pytest.mark.parametrize("uid", UIDS)
def test_all_metrics_and_labels_exist(uid, exported):
    board = load(uid)
    strangers = [
        f"{place}: {what}" for place, expression in expressions(board) for what in unknown(expression, board, exported)
    ]
    assert strangers == []


@pytest.mark.parametrize(
    "expression",
    [
        "zai_api_error_total",
        'zai_api_errors_total{kind="account"}',
        "sum by (kind) (zai_api_errors_total)",
    ],
)
def test_a_name_that_the_exporter_has_not_is_found(expression, exported):
    assert list(unknown(expression, load("zai-overview"), exported))


def test_every_metric_of_the_exporter_is_on_a_board(exported):
    """What is worth exporting is worth a look; process metrics are the usual ones, and some are enough."""
    shown = {
        selector.name
        for uid in UIDS
        for _, expression in expressions(load(uid))
        for selector, _ in lint.selectors(lint.parse(expression, load(uid)))
    }
    own = {name for name in exported if name.startswith("zai_")}
    assert own - shown == set()
