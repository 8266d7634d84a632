"""An app's folder and its storage, on which commands run."""

import json
from contextlib import suppress
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceExistsError

from dispatch.act import act
from dispatch.app import App
from dispatch.inbox.storage_account import Storage
from dispatch.receive import receive
from dispatch.settings import Environment
from mlevents.__main__ import main
from schemas import Event
from tests.kit.world import SETTINGS, WORKSPACES, rules


class Terminal(StringIO):
    """Standard input that is a terminal, on which the user types a text."""

    def isatty(self) -> bool:
        return True


class Deployed:
    """An app's folder and its storage, on which the command runs."""

    def __init__(self, folder: Path, connection: str, capsys: pytest.CaptureFixture[str]) -> None:
        unique = f"w{uuid4().hex[:12]}"  # in YAML, a text whatever its digits
        self.folder, self.unique, self._capsys = folder, unique, capsys
        self.settings = {
            "AzureWebJobsStorage": connection,
            "MLEVENTS_TABLE": f"t{unique}",
            "MLEVENTS_QUEUE": f"q{unique}",
            **SETTINGS,
        }
        (folder / "rules").mkdir()
        (folder / "host.json").write_text('{"functionTimeout": "00:05:00"}')
        self.save()
        self.rules()

    def save(self) -> None:
        document = {"IsEncrypted": False, "Values": self.settings}
        (self.folder / "local.settings.json").write_text(json.dumps(document))

    def rules(self, *texts: str, workspaces: str = WORKSPACES) -> None:
        (self.folder / "rules/workspaces.yaml").write_text(workspaces)
        text = rules(*texts) if texts else "rules: []\n"
        text = text.replace("SCRIPTED", "tests.kit.world:Scripted").replace("WORLD", self.unique)
        (self.folder / "rules/team.yaml").write_text(text)

    @property
    def app(self) -> App:
        return App.from_settings(self.settings, self.folder)

    def receive(self, *events: Event) -> None:
        for event in events:
            receive(json.dumps(event.wire()), self.app)

    def work(self) -> None:
        """Carry out the actions on the queue."""
        storage = Storage.of(Environment(self.settings))
        with storage.queue(self.settings["MLEVENTS_QUEUE"]) as queue:
            with suppress(ResourceExistsError):
                queue.create_queue()
            while messages := list(queue.receive_messages()):
                for message in messages:
                    act(message.content, self.app)
                    queue.delete_message(message)

    def ends(self) -> dict[str, str]:
        inbox = self.app.inbox
        actions = [action for day in inbox.history.days() for action in inbox.history.day(day).actions]
        return {f"{id.rule} {record.replay_number}": record.status for id, record in actions}

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command on the app; returns its exit code and what it printed."""
        self._capsys.readouterr()
        code = main([arguments[0], "--app", str(self.folder), *arguments[1:]])
        out, err = self._capsys.readouterr()
        assert err == ""
        return code, out

    def replay(self, *arguments: str) -> tuple[int, list[str]]:
        """The exit code, and the lines after those about settings."""
        code, out = self.run("replay", *arguments)
        head, *lines = [line for line in out.splitlines() if not line.startswith("settings are ")]
        assert head.startswith("storage is http://127.0.0.1")
        assert head.endswith(f", table t{self.unique}")
        return code, lines
