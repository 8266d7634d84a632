"""samples/gallery: each file is valid, says what to change, and is listed, tested, and short."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from dispatch.rules import load
from handlers import builtin
from mlevents.__main__ import main
from tests.gallery import act, notify, pass_on, unsaid
from tests.gallery.need import NEEDS
from tests.gallery.services import GALLERY, GIVEN, LISTED

MODULES = (notify, act, pass_on, unsaid)  # they fill NEEDS
ROOT = GALLERY.parents[1]
FILES = sorted(str(path.relative_to(GALLERY).with_suffix("")) for path in GALLERY.rglob("*.yaml"))
EACH = pytest.mark.parametrize("file", FILES)
MOST_LINES, MOST_COLUMNS = 40, 120
PAGES = {"event_grid": "streams", "event_hub": "streams", "service_bus": "streams"}
PAGES |= {"storage_queue": "streams", "blob": "streams"}


def text_of(file: str) -> str:
    return (GALLERY / f"{file}.yaml").read_text(encoding="utf-8")


def head_of(file: str) -> dict[str, str]:
    """The comment before the rules: the need, and the values of its keys."""
    text = text_of(file).partition("\nrules:\n")[0]
    found: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        name, said = re.match(r"# (?:(Change|Settings|Docs): )?(.*)", line).groups()  # type: ignore[union-attr]
        key = name or key
        found[key] = f"{found.get(key, '')} {said}".strip()
    return found


def rules_of(file: str) -> list[dict[str, object]]:
    rules: list[dict[str, object]] = yaml.safe_load(text_of(file))["rules"]
    return rules


@pytest.mark.slow  # azure-ai-ml reads the job files
@EACH
def test_check_finds_nothing(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside workspaces, an account and a registry, with the settings that the file names; each rule has a preview."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "workspaces.yaml").write_text(LISTED)
    shutil.copy(GALLERY / f"{file}.yaml", rules)
    for name in {*re.findall(r"RULES_\w+", head_of(file).get("Settings", "")), *re.findall(r"RULES_\w+", LISTED)}:
        monkeypatch.setenv(name, GIVEN[name])
    monkeypatch.setenv("MLEVENTS_RULES", str(rules))
    assert main(["check"]) == 0
    printed = capsys.readouterr().out
    number = len(rules_of(file))
    assert printed.splitlines()[-1] == f"{number} rule{'s' * (number > 1)} in force in 1 file, no errors"
    assert "not previewed" not in printed


@EACH
def test_head_says_what_to_change(file: str) -> None:
    """The need, the settings that the rules read, and the page of each handler."""
    head = head_of(file)
    assert head[""].endswith(".")
    assert head["Change"]
    named = set(re.findall(r"RULES_\w+", head.get("Settings", "")))
    assert named == set(re.findall(r"\$\{(RULES_\w+)\}", text_of(file)))
    pages = head["Docs"].split(", ")
    assert {str(rule["do"]) for rule in rules_of(file)} <= set(builtin())
    assert {f"docs/handlers/{PAGES.get(str(rule['do']), rule['do'])}.md" for rule in rules_of(file)} <= set(pages)
    assert all((ROOT / page).is_file() for page in pages)


@EACH
def test_file_is_short(file: str) -> None:
    lines = text_of(file).splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= MOST_COLUMNS


def test_all_files_can_be_in_force_at_once(tmp_path: Path) -> None:
    """The names of their rules differ."""
    (tmp_path / "workspaces.yaml").write_text(LISTED)
    for file in FILES:
        shutil.copy(GALLERY / f"{file}.yaml", tmp_path)
    loaded = load(tmp_path, GIVEN)
    assert loaded.errors == ()
    assert len(loaded.by_name) == sum(len(rules_of(file)) for file in FILES)


def test_each_file_is_tested() -> None:
    assert sorted(NEEDS) == FILES
    assert len(FILES) >= 30


def test_page_lists_each_file() -> None:
    """Once, under its own name; test_docs.py checks that the links lead to files."""
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[([\w-]+)\]\(\.\./samples/gallery/([\w/-]+)\.yaml\): \w", page, re.MULTILINE)
    assert sorted(path for _, path in listed) == FILES
    assert all(path.endswith(f"/{name}") for name, path in listed)


def test_page_about_quiet_hours_names_a_rule() -> None:
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    [rule] = re.findall(r"`mlevents pause ([\w-]+) ", page)
    assert rule in {each["name"] for file in FILES for each in rules_of(file)}
