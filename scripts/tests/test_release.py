"""The version is written everywhere, and a place that was forgotten is found."""

import re
import shutil

import pytest

CHANGES = "### Added\n\n- Something."


@pytest.fixture
def release(script, tmp_path):
    """The script over a copy of the files that it reads, with one change that is unreleased."""
    release = script("release")
    for path in {path for path, _ in release.places()}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(release.ROOT / path, tmp_path / path)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## [Unreleased]\n\n{CHANGES}\n", encoding="utf-8")
    release.ROOT = tmp_path
    return release


def test_all_files_name_one_version(release):
    assert release.main(["check"]) == 0


def test_a_bump_reaches_every_place_and_dates_the_changes(release, capsys):
    old = release.current()
    assert release.main(["bump", "12.3.4"]) == 0
    assert release.main(["check", "v12.3.4"]) == 0
    for path, expression in release.places():
        assert not re.search(rf"{expression}", release.read(path))[2] == old, path
    assert release.main(["notes"]) == 0
    assert capsys.readouterr().out.strip() == CHANGES
    assert re.search(r"## \[Unreleased\]\n\n## \[12\.3\.4\] - \d{4}-\d\d-\d\d\n\n### Added", release.read("CHANGELOG.md"))


def test_a_place_that_was_forgotten_is_named(release, capsys):
    for path, expression in release.places():
        whole = release.read(path)
        (release.ROOT / path).write_text(re.sub(expression, r"\g<1>0.0.9\g<3>", whole), encoding="utf-8")
        assert release.main(["check"]) == 1
        assert path == "Cargo.toml" or f"{path}: names 0.0.9" in capsys.readouterr().err
        (release.ROOT / path).write_text(whole, encoding="utf-8")


@pytest.mark.parametrize("tag", ["v9.9.9", "0.1.0"])
def test_a_tag_of_another_version_is_refused(release, tag):
    assert release.main(["check", tag]) == 1


def test_a_tag_without_changes_in_the_changelog_is_refused(release, capsys):
    assert release.main(["check", f"v{release.current()}"]) == 1
    assert "CHANGELOG.md: has nothing under" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["bump"], ["bump", "1.2"], ["bump", "v1.2.3"], ["release"]])
def test_what_cannot_be_used_ends_with_64(release, arguments):
    assert release.main(arguments) == 64
