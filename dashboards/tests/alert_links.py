"""Whether the link of an alert opens the panel that shows what the alert fires on.

An alert fires in one of several ways: an `or` gives each side a way of its own. Of each way the panel has to show the series
that decides, and with every code, condition and finish reason that the alert selects.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import promql_parser
from board_files import UIDS, load, panels
from lint import parse, selectors

# Values of the label finish_reason (docs/METRICS.md).
FINISH_REASONS = (
    "stop",
    "length",
    "tool_calls",
    "sensitive",
    "network_error",
    "model_context_window_exceeded",
    "content_filter",
    "other",
)
ERROR_LABELS = {"category", "code", "condition"}


@dataclass(frozen=True)
class Series:
    """A metric, and what is asked of its labels."""

    name: str
    matchers: tuple

    def matches(self, labels: dict[str, str]) -> bool:
        """Of labels that are not given, anything goes."""
        return all(holds(matcher, labels[matcher.name]) for matcher in self.matchers if matcher.name in labels)

    def narrowed(self, matchers: tuple) -> "Series":
        return Series(self.name, (*self.matchers, *matchers))


def holds(matcher: promql_parser.Matcher, value: str) -> bool:
    operator = str(matcher.op)
    same = re.fullmatch(matcher.value, value) is not None if "Re" in operator else matcher.value == value
    return same != ("Not" in operator)


def deciding(node, recorded: dict[str, str]) -> set[Series]:
    """The series that decide whether an expression has a value, one for each way; what is recorded is followed to its source.

    Of `and`, `unless`, a comparison and a quotient the left side decides; the right says when, or out of how many.
    """
    if isinstance(node, promql_parser.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, promql_parser.VectorSelector):
        matchers = tuple(node.matchers.matchers)
        if node.name not in recorded:
            return {Series(node.name, matchers)}
        sources = deciding(promql_parser.parse(recorded[node.name]), recorded)
        return {source.narrowed(matchers) for source in sources}
    if isinstance(node, promql_parser.BinaryExpr):
        left, right = deciding(node.lhs, recorded), deciding(node.rhs, recorded)
        return left | right if str(node.op) == "or" else left or right
    if isinstance(node, promql_parser.Call):
        return set().union(*(deciding(argument, recorded) for argument in node.args))
    return deciding(node.expr, recorded) if hasattr(node, "expr") else set()


def values_of(name: str, rows: list[dict]) -> Iterator[dict[str, str]]:
    """The label values that series of this metric have, as far as alerts select by them."""
    if name == "zai_finish_reasons_total":
        yield from ({"finish_reason": reason} for reason in FINISH_REASONS)
    elif name.startswith("zai_api_error"):
        yield from ({label: row[label] for label in ERROR_LABELS} for row in rows)
        yield {"category": "unknown", "code": "1999", "condition": "unspecified"}
    else:
        yield {}


def opened_by(url: str) -> tuple[str, int | None]:
    """The uid of the board and the id of the panel in an alert's link."""
    found = re.search(r"/d/([\w-]+)\?(?:viewPanel=(\d+)&)?from=", url)
    assert found, f"{url} opens no board"
    return found[1], int(found[2]) if found[2] else None


def complaints(url: str, expression: str, recorded: dict[str, str], rows: list[dict]) -> Iterator[str]:
    """What is wrong with the link of an alert that fires on `expression`."""
    uid, panel_id = opened_by(url)
    if uid not in UIDS:
        yield f"there is no board {uid}"
        return
    board = load(uid)
    panel = next((each for each in panels(board) if each["id"] == panel_id), None)
    if panel is None:
        yield f"{uid} has no panel {panel_id}"
        return
    shown = [
        Series(selector.name, tuple(selector.matchers.matchers))
        for target in panel["targets"]
        for selector, _ in selectors(parse(target["expr"], board))
    ]
    for way in deciding(promql_parser.parse(expression), recorded):
        same = [series for series in shown if series.name == way.name]
        if not same:
            yield f"{panel['title']} does not show {way.name}"
        for labels in values_of(way.name, rows):
            if same and way.matches(labels) and not any(series.matches(labels) for series in same):
                yield f"{panel['title']} leaves out {way.name} of {labels}"
