"""Tests of rules from events on record."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dispatch.receive import receive
from dispatch.sweep import sweep
from mlevents.__main__ import main
from mlevents.project.schemas import schema_line
from schemas import RunStatusChanged
from tests.kit.world import ARM, SETTINGS, rule
from tests.mlevents.commands.deployed import Deployed

REAL = ARM.format("99999999-9999-9999-9999-999999999999", "prod")
EVENT = RunStatusChanged.example(
    id="e1-x",
    topic=REAL,
    run_id="Bold_Ant",
    run_status="Failed",
    run_tags={
        "owner": "Alice.Doe@example.com",
        "also": "bob@example.org, alice.doe@EXAMPLE.com",
        "key": "hunter2-hunter2",
    },
    event_time="2026-11-22T08:00:00Z",
)


@pytest.fixture
def recorded(deployed: Deployed) -> Deployed:
    """An app with a real workspace, which has handled an event. Tests know the workspace by another id."""
    deployed.settings |= {"RULES_WS_CHURN_PROD": REAL, "SOME_API_KEY": "hunter2-hunter2"}
    deployed.save()
    example = {"IsEncrypted": False, "Values": SETTINGS}
    (deployed.folder / "local.settings.json.example").write_text(json.dumps(example))
    deployed.rules(
        rule("mail"), rule("give-up", "give-up no"), rule("only-completed", when="data.runStatus StringIn Completed")
    )
    deployed.receive(EVENT)
    deployed.work()
    sweep(deployed.app)
    return deployed


def written(recorded: Deployed) -> tuple[str, Any]:
    folder = recorded.folder / "rules/tests"
    [test], [event] = folder.glob("*.yaml"), (folder / "events").glob("*.json")
    return test.read_text(), json.loads(event.read_text())[0]


def test_recorded_event_becomes_a_test_that_passes(recorded: Deployed) -> None:
    assert recorded.run("test", "--record", "e1-x")[0] == 0
    text, event = written(recorded)
    first, *lines = text.splitlines()
    assert first == schema_line(recorded.folder / "rules/tests/t.yaml", "tests").strip()
    assert lines == [
        "tests:",
        '  - name: "RunStatusChanged of Bold_Ant"',
        '    event: "events/runstatuschanged-bold-ant-e1x.json"',
        "    ends:",
        "      give-up: failed",
        "      mail: succeeded",
        "    fires: [mail, give-up]",
    ]
    assert event["topic"] == SETTINGS["RULES_WS_CHURN_PROD"]
    assert recorded.run("test") == (0, "1 test: 1 passed\n")


def test_secrets_and_names_in_addresses_are_not_written(recorded: Deployed) -> None:
    """The domain stays, because `allowed_domains` decides by it."""
    _, out = recorded.run("test", "--record", "e1-x")
    tags = written(recorded)[1]["data"]["runTags"]
    assert tags == {"owner": "person1@example.com", "also": "person2@example.org, person1@EXAMPLE.com", "key": "***"}
    assert "the names in mail addresses were replaced (2 names)" in out
    assert "read the files before you commit them" in out
    assert "99999999" not in "".join(map(str, written(recorded)))


def test_lists_are_masked_and_an_event_that_cannot_be_read_makes_no_test(recorded: Deployed) -> None:
    event = EVENT.wire() | {"id": "e2", "data": {**EVENT.wire()["data"], "more": [1, "carol@example.com"]}}
    receive(json.dumps([event]), recorded.app)
    sweep(recorded.app)
    assert recorded.run("test", "--record", "e2")[0] == 0
    assert written(recorded)[1]["data"]["more"] == [1, "person3@example.com"]
    app = recorded.app
    [stored] = app.inbox.lookup.events("e1-x", [])
    app.inbox.table.commit(stored.day, replace(stored.row, values={**stored.row.values, "raw": '{"id": "e1-x"}'}))
    code, out = recorded.run("test", "--record", "e1-x")
    assert (code, out.startswith("the event cannot be read: ")) == (1, True)


def test_addresses_can_be_kept(recorded: Deployed) -> None:
    recorded.run("test", "--record", "e1-x", "--keep-addresses")
    tags = written(recorded)[1]["data"]["runTags"]
    assert (tags["owner"], tags["key"]) == ("Alice.Doe@example.com", "***")


def test_nothing_is_overwritten(recorded: Deployed) -> None:
    recorded.run("test", "--record", "e1-x")
    before = written(recorded)
    code, out = recorded.run("test", "--record", "e1-x")
    assert (code, out.rstrip().endswith(".json exists, and is not overwritten")) == (1, True)
    assert written(recorded) == before


def test_difference_from_what_was_done_is_said(recorded: Deployed) -> None:
    recorded.rules(rule("mail", when="data.runStatus StringIn Completed"), rule("new"))
    _, out = recorded.run("test", "--record", "e1-x")
    assert (
        "mail acted on the event then, and does not fire now: mail: when: data.runStatus StringIn Completed is" in out
    )
    assert "new fires now, and did not act on the event then" in out
    assert "fires: [new]" in written(recorded)[0]


def test_event_that_is_not_on_record_is_an_error(recorded: Deployed) -> None:
    assert recorded.run("test", "--record", "Bold_Ant")[0] == 1
    code, out = recorded.run("test", "--record", "nothing")
    assert (code, out) == (1, "0 events on record with the id nothing: see `mlevents events`\n")


def test_workspace_that_tests_do_not_know_is_an_error(recorded: Deployed) -> None:
    recorded.rules(workspaces=f"workspaces: {{ other: {{ id: {REAL} }} }}\n")
    code, out = recorded.run("test", "--record", "e1-x")
    assert (code, "the workspace churn-prod is not known to tests" in out) == (1, True)


def test_rules_with_errors_make_no_test(recorded: Deployed) -> None:
    (recorded.folder / "local.settings.json.example").unlink()
    code, out = recorded.run("test", "--record", "e1-x")
    assert (code, "the app setting RULES_WS_CHURN_DEV is not set" in out) == (1, True)
    assert not (recorded.folder / "rules/tests").exists()


def test_event_of_a_test_can_be_one_on_record(recorded: Deployed, tmp_path: Path) -> None:
    (recorded.folder / "rules/tests").mkdir()
    test = recorded.folder / "rules/tests/t.yaml"
    test.write_text("tests: [{ name: t, recorded: e1-x, workspace: churn-prod, fires: [mail, give-up] }]\n")
    assert recorded.run("test") == (0, "1 test: 1 passed\n")
    test.write_text("tests: [{ name: t, recorded: e2, fires: [] }]\n")
    code, out = recorded.run("test")
    assert (code, "no event has the id e2, as `mlevents show e2` shows it" in out) == (1, True)


def test_storage_that_cannot_be_opened_is_one_line(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", "garbage")
    (deployed.folder / "local.settings.json.example").write_text(json.dumps({"IsEncrypted": False, "Values": SETTINGS}))
    assert main(["test", "--app", str(deployed.folder), "--record", "x"]) == 1
    assert "AzureWebJobsStorage" in capsys.readouterr().out
