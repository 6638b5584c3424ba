"""A line in a log pages: the real exporter, Debian's Prometheus and Alertmanager, and a receiver, all on loopback.

The rules are those of the chart, the routes those of the example, with times shortened to seconds. One set of programs serves
all tests, each test has a namespace of its own with its own log and exporter.
"""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import yaml

import generate
from conftest import ALERTS
from stack import Stack, get, now, wait_for

# How long an error pages after it was logged.
WINDOW = "12s"

VALUES = {
    "alerts": {
        "eventWindow": WINDOW,
        "rules": {
            **{
                name: {"for": "0s", "keepFiringFor": "0s"}
                for name in ("ZaiBalanceExhausted", "ZaiAccountLocked", "ZaiPolicyBlocked", "ZaiAuthenticationErrors")
            },
            "ZaiServerErrorsHigh": {"for": "0s", "minCalls": 2},
            "ZaiRateLimited": {"for": "0s", "minCalls": 2},
        },
    }
}

CHAT = "https://open.bigmodel.cn/api/paas/v4/chat/completions"
TEXTS = {
    "500": (500, "Internal Error"),
    "1002": (401, "Invalid Authentication Token, please confirm the correct transmission of the Authentication Token"),
    "1112": (429, "Your account has been locked, please contact customer service to unlock"),
    "1113": (429, "Your account is in arrears, please recharge and try again"),
    "1300": (400, "API call blocked by policy"),
    "1302": (429, "High concurrency usage of this API, please reduce concurrency or contact customer service to increase limits"),
}


def failure(code: str, at: str | None = None) -> str:
    status, message = TEXTS[code]
    return (
        f"{at or now()} - app.llm - ERROR - chat failed: Error code: {status}, with error text "
        f'{{"error":{{"code":"{code}","message":"{message}"}}}}'
    )


def success(at: str | None = None) -> str:
    return f'{at or now()} - httpx - INFO - HTTP Request: POST {CHAT} "HTTP/1.1 200 OK"'


def lookalikes(at: str | None = None) -> list[str]:
    """Lines that share numbers and words with the API's errors and are none."""
    at = at or now()
    return [
        f'{at} - httpx - INFO - HTTP Request: POST https://api.openai.com/v1/chat/completions "HTTP/1.1 429 Too Many Requests"',
        f"{at} - app.llm - ERROR - Error code: 429 - {{'error': {{'message': 'Rate limit reached for gpt-4o in organization "
        "org-1', 'type': 'tokens', 'code': 'rate_limit_exceeded'}}",
        f"{at} - app.db - ERROR - (1213, 'Deadlock found when trying to get lock; try restarting transaction')",
        f"{at} - app.ws - INFO - connection closed with code 1001 (going away)",
        f"{at} - app.server - INFO - listening on port 1302",
        f"{at} - app.shop - INFO - order 1113 shipped, 1112 items left, batch 1300 done in 1301 ms",
        f"{at} - app.wallet - ERROR - payment refused: Insufficient Balance",
        f"{at} - app.auth - WARNING - user 1110: your session has been locked",
    ]


@pytest.fixture(scope="module")
def stack(tmp_path_factory, exporter, prometheus, alertmanager):
    folder = tmp_path_factory.mktemp("stack")
    routes = yaml.safe_load((ALERTS / "alertmanager.example.yaml").read_text())
    stack = Stack(folder, prometheus, alertmanager, generate.render("zai-exporter.rules", VALUES), routes)
    try:
        for receiver in routes["receivers"]:
            for webhook in receiver.get("webhook_configs", []):
                webhook["url"] = f"{stack.receiver.url}/{receiver['name']}"
        for route in routes["route"]["routes"][0]["routes"]:
            for key in ("group_wait", "group_interval"):
                if key in route:
                    route[key] = "1s"
        hour_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S,000")
        morning = [line for minute in range(240) for line in [success(hour_ago)] * 8 + lookalikes(hour_ago)]
        stack.add(exporter, "balance", [success()])
        stack.add(exporter, "locked", [success()])
        stack.add(exporter, "policy", [success()])
        stack.add(exporter, "history", [success(hour_ago), failure("1113", hour_ago), failure("1112", hour_ago)])
        stack.add(exporter, "healthy", morning)
        stack.start()
        yield stack
    finally:
        stack.stop()


class Calls(threading.Thread):
    """A service that goes on calling and failing until it is told to stop."""

    def __init__(self, service, code: str):
        super().__init__(daemon=True)
        self.service, self.code, self.ended = service, code, threading.Event()

    def run(self):
        while not self.ended.wait(1):
            self.service.write(failure(self.code))

    def __enter__(self):
        self.service.write(failure(self.code))
        self.start()

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def paged(stack: Stack, alert: str, namespace: str) -> dict:
    return wait_for(
        f"a page {alert} for {namespace}",
        lambda: [entry for entry in stack.receiver.alerts("/page", alertname=alert, namespace=namespace) if entry["status"] == "firing"],
    )[0]


def resolved(stack: Stack, alert: str, namespace: str) -> bool:
    return any(
        entry["status"] == "resolved" for entry in stack.receiver.alerts("/page", alertname=alert, namespace=namespace)
    )


def page_once(stack: Stack, namespace: str, code: str, alert: str) -> dict:
    """Writes one failing call, unless an earlier test has, and waits until its page has come and gone."""
    if not stack.receiver.alerts("/page", namespace=namespace):
        stack.services[namespace].write(failure(code))
    page = paged(stack, alert, namespace)
    wait_for("the page to resolve", lambda: resolved(stack, alert, namespace))
    return page


def test_an_exhausted_balance_pages_holds_back_what_follows_from_it_and_resolves(stack):
    service = stack.services["balance"]
    # Not ZaiErrorBudgetBurn: its sums go by quarters of an hour. test_alertmanager.py shows that it is held back too.
    generic = {"ZaiAuthenticationErrors", "ZaiServerErrorsHigh", "ZaiRateLimited"}
    with Calls(service, "1113"):
        page = paged(stack, "ZaiBalanceExhausted", "balance")
        assert page["labels"]["severity"] == "critical"
        assert page["labels"]["zai_scope"] == "account"
        assert "assistant in namespace balance of cluster test" in page["annotations"]["description"]
        assert "Recharge the account to ensure sufficient balance" in page["annotations"]["description"]
        assert '1113 "Your account is in arrears, please recharge and try again"' in page["annotations"]["description"]
        assert page["annotations"]["runbook_url"].endswith("/runbooks.md#zaibalanceexhausted")
        assert "/d/zai-overview?" in page["annotations"]["dashboard_url"]
        for code in ("1002", "500", "1302"):
            service.write(failure(code), failure(code), failure(code))
        wait_for("the generic alerts to fire", lambda: generic <= stack.firing("balance"))
        wait_for("Alertmanager to hold them back", lambda: generic <= stack.held_back("balance"))
        for path in ("/page", "/ticket"):
            told = {alert["labels"]["alertname"] for alert in stack.receiver.alerts(path, namespace="balance")}
            assert told <= {"ZaiBalanceExhausted"}, f"{path} was told of {told}"
    wait_for("the page to resolve", lambda: resolved(stack, "ZaiBalanceExhausted", "balance"))


@pytest.mark.parametrize(
    ("namespace", "code", "alert", "advice"),
    [
        ("locked", "1112", "ZaiAccountLocked", "Contact customer service to unlock the account"),
        ("policy", "1300", "ZaiPolicyBlocked", "Find out which policy blocks the calls, and contact customer service"),
    ],
)
def test_one_line_pages_and_resolves(stack, namespace, code, alert, advice):
    assert advice in page_once(stack, namespace, code, alert)["annotations"]["description"]


def test_a_restart_pages_nobody_again(stack):
    service = stack.services["locked"]
    page_once(stack, "locked", "1112", "ZaiAccountLocked")
    pages = len(stack.receiver.alerts("/page", namespace="locked"))
    count = f'zai_api_errors_total{{namespace="locked",code="1112"}}'
    started = 'process_start_time_seconds{namespace="locked"}'
    before, start = stack.value(count), stack.value(started)
    assert before == 1
    service.process.kill()
    service.process.start()
    service.process.wait_ready()
    wait_for("a scrape of the new process", lambda: stack.value(started) not in (None, start))
    stack.wait_evaluated(time.time())
    assert stack.value(count) == before
    assert "ZaiAccountLocked" not in stack.firing("locked")
    assert len(stack.receiver.alerts("/page", namespace="locked")) == pages


def test_old_errors_in_a_file_that_is_read_at_start_page_nobody(stack):
    stack.wait_evaluated(time.time())
    for code in ("1112", "1113"):
        assert stack.value(f'zai_api_errors_total{{namespace="history",code="{code}"}}') == 1
    assert not stack.query('count_over_time(ALERTS{namespace="history"}[10m])')
    assert not stack.receiver.alerts("/page", namespace="history")


def test_a_morning_of_healthy_traffic_and_lookalikes_pages_nobody(stack):
    service = stack.services["healthy"]
    answers = 'zai_http_responses_total{namespace="healthy",status="200"}'
    assert stack.value(answers) == 240 * 8
    for _ in range(20):
        service.write(success(), *lookalikes())
    wait_for("the new lines to be counted", lambda: stack.value(answers) == 240 * 8 + 20)
    stack.wait_evaluated(time.time())
    assert stack.value('sum(zai_api_errors_total{namespace="healthy"})') == 0
    assert not stack.query('count_over_time(ALERTS{namespace="healthy",alertstate="firing"}[10m])')
    assert not stack.receiver.alerts("/page", namespace="healthy")
    assert not stack.receiver.alerts("/ticket", namespace="healthy")
    assert get(f"{service.url}/-/healthy") is not None
