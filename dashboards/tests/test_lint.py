"""No rule complains about a board, and each rule complains about a board that breaks it."""

import copy
import json

import lint
import pytest
import yaml
from board_files import FOLDER, UIDS, load
from boards.kit import RUNBOOKS


@pytest.mark.parametrize("rule", lint.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("uid", UIDS)
def test_board_keeps_the_rule(uid, rule):
    assert list(rule(load(uid))) == []


def first_panel(board, kind="timeseries"):
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def variable(board, name):
    return next(each for each in board["templating"]["list"] if each["name"] == name)


def first_expression(board, expression):
    first_panel(board)["targets"][0]["expr"] = expression


NARROWED = 'cluster=~"$cluster", namespace=~"$namespace", job=~"$job", instance=~"$instance"'

BREAKAGES = [
    (lint.template_datasource, lambda board: board["templating"]["list"].pop(0)),
    (lint.template_labels, lambda board: board["templating"]["list"].remove(variable(board, "job"))),
    (lint.template_labels, lambda board: variable(board, "namespace").update(allValue=".+")),
    (lint.template_reload, lambda board: variable(board, "job").update(refresh=1)),
    (lint.panel_datasource, lambda board: first_panel(board).update(datasource={"type": "prometheus", "uid": "abc"})),
    (lint.panel_title_and_description, lambda board: first_panel(board).update(title="")),
    (lint.panel_title_and_description, lambda board: first_panel(board).pop("description")),
    (lint.panel_units, lambda board: first_panel(board)["fieldConfig"]["defaults"].pop("unit")),
    (lint.panel_units, lambda board: first_panel(board)["fieldConfig"]["defaults"].update(unit="furlongs")),
    (lint.panel_targets, lambda board: first_panel(board).update(targets=[])),
    (lint.panel_targets, lambda board: first_panel(board)["targets"].append(first_panel(board)["targets"][0])),
    (lint.target_promql, lambda board: first_expression(board, "sum(")),
    (lint.target_promql, lambda board: first_expression(board, 'up{job=~"$jobb"}')),
    (
        lint.target_rate_interval,
        lambda board: first_expression(board, f"sum(rate(zai_api_errors_total{{{NARROWED}}}[3m]))"),
    ),
    (
        lint.target_rate_interval,
        lambda board: first_expression(board, f"sum(increase(zai_api_errors_total{{{NARROWED}}}[$__range]))"),
    ),
    (
        lint.target_labels,
        lambda board: first_expression(board, 'sum(rate(zai_api_errors_total{job=~"$job"}[$__rate_interval]))'),
    ),
    (lint.target_labels, lambda board: first_expression(board, "sum(rate(zai_api_errors_total[$__rate_interval]))")),
    (lint.target_counters, lambda board: first_expression(board, f"sum(zai_api_errors_total{{{NARROWED}}})")),
    (
        lint.target_counters,
        lambda board: first_expression(board, f"rate(zai_api_errors_total{{{NARROWED}}}[$__rate_interval])"),
    ),
    (lint.uneditable, lambda board: board.update(editable=True)),
    (lint.identity, lambda board: board.update(id=3)),
    (lint.identity, lambda board: board.update(tags=[])),
    (lint.identity, lambda board: board.update(links=[])),
    # In a DaemonSet the namespaces of calls and those of exporters are not the same.
    (lint.identity, lambda board: board["links"][-1].update(includeVars=True)),
    (lint.identity, lambda board: board["links"][-1].update(url=board["links"][-1]["url"] + "&${namespace:queryparam}")),
    (lint.identity, lambda board: board["links"][0].update(tags=["zai"])),
    (lint.identity, lambda board: board.update(schemaVersion=16)),
    (lint.layout, lambda board: first_panel(board).update(id=board["panels"][0]["id"])),
    (lint.layout, lambda board: first_panel(board)["gridPos"].update(y=0)),
    (lint.layout, lambda board: first_panel(board)["gridPos"].update(x=20)),
    (lint.tables_keep_codes, lambda board: first_panel(board, "table")["fieldConfig"]["defaults"].update(unit="short")),
    (
        lint.tiles_say_nothing_is_there,
        lambda board: first_panel(board, "stat")["fieldConfig"]["defaults"].pop("noValue"),
    ),
]


@pytest.mark.parametrize(
    "rule, breakage", BREAKAGES, ids=[f"{rule.__name__}-{index}" for index, (rule, _) in enumerate(BREAKAGES)]
)
def test_rule_complains_about_a_board_that_breaks_it(rule, breakage):
    board = copy.deepcopy(load("zai-overview"))
    breakage(board)
    assert list(rule(board)), f"{rule.__name__} has nothing against it"


def test_no_rule_is_without_a_breakage():
    assert {rule for rule, _ in BREAKAGES} == set(lint.RULES)


@pytest.mark.parametrize("uid", UIDS)
def test_no_variable_is_chosen_for_nothing(uid):
    board = load(uid)
    text = json.dumps({key: value for key, value in board.items() if key != "templating"})
    for variable in board["templating"]["list"]:
        assert f"${variable['name']}" in text or f"${{{variable['name']}" in text, variable["name"]


def test_the_address_of_the_runbooks_is_written_once():
    """The README says how to replace it, and the chart's alerts have the same default."""
    assert json.dumps(load("zai-overview")).count(RUNBOOKS) == 1
    values = yaml.safe_load((FOLDER.parent / "helm" / "zai-exporter" / "values.yaml").read_text(encoding="utf-8"))
    assert values["alerts"]["runbookBaseUrl"] == RUNBOOKS
