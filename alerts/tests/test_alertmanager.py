"""The Alertmanager examples: what Alertmanager's own tools say of them, where alerts go, and what holds what back."""

import json
import subprocess
import urllib.request

import pytest
import yaml

import generate
from conftest import ALERTS
from stack import OPENER, Process, free_port, get, wait_for

EXAMPLE = ALERTS / "alertmanager.example.yaml"
OPERATOR = ALERTS / "alertmanagerconfig.example.yaml"
RULES = [rule for group in yaml.safe_load((ALERTS / "zai.rules.yaml").read_text())["groups"] for rule in group["rules"]]
ALERTING = [rule for rule in RULES if "alert" in rule]


def test_amtool_accepts_the_example(amtool):
    done = subprocess.run([amtool, "check-config", EXAMPLE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def receiver(labels: dict) -> str:
    """Where an alert with these labels is to go."""
    return {"critical": "page", "warning": "ticket"}.get(labels["severity"], "null")


@pytest.mark.parametrize("rule", ALERTING, ids=lambda rule: "-".join([rule["alert"], *rule["labels"].values()]))
def test_each_alert_goes_to_its_receiver(amtool, rule):
    labels = {"alertname": rule["alert"], **rule["labels"]}
    command = [amtool, "config", "routes", "test", f"--config.file={EXAMPLE}", f"--verify.receivers={receiver(labels)}"]
    command += [f"{name}={value}" for name, value in labels.items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_other_alerts_are_left_alone(amtool):
    command = [amtool, "config", "routes", "test", f"--config.file={EXAMPLE}", "--verify.receivers=default"]
    done = subprocess.run([*command, "alertname=DiskFull", "severity=critical"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_dead_account_is_one_page_for_all_services():
    account, other = yaml.safe_load(EXAMPLE.read_text())["route"]["routes"][0]["routes"][:2]
    assert account["group_by"] == ["cluster", "alertname"]
    assert other["group_by"] == ["cluster", "namespace", "job", "alertname"]


@pytest.fixture(scope="module")
def running(tmp_path_factory, alertmanager):
    """The example, in Alertmanager; its receivers lead nowhere, since only what it holds back is asked."""
    folder = tmp_path_factory.mktemp("alertmanager")
    config = yaml.safe_load(EXAMPLE.read_text())
    for entry in config["receivers"]:
        entry.pop("webhook_configs", None)
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    process = Process(
        "alertmanager",
        folder,
        [
            alertmanager,
            f"--config.file={folder / 'alertmanager.yaml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
        ],
        f"http://{address}/-/ready",
    )
    try:
        process.wait_ready()
        yield f"http://{address}/api/v2/alerts"
    finally:
        process.stop()


ACCOUNT_ALERTS = [rule["alert"] for rule in ALERTING if rule["labels"]["zai_scope"] == "account"]
FOLLOWS = [
    "ZaiAccountAccessErrors",
    "ZaiAuthenticationErrors",
    "ZaiErrorBudgetBurn",
    "ZaiRateLimited",
    "ZaiServerErrorsHigh",
]
EXPORTER_ALERTS = [rule["alert"] for rule in ALERTING if rule["alert"].startswith("ZaiExporter")]


def send(url: str, alerts: list[dict]) -> None:
    body = json.dumps([{"labels": labels} for labels in alerts]).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"}, method="POST")
    with OPENER.open(request, timeout=5) as answer:
        assert answer.status == 200


def known(url: str, namespace: str) -> list[dict]:
    return [alert for alert in json.loads(get(url)) if alert["labels"].get("namespace") == namespace]


def held_back(url: str, namespace: str, alerts: list[dict]) -> set[tuple[str, str]]:
    """Sends alerts and returns (alertname, severity) of those that are inhibited.

    Alertmanager learns of causes one after the other, in the order in which they came. So a last pair is sent after all
    others, of which is known that the one holds back the other: once it does, the others have been seen.
    """
    send(url, [{"cluster": "eu", "namespace": namespace, "job": "assistant", **labels} for labels in alerts])
    last = {"cluster": "eu", "namespace": f"{namespace}-last", "job": "assistant"}
    send(url, [{**last, **labels_of("ZaiBalanceExhausted")}, {**last, **labels_of("ZaiRateLimited")}])
    wait_for(
        "Alertmanager to have seen all alerts",
        lambda: any(alert["status"]["inhibitedBy"] for alert in known(url, last["namespace"])),
    )
    found = known(url, namespace)
    assert len(found) == len(alerts)
    return {
        (alert["labels"]["alertname"], alert["labels"]["severity"]) for alert in found if alert["status"]["inhibitedBy"]
    }


def labels_of(name: str, **more: str) -> dict:
    rule = next(rule for rule in ALERTING if rule["alert"] == name)
    return {"alertname": name, **rule["labels"], **more}


@pytest.mark.parametrize("cause", ACCOUNT_ALERTS)
def test_a_dead_account_holds_back_what_follows_from_it(running, cause):
    others = ["ZaiPolicyBlocked", "ZaiApiOffline", "ZaiBadRequestsHigh", "ZaiExporterDown"]
    sent = [labels_of(name) for name in [cause, *FOLLOWS, *others]]
    assert {name for name, _ in held_back(running, f"dead-{cause.lower()}", sent)} == set(FOLLOWS)


def test_what_follows_in_another_service_is_told(running):
    assert not held_back(running, "another", [labels_of("ZaiBalanceExhausted", job="other"), *map(labels_of, FOLLOWS)])


def test_without_a_dead_account_nothing_is_held_back(running):
    assert not held_back(running, "alive", [labels_of(name) for name in [*FOLLOWS, "ZaiPolicyBlocked"]])


def test_a_fast_burn_holds_back_the_slow_one(running):
    burns = [{"alertname": rule["alert"], **rule["labels"]} for rule in ALERTING if rule["alert"] == "ZaiErrorBudgetBurn"]
    assert held_back(running, "burn", burns) == {("ZaiErrorBudgetBurn", "warning")}


def test_an_exporter_that_is_down_holds_back_what_it_last_said(running):
    here = {"pod": "assistant-1", "instance": "10.0.0.1:10064"}
    there = {"pod": "assistant-2", "instance": "10.0.0.2:10064"}
    sent = [labels_of(name, **here) for name in EXPORTER_ALERTS]
    sent += [labels_of("ZaiExporterLagging", **there), labels_of("ZaiBalanceExhausted"), labels_of("ZaiLogTimesOff")]
    held = held_back(running, "down", sent)
    assert {name for name, _ in held} == set(EXPORTER_ALERTS) - {"ZaiExporterDown"}
    told = [
        alert["labels"]["instance"]
        for alert in json.loads(get(running))
        if alert["labels"]["alertname"] == "ZaiExporterLagging" and not alert["status"]["inhibitedBy"]
    ]
    assert told == [there["instance"]]


def test_the_operators_object_says_the_same():
    """Routes and inhibition of the AlertmanagerConfig are those of the plain example in the operator's spelling."""
    spec = yaml.safe_load(OPERATOR.read_text())["spec"]
    plain = yaml.safe_load(EXAMPLE.read_text())

    def matchers(entries):
        return [f'{entry["name"]}{entry["matchType"]}"{entry["value"]}"' for entry in entries]

    names = {"groupBy": "group_by", "groupWait": "group_wait", "groupInterval": "group_interval", "repeatInterval": "repeat_interval"}

    def spelt(route):
        found = {names.get(key, key): value for key, value in route.items()}
        if "matchers" in found:
            found["matchers"] = matchers(found["matchers"])
        if "routes" in found:
            found["routes"] = [spelt(inner) for inner in found["routes"]]
        return found

    assert spelt(spec["route"]) == plain["route"]["routes"][0]
    assert [
        {
            "source_matchers": matchers(rule["sourceMatch"]),
            "target_matchers": matchers(rule["targetMatch"]),
            "equal": rule["equal"],
        }
        for rule in spec["inhibitRules"]
    ] == plain["inhibit_rules"]
    assert [entry["name"] for entry in spec["receivers"]] == ["page", "ticket", "null"]


def test_the_chart_can_set_receivers_and_times():
    values = {"alerts": {"alertmanager": {"pageReceiver": {"webhookConfigs": None, "pagerdutyConfigs": [{"routingKey": {"name": "a", "key": "b"}}]}, "pageRepeatInterval": "1h"}}}
    spec = yaml.safe_load(generate.render("zai-exporter.alertmanagerConfig", values))
    page = spec["receivers"][0]
    assert page == {"name": "page", "pagerdutyConfigs": [{"routingKey": {"name": "a", "key": "b"}}]}
    assert [route.get("repeatInterval") for route in spec["route"]["routes"]] == ["1h", "1h", "1d", None]
