"""`mlevents watch`: what the watch cannot see, and the events that never came."""

import json
from pathlib import Path

import pytest

from dispatch.watch.memory import packed
from mlevents.__main__ import main
from mlevents.record import open_record
from schemas import RunCompleted
from tests.mlevents.commands.test_commands import app

__all__ = ["app"]

DAY = "2026-11-21"


@pytest.fixture
def stored(app: Path, monkeypatch: pytest.MonkeyPatch, azurite_connection: str) -> Path:
    """The folder of an app whose record lacks an event."""
    monkeypatch.setenv("AzureWebJobsStorage", azurite_connection)
    monkeypatch.setenv("MLEVENTS_TABLE", "watchcommand")
    monkeypatch.setenv("MLEVENTS_QUEUE", "watch-command")
    record = open_record(app).app
    wire = RunCompleted.example(eventTime=f"{DAY}T10:00:00Z").wire()
    value = {"day": DAY, "workspace": "churn-prod", "count": "1", "events": packed({"events": [wire]})}
    record.inbox.shared.change(f"missing|{DAY}|x", lambda _: value, record.now())
    return app


def test_missing_events_are_listed_and_taken_in(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--app", str(stored)]) == 1
    assert f"{DAY} churn-prod: 1 event never came" in capsys.readouterr().out
    assert main(["watch", "--app", str(stored), "--json"]) == 1
    listed = json.loads(capsys.readouterr().out)
    assert listed == {"unseen": [], "missing": [{"day": DAY, "workspace": "churn-prod", "count": "1"}], "takenIn": 0}
    assert main(["watch", "--take-in", "2026-11-20", "--app", str(stored)]) == 1
    assert "taken in: 0 events" in capsys.readouterr().out
    assert main(["watch", "--take-in", DAY, "--app", str(stored)]) == 0
    assert "taken in: 1 event" in capsys.readouterr().out
    assert main(["watch", "--app", str(stored)]) == 0
    assert "taken in at" in capsys.readouterr().out
