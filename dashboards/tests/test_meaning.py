"""What the boards say is true: of a service that gets every documented error, of one that is well, and of none at all."""

import time

import pytest
import yaml
from board_files import Selection, load
from boards import overview, promql
from stack import RULES, wait_for

BROKEN = {"namespace": ["every-code"]}
WELL = {"namespace": ["shop"]}
NOWHERE = {
    "namespace": ["no-such-namespace"],
    "job": ["no-such-job"],
    "cluster": ["no-such-cluster"],
    "instance": ["nobody"],
}

TILES = {"Balance": 1, "Account": 2, "Quota": 3, "API key": 4, "Policy": 5, "Last OK": 6, "Alerts": 7, "Exporters": 8}
STATES = ("Balance", "Account", "Quota", "API key", "Policy")


def panel_of(uid: str, panel_id: int) -> dict:
    return next(panel for panel in load(uid)["panels"] if panel["id"] == panel_id)


def answer(stack, uid: str, panel_id: int, chosen: dict, query: int = 0, **selection) -> list[dict]:
    expression = panel_of(uid, panel_id)["targets"][query]["expr"]
    end = time.time()
    return stack.query(Selection(end=end, chosen=chosen, **selection).apply(load(uid), expression), end)


def tile(stack, name: str, chosen: dict, **selection) -> float | None:
    result = answer(stack, "zai-overview", TILES[name], chosen, **selection)
    return float(result[0]["value"][1]) if result else None


@pytest.mark.parametrize("name", ["Balance", "Account", "Quota", "Policy"])
def test_tile_is_red_where_the_error_is_seen(stack, name):
    assert tile(stack, name, BROKEN) == promql.NOW


def test_key_tile_is_orange_while_most_calls_are_accepted(stack):
    assert tile(stack, "API key", BROKEN) == promql.SOME


@pytest.mark.parametrize("name", STATES)
def test_tile_is_green_where_all_is_well(stack, name):
    assert tile(stack, name, WELL) == promql.OK


@pytest.mark.parametrize("name", STATES)
def test_tile_is_not_green_where_there_is_no_exporter(stack, name):
    assert tile(stack, name, NOWHERE) is None


def test_an_exporter_that_is_gone_is_missed_and_what_it_saw_is_not_forgotten(stack):
    ended = {"namespace": ["ended"]}
    assert tile(stack, "Exporters", ended) == 1
    assert tile(stack, "Balance", ended) == promql.NOW
    [row] = answer(stack, "zai-overview", 10, ended)
    assert row["metric"]["condition"] == "balance_exhausted"
    assert float(answer(stack, "zai-exporter", 2, ended)[0]["value"][1]) == 1


def test_tiles_of_exporters_success_and_alerts(stack):
    assert tile(stack, "Exporters", WELL) == 0
    assert tile(stack, "Exporters", NOWHERE) == -1
    assert 0 <= tile(stack, "Last OK", WELL) < 60
    assert tile(stack, "Last OK", NOWHERE) == -1
    assert tile(stack, "Alerts", BROKEN) > 0
    assert tile(stack, "Alerts", NOWHERE) == 0


def test_what_has_to_be_acted_on_is_listed_with_the_documented_solution(stack):
    rows = answer(stack, "zai-overview", 10, BROKEN)
    listed = {
        (row["metric"]["category"], row["metric"]["code"], row["metric"]["condition"]): row["metric"]["solution"]
        for row in rows
    }
    wanted = {
        (row["category"], row["code"], row["condition"]): row["solution"]
        for row in stack.rows
        if row["condition"] in overview.CONDITIONS and row["code"] != "1301"
    }
    assert listed == wanted
    newest = max(float(row["value"][1]) for row in rows) / 1000
    assert time.time() - 60 < newest <= time.time() + 1, "last seen is the time of the log line, in milliseconds"


def test_first_seen_is_before_last_seen_and_in_the_range(stack):
    first, last = (
        {
            row["metric"]["code"]: float(row["value"][1]) / 1000
            for row in answer(stack, "zai-overview", 10, BROKEN, query)
        }
        for query in (1, 0)
    )
    assert first.keys() == last.keys()
    for code in first:
        assert stack.start_of_data - 1 <= first[code] < last[code], code


def test_what_began_within_the_last_step_is_listed(stack):
    """On a long range a step is minutes; an alert or an account that failed a minute ago must not wait for it."""
    for panel, query in ((41, 0), (10, 1)):
        listed = answer(stack, "zai-overview", panel, BROKEN, query)
        within_a_step = answer(stack, "zai-overview", panel, BROKEN, query, step_seconds=86399)
        assert len(within_a_step) >= len(listed) > 0


def test_errors_are_counted_and_attributed(stack):
    now = answer(stack, "zai-overview", 10, BROKEN, 4)
    assert now and {float(row["value"][1]) for row in now} == {promql.NOW}
    counted = {row["metric"]["code"]: float(row["value"][1]) for row in answer(stack, "zai-overview", 10, BROKEN, 2)}
    pods = {row["metric"]["code"]: float(row["value"][1]) for row in answer(stack, "zai-overview", 10, BROKEN, 3)}
    assert counted["1113"] >= 2
    assert pods["1113"] == 1


def test_every_code_is_listed_with_its_documentation(stack):
    rows = {
        tuple(row["metric"][label] for label in promql.ROW): row["metric"]
        for row in answer(stack, "zai-errors", 10, BROKEN)
    }
    for row in stack.rows:
        found = rows.pop((row["category"], row["code"], row["condition"]))
        assert (found["message"], found["solution"]) == (row["message"], row["solution"])
    undocumented = rows.pop(("unknown", "1999", "unspecified"))
    assert "message" not in undocumented, "a code that is documented nowhere is listed, without text"
    assert rows == {}


def test_calls_are_failures_and_answers(stack):
    """Half of the calls of a service that gets every code in turn are answered; an answer logged twice is one call."""
    [share] = [float(row["value"][1]) for row in answer(stack, "zai-overview", 30, BROKEN, 0)]
    assert share == pytest.approx(0.5, abs=0.05)


def test_objective_is_the_one_chosen(stack):
    """Ten times the allowance, ten times slower burning."""

    def burnt(objective: str) -> float:
        [row] = answer(stack, "zai-errors", 41, BROKEN | {"objective": [objective]})
        return float(row["value"][1])

    strict, loose = burnt("0.999"), burnt("0.99")
    assert strict == pytest.approx(10 * loose, rel=0.05) and loose > 1


def test_a_chosen_instance_narrows_all_but_the_alerts(stack):
    chosen = {"instance": [f"127.0.0.1:{stack.ports['chat']}"]}
    rows = answer(stack, "zai-overview", 30, chosen)
    assert {row["metric"]["pod"] for row in rows} == {"chatbot-5f6b7c8d9-hq7ns"}


def test_earlier_is_told_from_now(stack):
    """Seen from an hour later, what happened is no longer now; with a range that reaches back it is still told."""
    expression = panel_of("zai-overview", TILES["Balance"])["targets"][0]["expr"]
    later = time.time() + 3600
    selection = Selection(end=later, range_seconds=7200, chosen=BROKEN)
    wait_for("the answer", lambda: stack.query("up"))
    [row] = stack.query(selection.apply(load("zai-overview"), expression), later)
    assert float(row["value"][1]) == promql.EARLIER
    listed = panel_of("zai-overview", 10)["targets"][4]["expr"]
    rows = stack.query(selection.apply(load("zai-overview"), listed), later)
    assert rows and {float(row["value"][1]) for row in rows} == {promql.EARLIER}


def test_a_service_that_fails_whole_now_is_told_from_one_that_failed_much(stack):
    """Seen over a long range, the share of the range hides that nothing works any more."""
    [failing] = answer(stack, "zai-overview", 30, {"namespace": ["ended"]}, 9, range_seconds=86400)
    assert float(failing["value"][1]) == 1
    [half] = answer(stack, "zai-overview", 30, BROKEN, 9)
    assert float(half["value"][1]) == pytest.approx(0.5, abs=0.1)


def test_table_of_exporters_has_the_one_that_is_down(stack):
    def column(query: int) -> dict[str, float]:
        return {row["metric"]["instance"]: float(row["value"][1]) for row in answer(stack, "zai-exporter", 10, {}, query)}

    up = column(9)
    down = f"127.0.0.1:{stack.ports['ended']}"
    assert {instance for instance, value in up.items() if value == 0} == {down}
    assert column(0).keys() == up.keys(), "each has its version, also the one that is down"


def test_errors_are_young_when_counted(stack):
    """The logs here are written with the time of writing."""
    ages = [float(row["value"][1]) for row in answer(stack, "zai-exporter", 23, {})]
    assert ages and all(-5 < age < 300 for age in ages)


def alerts() -> list[dict]:
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


def test_tiles_lead_to_the_runbook_of_an_alert_that_exists():
    names = {alert["alert"].lower() for alert in alerts()}
    for name in STATES:
        links = panel_of("zai-overview", TILES[name])["links"]
        assert links
        for link in links:
            address, _, anchor = link["url"].partition("#")
            assert address == "${runbooks}" and anchor in names
