"""Breaks the rules on purpose, one small fault at a time, and shows that the promtool tests notice each.

    python mutants.py              all mutants
    python mutants.py -k PATTERN   those whose name holds PATTERN
    python mutants.py -v           name every mutant

A mutant is zai.rules.yaml with one fault: an alert that cannot fire, a number doubled or halved, a comparison turned round or
loosened, a window or `for` changed, a matcher or one alternative of it dropped, a label of an aggregation dropped, one side of
`and`, `or` or `unless` dropped, the recording rule of another window used, a label missing.

To be quick, each is tried on the test groups that name its alert, cheapest first, and with no more rules than that alert needs;
a fault in a recording rule on the groups of recording.yaml. That the rules without a fault pass when they are cut down in the
same way is checked first: otherwise everything would look caught. A fault that PromQL refuses is none.

Not made, because the rule would mean the same:
  - a longer look-back in max_over_time, last_over_time and count_over_time, and a longer offset. They only reach for a sample
    that is there anyway; how short they may be is what matters, and that is tried.
  - a matcher dropped on the right of `unless` without `on`. What is on the left has the matcher, and the sides meet in all
    labels, so on the right it only saves work. (An alternative dropped there does matter, and is tried.)
"""

import argparse
import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import promql_parser
import yaml

HERE = Path(__file__).resolve().parent
RULES = HERE.parent / "zai.rules.yaml"
# Slow for what it finds: it asks all alerts at once that none fires, which the other tests ask of each alert by name.
SKIPPED_FILES = {"healthy_day.yaml"}

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = r"\d+[smhd]"
LOOK_BACK = ("max_over_time", "last_over_time", "count_over_time")
SET_OPERATOR = r"\s(and|or|unless)\s+(on \([\w, ]+\)\s+)?"


@dataclass
class Mutant:
    """One fault in one rule; `rule` is its place in the flat list of rules."""

    rule: int
    fault: str
    expr: str | None = None
    patch: dict = field(default_factory=dict)


def scaled(duration: str, factor: float) -> str:
    return f"{int(int(duration[:-1]) * SECONDS[duration[-1]] * factor)}s"


def mask(expr: str) -> str:
    """The expression with the text in quotes blanked out, every position kept."""
    return re.sub(r'"[^"]*"', lambda match: '"' + "_" * (len(match[0]) - 2) + '"', expr)


def put(expr: str, span: tuple[int, int], text: str) -> str:
    return expr[: span[0]] + text + expr[span[1] :]


def depths(masked: str) -> list[int]:
    """How many brackets are open around each character."""
    found, depth = [], 0
    for char in masked:
        depth -= char in ")]}"
        found.append(depth)
        depth += char in "([{"
    return found


def operands(expr: str):
    """Each set operator with the spans of its left and right side."""
    masked = mask(expr)
    depth = depths(masked)
    operators = list(re.finditer(SET_OPERATOR, masked))
    for operator in operators:
        level = depth[operator.start()]
        left, right = operator.start(), operator.end()
        while left > 0 and depth[left - 1] >= level:
            left -= 1
        while right < len(masked) and depth[right] >= level:
            right += 1
        for other in operators:
            if depth[other.start()] == level and left <= other.start() < operator.start():
                left = other.end()
        for other in reversed(operators):
            if depth[other.start()] == level and operator.end() <= other.start() < right:
                right = other.start()
        yield operator, (left, operator.start()), (operator.end(), right)


def numbers(expr: str):
    for match in re.finditer(r"(?<![\w.:\[])(\d+(?:\.\d+)?)(?![\w.:])", mask(expr)):
        value = float(match[1])
        for factor in (2, 0.5):
            if value:
                yield f"{match[1]} becomes {value * factor:g}", put(expr, match.span(1), f"{value * factor:g}")


def comparisons(expr: str):
    masked = mask(expr)
    turned = {">": "<", "<": ">", ">=": "<", "==": "!="}
    for match in re.finditer(r"(?<=\s)(>=|==|>|<)(?=\s)", masked):
        yield f"{match[1]} becomes {turned[match[1]]}", put(expr, match.span(1), turned[match[1]])
    for match in re.finditer(r"> 0\b(?!\.)", masked):
        yield "> 0 becomes >= 0", put(expr, match.span(), ">= 0")


def windows(expr: str):
    masked = mask(expr)
    for match in re.finditer(rf"\[({DURATION})(?::{DURATION})?\]", masked):
        function = re.findall(r"\w+(?=\()", masked[: match.start()])[-1]
        for factor in (0.5,) if function in LOOK_BACK else (0.5, 2):
            new = scaled(match[1], factor)
            yield f"{function}[{match[1]}] becomes [{new}]", put(expr, match.span(1), new)
    for match in re.finditer(rf"offset ({DURATION})", masked):
        new = scaled(match[1], 0.5)
        yield f"offset {match[1]} becomes {new}", put(expr, match.span(1), new)
    for match in re.finditer(r":increase(5|10|15)m", masked):
        for other in ("5", "10", "15"):
            if other != match[1]:
                yield f"increase{match[1]}m becomes {other}m", put(expr, match.span(1), other)


def matchers(expr: str):
    saved_work = [right for operator, _, right in operands(expr) if operator[1] == "unless" and not operator[2]]
    for braces in re.finditer(r"\{([^{}]*)\}", expr):
        found = list(re.finditer(r'(\w+)(=~|!~|!=|=)"([^"]*)"', braces[1]))
        for match in found:
            if not any(start <= braces.start() < end for start, end in saved_work):
                kept = ",".join(other[0] for other in found if other is not match)
                yield f"{match[0]} dropped", put(expr, braces.span(1), kept)
            alternatives = match[3].split("|")
            for alternative in alternatives if len(alternatives) > 1 else []:
                rest = "|".join(other for other in alternatives if other != alternative)
                start, end = match.span(3)
                at = braces.start(1)
                yield f"{match[1]}: {alternative} dropped", put(expr, (at + start, at + end), rest)


def label_lists(expr: str):
    for match in re.finditer(r"\b(by|on) \(([\w, ]+)\)", mask(expr)):
        labels = match[2].split(", ")
        for label in labels:
            rest = ", ".join(other for other in labels if other != label)
            yield f"{match[1]} ({match[2]}) without {label}", put(expr, match.span(2), rest)


def sides(expr: str):
    for operator, left, right in operands(expr):
        yield f"right side of {operator[1]} dropped", put(expr, (operator.start(), right[1]), " ")
        yield f"left side of {operator[1]} dropped", put(expr, (left[0], operator.end()), " ")


def patches(rule: dict):
    """Faults beside the expression; None takes a key away."""
    for key in ("for", "keep_firing_for"):
        if key in rule:
            yield f"{key} dropped", {key: None}
            for factor in (2, 0.5):
                new = scaled(rule[key], factor)
                yield f"{key} {rule[key]} becomes {new}", {key: new}
        else:
            yield f"{key} 10m added", {key: "10m"}
    for label in rule["labels"]:
        yield f"label {label} dropped", {"labels": {key: text for key, text in rule["labels"].items() if key != label}}


def title(rule: dict) -> str:
    if "record" in rule:
        return rule["record"]
    window = rule["labels"].get("long_window")
    return rule["alert"] + (f"/{window}" if window else "")


def is_promql(expr: str) -> bool:
    try:
        promql_parser.parse(expr)
    except ValueError:
        return False
    return True


def mutants_of(index: int, rule: dict) -> list[Mutant]:
    found = [Mutant(index, "cannot fire", expr=f"({rule['expr']}) unless on () vector(1)")]
    for operator in (numbers, comparisons, windows, matchers, label_lists, sides):
        found += [Mutant(index, fault, expr=expr) for fault, expr in operator(rule["expr"]) if is_promql(expr)]
    if "alert" in rule:
        found += [Mutant(index, fault, patch=patch) for fault, patch in patches(rule)]
    return found


def mutated(rule: dict, mutant: Mutant) -> dict:
    rule = copy.deepcopy(rule)
    if mutant.expr is not None:
        rule["expr"] = mutant.expr
    for key, value in mutant.patch.items():
        if value is None:
            rule.pop(key)
        else:
            rule[key] = value
    return rule


def concerns(group: dict, rule: dict) -> bool:
    """Whether a test group has a say about a rule; of the error budget's three parts, about this one."""
    if "record" in rule:
        return any(rule["record"] in test["expr"] for test in group.get("promql_expr_test", []))
    window = rule["labels"].get("long_window")
    for test in group.get("alert_rule_test", []):
        shown = {alert["exp_labels"].get("long_window") for alert in test["exp_alerts"]}
        if test["alertname"] == rule["alert"] and (not window or window in shown):
            return True
    return any(
        f'alertname="{rule["alert"]}"' in test["expr"] and (not window or f'long_window="{window}"' in test["expr"])
        for test in group.get("promql_expr_test", [])
    )


def cut(group: dict, rule: dict) -> dict:
    """The group without the queries about other windows, whose rules are not there."""
    window = rule.get("labels", {}).get("long_window")
    wanted = rule.get("record") or (f'long_window="{window}"' if window else "")
    kept = [test for test in group.get("promql_expr_test", []) if wanted in test["expr"]]
    return {**group, "promql_expr_test": kept}


def cost(document: dict) -> float:
    """Roughly what a test file of one group takes: evaluations times series."""
    group = document["tests"][0]
    units = {"d": 1440, "h": 60, "m": 1}
    tests = group.get("alert_rule_test", []) + group.get("promql_expr_test", [])
    last = max(
        sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhm])", test["eval_time"])) for test in tests
    )
    return last / int(document["evaluation_interval"].removesuffix("m")) * (10 + len(group["input_series"]))


class Bench:
    """Cuts rules and tests down to what concerns one rule, and runs promtool on them."""

    def __init__(self, folder: Path, document: dict):
        self.folder = folder
        self.groups = document["groups"]
        self.rules = [rule for group in self.groups for rule in group["rules"]]
        self.records = {rule["record"]: index for index, rule in enumerate(self.rules) if "record" in rule}
        self.tests = [
            (path.name, yaml.load(path.read_text(), yaml.CSafeLoader))
            for path in sorted(HERE.glob("*.yaml"))
            if path.name not in SKIPPED_FILES
        ]
        self.written: dict[int, list[Path]] = {}
        self.asked: dict[int, str] = {}
        self.cost: dict[int, float] = {}

    def write_tests(self, index: int) -> None:
        """One file for each test group that concerns the rule, cheapest first. JSON is YAML, and quicker to write."""
        rule = self.rules[index]
        found = []
        for name, document in self.tests:
            for group in document["tests"]:
                if ("record" not in rule or name == "recording.yaml") and concerns(group, rule):
                    found.append({**document, "rule_files": ["rules.json"], "tests": [cut(group, rule)]})
        found.sort(key=cost)
        self.cost[index] = sum(map(cost, found))
        queries = [test["expr"] for document in found for test in document["tests"][0].get("promql_expr_test", [])]
        self.asked[index] = "\n".join(queries)
        self.written[index] = []
        for number, document in enumerate(found):
            path = self.folder / f"{index}-{number}.json"
            path.write_text(json.dumps(document))
            self.written[index].append(path)

    def needed(self, index: int, rule: dict) -> set[int]:
        """The rule and the recording rules that it, or one of its tests, asks for, directly or through others."""
        found, waiting = {index}, [rule, {"expr": self.asked[index]}]
        while waiting:
            current = waiting.pop()
            text = current["expr"] + "".join(current.get("annotations", {}).values())
            for name, other in self.records.items():
                if name in text and other not in found:
                    found.add(other)
                    waiting.append(self.rules[other])
        return found

    def write_rules(self, place: Path, index: int, mutant: Mutant | None) -> None:
        rule = mutated(self.rules[index], mutant) if mutant else self.rules[index]
        keep = self.needed(index, rule)
        groups, at = [], 0
        for group in self.groups:
            numbered = list(enumerate(group["rules"], start=at))
            at += len(numbered)
            kept = [rule if number == index else other for number, other in numbered if number in keep]
            if kept:
                groups.append({"name": group["name"], "rules": kept})
        (place / "rules.json").write_text(json.dumps({"groups": groups}))

    def survivors(self, index: int, mutants: list[Mutant | None]) -> list[Mutant | None]:
        """Those that no test notices; None stands for the rule without a fault. Each test group meets those left over by
        the ones before it, all in one run of promtool, since starting it takes longer than most groups do."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            left = []
            for number, mutant in enumerate(mutants):
                folder = Path(place, str(number))
                folder.mkdir()
                self.write_rules(folder, index, mutant)
                left.append((folder, mutant))
            for test in self.written[index]:
                for folder, _ in left:
                    os.link(test, folder / test.name)
                passed = run_promtool([folder / test.name for folder, _ in left])
                left = [(folder, mutant) for folder, mutant in left if folder / test.name in passed]
                if not left:
                    break
        return [mutant for _, mutant in left]


def run_promtool(files: list[Path]) -> set[Path]:
    """The files whose tests pass."""
    done = subprocess.run(
        ["promtool", "test", "rules", *files], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    told = re.findall(r"Unit Testing:  (\S+)\n\s*(SUCCESS|FAILED)", done.stdout)
    if len(told) != len(files):
        raise RuntimeError(f"promtool told of {len(told)} of {len(files)} test files:\n{done.stdout[-2000:]}")
    return {Path(name) for name, outcome in told if outcome == "SUCCESS"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-k", default="", metavar="PATTERN", help="only mutants whose name holds this")
    parser.add_argument("-v", action="store_true", help="name every mutant")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        bench = Bench(Path(folder), yaml.load(RULES.read_text(), yaml.CSafeLoader))
        found = {}
        for index, rule in enumerate(bench.rules):
            mutants = [mutant for mutant in mutants_of(index, rule) if options.k in f"{title(rule)}: {mutant.fault}"]
            if mutants:
                found[index] = mutants
                bench.write_tests(index)
        # The longest first, so that no core is left waiting at the end.
        found = dict(sorted(found.items(), key=lambda item: -len(item[1]) * bench.cost[item[0]]))
        unsound = [index for index, left in zip(found, pool.map(lambda index: bench.survivors(index, [None]), found)) if not left]
        for index in unsound:
            print(f"{title(bench.rules[index])}: its tests fail without a fault, so they prove nothing", file=sys.stderr)
        if unsound:
            return 1
        total = survived = 0
        for index, left in zip(found, pool.map(lambda index: bench.survivors(index, found[index]), found)):
            total += len(found[index])
            survived += len(left)
            for mutant in found[index]:
                if mutant in left or options.v:
                    fate = "SURVIVED" if mutant in left else "caught  "
                    print(f"{fate}  {title(bench.rules[index])}: {mutant.fault}", flush=True)
    print(f"mutants: {total - survived}/{total} caught in {time.monotonic() - started:.0f} s")
    return 1 if survived or not total else 0


if __name__ == "__main__":
    sys.exit(main())
