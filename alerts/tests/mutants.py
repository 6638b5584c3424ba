"""Breaks the rules on purpose, one small fault at a time, and shows that the promtool tests notice each.

    python mutants.py              all mutants
    python mutants.py -k PATTERN   those whose name holds PATTERN
    python mutants.py -v           name every mutant

A mutant is zai.rules.yaml with one fault: an alert that cannot fire, a number doubled or halved, a comparison turned round, a
duration changed, a matcher or one alternative of it dropped, a label of an aggregation dropped, one side of `and`, `or` or
`unless` dropped, another window's recording rule used, a label or an annotation missing.

To be quick, each is tested by the test groups that name its alert, with that alert and the recording rules that it uses and
no other rule; a fault in a recording rule by the groups of recording.yaml. That the rules without a fault pass when they are
cut down in the same way is checked first: otherwise everything would look caught.

Left out, since the result is the same rule in other words, and no test can tell them apart: see EQUIVALENT.
"""

import argparse
import copy
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
RULES = HERE.parent / "zai.rules.yaml"
# Slow for what it finds: it asks all alerts at once that none fires, which the other tests ask of each alert by name.
SKIPPED_FILES = {"healthy_day.yaml"}

DURATION = r"\d+(?:ms|s|m|h|d)"
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}

# (rule, fault) as regular expressions, with the reason why the faulty rule means the same.
EQUIVALENT: list[tuple[str, str, str]] = []


@dataclass
class Mutant:
    """One fault in one rule; `rule` is the index in the flat list of rules."""

    rule: int
    fault: str
    expr: str | None = None
    patch: dict = field(default_factory=dict)


def seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(\w+)", duration).groups()
    return int(number) * SECONDS[unit]


def duration(value: float) -> str:
    return f"{int(value)}s"


def mask(expr: str) -> str:
    """The expression with the text in quotes blanked out, so that positions stay the same."""
    return re.sub(r'"[^"]*"', lambda match: '"' + "_" * (len(match[0]) - 2) + '"', expr)


def replaced(expr: str, start: int, end: int, text: str) -> str:
    return expr[:start] + text + expr[end:]


def numbers(expr: str):
    masked = mask(expr)
    for match in re.finditer(r"(?<![\w.:\[])(\d+(?:\.\d+)?)(?![\w.:])", masked):
        value = float(match[1])
        if value == 0:
            continue  # comparisons with 0 are turned round and loosened instead
        for factor in (2, 0.5):
            yield f"{match[1]} becomes {value * factor:g}", replaced(expr, *match.span(1), f"{value * factor:g}")


def comparisons(expr: str):
    turned = {">": "<", "<": ">", ">=": "<", "==": "!="}
    loosened = {"> 0": ">= 0"}
    masked = mask(expr)
    for match in re.finditer(r"(?<=\s)(>=|==|>|<)(?=\s)", masked):
        yield f"{match[1]} becomes {turned[match[1]]}", replaced(expr, *match.span(1), turned[match[1]])
    for old, new in loosened.items():
        for match in re.finditer(re.escape(old) + r"\b(?!\.)", masked):
            yield f"{old} becomes {new}", replaced(expr, *match.span(), new)


def windows(expr: str):
    masked = mask(expr)
    for match in re.finditer(rf"\[({DURATION})(:{DURATION})?\]", masked):
        for factor in (2, 0.5):
            new = duration(seconds(match[1]) * factor)
            yield f"[{match[1]}] at {match.start()} becomes [{new}]", replaced(expr, *match.span(1), new)
    for match in re.finditer(rf"offset ({DURATION})", masked):
        for factor in (2, 0.5):
            new = duration(seconds(match[1]) * factor)
            yield f"offset {match[1]} becomes {new}", replaced(expr, *match.span(1), new)
    for match in re.finditer(r":increase(5|10|15)m", masked):
        for other in {"5", "10", "15"} - {match[1]}:
            yield f"increase{match[1]}m at {match.start()} becomes {other}m", replaced(expr, *match.span(1), other)


def matchers(expr: str):
    for braces in re.finditer(r"\{([^{}]*)\}", expr):
        found = list(re.finditer(r'(\w+)(=~|!~|!=|=)"([^"]*)"', braces[1]))
        for match in found:
            kept = ",".join(other[0] for other in found if other is not match)
            yield f"{match[0]} at {braces.start()} dropped", replaced(expr, *braces.span(1), kept)
            alternatives = match[3].split("|")
            if match[2] in ("=~", "!~") and len(alternatives) > 1:
                for alternative in alternatives:
                    rest = "|".join(other for other in alternatives if other != alternative)
                    start = braces.start(1) + match.start(3)
                    yield (
                        f"alternative {alternative} of {match[1]} dropped",
                        replaced(expr, start, start + len(match[3]), rest),
                    )


def label_lists(expr: str):
    for match in re.finditer(r"\b(by|on) \(([\w, ]+)\)", mask(expr)):
        labels = match[2].split(", ")
        for label in labels:
            rest = ", ".join(other for other in labels if other != label)
            yield f"{match[1]} ({match[2]}) at {match.start()} without {label}", replaced(expr, *match.span(2), rest)


def set_operands(expr: str):
    """Each side of each and, or, unless dropped. Operands end where the brackets around them do."""
    masked = mask(expr)
    depth, depths = 0, []
    for char in masked:
        depth -= char in ")]}"
        depths.append(depth)
        depth += char in "([{"
    for operator in re.finditer(r"\s(and|or|unless)\s+(?:on \([\w, ]+\)\s+)?", masked):
        level = depths[operator.start()]
        same = [other for other in re.finditer(r"\s(and|or|unless)\s+(?:on \([\w, ]+\)\s+)?", masked)
                if depths[other.start()] == level]
        left = operator.start()
        while left > 0 and depths[left - 1] >= level:
            left -= 1
        left = max([left] + [other.end() for other in same if left <= other.start() < operator.start()])
        right = operator.end()
        while right < len(masked) and depths[right] >= level:
            right += 1
        right = min([right] + [other.start() for other in same if operator.end() <= other.start() < right])
        yield f"right of {operator[1]} at {operator.start()} dropped", replaced(expr, operator.start(), right, " ")
        yield f"left of {operator[1]} at {operator.start()} dropped", replaced(expr, left, operator.end(), " ")


def rule_fields(rule: dict):
    """Faults outside of the expression, as patches: None takes the key away."""
    for key, others in (("for", ("1m", "1h")), ("keep_firing_for", ("1m", "2h"))):
        if key in rule:
            yield f"{key} dropped", {key: None}
            for factor in (2, 0.5):
                new = duration(seconds(rule[key]) * factor)
                yield f"{key} {rule[key]} becomes {new}", {key: new}
        else:
            yield f"{key} 10m added", {key: "10m"}
    for label, value in rule["labels"].items():
        labels = {name: text for name, text in rule["labels"].items() if name != label}
        yield f"label {label} dropped", {"labels": labels}
        yield f"label {label} changed", {"labels": {**labels, label: value + "x"}}
    for annotation in rule["annotations"]:
        kept = {name: text for name, text in rule["annotations"].items() if name != annotation}
        yield f"annotation {annotation} dropped", {"annotations": kept}


def title(rule: dict) -> str:
    if "record" in rule:
        return rule["record"]
    return rule["alert"] + (f"/{rule['labels']['long_window']}" if "long_window" in rule["labels"] else "")


def mutants(rules: list[dict]) -> list[Mutant]:
    found = []
    for index, rule in enumerate(rules):
        expr = rule["expr"]
        faults = [Mutant(index, "cannot fire", expr=f"({expr}) unless on () vector(1)")]
        for operator in (numbers, comparisons, windows, matchers, label_lists, set_operands):
            faults += [Mutant(index, fault, expr=text) for fault, text in operator(expr)]
        if "alert" in rule:
            faults += [Mutant(index, fault, patch=patch) for fault, patch in rule_fields(rule)]
        found += [
            mutant for mutant in faults
            if not any(re.search(name, title(rule)) and re.search(fault, mutant.fault) for name, fault, _ in EQUIVALENT)
        ]
    return found


def used_records(text: str, records: dict[str, int]) -> set[int]:
    """The recording rules that an expression or a text asks for, and those that these ask for."""
    found: set[int] = set()
    waiting = [text]
    while waiting:
        current = waiting.pop()
        for name, index in records.items():
            if name in current and index not in found:
                found.add(index)
                waiting.append(RULES_FLAT[index]["expr"])
    return found


class Bench:
    """Cuts rules and tests down to what concerns one alert, and runs promtool on them."""

    def __init__(self, document: dict):
        self.groups = document["groups"]
        self.records = {rule["record"]: index for index, rule in enumerate(RULES_FLAT) if "record" in rule}
        self.tests = {}
        for path in sorted(HERE.glob("*.yaml")):
            if path.name not in SKIPPED_FILES:
                self.tests[path.name] = yaml.safe_load(path.read_text())

    def concerned(self, index: int) -> list[tuple[dict, list[dict]]]:
        """The test files, each with its groups, that have a say about a rule."""
        rule = RULES_FLAT[index]
        found = []
        for name, document in self.tests.items():
            if "record" in rule:
                groups = document["tests"] if name == "recording.yaml" else []
            else:
                groups = [group for group in document["tests"] if rule["alert"] in asked(group)]
            if groups:
                found.append((document, groups))
        return found

    def kept(self, index: int) -> set[int]:
        """The rules to keep beside a rule: all parts of its alert and the recording rules that these use."""
        rule = RULES_FLAT[index]
        if "record" in rule:
            return set(self.records.values())
        same = {other for other, entry in enumerate(RULES_FLAT) if entry.get("alert") == rule["alert"]}
        texts = [RULES_FLAT[other]["expr"] + "".join(RULES_FLAT[other]["annotations"].values()) for other in same]
        # A window that only a mutant asks for has to be there too, or its absence would be what is noticed.
        texts = [re.sub(r":increase\d+m", ":increase5m", text) for text in texts] \
            + [re.sub(r":increase\d+m", ":increase10m", text) for text in texts] \
            + [re.sub(r":increase\d+m", ":increase15m", text) for text in texts]
        return same | used_records("\n".join(texts), self.records)

    def run(self, index: int, mutant: Mutant | None) -> bool:
        """Whether the tests pass."""
        keep = self.kept(index)
        groups, flat = [], 0
        for group in self.groups:
            rules = []
            for rule in group["rules"]:
                if flat in keep:
                    rules.append(mutated(rule, mutant) if mutant and flat == mutant.rule else rule)
                flat += 1
            if rules:
                groups.append({"name": group["name"], "rules": rules})
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
            files = []
            for number, (document, tests) in enumerate(self.concerned(index)):
                path = Path(folder) / f"{number}.yaml"
                path.write_text(yaml.safe_dump({**document, "rule_files": ["rules.yaml"], "tests": tests}))
                files.append(str(path))
            if not files:
                return True
            done = subprocess.run(["promtool", "test", "rules", *files], capture_output=True, check=False, timeout=300)
        return done.returncode == 0


def asked(group: dict) -> set[str]:
    """The alerts that a test group asks for, by name or in a query of ALERTS."""
    names = {test["alertname"] for test in group.get("alert_rule_test", [])}
    for test in group.get("promql_expr_test", []):
        names |= set(re.findall(r'alertname="(\w+)"', test["expr"]))
    return names


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-k", default="", metavar="PATTERN", help="only mutants whose name holds this")
    parser.add_argument("-v", action="store_true", help="name every mutant")
    options = parser.parse_args()
    started = time.monotonic()
    bench = Bench(DOCUMENT)
    everything = [
        mutant for mutant in mutants(RULES_FLAT) if options.k in f"{title(RULES_FLAT[mutant.rule])}: {mutant.fault}"
    ]
    concerned = sorted({mutant.rule for mutant in everything})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, passed in zip(concerned, pool.map(lambda index: bench.run(index, None), concerned)):
            if not passed:
                print(f"{title(RULES_FLAT[index])}: its tests fail without a fault, so they prove nothing", file=sys.stderr)
                return 1
        survived = 0
        for mutant, passed in zip(everything, pool.map(lambda mutant: bench.run(mutant.rule, mutant), everything)):
            survived += passed
            if passed or options.v:
                print(f"{'SURVIVED' if passed else 'caught'}  {title(RULES_FLAT[mutant.rule])}: {mutant.fault}", flush=True)
    print(f"mutants: {len(everything) - survived}/{len(everything)} caught in {time.monotonic() - started:.0f} s")
    return 1 if survived or not everything else 0


DOCUMENT = yaml.safe_load(RULES.read_text())
RULES_FLAT = [rule for group in DOCUMENT["groups"] for rule in group["rules"]]

if __name__ == "__main__":
    sys.exit(main())
