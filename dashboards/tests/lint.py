"""The rules of Grafana's dashboard-linter, and some of this project, on the JSON of a dashboard.

Each rule yields complaints. Written anew: the linter itself is a Go program, which the tests would have to build.
"""

import re
from collections.abc import Iterator

import promql_parser
from board_files import Selection, expressions, panels, query_variables, targets

# Where the rule on the target labels cannot hold: ALERTS has the labels that the alert rules keep, and no instance; `up` is
# asked for beyond the chosen namespace, because an exporter of many Pods runs in a namespace of its own; and which jobs have
# exporters is asked of all of them, as a target that never came up shows by those beside it alone that it should be one.
NOT_NARROWED = {"ALERTS": {"instance"}, "up": {"namespace"}, "zai_exporter_build_info": {"instance"}}
TARGET_LABELS = ("cluster", "namespace", "job", "instance")

# Units that Grafana has and the boards use; `string` is "no unit, and no number".
UNITS = {
    "none",
    "string",
    "s",
    "bytes",
    "Bps",
    "cps",
    "ops",
    "reqps",
    "percentunit",
    "locale",
    "dateTimeAsIso",
    "dateTimeFromNow",
}

# Functions that ask for a window, where the graph decides on how much detail there is.
RATES = {"rate", "increase", "irate", "delta", "changes"}
# Windows that stand for something and are not a matter of detail: those of the alerts, and the range shown.
FIXED_WINDOWS = {"5m", "15m", "1h", "6h", "1d", "$__range"}


def parse(expression: str, board: dict):
    return promql_parser.parse(Selection(end=1e9).apply(board, expression))


def children(node) -> list:
    """The expressions directly below one."""
    if isinstance(node, promql_parser.BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, promql_parser.Call):
        return list(node.args)
    if isinstance(node, promql_parser.MatrixSelector):
        return [node.vector_selector]
    return [node.expr] if hasattr(node, "expr") else []


def walk(node, above: tuple = ()) -> Iterator[tuple[object, tuple]]:
    """Each expression with those above it, the nearest last."""
    yield node, above
    for child in children(node):
        yield from walk(child, (*above, node))


def selectors(tree) -> Iterator[tuple[promql_parser.VectorSelector, tuple]]:
    return ((node, above) for node, above in walk(tree) if isinstance(node, promql_parser.VectorSelector))


def template_datasource(board: dict) -> Iterator[str]:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    if (
        variables.get("datasource", {}).get("type") != "datasource"
        or variables["datasource"].get("query") != "prometheus"
    ):
        yield "has no variable `datasource` that chooses a Prometheus"


def template_labels(board: dict) -> Iterator[str]:
    variables = {variable["name"]: variable for variable in query_variables(board)}
    for name in TARGET_LABELS:
        variable = variables.get(name)
        if variable is None:
            yield f"has no variable `{name}`"
            continue
        wanted = {
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
        }
        for key, value in wanted.items():
            if variable.get(key) != value:
                yield f"variable `{name}`: {key} is {variable.get(key)!r} and should be {value!r}"


def template_reload(board: dict) -> Iterator[str]:
    for variable in query_variables(board):
        if variable.get("refresh") != 2:
            yield f"variable `{variable['name']}` is not read anew when the time range changes"


def panel_datasource(board: dict) -> Iterator[str]:
    places = [(f"panel {panel['id']}", panel) for panel in panels(board)]
    places += [(f"panel {panel['id']} query {target['refId']}", target) for panel, target in targets(board)]
    places += [(f"annotation {annotation['name']}", annotation) for annotation in board["annotations"]["list"]]
    for place, holder in places:
        if holder.get("datasource", {}).get("uid") != "${datasource}":
            yield f"{place} does not ask the chosen data source"


def panel_title_and_description(board: dict) -> Iterator[str]:
    for panel in panels(board):
        if not panel.get("title"):
            yield f"panel {panel['id']} has no title"
        if not panel.get("description", "").endswith("."):
            yield f"panel {panel['id']} has no description that ends as a sentence"


def panel_units(board: dict) -> Iterator[str]:
    for panel in panels(board):
        units = [panel["fieldConfig"]["defaults"].get("unit", "")]
        for override in panel["fieldConfig"]["overrides"]:
            units += [each["value"] for each in override["properties"] if each["id"] == "unit"]
        for unit in units:
            if unit not in UNITS and not re.fullmatch(r"suffix:.+", unit):
                yield f"panel {panel['id']} has the unit {unit!r}, which is none that these boards use"


def panel_targets(board: dict) -> Iterator[str]:
    for panel in panels(board):
        refs = [target["refId"] for target in panel["targets"]]
        if not refs:
            yield f"panel {panel['id']} asks nothing"
        if len(set(refs)) != len(refs):
            yield f"panel {panel['id']} has two queries of one name: {refs}"


def target_promql(board: dict) -> Iterator[str]:
    for place, expression in expressions(board):
        try:
            parse(expression, board)
        except (ValueError, AssertionError) as error:
            yield f"{place} is no PromQL: {error}"


def target_rate_interval(board: dict) -> Iterator[str]:
    """Graphs follow their resolution; tiles and tables have none to follow, and their windows stand for something."""
    for panel, target in targets(board):
        for function, window in re.findall(rf"\b({'|'.join(RATES)})\([^()]*?\[([^\]:]+)\]", target["expr"]):
            if window == "$__rate_interval":
                continue
            place = f"panel {panel['id']} query {target['refId']}: {function} over [{window}]"
            if window == "$__range" and not target["instant"] and "[$__range] @ end()" not in target["expr"]:
                yield f"{place}, the whole range, at each step of a graph"
            if window not in FIXED_WINDOWS:
                yield f"{place}, which is neither $__rate_interval nor a window of the alerts"


def target_labels(board: dict) -> Iterator[str]:
    for place, expression in expressions(board):
        if place.startswith("variable"):
            continue
        for name, matchers in re.findall(r"\b([a-zA-Z_:][\w:]*)\{([^{}]*)\}", expression):
            for label in TARGET_LABELS:
                if f'{label}=~"${label}"' not in matchers and label not in NOT_NARROWED.get(name, ()):
                    yield f"{place}: {name} is not narrowed to the chosen {label}"
        tree = parse(expression, board)
        for selector, _ in selectors(tree):
            if not selector.matchers.matchers:
                yield f"{place}: {selector.name} is not narrowed to anything"


def target_counters(board: dict) -> Iterator[str]:
    """A counter says nothing by itself: only how fast it rises; and what is asked of many is added up."""
    for place, expression in expressions(board):
        if place.startswith("variable"):
            continue
        for selector, above in selectors(parse(expression, board)):
            if not selector.name.endswith("_total"):
                continue
            functions = [each.func.name for each in above if isinstance(each, promql_parser.Call)]
            if not set(functions) & (RATES | {"last_over_time"}):
                yield f"{place}: counter {selector.name} without rate or increase"
            if not any(isinstance(each, promql_parser.AggregateExpr) for each in above):
                yield f"{place}: counter {selector.name} is not aggregated"


def uneditable(board: dict) -> Iterator[str]:
    if board.get("editable") is not False:
        yield "is editable, though a change would be lost at the next installation"


def identity(board: dict) -> Iterator[str]:
    if not re.fullmatch(r"zai-\w+", board["uid"]) or "id" in board:
        yield f"needs a fixed uid and no id: {board['uid']}"
    if board.get("tags", [])[:1] != ["zai"] or board.get("graphTooltip") != 1 or board.get("refresh") != "30s":
        yield "has not the tag, tooltip and refresh of the other boards"
    if not 39 <= board["schemaVersion"] <= 41:
        yield f"schemaVersion {board['schemaVersion']} is not one that Grafana 10 to 13 all read"
    for link in board["links"]:
        among_calls = link["asDropdown"] and link["includeVars"] and link["tags"] == ["zai", "zai-calls"] == board["tags"]
        if not link["keepTime"] or not (among_calls or between_kinds(board, link)):
            yield "has a link that does not keep what is chosen"
    if not board["links"]:
        yield "has no link to the other boards"


def between_kinds(board: dict, link: dict) -> bool:
    """Whether a link leads from a board on calls to that of the exporter or back, and keeps all but the namespace, which may be that
    of the application on the one and the exporter's on the other."""
    uid, _, query = link.get("url", "").removeprefix("/d/").partition("?")
    kept = ["datasource", "cluster", "job", "instance"]
    crosses = (uid == "zai-exporter") != (board["uid"] == "zai-exporter") and uid in ("zai-overview", "zai-errors", "zai-exporter")
    return crosses and not link["includeVars"] and query.split("&") == [f"${{{name}:queryparam}}" for name in kept]


def layout(board: dict) -> Iterator[str]:
    ids = [panel["id"] for panel in board["panels"]]
    if len(set(ids)) != len(ids):
        yield f"two panels have one id: {sorted(ids)}"
    taken: dict[tuple[int, int], int] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            yield f"panel {panel['id']} reaches over the right edge"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["id"])
                if other != panel["id"]:
                    yield f"panels {other} and {panel['id']} overlap"
                    return


def tables_keep_codes(board: dict) -> Iterator[str]:
    """Columns that look like numbers are words: the unit of the table must not be a number's."""
    for panel in panels(board):
        if panel["type"] == "table" and panel["fieldConfig"]["defaults"].get("unit") != "string":
            yield f"panel {panel['id']} would show code 1113 as 1.11 K: the unit of a table is `string`"


def tiles_say_nothing_is_there(board: dict) -> Iterator[str]:
    """A tile without data must not look well."""
    for panel in panels(board):
        if panel["type"] == "stat" and panel["fieldConfig"]["defaults"].get("noValue") != "no exporter":
            yield f"panel {panel['id']} does not say that there is no exporter"


RULES = (
    template_datasource,
    template_labels,
    template_reload,
    panel_datasource,
    panel_title_and_description,
    panel_units,
    panel_targets,
    target_promql,
    target_rate_interval,
    target_labels,
    target_counters,
    uneditable,
    identity,
    layout,
    tables_keep_codes,
    tiles_say_nothing_is_there,
)
