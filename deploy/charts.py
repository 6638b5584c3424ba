#!/usr/bin/env python3
"""Packs the charts of a release. The image in their values is the one of the release, by its digest: what is installed is what was signed.

    deploy/charts.py REGISTRY/REPOSITORY@sha256:DIGEST FOLDER

Prints the paths of the packages. Needs helm-python-sdk (helm/tests/requirements.txt).
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

import helm_python

HELM = Path(__file__).resolve().parent.parent / "helm"
CHARTS = ("zai-exporter", "zai-exporter-lib")
IMAGE = re.compile(r"(?P<registry>[^/@]+)/(?P<repository>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})")


def pack(chart: str, image: dict[str, str], folder: Path) -> str:
    with tempfile.TemporaryDirectory() as work:
        copy = shutil.copytree(HELM / chart, Path(work) / chart)
        values = copy / "values.yaml"
        text = values.read_text(encoding="utf-8")
        head, block = text.split("\nimage:\n", 1)
        for key, value in image.items():
            block, count = re.subn(rf"(?m)^  {key}: .*$", f'  {key}: "{value}"', block, count=1)
            if count != 1:
                raise SystemExit(f"deploy/charts.py: {HELM / chart / 'values.yaml'} has no `{key}` under `image`")
        values.write_text(f"{head}\nimage:\n{block}", encoding="utf-8")
        return helm_python.package(str(copy), destination=str(folder))


def main(arguments: list[str]) -> int:
    image = IMAGE.fullmatch(arguments[0]) if len(arguments) == 2 else None
    if image is None:
        print(f"deploy/charts.py: cannot use {arguments}: give REGISTRY/REPOSITORY@sha256:DIGEST and a folder", file=sys.stderr)
        return 64
    folder = Path(arguments[1])
    folder.mkdir(parents=True, exist_ok=True)
    for chart in CHARTS:
        print(pack(chart, image.groupdict(), folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
