"""Does the exporter itself do its work: what is true only as long as these panels are well."""

from . import kit, promql
from .kit import Column, Query, value_of

KEYS = promql.EXPORTER
NAME = "{{name}}"


def own(name: str, *matchers: str) -> str:
    return promql.metric(f"zai_exporter_{name}", *matchers)


def of_each(expression: str) -> Query:
    return Query(promql.named(expression), NAME)


def rate(name: str) -> str:
    return f"sum {promql.by(KEYS)}(rate({own(name)}[{promql.RATE}]))"


def largest(expression: str) -> str:
    return f"max {promql.by(KEYS)}({expression})"


def in_range(*names: str) -> str:
    return " + ".join(f"sum(increase({own(name)}[$__range]))" for name in names)


def exporters_up() -> str:
    return f"count({own('build_info')})"


def exporter_targets() -> str:
    """`up` of exporters, as ZaiExporterDown finds them: by the port that the chart names, or in jobs of exporters. A target that never
    came up is there too."""
    known = 'zai_exporter_build_info{cluster=~"$cluster", namespace=~"$namespace", job=~"$job"}'
    named = promql.metric("up", 'endpoint="zai-metrics"')
    return f"{named} or {promql.metric('up')} and on (cluster, namespace, job, container, endpoint) last_over_time({known}[$__range])"


def exporters_down() -> str:
    targets = exporter_targets()
    return f"count(({targets}) == 0) or 0 * count({targets}) or vector(-1)"


def versions() -> str:
    """The version of each exporter that Prometheus scrapes; of one that is down, what it was."""
    info = own("build_info")
    earlier = f"topk {promql.by(KEYS)}(1, last_over_time({info}[$__range]))"
    return (
        f"max {promql.by((*KEYS, 'version'))}({info} or {earlier} unless on ({', '.join(KEYS)}) {info})"
        f" and on (cluster, namespace, job, instance) {promql.metric('up')}"
    )


def configuration_taken() -> str:
    """Of each exporter 1 where its configuration and its web configuration were taken at the last reload, else 0."""
    web = f'label_replace({own("web_config_last_reload_successful")}, "part", "web", "", "")'
    return f"min {promql.by(KEYS)}({own('config_last_reload_successful')} or {web})"


def tiles():
    good_at_zero = ((None, kit.GREEN), (1, kit.ORANGE))
    return [
        (
            3,
            kit.stat_panel(
                1,
                "Up",
                "Exporters that Prometheus scrapes.",
                Query(exporters_up() + " or vector(0)"),
                unit="none",
                decimals=0,
                steps=((None, kit.RED), (1, kit.GREEN)),
            ),
        ),
        (
            3,
            kit.stat_panel(
                2,
                "Down",
                "Targets in jobs of exporters that cannot be scraped now.",
                Query(exporters_down()),
                unit="none",
                decimals=0,
                steps=((None, kit.RED), (0, kit.GREEN), (1, kit.RED)),
                mappings=[kit.words({-1: ("none found", kit.RED), 0: ("none", kit.GREEN)})],
            ),
        ),
        (
            3,
            kit.stat_panel(
                3,
                "Largest lag",
                "Bytes written to the logs and not yet read, of the exporter that is furthest behind. The alert "
                "fires above 16 MiB.",
                Query(f"max({own('lag_bytes')})"),
                unit="bytes",
                steps=((None, kit.GREEN), (1024 * 1024, kit.YELLOW), (16 * 1024 * 1024, kit.RED)),
            ),
        ),
        (
            3,
            kit.stat_panel(
                4,
                "No log file",
                "Exporters that follow no file at all: a wrong path, or an application that has not written yet. A node without a Pod "
                "of the namespaces that a DaemonSet is narrowed to is no fault.",
                Query(f"count({own('files_followed')} == 0) or 0 * count({own('files_followed')})"),
                unit="none",
                decimals=0,
                steps=good_at_zero,
                mappings=[kit.words({0: ("none", kit.GREEN)})],
            ),
        ),
        (
            3,
            kit.stat_panel(
                5,
                "Read errors",
                "Failed reads and lines cut for their length, in the range shown.",
                Query(in_range("read_errors_total", "lines_too_long_total")),
                unit="none",
                decimals=0,
                steps=good_at_zero,
            ),
        ),
        (
            3,
            kit.stat_panel(
                6,
                "Unfinished",
                "Bytes of last lines that were never finished, in files that were closed in the range shown. A failure in "
                "them is not counted.",
                Query(in_range("abandoned_bytes_total")),
                unit="bytes",
                steps=good_at_zero,
            ),
        ),
        (
            3,
            kit.stat_panel(
                7,
                "Commits",
                "Commits of counts and positions that failed, in the range shown.",
                Query(in_range("state_commit_failures_total")),
                unit="suffix: failed",
                decimals=0,
                steps=((None, kit.GREEN), (1, kit.RED)),
                mappings=[kit.words({0: ("OK", kit.GREEN)})],
            ),
        ),
        (
            3,
            kit.stat_panel(
                8,
                "Config",
                "Exporters that refused the configuration file, or that of HTTP, at the last reload, and run on with the old one.",
                Query(f"count({configuration_taken()} == 0) or 0 * count({configuration_taken()})"),
                unit="suffix: refused",
                decimals=0,
                steps=((None, kit.GREEN), (1, kit.RED)),
                mappings=[kit.words({0: ("OK", kit.GREEN)})],
            ),
        ),
    ]


def words_in_colour(words: dict[object, tuple[str, str]]) -> dict[str, object]:
    return {"mappings": [kit.words(words)], "custom.cellOptions": kit.coloured_text()}


COUNT = {"unit": "none", "decimals": 0}


def in_colour(colour: str) -> dict[str, object]:
    """Of numbers without a word of their own."""
    return {"thresholds": {"mode": "absolute", "steps": [{"value": None, "color": colour}]}}


def exporter_table():
    uptime = f"time() - {largest(promql.metric('process_start_time_seconds'))} and on ({', '.join(KEYS)}) {largest(own('build_info'))}"
    yes_no = words_in_colour({0: ("no", kit.ORANGE), 1: ("yes", kit.GREEN)})
    return kit.table_panel(
        10,
        "Exporters",
        'One line per exporter. "Waiting": for files that it was given by name and that do not exist yet. "Events": woken by the kernel; '
        'no means that it polls, which is slower (inotify limits, network file systems). "State": counts survive a restart, '
        'because a state directory is set. "Config": whether the file, and that of HTTP, were taken at the last reload.',
        [
            Query(versions()),
            Query(uptime),
            Query(largest(own("files_followed"))),
            Query(largest(own("lag_bytes"))),
            Query(largest(own("watch_mode", 'mode="events"'))),
            Query(largest(own("state_persistent"))),
            Query(largest(own("files_waiting"))),
            Query(f"{largest(own('last_read_timestamp_seconds'))} * 1000 > 0"),
            Query(f"{largest(own('config_last_reload_success_timestamp_seconds'))} * 1000 > 0"),
            Query(largest(exporter_targets())),
            Query(configuration_taken()),
        ],
        [
            Column("cluster", "Cluster", 75),
            Column("namespace", "Namespace", 100),
            Column("job", "Job", 100),
            Column("pod", "Pod", None, {"custom.minWidth": 200}),
            Column("instance", "Instance", 140),
            Column(value_of("J"), "Up", 55, words_in_colour({0: ("down", kit.RED), 1: ("up", kit.GREEN)})),
            Column(value_of("K"), "Config", 70, words_in_colour({0: ("refused", kit.RED), 1: ("OK", kit.GREEN)})),
            Column(value_of("C"), "Files", 50, COUNT | words_in_colour({0: ("0", kit.RED)})),
            Column(value_of("G"), "Waiting", 70, COUNT | words_in_colour({0: ("0", kit.GREY)}) | in_colour(kit.ORANGE)),
            Column(value_of("D"), "Lag", 65, {"unit": "bytes"}),
            Column(value_of("H"), "Last read", 140, {"unit": "dateTimeFromNow"}),
            Column(value_of("E"), "Events", 65, yes_no),
            Column(value_of("F"), "State", 60, yes_no),
            Column(value_of("B"), "Up for", 80, {"unit": "s", "decimals": 1}),
            Column(value_of("I"), "Config read", 140, {"unit": "dateTimeFromNow"}),
            Column("version", "Version", 70),
        ],
        sort_by="Up for",
        descending=False,
        no_value="No exporter in this selection.",
    )


def reading():
    newest = promql.metric(promql.LAST_SEEN)
    age = f"time() - ({newest} > 0 and changes({newest}[{promql.RATE}]) > 0)"
    return [
        (
            6,
            kit.graph(
                20,
                "Lines read",
                "Lines read per second, of each exporter.",
                [of_each(rate("read_lines_total"))],
                unit="cps",
            ),
        ),
        (
            6,
            kit.graph(
                21,
                "Bytes read",
                "Bytes read per second, of each exporter.",
                [of_each(rate("read_bytes_total"))],
                unit="Bps",
            ),
        ),
        (
            6,
            kit.graph(
                22,
                "Lag",
                "Bytes written to the logs and not yet read, of each exporter. The alert fires above 16 MiB.",
                [of_each(largest(own("lag_bytes")))],
                unit="bytes",
                soft_maximum=1024,
                marks=((16 * 1024 * 1024, kit.RED),),
            ),
        ),
        (
            6,
            kit.graph(
                23,
                "Age of errors when counted",
                "How long ago by the time in the log an error happened that was counted just now, the oldest of each exporter. "
                "Whole hours speak for a time zone; below 0 the exporter's clock is ahead of Prometheus'. Errors older than "
                "15 minutes do not page.",
                [of_each(largest(age))],
                unit="s",
                minimum=None,
                soft_maximum=60,
                marks=((900, kit.ORANGE),),
                points=True,
            ),
        ),
    ]


def events(name: str) -> str:
    return f"sum(increase({own(name)}[{promql.RATE}]))"


def on_the_right(unit: str) -> dict[str, object]:
    """Of a series whose unit is not that of the others."""
    return {"unit": unit, "custom.axisPlacement": "right", "custom.axisSoftMax": 1, **kit.fixed_colour(kit.RED)}


def files():
    waiting = f"sum({own('files_waiting')})"
    return [
        (
            8,
            kit.graph(
                30,
                "Files",
                "Files followed, and paths named without a wildcard that do not exist yet.",
                [Query(f"sum({own('files_followed')})", "followed"), Query(waiting, "waiting for")],
                unit="none",
                decimals=0,
            ),
        ),
        (
            8,
            kit.graph(
                31,
                "Rotations",
                "Files rotated, truncated, and found again as a copy, about, per step of the graph.",
                [
                    Query(events("rotations_total"), "rotated"),
                    Query(events("truncations_total"), "truncated"),
                    Query(events("copies_recovered_total"), "copies recovered"),
                ],
                unit="none",
                decimals=0,
                soft_maximum=1,
            ),
        ),
        (
            8,
            kit.graph(
                32,
                "What was not read as it should",
                "Failed reads, bytes of last lines that were never finished (on the right), lines cut for their length, lines "
                "that look like a failure of the API and were not recognised, and label values folded into one for their "
                "number; about, per step of the graph.",
                [
                    Query(events("read_errors_total"), "read errors"),
                    Query(events("abandoned_bytes_total"), "unfinished"),
                    Query(events("lines_too_long_total"), "too long"),
                    Query(events("unrecognised_lookalikes_total"), "not recognised"),
                    Query(events("label_values_folded_total") + " or vector(0)", "folded"),
                ],
                unit="none",
                decimals=0,
                soft_maximum=1,
                overrides=(("unfinished", on_the_right("bytes")), ("folded", kit.fixed_colour(kit.GREY))),
            ),
        ),
    ]


def commits():
    age = f"time() - {largest(own('state_last_commit_timestamp_seconds') + ' > 0')}"
    return [
        (
            6,
            kit.graph(
                40,
                "Commits",
                "Commits of counts and positions per second: done, and failed.",
                [
                    Query(f"sum(rate({own('state_commits_total')}[{promql.RATE}]))", "done"),
                    Query(f"sum(rate({own('state_commit_failures_total')}[{promql.RATE}]))", "failed"),
                ],
                unit="ops",
                overrides=(("done", kit.fixed_colour(kit.GREEN)), ("failed", kit.fixed_colour(kit.RED))),
            ),
        ),
        (
            6,
            kit.graph(
                41,
                "Last commit, and failures",
                "Time since counts and positions were last committed, of each exporter; it grows while nothing is read, which is "
                "no fault. On the right the commits that failed, about, per step of the graph.",
                [of_each(age), Query(events("state_commit_failures_total"), "failed")],
                unit="s",
                soft_maximum=60,
                marks=((900, kit.ORANGE),),
                overrides=(("failed", on_the_right("none")),),
            ),
        ),
        (
            6,
            kit.graph(
                42,
                "Series",
                "Error series of each exporter. It grows with configured labels and undocumented codes, to a limit.",
                [of_each(largest(own("series")))],
                unit="none",
                decimals=0,
            ),
        ),
        (
            6,
            kit.graph(
                43,
                "Connections",
                "Open HTTP connections of each exporter; on the right those that were closed to make room for new ones, about, per "
                "step of the graph: the limit of connections is reached.",
                [of_each(largest(own("web_connections"))), Query(events("web_connections_displaced_total"), "displaced")],
                unit="none",
                decimals=0,
                overrides=(("displaced", on_the_right("none")),),
            ),
        ),
    ]


def process():
    def of_exporters(expression: str) -> str:
        """Metrics of the process have no name of their own: only of targets that are exporters."""
        return f"{expression} and on (cluster, namespace, job, instance) {own('build_info')}"

    cpu = of_exporters(f"rate({promql.metric('process_cpu_seconds_total')}[{promql.RATE}])")
    restarts = of_exporters(f"changes({promql.metric('process_start_time_seconds')}[{promql.RATE}])")
    return [
        (
            6,
            kit.graph(
                50,
                "Memory",
                "Resident memory of each exporter. The chart's limit is 64 MiB.",
                [of_each(largest(of_exporters(promql.metric("process_resident_memory_bytes"))))],
                unit="bytes",
            ),
        ),
        (
            6,
            kit.graph(
                51,
                "CPU",
                "Share of one core that each exporter uses.",
                [of_each(f"sum {promql.by(KEYS)}({cpu})")],
                unit="percentunit",
                soft_maximum=0.01,
            ),
        ),
        (
            6,
            kit.graph(
                52,
                "Restarts",
                "Restarts of each exporter, per step of the graph.",
                [of_each(f"sum {promql.by(KEYS)}({restarts})")],
                unit="none",
                decimals=0,
                soft_maximum=1,
            ),
        ),
        (
            6,
            kit.graph(
                53,
                "Open files",
                "Open file descriptors of each exporter.",
                [of_each(largest(of_exporters(promql.metric("process_open_fds"))))],
                unit="none",
                decimals=0,
            ),
        ),
    ]


def build():
    return kit.board(
        "zai-exporter",
        "Z.ai API / Exporter",
        "Does the exporter read all that is written, and keep what it has counted.",
        "zai_exporter_build_info",
        [],
        [
            (None, [(4, tiles()), (7, [(24, exporter_table())])]),
            ("Reading", [(7, reading()), (8, files())]),
            ("State and HTTP", [(8, commits())]),
            ("Process", [(7, process())]),
        ],
    )
