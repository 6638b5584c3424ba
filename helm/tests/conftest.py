import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from charts import REPOSITORY  # noqa: E402

SNAPSHOTS = Path(__file__).parent / "snapshots"


def pytest_addoption(parser):
    parser.addoption("--update-snapshots", action="store_true", help="write the snapshots of the rendered charts anew")


@pytest.fixture
def snapshot(request):
    """Compares a text with helm/tests/snapshots/<name>, or writes it there."""

    def check(name: str, text: str) -> None:
        path = SNAPSHOTS / name
        if request.config.getoption("--update-snapshots"):
            path.write_text(text, encoding="utf-8")
        expected = path.read_text(encoding="utf-8") if path.exists() else ""
        difference = difflib.unified_diff(expected.splitlines(), text.splitlines(), f"snapshots/{name}", "rendered now", lineterm="")
        assert text == expected, "\n".join(difference) + "\n(if that is what you want: pytest helm/tests --update-snapshots)"

    return check


@pytest.fixture(scope="session")
def exporter() -> Path:
    """The real binary."""
    path = Path(os.environ.get("ZAI_EXPORTER_BIN", REPOSITORY / "target" / "release" / "zai-exporter"))
    if not path.exists():
        pytest.fail(f"{path} is not there: build it (cargo build --release --locked) or set ZAI_EXPORTER_BIN")
    return path.resolve()


@pytest.fixture(scope="session")
def promtool() -> str:
    path = shutil.which("promtool")
    if not path:
        pytest.fail("promtool is not installed: apt-get install --no-install-recommends prometheus")
    return path


@pytest.fixture(scope="session")
def kubectl() -> str:
    path = shutil.which("kubectl")
    if not path:
        pytest.skip("kubectl is not installed, so the kustomize component is not built")
    return path


@pytest.fixture(scope="session")
def node_checks():
    """Runs a script of helm/tests/node; returns the finished process."""
    folder = Path(__file__).parent / "node"
    if not (folder / "node_modules").exists():
        pytest.fail(f"{folder / 'node_modules'} is not there: run `npm ci` in {folder}")

    def run(script: str, text: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["node", script], cwd=folder, input=text, capture_output=True, text=True, timeout=120, check=False
        )

    return run
