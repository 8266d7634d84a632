"""`mlevents backtest` on the rows of an app in Azurite: it reads them, and writes nothing."""

import io
import json
from pathlib import Path
from typing import NoReturn

import pytest

from dispatch.inbox.tables import AzureQueue, AzureTable
from mlevents.__main__ import main
from mlevents.commands.backtest.progress import Progress
from schemas import RunStatusChanged
from tests.kit.world import rule
from tests.mlevents.commands.deployed import Deployed

WHEN = "data.runStatus StringIn Canceled"
MAIL = f"{{ name: mail, on: RunStatusChanged, when: {WHEN}, do: email, with: {{ to: a@example.com }} }}"
SPAN = ("--since", "2026-11-22", "--until", "2026-11-23")


def refused(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a backtest writes and sends nothing")


@pytest.fixture
def recorded(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """An app that has handled two events; from now on, nothing can be written."""
    deployed.rules(rule("mail", when="data.runStatus StringIn Failed"))
    for id, status in (("e1", "Failed"), ("e2", "Canceled")):
        deployed.receive(
            RunStatusChanged.example(id=id, run_id=id, run_status=status, event_time="2026-11-22T08:00:00Z")
        )
    deployed.work()
    monkeypatch.setattr(AzureTable, "commit", refused)
    monkeypatch.setattr(AzureQueue, "send", refused)
    return deployed


@pytest.fixture
def new(recorded: Deployed) -> str:
    """A folder with other rules."""
    folder = recorded.folder / "new"
    folder.mkdir()
    (folder / "workspaces.yaml").write_text((recorded.folder / "rules/workspaces.yaml").read_text())
    (folder / "team.yaml").write_text(f"rules:\n  - {MAIL}\n")
    return str(folder)


def test_rules_of_a_folder_are_compared_with_the_record(recorded: Deployed, new: str) -> None:
    code, out = recorded.run("backtest", "--rules", new, *SPAN)
    assert code == 0
    assert out.splitlines()[:7] == [
        "2 events of 2026-11-22 00:00 to 2026-11-23 00:00 UTC, compared with the record",
        "mail  (new/team.yaml:2)",
        "    fires on 1 event",
        "    newly fires on 1 event: e2",
        "    no longer fires on 1 event: e1",
        "    1 recipient: a@example.com",
        "    on record: 1 succeeded",
    ]
    assert out.splitlines()[-1] == "1 of 1 rule fires on other events than in the record, 0 template errors"


def test_rules_of_the_app_are_those_without_a_folder(recorded: Deployed, new: str) -> None:
    _, out = recorded.run("backtest", *SPAN, "--format", "json")
    assert [rule["fires"] for rule in json.loads(out)["rules"]] == [1]
    code, out = recorded.run("backtest", *SPAN, "--baseline", new, "--format", "markdown")
    assert code == 0
    assert out.startswith("### Backtest: 1 of 1 rule fires on other events than in the baseline, ")


def test_template_that_fails_makes_the_exit_code_1(recorded: Deployed, new: str) -> None:
    text = 'rules:\n  - { name: a, on: RunStatusChanged, do: log, with: { message: "{{ data.runTags.nothing }}" } }\n'
    Path(new, "team.yaml").write_text(text)
    code, out = recorded.run("backtest", "--rules", new, *SPAN)
    assert (code, out.splitlines()[-1].endswith(", 2 template errors")) == (1, True)


@pytest.mark.parametrize("option", ["--rules", "--baseline"])
def test_rules_with_errors_are_not_tried(
    recorded: Deployed, new: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(new, "team.yaml").write_text("rules: [{ name: a }]\n")
    assert main(["backtest", "--app", str(recorded.folder), option, new, *SPAN]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("new/team.yaml:1:9: rule a has no 'do'")


def test_span_is_relative_to_now_or_has_dates(recorded: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = recorded.run("backtest", "--since", "90d", "--until", "1h30m", "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert found["until"] > found["since"]
    for arguments, message in (
        (("--since", "7days"), "'7days' is not a duration"),
        (("--since", "yesterday"), "'yesterday' is not a time"),
        (("--since", "1h", "--until", "2h"), "is no span of time"),
        (("--rules", "nowhere"), "there is no folder nowhere"),
    ):
        assert main(["backtest", "--app", str(recorded.folder), *arguments]) == 2
        assert message in capsys.readouterr().err


def test_storage_that_cannot_be_read_is_one_line_on_stderr(
    recorded: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", "garbage")
    assert main(["backtest", "--app", str(recorded.folder)]) == 1
    out, err = capsys.readouterr()
    assert (out, "AzureWebJobsStorage" in err) == ("", True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (io.StringIO(), "2,000 of about 5,000 events\n6,000 events\n"),
        (Terminal(), "\r\x1b[K2,000 of about 5,000 events\r\x1b[K6,000 events\r\x1b[K"),
    ],
)
def test_progress_is_shown_each_second(stream: io.StringIO, expected: str) -> None:
    times = iter((0.0, 0.5, 1.0, 1.0, 1.9, 2.1, 2.1))
    progress = Progress(stream, 5_000, lambda: next(times))
    for count in (1_000, 2_000, 4_000, 6_000):
        progress.show(count)
    progress.end()
    assert stream.getvalue() == expected
