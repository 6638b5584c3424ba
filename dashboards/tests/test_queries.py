"""Every query of every panel and variable is sent to a real Prometheus that scrapes real exporters, and has an answer."""

import math
import re
import time

import pytest
import requests
from board_files import UIDS, Selection, label_values, load, query_variables, targets

PLACES = {
    # Nothing chosen, as a board opens.
    "all": {},
    # A laptop: no cluster, namespace or pod, found by its job.
    "laptop": {"job": ["laptop"]},
    # An empty value is what a link from an alert without that label gives.
    "empty labels": {"cluster": [""], "namespace": [""], "job": ["laptop"]},
    # Several values, as a regular expression.
    "several": {"namespace": ["every-code", "shop"], "job": ["zai-exporter"]},
}


def ask(stack, board, target, selection) -> list[dict]:
    query = selection.apply(board, target["expr"])
    if target["instant"]:
        parameters, path = {"query": query, "time": selection.end}, "query"
    else:
        parameters = {"query": query, "start": selection.end - 60, "end": selection.end, "step": selection.step_seconds}
        path = "query_range"
    answer = requests.get(f"{stack.prometheus}/api/v1/{path}", params=parameters, timeout=60).json()
    assert answer["status"] == "success", f"{query}: {answer.get('error')}"
    return answer["data"]["result"]


def numbers(series: dict) -> list[float]:
    pairs = series["values"] if "values" in series else [series["value"]]
    return [value for value in (float(text) for _, text in pairs) if not math.isnan(value)]


CASES = [
    pytest.param(uid, panel, target, id=f"{uid}-{panel['id']}-{target['refId']}")
    for uid in UIDS
    for panel, target in targets(load(uid))
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("uid, panel, target", CASES)
def test_query_has_an_answer(stack, uid, panel, target, place):
    selection = Selection(end=time.time(), chosen=PLACES[place])
    answer = ask(stack, load(uid), target, selection)
    assert any(numbers(series) for series in answer), f"{panel['title']}, query {target['refId']}: no data"


@pytest.mark.parametrize("uid, panel, target", CASES)
def test_query_has_the_labels_of_its_legend(stack, uid, panel, target):
    named = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", "")))
    answer = ask(stack, load(uid), target, Selection(end=time.time()))
    for label in named:
        assert any(label in series["metric"] for series in answer), f"no series has the label {label} of the legend"


@pytest.mark.parametrize("uid", UIDS)
def test_columns_of_tables_exist(stack, uid):
    """A column that no query gives would be missing without a word."""
    board = load(uid)
    for panel in board["panels"]:
        if panel["type"] != "table":
            continue
        named = next(step for step in panel["transformations"] if step["id"] == "filterFieldsByName")["options"][
            "include"
        ]["names"]
        given = (
            {"Value"} if len(panel["targets"]) == 1 else {f"Value #{target['refId']}" for target in panel["targets"]}
        )
        for target in panel["targets"]:
            for series in ask(stack, board, target, Selection(end=time.time())):
                given |= series["metric"].keys()
        # Alerts of a Pod are of the exporter itself; none of those fires here.
        assert set(named) - given <= ({"pod"} if panel["title"] == "Alerts that fire now" else set()), panel["title"]


@pytest.mark.parametrize(
    "uid, variable",
    [
        pytest.param(uid, variable, id=f"{uid}-{variable['name']}")
        for uid in UIDS
        for variable in query_variables(load(uid))
    ],
)
def test_variable_has_choices(stack, uid, variable):
    selector, label = label_values(variable)
    board = load(uid)
    answer = requests.get(
        f"{stack.prometheus}/api/v1/label/{label}/values",
        params={"match[]": Selection(end=time.time()).apply(board, selector)},
        timeout=60,
    ).json()
    wanted = {
        "cluster": {"prod-eu", "staging"},
        "namespace": {"shop", "support", "every-code", "ended"},
        "job": {"zai-exporter", "laptop"},
        "instance": {f"127.0.0.1:{port}" for port in stack.ports.values()},
    }
    assert set(answer["data"]) == wanted[label]


@pytest.mark.parametrize("uid", UIDS)
def test_annotation_marks_firing_alerts(stack, uid):
    board = load(uid)
    for annotation in board["annotations"]["list"]:
        answer = stack.query(Selection(end=time.time()).apply(board, annotation["expr"]))
        shown = set(re.findall(r"\{\{(\w+)\}\}", annotation["titleFormat"]))
        assert any(shown <= series["metric"].keys() for series in answer)
