import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient

from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite

APPS = Path(__file__).parents[1] / "kit" / "apps"
NEVER = "0 0 0 1 1 *"  # once a year

Run = Callable[..., LocalApp]


class Notes:
    """The notes that the functions of apps/triggers have written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def clear(self) -> None:
        self.path.write_text("", encoding="utf-8")

    def bodies(self, function: str = "work") -> list[str]:
        return [note["body"] for note in self(function)]

    def __call__(self, function: str) -> list[dict[str, Any]]:
        """The notes of one function, in order."""
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        return [note for note in map(json.loads, lines) if note["function"] == function]


class Queue:
    """A storage queue, with its messages as they are on the wire."""

    def __init__(self, client: QueueClient) -> None:
        self.client = client

    def put(self, body: str | bytes) -> None:
        self.put_raw(base64.b64encode(body.encode() if isinstance(body, str) else body).decode())

    def put_raw(self, text: str) -> None:
        self.client.send_message(text)

    def size(self) -> int:
        """The number of messages, with invisible ones."""
        try:
            return self.client.get_queue_properties().approximate_message_count or 0
        except ResourceNotFoundError:
            return 0

    def visible(self) -> list[str]:
        try:
            return [message.content for message in self.client.peek_messages(32)]
        except ResourceNotFoundError:
            return []


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes.jsonl")


@pytest.fixture
def queue_name() -> str:
    return f"work-{uuid4().hex[:12]}"


def settings_of(azurite: Azurite, notes: Notes, queue_name: str) -> dict[str, str]:
    """The settings that apps/triggers needs."""
    return {
        "AzureWebJobsStorage": azurite.connection_string,
        "NOTES": str(notes.path),
        "WORK": queue_name,
        "TICKS": NEVER,
    }


@pytest.fixture
def run(azurite: Azurite, tmp_path: Path, notes: Notes, queue_name: str) -> Iterator[Run]:
    """Runs an app until the test ends. Takes more `settings`, and the options of LocalApp."""
    with ExitStack() as stack:

        def start(app: str = "triggers", settings: dict[str, str] | None = None, **options: Any) -> LocalApp:
            all_settings = settings_of(azurite, notes, queue_name) | (settings or {})
            options = {"folder": tmp_path / "state", "grace": 0.5, **options}
            return stack.enter_context(LocalApp(APPS / app, settings=all_settings, **options))

        yield start


@pytest.fixture
def queue(azurite: Azurite, queue_name: str) -> Iterator[Queue]:
    with QueueClient.from_connection_string(azurite.connection_string, queue_name) as client:
        with contextlib.suppress(ResourceExistsError):
            client.create_queue()
        yield Queue(client)


@pytest.fixture
def poison(azurite: Azurite, queue_name: str) -> Iterator[Queue]:
    with QueueClient.from_connection_string(azurite.connection_string, f"{queue_name}-poison") as client:
        yield Queue(client)
