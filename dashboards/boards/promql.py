"""The PromQL of the dashboards, each definition once.

Raw metrics only (and ALERTS): the boards work without the recording rules. What counts as a call, as an answer and as spent
budget is the same as in the alert rules, so that a board never contradicts the page that led to it.
"""

ERRORS = "zai_api_errors_total"
LAST_SEEN = "zai_api_error_last_seen_timestamp_seconds"
INFO = "zai_api_error_info"
HTTP = "zai_http_responses_total"
FINISH = "zai_finish_reasons_total"

# Every label here may be missing (a laptop has no cluster, namespace or pod): "All" is `.*`, which matches a missing label too.
TARGET = ("cluster", "namespace", "job", "instance")
SELECTION = ", ".join(f'{label}=~"${label}"' for label in TARGET)

# Alerts are aggregated to (cluster, namespace, job); most have no instance, so the boards cannot filter them by it.
ALERT_SELECTION = 'alertname=~"Zai.*", alertstate="firing", ' + ", ".join(
    f'{label}=~"${label}"' for label in TARGET if label != "instance"
)

# One exporter. `pod` belongs to it: it is what people know the exporter by.
EXPORTER = ("cluster", "namespace", "job", "pod", "instance")
ROW = ("category", "code", "condition")

# How long an account is shown as dead after the last failure that says so. The alerts use the same 15 minutes.
NOW_SECONDS = 900

# The window that rates are taken over where the graph's own resolution decides.
RATE = "$__rate_interval"

RANGE_START = "${__from:date:seconds}"

# What a single failure says about the account itself, or what no retry mends: somebody has to act. Code 1301 is not among
# them though it is a policy block: it is one prompt refused, and its share is on the errors board.
ACCOUNT_MATTERS = (
    'condition=~"balance_exhausted|account_locked|account_inactive|account_missing|account_access|end_user_locked'
    '|plan_expired|quota_exhausted|authentication|api_unavailable|policy_block", code!="1301"'
)

# What is charged to the error budget: not what the caller did wrong, nor a prompt that policy refused. HTTP 400 is the
# caller's too, where the client logs no more than the status.
BUDGET = (
    'condition!~"duplicate_request|file_too_large|invalid_file|invalid_request|not_found|policy_block", code!="400"'
)


def metric(name: str, *matchers: str) -> str:
    """`name` limited to what is selected at the top of the board."""
    return f"{name}{{{', '.join([*matchers, SELECTION])}}}"


def by(labels: tuple[str, ...]) -> str:
    return f"by ({', '.join(labels)}) " if labels else ""


def total(expression: str, labels: tuple[str, ...] = ()) -> str:
    return f"sum {by(labels)}({expression})"


def rate(name: str, *matchers: str, labels: tuple[str, ...] = (), window: str = RATE) -> str:
    return total(f"rate({metric(name, *matchers)}[{window}])", labels)


def increase(name: str, *matchers: str, labels: tuple[str, ...] = (), window: str = "$__range") -> str:
    return total(f"increase({metric(name, *matchers)}[{window}])", labels)


def answers(window: str) -> str:
    """Answered calls per second of each exporter.

    Clients log the HTTP answer, the end of the stream, or both: the larger number is nearer to the truth than the sum.
    `label_replace` gives the two sides different label sets, or `or` would drop the second.
    """
    http = rate(HTTP, 'status=~"2.."', labels=EXPORTER, window=window)
    finished = rate(FINISH, labels=EXPORTER, window=window)
    return f'max {by(EXPORTER)}(label_replace({http}, "seen_as", "http", "", "") or {finished})'


def calls(window: str, labels: tuple[str, ...] = ()) -> str:
    """Calls per second, failed and answered."""
    failed = rate(ERRORS, labels=EXPORTER, window=window)
    return total(f'label_replace({failed}, "part", "failed", "", "") or {answers(window)}', labels)


def failed_share(window: str, labels: tuple[str, ...] = ()) -> str:
    """Failed calls / calls; nothing where there was no call."""
    return f"{rate(ERRORS, labels=labels, window=window)} / ({calls(window, labels)} > 0)"


def budget_share(window: str) -> str:
    """Calls that count against the objective / calls; streams that broke off count too."""
    failed = rate(ERRORS, BUDGET, window=window)
    broken = rate(FINISH, 'finish_reason="network_error"', window=window)
    return f"({failed} + ({broken} or vector(0))) / ({calls(window)} > 0)"


def burn(window: str) -> str:
    """How many times as fast as the objective allows the budget is being spent. 0 where there was no call."""
    return f"({budget_share(window)} or vector(0)) / (1 - $objective)"


def last_seen(*matchers: str, labels: tuple[str, ...] = ()) -> str:
    """Log time of the newest failure, of exporters that are gone by now as well: a pod often dies with its account."""
    return f"max {by(labels)}(last_over_time({metric(LAST_SEEN, *matchers)}[$__range]))"


def seen_in_range(*matchers: str, labels: tuple[str, ...]) -> str:
    return f"{last_seen(*matchers, labels=labels)} > {RANGE_START}"


def first_seen(*matchers: str, labels: tuple[str, ...]) -> str:
    """The earliest failure in the range shown, to one step of the graph; within the first step, the newest."""
    return (
        f"min {by(labels)}(min_over_time(({metric(LAST_SEEN, *matchers)} > {RANGE_START})[$__range:$__interval]))"
        f" or {seen_in_range(*matchers, labels=labels)}"
    )


def occurrences(*matchers: str, labels: tuple[str, ...]) -> str:
    """Failures in the range, for what was seen in it. At least 1: `increase` misses the first one of a series that is new."""
    counted = f"clamp_min(round({increase(ERRORS, *matchers, labels=labels)}), 1)"
    return f"{counted} and {seen_in_range(*matchers, labels=labels)}"


def documented(expression: str, *texts: str) -> str:
    """Join the documentation to `expression`, which has the labels category, code and condition.

    `topk` keeps one text a row: while two versions of the exporter run side by side there may be two, and the join would fail.
    What is not documented stays, without text.
    """
    texts_by_row = f"topk {by(ROW)}(1, max {by((*ROW, *texts))}(last_over_time({metric(INFO)}[$__range])))"
    on = f"on ({', '.join(ROW)})"
    return (
        f"({expression}) * {on} group_left ({', '.join(texts)}) {texts_by_row}"
        f" or ({expression}) unless {on} {texts_by_row}"
    )


def named(expression: str) -> str:
    """Adds the label `name`: the Pod, or the instance where there is no Pod. Two label names in a legend fill half a graph."""
    return f'label_replace(label_replace({expression}, "name", "$1", "instance", "(.*)"), "name", "$1", "pod", "(.+)")'


def milliseconds(expression: str) -> str:
    """Grafana's date units take milliseconds."""
    return f"1000 * ({expression})"


OK, EARLIER, SOME, NOW = range(4)


def worst(labels: tuple[str, ...] = (), **levels: str) -> str:
    """The largest of several values; nothing only if none of them has one. The labels keep `or` from dropping all but the first."""
    all_levels = " or ".join(f'label_replace({level}, "why", "{why}", "", "")' for why, level in levels.items())
    return f"max {by(labels)}({all_levels})"


def state(*matchers: str, labels: tuple[str, ...] = ()) -> str:
    """OK, EARLIER in the range shown, or NOW.

    By the log's own time, as the alerts do it, and by what was counted as well: where a log has the wrong time zone its
    times are hours off, and a dead account must not look well. No series at all gives no value, which is shown as such.
    """
    newest = last_seen(*matchers, labels=labels)
    return worst(
        labels,
        logged=f"{NOW} * ({newest} > bool (time() - {NOW_SECONDS}))",
        counted=f"{NOW} * ({increase(ERRORS, *matchers, labels=labels, window='15m')} > bool 0)",
        earlier=f"{EARLIER} * ({newest} > bool {RANGE_START})",
    )


def authentication_state() -> str:
    """As `state`, but one rejected key among many good ones is SOME, not NOW: the alert pages above half of the calls."""
    kind = 'condition="authentication"'
    newest = last_seen(kind)
    return worst(
        share=f"{NOW} * ({rate(ERRORS, kind, window='5m')} / ({calls('5m')} > 0) > bool 0.5)",
        logged=f"{SOME} * ({newest} > bool (time() - {NOW_SECONDS}))",
        counted=f"{SOME} * ({increase(ERRORS, kind, window='15m')} > bool 0)",
        earlier=f"{EARLIER} * ({newest} > bool {RANGE_START})",
    )
