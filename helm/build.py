#!/usr/bin/env python3
"""Writes the parts of the charts that are made from something else, or says which of them are out of date.

    helm/build.py            write them
    helm/build.py --check    write nothing, name those that differ, exit 1 if there are any

Helm reads nothing outside of a chart, and links to files outside are dropped by the tools that pack a repository for a cluster
(Flux keeps regular files only) and refused by others. So what the chart shares with its neighbours is copied into it by this
script, and a test runs it with --check:

  dashboards/*.json                         -> zai-exporter/dashboards/
  zai-exporter-lib/templates/_sidecar.tpl   -> zai-exporter/templates/_sidecar.tpl (its names renamed, so that both charts can
                                               be dependencies of a third at different versions)
  zai-exporter-lib/values.yaml              -> the section `sidecar` of zai-exporter/values.yaml
  zai-exporter/values-alerts.yaml           -> the section `alerts` of zai-exporter/values.yaml
  values.yaml and schema.yaml               -> values.schema.json of both charts
  values.yaml                               -> the tables in README.md of both charts (with @bitnami/readme-generator-for-helm,
                                               installed by `npm ci` in tests/node)
"""

import argparse
import fnmatch
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

HELM = Path(__file__).resolve().parent
CHART = HELM / "zai-exporter"
LIBRARY = HELM / "zai-exporter-lib"
README_GENERATOR = HELM / "tests" / "node" / "node_modules" / ".bin" / "readme-generator"


class Outdated:
    """Collects the files that should be written; the last content of a path wins, later steps read it from here."""

    def __init__(self):
        self.contents: dict[Path, str | None] = {}

    def text(self, path: Path) -> str:
        content = self.contents.get(path)
        return path.read_text(encoding="utf-8") if content is None else content

    def put(self, path: Path, content: str) -> None:
        self.contents[path] = content

    def remove(self, path: Path) -> None:
        self.contents[path] = None

    def differing(self) -> list[Path]:
        return sorted(
            path
            for path, content in self.contents.items()
            if (content is None) == path.exists() or (content is not None and path.read_text(encoding="utf-8") != content)
        )

    def write(self) -> None:
        for path in self.differing():
            content = self.contents[path]
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")


def copy_dashboards(files: Outdated) -> None:
    sources = sorted((HELM.parent / "dashboards").glob("*.json"))
    for source in sources:
        files.put(CHART / "dashboards" / source.name, source.read_text(encoding="utf-8"))
    for copy in (CHART / "dashboards").glob("*.json"):
        if copy.name not in {source.name for source in sources}:
            files.remove(copy)


def copy_templates(files: Outdated) -> None:
    template = (LIBRARY / "templates" / "_sidecar.tpl").read_text(encoding="utf-8")
    note = "{{/* A copy, made by helm/build.py, of templates/_sidecar.tpl in zai-exporter-lib: change that one. */}}\n"
    files.put(CHART / "templates" / "_sidecar.tpl", note + template.replace("zai-exporter-lib.", "zai-exporter.sidecar."))


def merge_values(files: Outdated) -> None:
    path = CHART / "values.yaml"
    values = path.read_text(encoding="utf-8")
    values = between(values, "sidecar", sidecar_section((LIBRARY / "values.yaml").read_text(encoding="utf-8")))
    values = between(values, "alerts", (CHART / "values-alerts.yaml").read_text(encoding="utf-8"))
    files.put(path, values)


def between(text: str, name: str, content: str) -> str:
    """Puts content between the marks `# BEGIN name ...` and `# END name`."""
    pattern = re.compile(rf"(# BEGIN {name} [^\n]*\n).*?(# END {name}\n)", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise SystemExit(f"{CHART / 'values.yaml'}: expected one pair of the marks `# BEGIN {name} (...)` and `# END {name}`")
    return pattern.sub(lambda match: match[1] + content.strip("\n") + "\n" + match[2], text)


def sidecar_section(library_values: str) -> str:
    """The library's values as the section `sidecar`, without the image, which the chart has at its top."""
    head = (
        "## @section The sidecar\n"
        "## What the injection puts into Pods. A chart of your own gets the same from zai-exporter-lib, with the same values.\n"
        "sidecar:\n"
    )
    body = library_values[library_values.index("## @section What is followed") :]
    lines = [line for line in body.splitlines() if not line.startswith("## @section")]
    text = "\n".join(f"  {line}" if line else "" for line in lines).replace("## @param ", "## @param sidecar.")
    return head + re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def make_schemas(files: Outdated) -> None:
    rules = yaml.safe_load((HELM / "schema.yaml").read_text(encoding="utf-8"))
    for chart in (CHART, LIBRARY):
        text = files.text(chart / "values.yaml")
        schema = Schema(rules[chart.name], documented(text)).of(yaml.safe_load(text), "")
        schema["properties"]["global"] = {"type": "object", "description": "Values that Helm shares between charts; not used"}
        head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": f"Values of the chart {chart.name}"}
        files.put(chart / "values.schema.json", json.dumps(head | schema, indent=2) + "\n")


def documented(text: str) -> dict[str, str]:
    """The description of each `@param` of a values file."""
    return {name: words for name, words in re.findall(r"^\s*## @param (\S+)(?: \[[^\]]*\])? (.*)$", text, re.MULTILINE)}


class Schema:
    """A JSON schema inferred from default values; the rules say what a default does not."""

    def __init__(self, rules: dict, descriptions: dict[str, str]):
        self.descriptions = descriptions
        self.given = dict(rules.get("paths", {}))
        self.optional = rules.get("optional", {})
        for prefix, groups in rules.items():
            if prefix not in ("paths", "optional"):
                for group in groups:
                    self.given |= {f"{prefix}.{key}" if prefix else key: value for key, value in group.items()}

    def rule(self, table: dict, path: str):
        exact = table.get(path)
        return exact if exact is not None else next((rule for key, rule in table.items() if matches(path, key)), None)

    def of(self, value, path: str) -> dict:
        schema = self.rule(self.given, path) or self.inferred(value, path)
        if path in self.descriptions:
            schema = {"description": self.descriptions[path]} | schema
        return schema

    def inferred(self, value, path: str) -> dict:
        if isinstance(value, dict) and (value or not path):
            members = {key: self.of(member, f"{path}.{key}" if path else key) for key, member in value.items()}
            # Each has a default, so what is missing was taken away by a null.
            required = list(members)
            members |= {key: rule for key, rule in (self.rule(self.optional, path) or {}).items() if key not in members}
            return {"type": "object", "additionalProperties": False, "required": required, "properties": members}
        for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
            if isinstance(value, kind):
                # A threshold of 5 may become one of 2.5.
                return {"type": "number" if name == "integer" and path.startswith("alerts.") else name}
        raise SystemExit(f"helm/schema.yaml says nothing of `{path}`, whose default {value!r} does not tell what may stand there")


def matches(path: str, pattern: str) -> bool:
    """Whether a dotted path is that of a pattern, step by step."""
    steps, patterns = path.split("."), pattern.split(".")
    return len(steps) == len(patterns) and all(fnmatch.fnmatchcase(*pair) for pair in zip(steps, patterns))


def make_tables(files: Outdated) -> None:
    if not README_GENERATOR.exists():
        raise SystemExit(f"{README_GENERATOR} is not there; run `npm ci` in {README_GENERATOR.parents[2]}")
    for chart in (CHART, LIBRARY):
        with tempfile.TemporaryDirectory() as folder:
            values, readme = Path(folder, "values.yaml"), Path(folder, "README.md")
            # An indented comment is a comment of a member to a reader, and unknown to the generator.
            values.write_text(re.sub(r"^\s+## @", "## @", files.text(chart / "values.yaml"), flags=re.MULTILINE), encoding="utf-8")
            readme.write_text(files.text(chart / "README.md"), encoding="utf-8")
            result = subprocess.run(
                [README_GENERATOR, "-v", values, "-r", readme], capture_output=True, text=True, check=False, timeout=120
            )
            if result.returncode != 0:
                raise SystemExit(f"readme-generator on {chart / 'values.yaml'}:\n{result.stderr or result.stdout}")
            files.put(chart / "README.md", readme.read_text(encoding="utf-8"))


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes the generated parts of the Helm charts.")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is out of date and exit 1 if anything is")
    check = parser.parse_args().check
    files = Outdated()
    for step in (copy_dashboards, copy_templates, merge_values, make_schemas, make_tables):
        step(files)
    outdated = files.differing()
    if not check:
        files.write()
    for path in outdated:
        print(f"{path.relative_to(HELM.parent)}: {'out of date, run helm/build.py' if check else 'written'}")
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
