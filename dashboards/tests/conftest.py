import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stack import Stack  # noqa: E402  (its folder is put on the path above)


@pytest.fixture(scope="session")
def stack():
    """Exporters that read every documented code, and the Prometheus that scrapes them. Started for the first test that asks."""
    with Stack() as running:
        yield running
