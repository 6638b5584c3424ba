"""The dashboards as they are on disk, and what a test needs to send their queries to Prometheus."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]
UIDS = ("zai-overview", "zai-errors", "zai-exporter")


def load(uid: str) -> dict:
    return json.loads((FOLDER / f"{uid}.json").read_text(encoding="utf-8"))


def panels(board: dict) -> Iterator[dict]:
    """All panels that show something; rows are only headings."""
    return (panel for panel in board["panels"] if panel["type"] != "row")


def targets(board: dict) -> Iterator[tuple[dict, dict]]:
    return ((panel, target) for panel in panels(board) for target in panel["targets"])


def query_variables(board: dict) -> list[dict]:
    return [variable for variable in board["templating"]["list"] if variable["type"] == "query"]


def expressions(board: dict) -> Iterator[tuple[str, str]]:
    """Where it stands, and the PromQL: of panels, annotations, and the selectors of variables."""
    for panel, target in targets(board):
        yield f"panel {panel['id']} ({panel['title']}) query {target['refId']}", target["expr"]
    for annotation in board["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]
    for variable in query_variables(board):
        yield f"variable {variable['name']}", label_values(variable)[0]


def label_values(variable: dict) -> tuple[str, str]:
    """Selector and label of a variable that asks for `label_values(selector, label)`."""
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert found, f"variable {variable['name']} does not ask for label_values: {variable['query']}"
    return found[1], found[2]


@dataclass(frozen=True)
class Selection:
    """What is chosen at the top of a board, and the time shown. A variable that is not named stands on "All"."""

    end: float
    range_seconds: int = 300
    # Prometheus of the tests scrapes every second.
    scrape_seconds: int = 1
    step_seconds: int = 1
    chosen: dict[str, list[str]] = field(default_factory=dict)

    def apply(self, board: dict, text: str) -> str:
        """As Grafana replaces variables in a query."""
        rate = max(self.step_seconds + self.scrape_seconds, 4 * self.scrape_seconds)
        known = {
            "__interval": f"{self.step_seconds}s",
            "__rate_interval": f"{rate}s",
            "__range": f"{self.range_seconds}s",
            "__range_s": str(self.range_seconds),
            "__from:date:seconds": str(int(self.end - self.range_seconds)),
        }
        for variable in board["templating"]["list"]:
            known[variable["name"]] = self._value(variable)

        def value(match: re.Match) -> str:
            name = match[1] or match[2]
            assert name in known, f"{match[0]} is no variable of {board['uid']}, nor one of Grafana"
            return known[name]

        return re.sub(r"\$\{([\w:]+)\}|\$([A-Za-z_]\w*)", value, text)

    def _value(self, variable: dict) -> str:
        current = variable.get("current", {}).get("value", variable.get("query"))
        values = self.chosen.get(variable["name"], current if isinstance(current, list) else [current])
        if "$__all" in values:
            return variable["allValue"]
        if not variable.get("multi"):
            return str(values[0])
        escaped = [re.sub(r"[\\^$*+?.()|\[\]{}]", lambda found: "\\\\" + found[0], value) for value in values]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
