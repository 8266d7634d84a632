"""One running app behind the tests of its URLs."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests

from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite
from tests.mlevents.conftest import APPS, NEVER, Notes

EVENT = {"id": "1", "topic": "/t", "subject": "s", "eventType": "T", "eventTime": "2026-11-22T09:00:00Z", "data": {}}


class Served:
    """One running app for all tests of a file; each test has ids of its own."""

    def __init__(self, local: LocalApp, notes: Notes) -> None:
        self.local, self.notes = local, notes

    def post(self, function: str, body: Any, kind: str = "Notification", **options: Any) -> requests.Response:
        data = body if isinstance(body, bytes) else json.dumps(body)
        headers = {"aeg-event-type": kind} if kind else {}
        return requests.post(self.local.url_of(function), data, headers=headers, timeout=30, **options)

    def events(self, function: str = "single") -> list[dict[str, Any]]:
        return [json.loads(note["event"]) for note in self.notes(function)]

    def ids(self, function: str = "single") -> list[str]:
        return [event["id"] for event in self.events(function)]


@pytest.fixture(scope="module")
def served(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("web")
    notes = Notes(folder / "notes.jsonl")
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "NOTES": str(notes.path),
        "WORK": f"web-{uuid4().hex[:12]}",
        "TICKS": NEVER,
        "AzureWebJobs.asynchronous.Disabled": "true",
    }
    with LocalApp(APPS / "triggers", settings=settings, folder=folder, grace=0.5) as local:
        yield Served(local, notes)


def event(do: str = "", **changes: Any) -> dict[str, Any]:
    return EVENT | {"id": uuid4().hex, "data": {"do": do}} | changes
