"""`Finding`: the formats of `mlevents check`."""

import json
from pathlib import Path

import pytest

from mlevents.findings import Finding, Summary, as_github, as_json, path_from_here

FINDING = Finding("warning", "a, b: 100 %\nc", "rules/a,b:c.yaml", 3, 5, hint="Do\x1b[31m this.", rule="mail")


def test_text_is_one_line_without_control_characters() -> None:
    assert FINDING.text == "rules/a,b:c.yaml:3:5: a, b: 100 % c. Do\\x1b[31m this."
    assert Finding("error", "no position").text == "no position"
    assert Finding("error", "bad", "a.yml", 2).text == "a.yml:2: bad"


def test_github_format_escapes_as_its_toolkit_does() -> None:
    assert as_github(FINDING) == (
        "::warning file=rules/a%2Cb%3Ac.yaml,line=3,col=5,title=mail::a, b: 100 %25 c. Do\\x1b[31m this."
    )
    assert as_github(Finding("error", "bad")) == "::error::bad"


def test_json_has_every_key_of_every_finding() -> None:
    summary = Summary(rules=4, files=2, errors=0, warnings=1)
    assert json.loads(as_json([FINDING, Finding("error", "x")], summary)) == {
        "findings": [
            {
                "severity": "warning",
                "message": "a, b: 100 % c",
                "file": "rules/a,b:c.yaml",
                "line": 3,
                "column": 5,
                "hint": "Do\\x1b[31m this.",
                "rule": "mail",
            },
            {"severity": "error", "message": "x", "file": None, "line": None, "column": None, "hint": "", "rule": ""},
        ],
        "summary": {"rules": 4, "files": 2, "errors": 0, "warnings": 1},
    }


@pytest.mark.parametrize(
    ("summary", "text"),
    [
        (Summary(4, 2, 0, 1), "4 rules in force in 2 files, no errors, 1 warning"),
        (Summary(1, 1, 1, 0), "1 rule in force in 1 file, 1 error"),
        (Summary(0, 0, 2, 2), "0 rules in force in 0 files, 2 errors, 2 warnings"),
        (Summary(0, 0, 1, 0, knows_workspaces=False), "no rule acts until workspaces.yaml is valid; 1 error"),
    ],
)
def test_the_last_line_counts(summary: Summary, text: str) -> None:
    assert summary.text == text


def test_files_are_named_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub finds them so, whatever folder MLEVENTS_RULES names."""
    (tmp_path / "team/rules").mkdir(parents=True)
    (tmp_path / "team/rules/a.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert path_from_here("rules/a.yaml", tmp_path / "team", tmp_path) == "team/rules/a.yaml"
    assert path_from_here("rules/none.yaml", tmp_path / "team") == "rules/none.yaml"
    monkeypatch.chdir(tmp_path / "team/rules")
    assert path_from_here("team", tmp_path) == str(tmp_path / "team")
