"""How the panels look: one builder per kind of panel, over Grafana's own SDK, with what all panels of that kind share."""

import json
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as look
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from . import promql

TAG = "zai"
# Of the boards on calls, beside the tag of all.
CALLS = "zai-calls"
DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

# The same words as the default of `alerts.runbookBaseUrl` in the chart, so that one replacement sets both.
RUNBOOKS = "https://example.com/zai-exporter/alerts/runbooks.md"

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#6e7681"

# One colour for a category on every board.
CATEGORY_COLOURS = {
    "basic": "#b877d9",
    "authentication": "#ff9830",
    "account": "#f2495c",
    "api_call": "#5794f2",
    "api_policy_block": "#fade2a",
    "http": "#8ab8ff",
    "unknown": "#9fa7b3",
}

Override = tuple[str, dict[str, object]]


@dataclass(frozen=True)
class Query:
    """One target of a panel."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Column:
    """One column of a table: `source` is the field as the query names it, `title` what people read."""

    source: str
    title: str
    width: int | None = None
    properties: dict[str, object] = field(default_factory=dict)


def value_of(ref: str) -> str:
    """Name of the value field of query `ref` after the merge of a table's queries."""
    return f"Value #{ref}"


# ---- properties of fields --------------------------------------------------------------------------------------------


def thresholds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for value, colour in steps])
    )


def words(mapping: dict[object, tuple[str, str]]) -> model.ValueMap:
    """Value -> (text, colour)."""
    return model.ValueMap(
        options={
            str(value): model.ValueMappingResult(text=text, color=colour, index=index)
            for index, (value, (text, colour)) in enumerate(mapping.items())
        }
    )


def coloured_background() -> dict[str, object]:
    return {"type": "color-background", "mode": "basic"}


def coloured_text() -> dict[str, object]:
    return {"type": "color-text"}


def wrapped_text(minimum_width: int) -> dict[str, object]:
    """A column of sentences: takes the width that is left. Grafana 13 reads `custom.wrapText`, those before it the cell's option."""
    return {
        "custom.cellOptions": {"type": "auto", "wrapText": True},
        "custom.wrapText": True,
        "custom.minWidth": minimum_width,
    }


# A number in full, with its thousands apart: "1,113" and not "1.11 K".
COUNT = {"unit": "locale", "decimals": 0}


def properties(values: dict[str, object]) -> list[model.DynamicConfigValue]:
    return [model.DynamicConfigValue(id_val=name, value=value) for name, value in values.items()]


def fixed_colour(colour: str) -> dict[str, object]:
    return {"color": {"mode": "fixed", "fixedColor": colour}}


def link(title: str, url: str) -> dict[str, object]:
    """A link of a field; opens in the same tab, as a link to another board should."""
    return {"title": title, "url": url, "targetBlank": False}


# ---- panels ----------------------------------------------------------------------------------------------------------


def targets(panel, queries: list[Query], *, instant: bool, as_table: bool = False):
    for index, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.expr).ref_id(chr(ord("A") + index)).datasource(DATASOURCE)
        target = target.instant() if instant else target.range()
        if as_table:
            target = target.format(PromQueryFormat.TABLE)
        else:
            target = target.format(PromQueryFormat.TIME_SERIES).legend_format(query.legend or "__auto")
        panel.with_target(target)
    return panel


def common_parts(panel, panel_id: int, title: str, description: str, unit: str):
    return panel.id(panel_id).title(title).description(description).datasource(DATASOURCE).unit(unit)


def newest_value():
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")


def stat_panel(
    panel_id: int,
    title: str,
    description: str,
    query: Query,
    *,
    unit: str,
    steps,
    mappings=(),
    links=(),
    decimals: int | None = None,
    no_value: str = "no exporter",
    max_points: int | None = None,
):
    """A tile: one number or word on its colour."""
    panel = (
        common_parts(stat.Panel(), panel_id, title, description, unit)
        .reduce_options(newest_value())
        .color_mode(look.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(look.BigValueGraphMode.NONE)
        .justify_mode(look.BigValueJustifyMode.CENTER)
        .text_mode(look.BigValueTextMode.VALUE)
        .orientation(look.VizOrientation.AUTO)
        .wide_layout(False)
        .no_value(no_value)
        .thresholds(thresholds(*steps))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .mappings(list(mappings))
    )
    if decimals is not None:
        panel.decimals(decimals)
    if max_points is not None:
        panel.max_data_points(max_points)
    if links:
        panel.links(
            [
                dashboard.DashboardLink(text).type(model.DashboardLinkType.LINK).url(url).target_blank(True)
                for text, url in links
            ]
        )
    return targets(panel, [query], instant=True)


def graph(
    panel_id: int,
    title: str,
    description: str,
    queries: list[Query],
    *,
    unit: str,
    stacked: bool = False,
    overrides: tuple[Override, ...] = (),
    minimum: float | None = 0,
    maximum: float | None = None,
    decimals: int | None = None,
    soft_maximum: float | None = None,
    no_value: str | None = None,
    marks=(),
    points: bool = False,
):
    """`points`: for what is there at single steps only, where a line would not be seen."""
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(look.LegendDisplayMode.LIST)
        .placement(look.LegendPlacement.BOTTOM)
        .calcs([])
    )
    panel = (
        common_parts(timeseries.Panel(), panel_id, title, description, unit)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(look.TooltipDisplayMode.MULTI).sort(look.SortOrder.DESCENDING))
        .draw_style(look.GraphDrawStyle.POINTS if points else look.GraphDrawStyle.LINE)
        .line_width(0 if stacked else 2)
        .fill_opacity(80 if stacked else 10)
        .show_points(look.VisibilityMode.ALWAYS if points else look.VisibilityMode.NEVER)
        .point_size(6)
        .span_nulls(False)
        .stacking(
            common.StackingConfig().mode(look.StackingMode.NORMAL if stacked else look.StackingMode.NONE).group("A")
        )
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
        .thresholds(thresholds((None, "transparent"), *marks))
    )
    if marks:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(look.GraphThresholdsStyleMode.DASHED))
    if minimum is not None:
        panel.min(minimum)
    if maximum is not None:
        panel.max(maximum)
    if soft_maximum is not None:
        panel.axis_soft_max(soft_maximum)
    if decimals is not None:
        panel.decimals(decimals)
    if no_value is not None:
        panel.no_value(no_value)
    for name, values in overrides:
        panel.override_by_name(name, properties(values))
    return targets(panel, queries, instant=False)


def table_panel(
    panel_id: int,
    title: str,
    description: str,
    queries: list[Query],
    columns: list[Column],
    *,
    sort_by: str,
    descending: bool = True,
    no_value: str,
):
    """The queries' rows merged on the labels they share, one column for each of `columns`, nothing else.

    The unit is `string` but for the columns that set their own: a code is a number only to look at, and would be shown
    as "1.11 K".
    """
    panel = (
        common_parts(table.Panel(), panel_id, title, description, "string")
        .show_header(True)
        .cell_height(look.TableCellHeight.SM)
        .no_value(no_value)
        .thresholds(thresholds((None, "text")))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .sort_by([common.TableSortByFieldState().display_name(sort_by).desc(descending)])
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="filterFieldsByName",
                options={"include": {"names": [column.source for column in columns]}},
            )
        )
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {},
                    "includeByName": {},
                    "indexByName": {column.source: index for index, column in enumerate(columns)},
                    "renameByName": {column.source: column.title for column in columns},
                },
            )
        )
    )
    for column in columns:
        # Or every cell without a value (the cluster, on a laptop) would hold the sentence that is meant for the empty table.
        values = {"noValue": "–", **column.properties}
        if column.width is not None:
            values["custom.width"] = column.width
        panel.override_by_name(column.title, properties(values))
    return targets(panel, queries, instant=True, as_table=True)


def bar_gauge(panel_id: int, title: str, description: str, query: Query, *, unit: str, colour: str, decimals: int = 0):
    return targets(
        common_parts(bargauge.Panel(), panel_id, title, description, unit)
        .reduce_options(newest_value())
        .orientation(look.VizOrientation.HORIZONTAL)
        .display_mode(look.BarGaugeDisplayMode.BASIC)
        .value_mode(look.BarGaugeValueMode.COLOR)
        .name_placement(look.BarGaugeNamePlacement.LEFT)
        .show_unfilled(True)
        .min(0)
        .decimals(decimals)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(colour))
        .thresholds(thresholds((None, colour))),
        [query],
        instant=True,
    )


def timeline(
    panel_id: int, title: str, description: str, query: Query, *, mappings, regexp_overrides: tuple[Override, ...]
):
    panel = (
        common_parts(statetimeline.Panel(), panel_id, title, description, "none")
        .show_value(look.VisibilityMode.NEVER)
        .merge_values(True)
        .align_value(look.TimelineValueAlignment.LEFT)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(90)
        .legend(
            common.VizLegendOptions()
            .show_legend(False)
            .display_mode(look.LegendDisplayMode.LIST)
            .placement(look.LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(common.VizTooltipOptions().mode(look.TooltipDisplayMode.SINGLE).sort(look.SortOrder.NONE))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .thresholds(thresholds((None, GREY)))
        .mappings(list(mappings))
    )
    for pattern, values in regexp_overrides:
        panel.override_by_regexp(pattern, properties(values))
    return targets(panel, [query], instant=False)


# ---- the board -------------------------------------------------------------------------------------------------------


def query_variable(name: str, label: str, series: str, *earlier: str):
    """A choice at the top. The choices are narrowed by those left of it; "All" is `.*`, so that a missing label matches."""
    selection = ", ".join(f'{other}=~"${other}"' for other in earlier)
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": f"label_values({series}{{{selection}}}, {name})", "refId": f"Variable-{name}"})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def variables(series: str):
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    for index, name in enumerate(promql.TARGET):
        yield query_variable(name, name.capitalize(), series, *promql.TARGET[:index])


def objective_variable():
    choices = {"95 %": "0.95", "99 %": "0.99", "99.5 %": "0.995", "99.9 %": "0.999"}
    return (
        dashboard.CustomVariable("objective")
        .label("Objective")
        .description("Share of the calls that should succeed. Set it to what the alerts were given as `objective`.")
        .values(", ".join(f"{text} : {value}" for text, value in choices.items()))
        .options(
            [model.VariableOption(selected=text == "99 %", text=text, value=value) for text, value in choices.items()]
        )
        .current(model.VariableOption(selected=True, text="99 %", value="0.99"))
    )


def runbooks_variable():
    return dashboard.ConstantVariable("runbooks").value(RUNBOOKS)


def to_board(uid: str, title: str):
    """A link to the exporter board, or from it: keeps all that is chosen but the namespace.

    Where one exporter reads the logs of many Pods, as in a DaemonSet, the namespace of calls is that of the application and the
    namespace of the exporter's own metrics is its own: what is chosen on the one board selects nothing on the other.
    """
    kept = ["datasource", *(label for label in promql.TARGET if label != "namespace")]
    return (
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.LINK)
        .url(f"/d/{uid}?" + "&".join(f"${{{name}:queryparam}}" for name in kept))
        .icon("dashboard")
        .keep_time(True)
    )


def links(uid: str):
    if uid == "zai-exporter":
        return [to_board("zai-overview", "Overview"), to_board("zai-errors", "Errors")]
    return [
        dashboard.DashboardLink("Z.ai API")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG, CALLS])
        .icon("external link")
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True),
        to_board("zai-exporter", "Exporter"),
    ]


Row = tuple[int, list[tuple[int, object]]]


def board(
    uid: str, title: str, description: str, series: str, extra_variables: list, rows: list[tuple[str | None, list[Row]]]
):
    """A dashboard. `rows` are sections: a heading (or none) and lines of (height, [(width, panel)…]); widths add up to 24."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG] if uid == "zai-exporter" else [TAG, CALLS])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .variables([*variables(series), *extra_variables])
        .annotations([firing_alerts()])
        .links(links(uid))
    )
    y = 0
    for section, (heading, lines) in enumerate(rows):
        if heading is not None:
            made.with_row(dashboard.Row(heading).id(900 + section).grid_pos(model.GridPos(h=1, w=24, x=0, y=y)))
            y += 1
        for height, panels in lines:
            widths = sum(width for width, _ in panels)
            assert widths == 24, f"{uid}: a line of panels is {widths} wide, and the grid has 24 columns"
            x = 0
            for width, panel in panels:
                made.with_panel(panel.grid_pos(model.GridPos(h=height, w=width, x=x, y=y)))
                x += width
            y += height
    return made


def firing_alerts():
    return (
        dashboard.AnnotationQuery()
        .name("Firing alerts")
        .datasource(DATASOURCE)
        .enable(True)
        .icon_color(RED)
        .expr(f"max by (alertname, severity, namespace, job) (ALERTS{{{promql.ALERT_SELECTION}}})")
    )


def as_json(made) -> str:
    content = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    for variable in content["templating"]["list"]:
        # Of interval variables, which there are none of here; the SDK writes them into all.
        for name in ("auto", "auto_count", "auto_min"):
            variable.pop(name, None)
    for annotation in content["annotations"]["list"]:
        # Of the Prometheus data source's annotations, not of the general ones that the SDK knows.
        annotation |= {
            "titleFormat": "{{alertname}}",
            "textFormat": "{{namespace}} {{job}}",
            "tagKeys": "severity",
            "step": "30s",
            "useValueForTime": False,
        }
    return json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
