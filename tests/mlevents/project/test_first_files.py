"""The first files of a user never change, so that git merges every newer version into a user's clone."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from dispatch.rules.loader import load
from dispatch.rules.reading.yaml import parse
from mlevents import PROJECT
from mlevents.project.first_files import FIRST_FILES, has_only_first_files, is_first_file
from tests.kit.world import SETTINGS

GOLDEN = Path(__file__).parent / "golden/rules_0.1"
RULES = PROJECT / "rules"
INFRA = ("main.bicepparam", "ml-alerts.bicepparam", "generated/roles.bicep")
SCHEMAS = ("rules.schema.json", "workspaces.schema.json")
IN_A_CLONE_OF_A_USER = not is_first_file(RULES / "workspaces.yaml", "workspaces.yaml") or (
    {path.name for path in RULES.iterdir()} != {*FIRST_FILES, *SCHEMAS}
)
OURS = pytest.mark.skipif(IN_A_CLONE_OF_A_USER, reason="rules/ has files of a user")
MINE = """\
  - name: log-mine
    on: RunCompleted
    do: log
"""


@OURS
def test_first_files_are_those_of_the_first_version() -> None:
    assert all(is_first_file(folder / name, name) for folder in (GOLDEN, RULES) for name in FIRST_FILES)
    assert has_only_first_files(RULES)


@OURS
@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_beside_rules_refer_to_those_in_docs(name: str) -> None:
    """So the first lines of rules files from the first version stay valid."""
    schema = json.loads((RULES / name).read_text())
    target = json.loads((RULES / schema["$ref"]).resolve().read_text())
    registry: Registry = Registry().with_resource(schema["$ref"], Resource.from_contents(target))
    validator = Draft7Validator(schema, registry=registry)
    first = "churn.yaml" if name == SCHEMAS[0] else "workspaces.yaml"
    root = parse((RULES / first).read_bytes(), first, {}).root
    assert root
    assert list(validator.iter_errors(root.plain())) == []
    assert list(validator.iter_errors({"other": 1}))


@OURS
@pytest.mark.parametrize("name", INFRA)
def test_files_of_infra_that_users_change_are_those_of_the_first_version(name: str) -> None:
    assert (PROJECT / "infra" / name).read_bytes() == (GOLDEN.parent / "infra_0.1" / name).read_bytes()


def test_folder_with_any_other_file_is_the_users(tmp_path: Path) -> None:
    assert not has_only_first_files(tmp_path)
    assert not has_only_first_files(tmp_path / "nowhere")
    for name in FIRST_FILES:
        (tmp_path / name).write_bytes((GOLDEN / name).read_bytes())
    assert has_only_first_files(tmp_path)
    (tmp_path / "team.yml").write_text("rules:\n")
    assert not has_only_first_files(tmp_path)


def git(folder: Path, *arguments: str) -> str:
    settings = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    settings |= {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", "-c", "init.defaultBranch=main", *arguments]
    return subprocess.run(command, cwd=folder, env=settings, check=True, stdout=subprocess.PIPE, text=True).stdout


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@OURS
@pytest.mark.services
@pytest.mark.parametrize("deleted", [False, True], ids=["changed", "deleted"])
def test_clone_of_the_first_version_with_rules_of_its_own_is_upgraded_without_a_conflict(
    tmp_path: Path, deleted: bool
) -> None:
    """The first version had the schemas beside the rules."""
    schemas = {f"rules/{name}": (PROJECT / "docs/schemas" / name).read_text() for name in SCHEMAS}
    write(tmp_path, {f"rules/{name}": (GOLDEN / name).read_text() for name in FIRST_FILES} | schemas)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "The first version")
    git(tmp_path, "branch", "upstream")
    churn = (GOLDEN / "churn.yaml").read_text()
    mine = {
        "rules/churn.yaml": churn.replace("ml-team@example.com", "us@example.com") + MINE,
        "rules/workspaces.yaml": (GOLDEN / "workspaces.yaml").read_text() + "timezone: Europe/Berlin\n",
        "rules/team.yaml": "# yaml-language-server: $schema=rules.schema.json\nrules:\n" + MINE.replace("mine", "team"),
        "acme/__init__.py": "",
        "acme/chat.py": "TEXT = 1\n",
    }
    write(tmp_path, mine)
    if deleted:
        mine.pop("rules/churn.yaml")
        (tmp_path / "rules/churn.yaml").unlink()
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "Ours")
    git(tmp_path, "switch", "-q", "upstream")
    (tmp_path / "docs/schemas").mkdir(parents=True)
    for name in SCHEMAS:
        (tmp_path / "docs/schemas" / name).write_bytes((PROJECT / "docs/schemas" / name).read_bytes())
        (tmp_path / "rules" / name).write_bytes((RULES / name).read_bytes())
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "The next version")
    git(tmp_path, "switch", "-q", "main")
    git(tmp_path, "merge", "-q", "--no-edit", "upstream")
    assert {name: (tmp_path / name).read_text() for name in mine} == mine
    assert (tmp_path / "rules/churn.yaml").exists() is not deleted
    loaded = load(tmp_path / "rules", SETTINGS, tmp_path)
    assert (loaded.errors, "log-team" in loaded.by_name) == ((), True)
    assert git(tmp_path, "status", "--short") == ""
