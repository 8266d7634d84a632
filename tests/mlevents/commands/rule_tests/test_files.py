"""Files with tests of rules: their errors, their schema, and which of them run."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from dispatch.rules.reading.yaml import parse
from dispatch.rules.schema import as_text, schema_of
from mlevents.commands.rule_tests.model import TestsFile
from tests.kit.started import ROOT
from tests.mlevents.commands.rule_tests.project import Project
from tests.mlevents.commands.rule_tests.test_run import PASSING

HEAD = "tests:\n  - name: t\n    event: run_completed\n"
ERRORS = [
    ("", "1:1: the file has no tests. Begin it with 'tests:'."),
    ("tests: []\n", "1:8: tests is empty"),
    (
        "test:\n  - { name: t, event: run_completed, fires: [] }\n",
        "1:1: unknown key 'test' in a file with tests. Did you mean tests?",
    ),
    ("rules: []\n", "1:1: unknown key 'rules' in a file with tests. Rules belong in the folder above this one."),
    (HEAD + "    fire: []\n", "4:5: unknown key 'fire' in a test. Did you mean fires?"),
    (HEAD + "    expect: []\n", "4:5: unknown key 'expect' in a test. Did you mean fires?"),
    (HEAD, "2:5: a test needs 'fires', 'includes' or 'not'. Write fires: [mail-failed-runs]"),
    ("tests:\n  - { name: t, fires: [] }\n", "2:5: a test needs either 'event' or 'recorded'. Write event: "),
    (HEAD + "    recorded: x\n    fires: []\n", "2:5: a test needs either 'event' or 'recorded'"),
    ("tests:\n  - { event: run_completed, fires: [] }\n", "2:5: this test has no 'name'. Reports name the test by it."),
    (HEAD + "    fires: 5\n", "4:12: fires should be the name of a rule, a list of names, or a mapping"),
    (HEAD + "    fires: [{ a: b }]\n", "4:12: fires should be the name of a rule"),
    (HEAD + "    fires: { a: b }\n", "should be a mapping (key: value), not the text 'b'"),
    (HEAD + "    ends: { a: faild }\n    fires: []\n", "4:16: unknown status 'faild'. Did you mean failed?"),
    (
        HEAD + "    settings: { EMAIL_FROM: x }\n    fires: []\n",
        "rules read no setting 'EMAIL_FROM'. The names of settings for rules begin with RULES_.",
    ),
    (HEAD + "    changes: { data.x: '${RULES_X}' }\n    fires: []\n", "the app setting RULES_X is not set"),
    ("tests: [", "1:"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_error_has_a_position_and_a_hint(project: Project, text: str, message: str) -> None:
    project.tests(text)
    code, out = project.run()
    assert code == 1
    assert out.startswith("rules/tests/churn.yaml:")
    assert message in out
    assert out.splitlines()[-1] == (
        "0 tests; 2 errors in files" if text == "rules: []\n" else "0 tests; 1 error in files"
    )


def test_other_files_are_tested_beside_one_with_errors(project: Project) -> None:
    project.tests("tests: []\n", "a.yaml")
    project.case("fires: [mail, log-all]")
    code, out = project.run()
    assert (code, out.splitlines()[-1]) == (1, "1 test: 1 passed; 1 error in files")


def test_files_and_folders_can_be_named(project: Project, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/b.yml").write_text(project.case("fires: []").read_text().replace("a test", "another"))
    (tmp_path / "more/.hidden.yaml").write_text("x")
    (tmp_path / "more/README.md").write_text("x")
    project.case("fires: [mail, log-all]")
    assert project.run()[1].splitlines()[-1] == "1 test: 1 passed"
    assert project.run("more", "rules/tests/churn.yaml")[1].splitlines()[-1] == "2 tests: 1 passed, 1 failed"
    assert project.run("more/b.yml")[1].startswith("more/b.yml:5:5: another\n")
    code, out = project.run("nowhere")
    assert (code, "there is no file and no folder nowhere" in out) == (2, True)


def test_tests_are_chosen_by_name_and_by_rule(project: Project) -> None:
    one = "  - {{ name: {0}, event: run_status_changed, not: {1} }}\n"
    project.tests("tests:\n" + one.format("First mail", "log-mail") + one.format("second", "mail"))
    assert project.run("-k", "FIRST")[1] == "1 test: 1 passed\n"
    assert project.run("--rule", "mail")[1].endswith("1 test: 1 failed\n")
    assert project.run("-k", "first", "--rule", "mail")[0] == 2
    code, out = project.run("--rule", "mial")
    assert (code, "there is no rule 'mial'. Did you mean mail?" in out) == (2, True)
    assert "no test has 'third' in its name" in project.run("-k", "third")[1]


def test_project_without_tests_does_not_pass(project: Project) -> None:
    code, out = project.run()
    assert code == 1
    assert "there are no tests in " in out
    (project.folder / "rules/tests").rmdir()
    assert project.run()[0] == 1


def test_rules_of_another_folder_are_tested(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an option, or as MLEVENTS_RULES says."""
    (project.folder / "rules").rename(project.folder / "mine")
    project.folder.joinpath("mine/tests/t.yaml").write_text(HEAD + "    fires: []\n")
    assert project.run("--rules", "mine")[0] == 0
    monkeypatch.setenv("MLEVENTS_RULES", "mine")
    assert project.run()[0] == 0
    assert project.run("--rules", "nowhere")[0] == 2


def test_rules_with_errors_fail_all_tests(project: Project) -> None:
    project.rules("rules:\n  - { name: mail, on: RunCompletd, do: log }\n")
    project.tests(HEAD + "    fires: []\n")
    code, out = project.run()
    assert code == 1
    assert out.startswith("rules/churn.yaml:2:23: unknown event type 'RunCompletd'. Did you mean RunCompleted?\n")
    (project.folder / "rules/workspaces.yaml").write_text("")
    assert project.run()[0] == 1


SCHEMA = Draft7Validator(schema_of(TestsFile))


def plain(text: str) -> Any:
    root = parse(text.encode(), "x.yaml", {}).root
    return root.plain() if root else None


def test_committed_schema_is_up_to_date() -> None:
    """`mlevents schema tests` writes it."""
    assert (ROOT / "docs/schemas/tests.schema.json").read_text(encoding="utf-8") == as_text(schema_of(TestsFile))
    Draft7Validator.check_schema(schema_of(TestsFile))


FILES = sorted((ROOT / "samples/rules/tests").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_names_its_schema_and_is_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    mark, _, schema = text.splitlines()[0].partition("=")
    assert mark == "# yaml-language-server: $schema"
    assert (path.parent / schema).resolve() == ROOT / "docs/schemas/tests.schema.json"
    assert [error.message for error in SCHEMA.iter_errors(plain(text))] == []


@pytest.mark.parametrize("expected", PASSING)
def test_schema_accepts_what_the_tool_accepts(expected: str) -> None:
    indented = "".join(f"    {line}\n" for line in expected.splitlines())
    assert [error.message for error in SCHEMA.iter_errors(plain(HEAD + indented))] == []


@pytest.mark.parametrize("text", [text for text, _ in ERRORS if "RULES_X" not in text and text != "tests: ["])
def test_schema_refuses_what_the_tool_refuses(text: str) -> None:
    if "EMAIL_FROM" not in text:
        assert list(SCHEMA.iter_errors(plain(text)))
