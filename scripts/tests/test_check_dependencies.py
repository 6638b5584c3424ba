"""What the check of the dependencies says of crates that are not what deny.toml allows."""

import pytest

LICENCES = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"}


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT/Apache-2.0", True),
        ("GPL-2.0/LGPL-2.1", False),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT AND Unicode-3.0", True),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", True),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", False),
        ("(MIT AND (GPL-3.0-only OR Unicode-3.0)) OR GPL-2.0", True),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", True),
        ("Apache-2.0 WITH Classpath-exception-2.0", False),
        ("", False),
    ],
)
def test_a_licence_is_kept(script, expression, kept):
    assert script("check-dependencies").allowed(expression, LICENCES) == kept


def crates(**versions: str) -> list[dict]:
    return [{"name": name, "version": version} for name, several in versions.items() for version in several.split()]


@pytest.mark.parametrize(
    ("locked", "skipped", "complaints"),
    [
        (crates(syn="2.0.1 3.0.0", log="0.4.1"), {"syn@2"}, 0),
        (crates(syn="2.0.1 3.0.0"), set(), 1),
        (crates(syn="1.0.0 2.0.1 3.0.0"), {"syn@2"}, 1),
        (crates(syn="20.0.1 3.0.0"), {"syn@2"}, 2),
        (crates(syn="3.0.0"), {"syn@2"}, 1),
        (crates(syn="2.0.1"), {"syn@2"}, 1),
    ],
)
def test_a_second_version_needs_a_reason_and_a_reason_a_second_version(script, locked, skipped, complaints):
    assert len(list(script("check-dependencies").second_versions(locked, skipped))) == complaints
