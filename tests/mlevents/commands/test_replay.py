"""`mlevents replay`, on the rows of an app in Azurite."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from azure.storage.blob import ContainerClient

from dispatch.inbox.storage_account import Storage
from dispatch.receive import receive
from dispatch.settings import Environment
from mlevents.__main__ import main
from mlevents.commands import replay
from mlevents.commands.replay import Request
from mlevents.record import settings_of
from mlevents.testing import Answer, RecordingServer
from schemas import RunStatusChanged
from tests.kit.started import ROOT, Started
from tests.kit.world import WORKSPACES, rule
from tests.mlevents.commands.deployed import Deployed, Terminal

EVENT = RunStatusChanged.example(id="e1", run_id="bold_ant", event_time="2026-11-22T08:00:00Z")


@pytest.fixture
def container(deployed: Deployed) -> Iterator[ContainerClient]:
    with Storage.of(Environment(deployed.settings)).container(f"dead-{deployed.unique}") as client:
        client.create_container()
        yield client


@contextmanager
def refusing(status: int) -> Iterator[str]:
    """A storage service that refuses everything, with an error body like Azure's."""

    body = {"odata.error": {"code": "Refused", "message": {"value": "You may not.\nRequestId:1"}}}
    with RecordingServer(Answer(status, body)) as server:
        yield server.url("/devstoreaccount1", "127.0.0.1")


class TestAnEvent:
    def test_event_is_replayed_with_a_line_for_each_rule(self, deployed: Deployed) -> None:
        deployed.rules(rule("done"), rule("ring", "give-up broken"), rule("gone", "skip"))
        deployed.receive(EVENT)
        deployed.work()
        deployed.rules(rule("done"), rule("ring"), rule("new"))
        code, lines = deployed.replay("e1")
        assert lines == [
            "2026-11-22 08:00:00  RunStatusChanged  churn-prod  bold_ant  e1",
            "    done                            left          succeeded: done",
            "    gone                            not replayed  there is no such rule today",
            "    new                             new           matches today",
            "    ring                            replayed      before: failed: broken",
            "1 event: 1 left, 1 new, 1 not replayed, 1 replayed",
        ]
        assert code == 1
        deployed.work()
        assert deployed.ends() == {
            "done 0": "succeeded",
            "gone 0": "skipped",
            "new 0": "succeeded",
            "ring 1": "succeeded",
        }

    def test_exit_code_is_0_if_the_event_is_replayed_completely(self, deployed: Deployed) -> None:
        deployed.rules(rule("ring"))
        deployed.receive(EVENT)
        deployed.work()
        assert deployed.replay("e1")[0] == 0
        assert deployed.replay("e1", "--all", "--day", "2026-11-22")[1][-1] == "1 event: 1 replayed"
        deployed.work()
        assert deployed.ends() == {"ring 1": "succeeded"}
        assert deployed.replay("e1", "--rule", "ring", "--same-key")[0] == 0
        deployed.work()
        assert deployed.ends() == {"ring 1": "succeeded"}

    def test_dry_run_does_not_change_the_event(self, deployed: Deployed) -> None:
        deployed.rules(rule("ring", "skip"))
        deployed.receive(EVENT)
        deployed.work()
        code, lines = deployed.replay("e1", "--dry-run")
        assert (code, lines[0], lines[-1]) == (0, "dry run: this is what would be done", "1 event: 1 replayed")
        assert deployed.ends() == {"ring 0": "skipped"}

    def test_missing_event_is_reported(self, deployed: Deployed) -> None:
        """With a hint: the table has no events at all, or events of other days."""
        code, lines = deployed.replay("e2")
        assert (code, lines[0]) == (1, "there is no event e2; the table has no events at all")
        deployed.receive(EVENT)
        _, lines = deployed.replay("e1", "--day", "2026-11-21")
        assert lines[0] == "there is no event e1 of 2026-11-21; 1 day has events, the last is 2026-11-22"
        _, lines = deployed.replay("bold_ant")
        assert lines[0].endswith("the last is 2026-11-22; `mlevents show bold_ant` finds events by a name")

    def test_text_of_an_event_cannot_move_the_cursor(self, deployed: Deployed) -> None:
        """Its control characters are printed as escapes."""
        deployed.rules(rule("ring", "give-up \\x1b[2J gone"))
        deployed.receive(EVENT.model_copy(update={"id": "\x1b[2J"}))
        deployed.work()
        [event] = deployed.app.inbox.history.events("2026-11-22")
        _, lines = deployed.replay(event.key)
        assert "\x1b" not in "".join(lines)


def test_events_that_matched_no_rule_are_matched(deployed: Deployed) -> None:
    """Events that match no rule today are counted."""
    deployed.receive(EVENT, EVENT.model_copy(update={"id": "e2"}))
    deployed.rules(rule("ring", when="id StringIn e1"))
    span = ("--from", "2026-11-22", "--until", "2026-11-23T01:00+01:00")
    code, lines = deployed.replay("--unmatched", *span)
    assert (code, lines[-1]) == (0, "2 events: 1 matches no rule, 1 new")
    assert "    ring                            new           matches today" in lines
    deployed.work()
    assert deployed.ends() == {"ring 0": "succeeded"}
    assert deployed.replay("--unmatched", "--from", "2026-11-23", "--until", "2026-11-24")[1] == ["0 events"]


def test_rejected_events_are_accepted(deployed: Deployed) -> None:
    """When workspaces.yaml lists their workspace. An event that would be rejected again is reported."""
    only_dev = "".join(line for line in WORKSPACES.splitlines(keepends=True) if "churn-prod" not in line)
    deployed.rules(workspaces=only_dev)
    deployed.receive(EVENT)
    receive("nonsense", deployed.app)
    deployed.rules(rule("ring"))
    code, lines = deployed.replay("--rejected")
    assert code == 1
    assert "new        RunStatusChanged  bold_ant  e1" in lines
    assert lines[-1].startswith("2 events: ")
    deployed.work()
    assert deployed.ends() == {"ring 0": "succeeded"}
    assert "duplicate  RunStatusChanged  bold_ant  e1" in deployed.replay("--rejected")[1]
    assert deployed.replay("--rejected", "--until", "2020-01-01") == (0, ["0 events"])


def test_dead_letters_are_accepted(deployed: Deployed, container: ContainerClient) -> None:
    """From the container of that name. A blob that cannot be read is reported with its name."""
    deployed.rules(rule("ring"))
    dead = {**EVENT.wire(), "deadLetterReason": "MaxDeliveryAttemptsExceeded"}
    container.upload_blob("S/2026/11/22/9/1.json", json.dumps([dead]))
    container.upload_blob("S/2026/11/22/10/2.json", "{")
    container.upload_blob("notes.txt", "")
    code, lines = deployed.replay("--dead-letters", container.container_name, "--prefix", "S/2026", "--delete")
    assert code == 1
    assert lines == [
        "S/2026/11/22/9/1.json  deleted",
        "    new        RunStatusChanged  bold_ant  e1",
        "S/2026/11/22/10/2.json  it is not JSON: Expecting property name enclosed in double quotes at line 1, column 2",
        "1 event: 2 blobs, 1 new",
    ]
    deployed.work()
    assert deployed.ends() == {"ring 0": "succeeded"}
    container.delete_blob("S/2026/11/22/10/2.json")
    code, lines = deployed.replay("--dead-letters", container.container_name)
    assert (code, lines) == (
        0,
        ["not named like a dead letter, and left: 1 blob, such as notes.txt", "0 events"],
    )


class TestAnError:
    def test_error_in_the_rules_is_reported(self, deployed: Deployed) -> None:
        """The rules of an invalid file are not matched; without workspaces, none are."""
        deployed.receive(EVENT)
        deployed.rules(rule("ring", when="[nonsense]"))
        assert deployed.replay("e1")[1][0].startswith("rules/team.yaml is invalid: its rules are not matched")
        deployed.rules(workspaces="workspaces: [1")
        code, lines = deployed.replay("e1")
        assert code == 1
        assert lines == ["workspaces.yaml is invalid, so no rule matches; `mlevents check` lists its errors"]

    def test_error_is_reported_once(self, deployed: Deployed) -> None:
        """By the command, and not by the app's log, too."""
        deployed.rules(rule("ring", when="[nonsense]"))
        deployed.receive(EVENT)
        started = Started("replay", "--app", str(deployed.folder), "e1")
        assert started.end() == 0
        assert [line.split()[0] for line in started.lines[:-2]] == ["settings", "storage", "rules/team.yaml"]
        assert started.lines[-1] == "1 event"

    def test_error_in_the_settings_is_reported(self, deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
        """With the file, the line and the column."""
        (deployed.folder / "local.settings.json").write_text("{")
        assert main(["replay", "--app", str(deployed.folder), "e1"]) == 1
        assert capsys.readouterr().out.startswith(f"{deployed.folder}/local.settings.json, line 1, column 2")

    def test_invalid_container_name_is_reported(self, deployed: Deployed) -> None:
        code, lines = deployed.replay("--dead-letters", "nowhere")
        assert code == 1
        assert lines[0].startswith("storage: The specified container does not exist.")
        assert deployed.replay("--dead-letters", "No_Such")[1][0].startswith(
            "'No_Such' is not a container: write its name"
        )

    def test_error_of_storage_is_reported(self, deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
        """Without the account's key."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/devstoreaccount1"
        key = deployed.settings["AzureWebJobsStorage"].partition("AccountKey=")[2].partition(";")[0]
        connection = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={key};"
        deployed.settings["AzureWebJobsStorage"] = f"{connection}TableEndpoint={url};QueueEndpoint={url};"
        deployed.save()
        assert main(["replay", "--app", str(deployed.folder), "e1"]) == 1
        out = capsys.readouterr().out
        assert "storage cannot be reached: " in out
        assert out.rstrip().endswith("is `mlevents start` running?")
        assert key not in out

    @pytest.mark.parametrize(
        ("status", "message"),
        [
            (401, "storage does not know you: .*Log in with `az login`"),
            (403, "storage refuses you: .*Your login needs the roles Storage Table Data Contributor and Storage Queue"),
        ],
    )
    def test_failed_login_is_reported(
        self, deployed: Deployed, capsys: pytest.CaptureFixture[str], status: int, message: str
    ) -> None:
        """With what to do about it."""
        with refusing(status) as url:
            key = deployed.settings["AzureWebJobsStorage"].partition("AccountKey=")[2].partition(";")[0]
            account = f"AccountName=devstoreaccount1;AccountKey={key}"
            deployed.settings["AzureWebJobsStorage"] = f"{account};TableEndpoint={url};QueueEndpoint={url};"
            deployed.save()
            assert main(["replay", "--app", str(deployed.folder), "e1"]) == 1
        assert re.search(message, capsys.readouterr().out.splitlines()[-1])

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Name an EVENT_ID, or give one of --failed, --unmatched, --rejected and --dead-letters"),
            (["e1", "--yes"], "--yes does not go with EVENT_ID"),
            (["--failed", "--all", "--from", "2026-11-22"], "--all does not go with --failed"),
            (["--failed"], "--failed needs --from; without --until, it ends now"),
            (["--failed", "--from", "2026-11-22"], "without a terminal, add --yes or --dry-run"),
            (["e1", "--rejected"], "--rejected does not go with EVENT_ID"),
            (["e1", "--delete"], "--delete does not go with EVENT_ID"),
            (["--rejected", "--all"], "--all does not go with --rejected"),
            (["--dead-letters", "c", "--same-key"], "--same-key does not go with --dead-letters"),
            (["e1", "--from", "2026-11-22"], "--from does not go with EVENT_ID"),
            (["e1", "--all", "--rule", "r"], "--all does not go with --rule"),
            (["--unmatched"], "--unmatched needs --from and --until"),
            (["--rejected", "--from", "2026-11-22", "--until", "2026-11-22"], "--from is not before --until"),
            (["--rejected", "--from", "yesterday"], "'yesterday' is not a time; write 2026-11-22 or 2026-11-22T08:00"),
            (["--rejected", "--from", "0001-01-01T00:00+05:00"], "is not a time"),
            (["e1", "--day", "22.11.2026"], "'22.11.2026' is not a day; write 2026-11-22, or undated"),
        ],
    )
    def test_invalid_arguments_are_reported(
        self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["replay", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_the_commands_of_the_page_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of docs/replay.md, and each option that it names."""
    page = (ROOT / "docs/replay.md").read_text(encoding="utf-8")
    commands = re.findall(r"bin/mlevents (replay [^#\n]+)", page)
    assert len(commands) > 6
    requests: list[Request] = []
    monkeypatch.setattr(replay, "run", lambda _, request: requests.append(request))
    monkeypatch.setattr("sys.stdin", Terminal())
    assert [main(command.split()) for command in commands] == [0] * len(commands)
    assert {(each.dead_letters, each.prefix) for each in requests} == {
        ("", ""),
        ("deadletter", "AZUREML-EVENT/2026/11"),
    }
    named = set(re.findall(r"`(--[a-z-]+)`", page))
    assert named <= {option for command in commands for option in command.split()} | {"--same-key", "--yes", "--status"}


class TestSettings:
    def test_settings_of_the_environment_override_the_file(self, deployed: Deployed) -> None:
        settings, notes = settings_of(deployed.folder, {"RULES_WS_CHURN_DEV": "mine"})
        assert settings["RULES_WS_CHURN_DEV"] == "mine"
        assert settings["AzureWebJobsStorage"] == deployed.settings["AzureWebJobsStorage"]
        assert notes[0] == "settings are those of local.settings.json"

    @pytest.mark.parametrize("name", ["AzureWebJobsStorage__accountName", "AZUREWEBJOBSSTORAGE:QUEUESERVICEURI"])
    def test_storage_settings_come_all_from_the_environment_or_all_from_the_file(
        self, deployed: Deployed, name: str
    ) -> None:
        """Otherwise a connection string in the file would win over an account's name in the environment."""
        settings, notes = settings_of(deployed.folder, {name: "https://acc.queue.core.windows.net"})
        assert "AzureWebJobsStorage" not in settings
        assert settings["MLEVENTS_TABLE"] == deployed.settings["MLEVENTS_TABLE"]
        assert "storage is as the environment has it, not as local.settings.json" in notes

    def test_empty_storage_settings_are_ignored(self, deployed: Deployed) -> None:
        settings, _ = settings_of(deployed.folder, {"AzureWebJobsStorage__accountName": ""})
        assert settings["AzureWebJobsStorage"] == deployed.settings["AzureWebJobsStorage"]
