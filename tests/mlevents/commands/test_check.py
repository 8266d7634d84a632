"""`mlevents check`: previews on events that a rule matches, its formats, and its exit codes."""

import json
import sys
from pathlib import Path

import pytest

from mlevents.__main__ import main
from tests.mlevents.commands.test_commands import RULE, app, check

__all__ = ["app"]


def rule_with(**changes: str) -> str:
    text = RULE
    for old, new in changes.items():
        text = text.replace({"when": "    do: log", "message": "fine", "do": "do: log"}[old], new)
    return text


def when(condition: str, message: str = "fine") -> str:
    return rule_with(message=message, when=f"    when: {condition}\n    do: log")


def test_a_template_that_fails_on_an_event_that_its_rule_matches_is_an_error(
    app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (app / "rules/a.yaml").write_text(rule_with(message="{{ data.runTags.mine }}"))
    code, lines = check(app, capsys)
    assert code == 1
    assert lines[1:] == [
        "rules/a.yaml:3: log-runs on RunCompleted: the event has no 'mine' here. "
        "Use default('…') for what may be missing, or let 'when' require it: KEY IsNotNull",
        "1 rule in force in 1 file, 1 error",
    ]


def test_a_condition_can_require_what_the_template_reads(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then the event has it, and the preview says so."""
    (app / "rules/a.yaml").write_text(when("data.runTags.mine StringIn x y", "{{ data.runTags.mine }}"))
    code, lines = check(app, capsys)
    assert code == 0
    assert lines[1] == "rules/a.yaml:3: log-runs on RunCompleted with data.runTags.mine 'x': log info: x"


def test_previews_show_no_secret(
    app: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that a rule writes where none is expected."""
    monkeypatch.setenv("RULES_API_TOKEN", "5up3r-53cr3t")
    for text, hidden in (("{}", '["***"]'), ("{{{{ data.runTags['{}'] }}}}", "the event has no '***' here")):
        body = json.dumps([text.format("${RULES_API_TOKEN}")])
        webhook = f'do: webhook\n    with: {{ url: "https://example.com/hook", body: {body} }}\n'
        (app / "rules/a.yaml").write_text(RULE.partition("do: log")[0] + webhook)
        lines = "\n".join(check(app, capsys)[1])
        assert hidden in lines
        assert "5up3r" not in lines


def test_a_rule_that_no_sample_matches_is_not_previewed(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its template may fail on events that it does not match."""
    (app / "rules/a.yaml").write_text(when("object StringIn nothing", "{{ data.runTags.mine }}"))
    code, lines = check(app, capsys)
    assert code == 0
    assert lines[1:] == [
        "rules/a.yaml:3: log-runs: no sample matches: not previewed",
        "1 rule in force in 1 file, no errors",
    ]


def test_the_same_failure_on_several_events_is_one_error(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = rule_with(message="{{ data.runTags.mine }}").replace("RunCompleted", "[RunCompleted, RunStatusChanged]")
    (app / "rules/a.yaml").write_text(text)
    code, lines = check(app, capsys)
    assert (code, lines[-1]) == (1, "1 rule in force in 1 file, 1 error")


def test_an_operation_that_fails_on_an_invented_value_is_a_warning(
    app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The value may be the cause."""
    (app / "rules/a.yaml").write_text(when("data.runTags.due IsNotNull", "{{ data.runTags.due | date }}"))
    code, lines = check(app, capsys)
    assert code == 0
    assert lines[1].startswith("warning: rules/a.yaml:3: log-runs on RunCompleted with data.runTags.due 'example': ")
    assert lines[-1] == "1 rule in force in 1 file, no errors, 1 warning"
    (app / "rules/a.yaml").write_text(rule_with(message="{{ data.runId | date }}"))
    assert check(app, capsys)[0] == 1


def test_a_plan_that_gives_up_is_a_warning(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The endpoint of the example may not be one of the rule's."""
    settings = "endpoint: '{{ data.modelTags.endpoint }}', allowed_endpoints: [x-*]"
    (app / "rules/a.yaml").write_text(
        f"rules:\n  - name: deploy-it\n    on: ModelRegistered\n    do: deploy\n    with: {{ {settings} }}\n"
    )
    code, lines = check(app, capsys)
    assert (code, lines[-1]) == (0, "1 rule in force in 1 file, no errors, 1 warning")
    assert lines[1] == (
        "warning: rules/a.yaml:2: deploy-it on ModelRegistered: the endpoint 'churn' is not one of "
        "allowed_endpoints: x-*"
    )


def test_a_handler_whose_plan_raises_anything_is_an_error(
    app: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (app / "acme_broken.py").write_text(
        "from handlers.base import Handler\n"
        "from schemas import Event\n"
        "class Broken(Handler[Event]):\n"
        "    def run(self, event, action): ...\n"
        "    def plan(self, event): raise KeyError('x')\n"
    )
    (app / "rules/a.yaml").write_text(rule_with(do="do: acme_broken:Broken").replace('{ message: "fine" }', "{}"))
    code, lines = check(app, capsys)
    assert code == 1
    assert "acme_broken:Broken cannot say what it would do: KeyError: 'x'" in lines[1]


def test_a_handler_may_warn(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning is no error. The preview does not show the path of a URL, which may be a secret."""
    webhook = "do: webhook\n    with: { url: 'http://10.0.0.7/SECRET', allow_private: true }\n"
    (app / "rules/a.yaml").write_text(RULE[: RULE.index("do: log")] + webhook)
    code, lines = check(app, capsys)
    assert code == 0
    assert any("allow_private: true lets requests go to private networks" in line for line in lines)
    assert lines[-1] == "1 rule in force in 1 file, no errors, 1 warning"
    assert not any("SECRET" in line for line in lines)


def run(app: Path, capsys: pytest.CaptureFixture[str], format: str) -> tuple[int, str]:
    code = main(["check", "--app", str(app), "--format", format])
    return code, capsys.readouterr().out


def test_json_is_the_findings_and_the_summary(
    app: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(app.parent)
    (app / "rules/a.yaml").write_text(rule_with(message="{{ data.runTags.mine }}"))
    (app / "rules/b.yaml").write_text(RULE.replace("do: log", "do: lgo").replace("log-", "b-"))
    (app / "rules/c.yamll").write_text("")
    code, out = run(app, capsys, "json")
    found = json.loads(out)
    assert code == 1
    assert found["summary"] == {"rules": 1, "files": 1, "errors": 2, "warnings": 1}
    assert [(each["severity"], each["file"], each["line"], each["rule"]) for each in found["findings"]] == [
        ("error", "app/rules/b.yaml", 5, ""),
        ("warning", "app/rules/c.yamll", 1, ""),
        ("error", "app/rules/a.yaml", 3, "log-runs"),
    ]
    assert found["findings"][0]["hint"] == "Did you mean log?"


def test_github_format_prints_workflow_commands_and_the_summary(
    app: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(app)
    (app / "rules/a.yaml").write_text(RULE.replace("do: log", "do: lgo"))
    (app / "rules/c.yamll").write_text("")
    code, out = run(app, capsys, "github")
    error, warning, summary = out.splitlines()
    assert code == 1
    assert error.startswith("::error file=rules/a.yaml,line=5,col=9::")
    assert error.endswith("Did you mean log?")
    assert warning.startswith("::warning file=rules/c.yamll,line=1,col=1::")
    assert summary == "0 rules in force in 0 files, 1 error, 1 warning"


@pytest.mark.parametrize("format", ["json", "github"])
def test_an_invalid_setting_is_a_finding_too(app: Path, capsys: pytest.CaptureFixture[str], format: str) -> None:
    (app / "host.json").write_text("{")
    code, out = run(app, capsys, format)
    assert code == 1
    assert "host.json" in out
    if format == "json":
        assert json.loads(out)["summary"] == {"rules": 0, "files": 0, "errors": 1, "warnings": 0}
    else:
        assert out.startswith("::error::")
        assert out.endswith("\n0 rules in force in 0 files, 1 error\n")


def test_an_invalid_url_of_resource_manager_is_an_error(
    app: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before an action fails: tokens are sent there."""
    monkeypatch.setenv("MLEVENTS_ARM_ENDPOINT", "http://management.example.com")
    code, out = run(app, capsys, "github")
    assert code == 1
    assert "MLEVENTS_ARM_ENDPOINT is 'http://management.example.com'; write Resource Manager's URL" in out


def test_an_unknown_format_is_an_invalid_argument(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--app", str(app), "--format", "xml"]) == 2
    assert "'xml' is not one of 'text', 'json', 'github'" in capsys.readouterr().err
