"""The board for the person on call: is an account dead, which one, since when, who is affected, what to do."""

from . import kit, promql
from .kit import Column, Query, value_of

SERVICE = ("cluster", "namespace", "job")
ACCOUNT_ROW = (*SERVICE, *promql.ROW)

# What people read for a condition that somebody has to act on.
CONDITIONS = {
    "balance_exhausted": ("Balance exhausted", kit.RED),
    "account_locked": ("Account locked", kit.RED),
    "account_inactive": ("Account inactive", kit.RED),
    "account_missing": ("Account does not exist", kit.RED),
    "account_access": ("Account cannot be accessed", kit.ORANGE),
    "end_user_locked": ("End user locked", kit.ORANGE),
    "plan_expired": ("Plan expired", kit.RED),
    "quota_exhausted": ("Quota used up", kit.RED),
    "authentication": ("Key rejected", kit.ORANGE),
    "api_unavailable": ("API taken offline", kit.RED),
    "policy_block": ("Blocked by policy", kit.RED),
}

CATEGORY_TITLES = {
    "account": "Account",
    "authentication": "Auth",
    "api_policy_block": "Policy",
    "api_call": "API call",
    "basic": "Basic",
    "http": "HTTP",
    "unknown": "Unknown",
}


def runbook(alert: str) -> tuple[str, str]:
    return f"What to do: {alert}", f"${{runbooks}}#{alert.lower()}"


def state_tile(panel_id: int, title: str, description: str, expression: str, now: str, *alerts: str):
    states = {
        promql.OK: ("OK", kit.GREEN),
        promql.EARLIER: ("EARLIER", kit.YELLOW),
        promql.SOME: ("SOME", kit.ORANGE),
        promql.NOW: (now, kit.RED),
    }
    return kit.stat_panel(
        panel_id,
        title,
        description,
        Query(expression),
        unit="none",
        steps=((None, kit.GREEN), (promql.EARLIER, kit.YELLOW), (promql.SOME, kit.ORANGE), (promql.NOW, kit.RED)),
        mappings=[kit.words(states)],
        links=[runbook(alert) for alert in alerts],
    )


WHEN = "Red: seen in the last 15 minutes. Yellow: seen earlier in the range shown. Green: not seen. "


def tiles():
    kinds = {
        "balance": promql.state('condition="balance_exhausted"'),
        "account": promql.state('condition=~"account_locked|account_inactive|account_missing"'),
        "quota": promql.state('condition=~"quota_exhausted|plan_expired"'),
        "policy": promql.state('condition=~"policy_block|end_user_locked|api_unavailable", code!="1301"'),
    }
    success = (
        f"ceil(time() - max(max_over_time(timestamp({promql.total(promql.answers(promql.RATE))} > 0)[$__range:$__interval])))"
        " or vector(-1)"
    )
    firing = f'count(ALERTS{{{promql.ALERT_SELECTION}, severity!="info"}}) or vector(0)'
    return [
        (
            3,
            state_tile(
                1,
                "Balance",
                WHEN + "The account has no balance left (1113, HTTP 429).",
                kinds["balance"],
                "EMPTY",
                "ZaiBalanceExhausted",
            ),
        ),
        (
            3,
            state_tile(
                2,
                "Account",
                WHEN + "The account is locked (1112, 1121, HTTP 429), inactive (1110) or does not exist (1111).",
                kinds["account"],
                "DEAD",
                "ZaiAccountLocked",
                "ZaiAccountUnusable",
            ),
        ),
        (
            3,
            state_tile(
                3,
                "Quota",
                WHEN + "A usage limit is reached (1304, 1308, 1310 …) or the plan has expired (1309, 1314).",
                kinds["quota"],
                "USED UP",
                "ZaiQuotaExhausted",
                "ZaiPlanExpired",
            ),
        ),
        (
            3,
            state_tile(
                4,
                "API key",
                "Red: more than half of the calls of the last 5 minutes failed on the key or token. Orange: some did in the "
                "last 15 minutes. Yellow: earlier in the range shown.",
                promql.authentication_state(),
                "FAILING",
                "ZaiAuthenticationFailing",
                "ZaiAuthenticationErrors",
            ),
        ),
        (
            3,
            state_tile(
                5,
                "Policy",
                WHEN + "Calls are blocked by policy (1300), an end user is locked (HTTP 429), or an API was "
                "taken offline (1221). Single prompts refused as sensitive (1301) are on the errors board.",
                kinds["policy"],
                "BLOCKED",
                "ZaiPolicyBlocked",
                "ZaiEndUserLocked",
                "ZaiApiOffline",
            ),
        ),
        (
            3,
            kit.stat_panel(
                6,
                "Last OK",
                "Time since a log last showed an answered call (HTTP 2xx, or the end of a stream), to one step of the graph. "
                "It says none seen where the clients log only failures.",
                Query(success),
                unit="s",
                decimals=0,
                max_points=720,
                steps=((None, kit.GREEN), (900, kit.ORANGE)),
                mappings=[kit.words({-1: ("none seen", kit.GREY)})],
            ),
        ),
        (
            3,
            kit.stat_panel(
                7,
                "Alerts",
                "Alerts of this project that fire now, without those of severity info. They are listed below.",
                Query(firing),
                unit="none",
                decimals=0,
                steps=((None, kit.GREEN), (1, kit.RED)),
                mappings=[kit.words({0: ("none", kit.GREEN)})],
            ),
        ),
        (
            3,
            kit.stat_panel(
                8,
                "Exporters",
                "Exporters that Prometheus knows and cannot scrape. While one is down, its failures are not on this board.",
                Query(exporters_down()),
                unit="suffix: down",
                decimals=0,
                steps=((None, kit.RED), (0, kit.GREEN), (1, kit.RED)),
                mappings=[kit.words({-1: ("none found", kit.RED), 0: ("all up", kit.GREEN)})],
            ),
        ),
    ]


DOCUMENTED = 'code="1113"'


def exporters_down() -> str:
    """How many are down; -1 where there is none. One documented row stands for the exporter: it is there from the first scrape.

    `up` is not narrowed by namespace: an exporter that reads the logs of many Pods runs in a namespace of its own.
    """
    known = f"max by (cluster, job, instance) (last_over_time({promql.metric(promql.ERRORS, DOCUMENTED)}[$__range]))"
    up = 'up{cluster=~"$cluster", job=~"$job", instance=~"$instance"}'
    return f"count({up} == 0 and on (cluster, job, instance) {known}) or 0 * count({known}) or vector(-1)"


def account_table():
    matters = promql.ACCOUNT_MATTERS
    newest = promql.milliseconds(promql.seen_in_range(matters, labels=ACCOUNT_ROW))
    affected = (
        f"count {promql.by(ACCOUNT_ROW)}({promql.seen_in_range(matters, labels=(*ACCOUNT_ROW, 'pod', 'instance'))})"
    )
    return kit.table_panel(
        10,
        "What somebody has to act on",
        "Failures in the range shown that no retry mends, newest first: whether now (in the last 15 minutes) or earlier, which service, "
        'since when, and what the documentation says to do. "First seen" is the first in the range shown, to one step. Pods '
        "counts the exporters that saw it.",
        [
            Query(promql.documented(newest, "solution")),
            Query(promql.milliseconds(promql.first_seen(matters, labels=ACCOUNT_ROW))),
            Query(promql.occurrences(matters, labels=ACCOUNT_ROW)),
            Query(affected),
            Query(f"{promql.state(matters, labels=ACCOUNT_ROW)} > {promql.OK}"),
        ],
        [
            Column(
                value_of("E"),
                "When",
                80,
                {
                    "mappings": [
                        kit.words({promql.EARLIER: ("EARLIER", kit.YELLOW), promql.NOW: ("NOW", kit.RED)}),
                    ],
                    "custom.align": "left",
                    "custom.cellOptions": kit.coloured_background(),
                },
            ),
            Column(
                "condition",
                "Problem",
                175,
                {"mappings": [kit.words(CONDITIONS)], "custom.cellOptions": kit.coloured_text()},
            ),
            Column("cluster", "Cluster", 75),
            Column("namespace", "Namespace", 105),
            Column("job", "Job", 105),
            Column(value_of("B"), "First seen", 155, {"unit": "dateTimeAsIso"}),
            Column(value_of("A"), "Last seen", 145, {"unit": "dateTimeFromNow"}),
            Column(value_of("C"), "Errors", 65, kit.COUNT),
            Column(value_of("D"), "Pods", 55, {"unit": "none", "decimals": 0}),
            Column("code", "Code", 55),
            Column("solution", "What to do", None, kit.wrapped_text(190)),
        ],
        sort_by="Last seen",
        no_value="Nothing in this range. No account, key, quota or policy failed.",
    )


def traffic():
    failing = promql.failed_share(promql.RATE)
    return [
        (
            8,
            kit.graph(
                20,
                "Calls",
                "Calls per second that the logs show. Where a client logs only its failures, answered calls are missing.",
                [
                    Query(promql.total(promql.answers(promql.RATE)), "answered"),
                    Query(promql.rate(promql.ERRORS), "failed"),
                ],
                unit="reqps",
                overrides=(("answered", kit.fixed_colour(kit.BLUE)), ("failed", kit.fixed_colour(kit.RED))),
            ),
        ),
        (
            8,
            kit.graph(
                21,
                "Failed calls",
                "Share of the calls that failed, and the share that counts against the objective: without the caller's "
                "own mistakes and without prompts refused by policy. The dashed line is what the objective allows.",
                [
                    Query(failing, "failed"),
                    Query(promql.budget_share(promql.RATE), "against the objective"),
                    Query("vector(1 - $objective)", "allowed"),
                ],
                unit="percentunit",
                maximum=None,
                soft_maximum=0.05,
                overrides=(
                    ("failed", kit.fixed_colour(kit.YELLOW)),
                    ("against the objective", kit.fixed_colour(kit.RED)),
                    (
                        "allowed",
                        {
                            **kit.fixed_colour("text"),
                            "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
                            "custom.fillOpacity": 0,
                            "custom.lineWidth": 1,
                        },
                    ),
                ),
            ),
        ),
        (
            8,
            kit.graph(
                22,
                "Errors by category",
                "Failed calls per second, by the category that the documentation puts the code in.",
                [Query(promql.rate(promql.ERRORS, labels=("category",)), "{{category}}")],
                unit="reqps",
                stacked=True,
                overrides=tuple(
                    (category, kit.fixed_colour(colour)) for category, colour in kit.CATEGORY_COLOURS.items()
                ),
            ),
        ),
    ]


def affected_table():
    def errors(*matchers: str) -> str:
        return f"round({promql.increase(promql.ERRORS, *matchers, labels=promql.EXPORTER)})"

    ratio = promql.failed_share("$__range", promql.EXPORTER)
    counts = {
        **kit.COUNT,
        "custom.cellOptions": kit.coloured_text(),
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": None, "color": kit.GREY}, {"value": 1, "color": kit.ORANGE}],
        },
    }
    share = {
        "unit": "percentunit",
        "decimals": 1,
        "custom.cellOptions": kit.coloured_background(),
        "thresholds": {
            "mode": "absolute",
            "steps": [
                {"value": None, "color": "transparent"},
                {"value": 0.01, "color": kit.YELLOW},
                {"value": 0.05, "color": kit.ORANGE},
                {"value": 0.25, "color": kit.RED},
            ],
        },
    }
    refs = "CDEFGHI"
    return kit.table_panel(
        30,
        "Who is affected",
        "Failed calls of each exporter in the range shown (about: Prometheus extrapolates), by category, and the share of the calls that "
        "failed: now, in the last 15 minutes, and in the whole range. An exporter reads the logs of one Pod, or of one node.",
        [
            Query(ratio),
            Query(errors()),
            *(
                Query(errors(f'category="{category}"') + (f" or 0 * {errors()}" if category == "unknown" else ""))
                for category in CATEGORY_TITLES
            ),
            Query(promql.failed_share("15m", promql.EXPORTER)),
        ],
        [
            Column("cluster", "Cluster", 75),
            Column("namespace", "Namespace", 100),
            Column("job", "Job", 100),
            Column("pod", "Pod", None, {"custom.minWidth": 200}),
            Column(
                "instance",
                "Instance",
                140,
                {
                    "links": [
                        kit.link(
                            "Only this exporter",
                            "/d/zai-errors?${datasource:queryparam}&var-instance=${__value.raw}&${__url_time_range}",
                        )
                    ]
                },
            ),
            Column(value_of("J"), "Failing now", 90, share),
            Column(value_of("A"), "Failed", 65, share),
            Column(value_of("B"), "Errors", 70, kit.COUNT),
            *(
                Column(value_of(ref), title, 27 + 7 * len(title), counts)
                for ref, title in zip(refs, CATEGORY_TITLES.values(), strict=True)
            ),
        ],
        sort_by="Errors",
        no_value="No exporter in this selection.",
    )


def details():
    since = f"min_over_time(timestamp(ALERTS{{{promql.ALERT_SELECTION}}})[$__range:$__interval])"
    keys = ("alertname", "severity", "cluster", "namespace", "job", "pod", "instance")
    now = f"max {promql.by(keys)}(ALERTS{{{promql.ALERT_SELECTION}}})"
    severities = kit.words(
        {"critical": ("critical", kit.RED), "warning": ("warning", kit.ORANGE), "info": ("info", kit.BLUE)}
    )
    return [
        (
            10,
            kit.bar_gauge(
                40,
                "Most frequent codes",
                "The ten codes that failed most calls in the range shown (about: Prometheus extrapolates).",
                Query(
                    f"sort_desc(topk(10, round({promql.increase(promql.ERRORS, labels=promql.ROW)}) > 0))",
                    "{{code}} {{condition}}",
                ),
                unit="locale",
                colour=kit.ORANGE,
            ),
        ),
        (
            14,
            kit.table_panel(
                41,
                "Alerts that fire now",
                "Needs the alert rules of this project in the same Prometheus.",
                # An alert that fires for less than a step is at none of the steps yet.
                [Query(promql.milliseconds(f"min {promql.by(keys)}({since}) and {now} or 0 * {now} + time()"))],
                [
                    Column(
                        "severity",
                        "Severity",
                        75,
                        {"mappings": [severities], "custom.cellOptions": kit.coloured_background()},
                    ),
                    Column(
                        "alertname",
                        "Alert",
                        None,
                        {"custom.minWidth": 170, "links": [kit.link("What to do", "${runbooks}")]},
                    ),
                    Column("cluster", "Cluster", 75),
                    Column("namespace", "Namespace", 100),
                    Column("job", "Job", 100),
                    Column("pod", "Pod", 200),
                    Column("Value", "Since", 155, {"unit": "dateTimeAsIso"}),
                ],
                sort_by="Since",
                no_value="No alert fires.",
            ),
        ),
    ]


def build():
    return kit.board(
        "zai-overview",
        "Z.ai API / Overview",
        "Is a Z.ai account dead, which one, since when, who is affected, and what to do.",
        promql.ERRORS,
        [kit.objective_variable(), kit.runbooks_variable()],
        [
            (
                None,
                [
                    (4, tiles()),
                    (8, [(24, account_table())]),
                    (8, traffic()),
                    (8, [(24, affected_table())]),
                    (9, details()),
                ],
            )
        ],
    )
