"""The charts, rendered. Nothing here asks a cluster."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import helm_python
import yaml

HELM = Path(__file__).resolve().parents[1]
REPOSITORY = HELM.parent
CHART = HELM / "zai-exporter"
LIBRARY = HELM / "zai-exporter-lib"
CONSUMER = HELM / "examples" / "consumer-chart"
CI_FILES = sorted((CHART / "ci").glob("*-values.yaml"))
CI_NAMES = [path.name.removesuffix("-values.yaml") for path in CI_FILES]

RELEASE, NAMESPACE = "zai", "monitoring"


class Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a date is a string, a key that stands twice is a mistake."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"more than once: {', '.join(map(str, twice))}", node.start_mark)
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents(text: str) -> list[dict]:
    return [document for document in yaml.load_all(text, Loader) if document is not None]


def ci_values(name: str) -> dict:
    return yaml.load((CHART / "ci" / f"{name}-values.yaml").read_text(encoding="utf-8"), Loader)


@cache
def loaded(path: Path) -> helm_python.Chart:
    return helm_python.Chart.load(str(path))


def rendered_files(values: dict, chart: Path = CHART) -> dict[str, str]:
    """Template path (without the chart's name) -> text, notes included."""
    files = loaded(chart).render(values, name=RELEASE, namespace=NAMESPACE)
    return {path.split("/", 1)[1]: text for path, text in files.items()}


def render(values: dict, chart: Path = CHART) -> list[dict]:
    """Every object that the values give."""
    files = rendered_files(values, chart)
    return [document for path, text in sorted(files.items()) if path.endswith(".yaml") for document in documents(text)]


def of_kind(manifests: list[dict], kind: str) -> list[dict]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def one(manifests: list[dict], kind: str) -> dict:
    (manifest,) = of_kind(manifests, kind)
    return manifest


@cache
def consumer_chart() -> Path:
    """The example of a user's chart with its dependency beside it, as `helm dependency build` puts it there."""
    folder = Path(tempfile.mkdtemp(prefix="zai-consumer-"))
    chart = folder / "consumer-chart"
    shutil.copytree(CONSUMER, chart)
    shutil.copytree(LIBRARY, chart / "charts" / LIBRARY.name)
    return chart


def pod_templates(manifests: list[dict]) -> list[tuple[str, dict]]:
    """The Pod templates in the manifests: (kind/name, template)."""
    found = []
    for manifest in manifests:
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template") if isinstance(spec, dict) else None
        if template:
            found.append((f"{manifest['kind']}/{manifest['metadata']['name']}", template))
    return found
