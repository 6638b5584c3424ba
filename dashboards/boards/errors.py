"""What is failing: every code with its documentation, when which condition held, limits, policy, statuses, budget."""

from . import kit, promql
from .kit import Column, Query, value_of
from .overview import CONDITIONS

CODE_ROW = promql.ROW
RANGE_END = "[$__range] @ end()"

# What a retry does not mend is red in the timeline, the rest orange.
DEAD = "|".join(condition for condition, (_, colour) in CONDITIONS.items() if colour == kit.RED)


def code_table():
    newest = promql.milliseconds(promql.seen_in_range(labels=CODE_ROW))
    return kit.table_panel(
        10,
        "Codes seen",
        'Every code seen in the range shown, with what the documentation says about it. "First seen" is the first in '
        "the range, to one step. Category and condition are the labels by which to select it in Prometheus.",
        [
            Query(promql.documented(newest, "category_name", "message", "solution")),
            Query(promql.milliseconds(promql.first_seen(labels=CODE_ROW))),
            Query(promql.occurrences(labels=CODE_ROW)),
        ],
        [
            Column("code", "Code", 60),
            Column("category", "Category", 125),
            Column(
                "condition",
                "Condition",
                150,
                {
                    "custom.cellOptions": kit.coloured_text(),
                    "mappings": [
                        kit.words(
                            {
                                condition: (condition, colour)
                                for condition, (_, colour) in CONDITIONS.items()
                                if condition != "policy_block"
                            }
                        )
                    ],
                },
            ),
            Column(value_of("C"), "Errors", 70, kit.COUNT),
            Column(value_of("B"), "First seen", 155, {"unit": "dateTimeAsIso"}),
            Column(value_of("A"), "Last seen", 145, {"unit": "dateTimeFromNow"}),
            Column("message", "The API says", None, kit.wrapped_text(180)),
            Column("solution", "What to do", None, kit.wrapped_text(180)),
        ],
        sort_by="Errors",
        no_value="No failed call in this range.",
    )


def conditions_over_time():
    # 1301 is one prompt refused: on a line of its own, or the line of what blocks the account would hardly ever be grey.
    kinds = ('code!="1301"', 'code="1301"')

    def by_condition(window: str) -> str:
        blocking, refused = (
            f"sum by (condition) (increase({promql.metric(promql.ERRORS, kind)}{window}))" for kind in kinds
        )
        return f'{blocking} or label_replace({refused}, "condition", "prompt refused", "", "")'

    return kit.timeline(
        11,
        "When which condition held",
        "One line per condition that failed a call in the range shown. Grey: no failure. Orange: "
        "failures. Red: failures that no retry mends. Prompts refused as sensitive (1301) have a line of their own.",
        Query(
            f"(({by_condition(f'[{promql.RATE}]')}) > bool 0) and on (condition) (({by_condition(RANGE_END)}) > 0)",
            "{{condition}}",
        ),
        mappings=[kit.words({0: ("none", kit.GREY), 1: ("failing", kit.ORANGE)})],
        regexp_overrides=(
            (f"/^({DEAD})$/", {"mappings": [kit.words({0: ("none", kit.GREY), 1: ("failing", kit.RED)})]}),
        ),
    )


def most_frequent(labels: tuple[str, ...], count: int) -> str:
    return f"topk({count}, sum by ({', '.join(labels)}) (increase({promql.metric(promql.ERRORS)}{RANGE_END})) > 0)"


# What an alert fires on by its share of the calls: the series, selected as the alert selects them.
REASONS = {
    "key rejected": (promql.metric(promql.ERRORS, 'condition="authentication"'),),
    "limited": (
        promql.metric(promql.ERRORS, 'condition=~"concurrency_limit|rate_limit"'),
        promql.metric(promql.ERRORS, 'code="429", condition="unspecified"'),
    ),
    "wrong requests": (
        promql.metric(
            promql.ERRORS, 'condition=~"duplicate_request|file_too_large|invalid_file|invalid_request", code!="1212"'
        ),
        promql.metric(promql.ERRORS, 'code="400"'),
    ),
    "failures of Z.ai": (
        promql.metric(promql.ERRORS, 'condition=~"network|overloaded|server_error"'),
        promql.metric(promql.FINISH, 'finish_reason="network_error"'),
    ),
}


def reasons():
    def share(series: tuple[str, ...]) -> str:
        rates = " or ".join(f"rate({each}[{promql.RATE}])" for each in series)
        return f"sum({rates}) / ({promql.calls(promql.RATE)} > 0)"

    return kit.graph(
        22,
        "Share by reason",
        "Share of the calls that failed for each of the reasons that alerts watch: the key or token was rejected (alert above 50 "
        "%), rate or concurrency was limited (5 %), the request was wrong (10 %), Z.ai failed (5 %, with streams that broke off). "
        "The percentages are the defaults of the alerts.",
        [Query(share(series), reason) for reason, series in REASONS.items()],
        unit="percentunit",
        soft_maximum=0.05,
        overrides=(
            ("key rejected", kit.fixed_colour(kit.ORANGE)),
            ("limited", kit.fixed_colour(kit.YELLOW)),
            ("wrong requests", kit.fixed_colour(kit.BLUE)),
            ("failures of Z.ai", kit.fixed_colour(kit.RED)),
        ),
    )


def amounts():
    by_code = promql.rate(promql.ERRORS, labels=CODE_ROW)
    limits = promql.rate(
        promql.ERRORS, 'condition=~"concurrency_limit|rate_limit|quota_exhausted|overloaded"', labels=CODE_ROW
    )
    # Of a client that logs no more than the status: most are limits, and the alert counts them as such.
    bare = promql.rate(promql.ERRORS, 'category="http", code="429", condition="unspecified"', labels=CODE_ROW)
    return [
        (8, reasons()),
        (
            8,
            kit.graph(
                20,
                "Errors by code",
                "Failed calls per second, of the ten codes that failed most calls in the range shown.",
                [Query(f"{by_code} and {most_frequent(CODE_ROW, 10)}", "{{code}} {{condition}}")],
                unit="reqps",
                stacked=True,
            ),
        ),
        (
            8,
            kit.graph(
                21,
                "Limits by code",
                "Calls per second refused for concurrency, frequency, quota or overload of the API, and bare answers 429.",
                [Query(f"({limits} or {bare}) > 0", "{{code}} {{condition}}")],
                unit="reqps",
                stacked=True,
                no_value="No call refused for a limit.",
            ),
        ),
    ]


def shares():
    calls = f"({promql.calls(promql.RATE)} > 0)"
    blocked = promql.rate(promql.ERRORS, 'condition="policy_block", code!="1301"')
    sensitive = promql.rate(promql.ERRORS, 'code="1301"')
    ended = promql.rate(promql.FINISH, 'finish_reason=~"sensitive|content_filter"')
    return [
        (
            8,
            kit.graph(
                30,
                "Policy",
                "Share of the calls blocked by policy (1300 and its like) and refused as sensitive content: code 1301, or a stream "
                "that ended for it.",
                [
                    Query(f"{blocked} / {calls}", "blocked"),
                    Query(f"({sensitive} + ({ended} or vector(0))) / {calls}", "sensitive"),
                ],
                unit="percentunit",
                soft_maximum=0.05,
                overrides=(("blocked", kit.fixed_colour(kit.RED)), ("sensitive", kit.fixed_colour(kit.YELLOW))),
            ),
        ),
        (
            8,
            kit.graph(
                31,
                "HTTP statuses",
                "HTTP answers of the API per second that the logs show.",
                [Query(promql.rate(promql.HTTP, labels=("status",)), "{{status}}")],
                unit="reqps",
                stacked=True,
                overrides=(("200", kit.fixed_colour(kit.GREEN)),),
                no_value="The logs show no HTTP answer of the API.",
            ),
        ),
        (
            8,
            kit.graph(
                32,
                "Ends of streams",
                "Streamed answers per second by their finish_reason. Streams that fail carry no code: sensitive and "
                "network_error show here alone.",
                [Query(promql.rate(promql.FINISH, labels=("finish_reason",)) + " > 0", "{{finish_reason}}")],
                unit="reqps",
                stacked=True,
                overrides=(
                    ("stop", kit.fixed_colour(kit.GREEN)),
                    ("length", kit.fixed_colour(kit.BLUE)),
                    ("sensitive", kit.fixed_colour(kit.YELLOW)),
                    ("network_error", kit.fixed_colour(kit.RED)),
                ),
                no_value="The logs show no end of a stream.",
            ),
        ),
    ]


def budget():
    spent = f"1 - ({promql.budget_share('$__range')}) / (1 - $objective)"
    steps = ((None, kit.RED), (0, kit.ORANGE), (0.25, kit.GREEN))

    def burn_tile(panel_id: int, window: str, limit: float, severity: str):
        return kit.stat_panel(
            panel_id,
            f"Burn {window}",
            f"How many times as fast as the objective allows the error budget was spent in the last "
            f"{window}. Above {limit:g} for both of its windows an alert of severity {severity} fires.",
            Query(promql.burn(window)),
            unit="suffix:×",
            decimals=1,
            steps=((None, kit.GREEN), (1, kit.YELLOW), (limit, kit.RED if severity == "critical" else kit.ORANGE)),
        )

    return [
        (
            6,
            kit.stat_panel(
                40,
                "Budget left",
                "What is left of the error budget of the range shown, at the objective chosen at the top. Negative: more was "
                "spent than there was.",
                Query(f"({spent}) or vector(1)"),
                unit="percentunit",
                decimals=0,
                steps=steps,
            ),
        ),
        (6, burn_tile(41, "1h", 14.4, "critical")),
        (6, burn_tile(42, "6h", 6, "critical")),
        (6, burn_tile(43, "1d", 3, "warning")),
    ]


def burn_over_time():
    return [
        (
            24,
            kit.graph(
                44,
                "Burn rate",
                "How many times as fast as the objective allows the error budget is spent. The alerts compare the longer windows "
                "with 14.4 (1h), 6 (6h) and 3 (1d).",
                [Query(promql.burn(window), window) for window in ("5m", "1h", "6h", "1d")],
                unit="suffix:×",
                decimals=1,
                marks=((3, kit.YELLOW), (6, kit.ORANGE), (14.4, kit.RED)),
            ),
        ),
    ]


def build():
    return kit.board(
        "zai-errors",
        "Z.ai API / Errors",
        "What is failing at the Z.ai API: codes with their documentation, limits, policy, statuses, budget.",
        promql.ERRORS,
        [kit.objective_variable()],
        [
            (None, [(4, budget())]),
            ("Codes", [(12, [(24, code_table())]), (12, [(24, conditions_over_time())])]),
            ("How much", [(9, amounts()), (8, shares())]),
            ("Error budget", [(8, burn_over_time())]),
        ],
    )
