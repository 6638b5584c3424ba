"""The files are what their source gives, and fit Grafana's own types."""

import copy
import json
import shutil
import subprocess

import pytest
import yaml
from board_files import FOLDER, UIDS, load
from generate import rendered

CHECK = FOLDER / "check"


def test_each_file_is_what_the_source_gives():
    for name, text in rendered().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, (
            f"{name} differs: run `python dashboards/generate.py`"
        )


def test_there_is_no_other_dashboard():
    assert {path.name for path in FOLDER.glob("*.json")} == set(rendered()) == {f"{uid}.json" for uid in UIDS}


def schema_check(*files) -> subprocess.CompletedProcess:
    assert (CHECK / "node_modules").is_dir(), "run `npm ci` in dashboards/check first"
    return subprocess.run(
        [shutil.which("node"), "schema.mjs", *map(str, files)], cwd=CHECK, capture_output=True, text=True, timeout=60
    )


def test_the_page_of_the_rendering_keeps_its_types():
    done = subprocess.run(
        [CHECK / "node_modules" / ".bin" / "tsc", "-p", "page"], cwd=CHECK, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout


def misspelt_option(board):
    board["panels"][0]["options"]["colourMode"] = "background"


def wrong_value(board):
    board["panels"][0]["options"]["graphMode"] = "bars"


def missing_query(board):
    del board["panels"][0]["targets"][0]["expr"]


def number_for_a_word(board):
    board["panels"][0]["title"] = 1


BREAKAGES = (misspelt_option, wrong_value, missing_query, number_for_a_word)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """One run for all, sound and broken: making the schema takes the longest."""
    folder = tmp_path_factory.mktemp("broken")
    files = [FOLDER / f"{uid}.json" for uid in UIDS]
    for breakage in BREAKAGES:
        broken = copy.deepcopy(load("zai-overview"))
        breakage(broken)
        files.append(folder / f"{breakage.__name__}.json")
        files[-1].write_text(json.dumps(broken), encoding="utf-8")
    done = schema_check(*files)
    assert done.returncode == 1, f"broken dashboards among them, and the exit code is {done.returncode}: {done.stderr}"
    return {line.split(":")[0].rsplit("/", 1)[-1]: line for line in done.stdout.splitlines()}


@pytest.mark.parametrize("uid", UIDS)
def test_fits_the_types_of_grafana(verdicts, uid):
    assert verdicts[f"{uid}.json"].startswith("ok"), verdicts[f"{uid}.json"]


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_a_broken_board_does_not_fit(verdicts, breakage):
    assert verdicts[f"{breakage.__name__}.json"].startswith("FAIL")


def test_the_provisioning_example_names_what_grafana_needs():
    """Keys by Grafana's documentation of provisioning; a misspelt one would be passed over in silence."""
    provider = yaml.safe_load((FOLDER / "provisioning" / "dashboards.yaml").read_text(encoding="utf-8"))
    assert provider["apiVersion"] == 1
    [entry] = provider["providers"]
    assert set(entry) == {
        "name",
        "folder",
        "type",
        "disableDeletion",
        "allowUiUpdates",
        "updateIntervalSeconds",
        "options",
    }
    assert entry["type"] == "file" and entry["options"].keys() == {"path"}
    source = yaml.safe_load((FOLDER / "provisioning" / "datasource.yaml").read_text(encoding="utf-8"))
    assert [each["type"] for each in source["datasources"]] == ["prometheus"]


def test_the_readme_shows_a_picture_of_each_board():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for uid in UIDS:
        picture = FOLDER / "pictures" / f"{uid}.png"
        assert f"(pictures/{uid}.png)" in readme
        assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size < 300_000
