"""What the tests of this folder share."""

import os
import shutil
import sys
from pathlib import Path

import pytest

ALERTS = Path(__file__).resolve().parent.parent
REPOSITORY = ALERTS.parent

sys.path.insert(0, str(ALERTS))


@pytest.fixture(scope="session")
def exporter() -> Path:
    """The built program."""
    path = Path(os.environ.get("ZAI_EXPORTER_BIN", REPOSITORY / "target" / "release" / "zai-exporter"))
    if not path.exists():
        pytest.fail(f"{path} does not exist: build it with `cargo build --release`, or set ZAI_EXPORTER_BIN")
    return path.resolve()


def tool(name: str, package: str) -> str:
    """The path of a program of Debian's packages."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not installed: apt-get install -y --no-install-recommends {package}")
    return path


@pytest.fixture(scope="session")
def promtool() -> str:
    return tool("promtool", "prometheus")


@pytest.fixture(scope="session")
def amtool() -> str:
    return tool("amtool", "prometheus-alertmanager")


@pytest.fixture(scope="session")
def prometheus() -> str:
    return tool("prometheus", "prometheus")


@pytest.fixture(scope="session")
def alertmanager() -> str:
    return tool("prometheus-alertmanager", "prometheus-alertmanager")
