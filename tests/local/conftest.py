import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite

APPS = Path(__file__).parent / "apps"
NEVER = "0 0 0 1 1 *"  # once a year

Run = Callable[..., LocalApp]


class Notes:
    """What the functions of apps/triggers have written down."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, function: str) -> list[dict[str, Any]]:
        """What one function wrote, in order."""
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        return [note for note in map(json.loads, lines) if note["function"] == function]


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes.jsonl")


@pytest.fixture
def queue_name() -> str:
    return f"work-{uuid4().hex[:12]}"


@pytest.fixture
def run(azurite: Azurite, tmp_path: Path, notes: Notes, queue_name: str) -> Iterator[Run]:
    """Runs an app until the test ends; settings are given as `settings`, all else as to LocalApp."""
    with ExitStack() as stack:

        def begin(app: str = "triggers", settings: dict[str, str] | None = None, **options: Any) -> LocalApp:
            given = {
                "AzureWebJobsStorage": azurite.connection_string,
                "NOTES": str(notes.path),
                "WORK": queue_name,
                "TICKS": NEVER,
                **(settings or {}),
            }
            options = {"folder": tmp_path / "state", "grace": 0.5, **options}
            return stack.enter_context(LocalApp(APPS / app, settings=given, **options))

        yield begin
