"""A copy of what a project needs, in which a test plants errors, and the command on it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlevents.__main__ import main
from mlevents.commands.doctor.doctor import subject_of
from mlevents.doctor.diagnosis import Diagnosis, Subject
from tests.kit.started import ROOT
from tests.kit.world import SETTINGS, WORKSPACES

FILES = ("host.json", "function_app.py", "requirements.txt", "requirements.in", ".funcignore")
PACKAGES = ("dispatch", "handlers", "schemas", "web")
RULES = """
rules:
  - { name: log-runs, on: RunCompleted, do: log }
"""
VALUES = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "PYTHON_THREADPOOL_THREAD_COUNT": "32",
    **SETTINGS,
}


class Project:
    """The folder of an app with two workspaces and a rule."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        for name in FILES:
            shutil.copy(ROOT / name, folder / name)
        for name in PACKAGES:
            self.write(f"{name}/__init__.py", "")
        self.write("rules/workspaces.yaml", WORKSPACES)
        self.write("rules/team.yaml", RULES)
        self.settings()

    def write(self, path: str, text: str) -> None:
        """Write a file below the folder."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def settings(self, **values: str) -> None:
        """Write local.settings.json with these settings beside the usual ones; an empty text removes one."""
        kept = {name: value for name, value in {**VALUES, **values}.items() if value}
        self.write("local.settings.json", json.dumps({"IsEncrypted": False, "Values": kept}))

    def host(self, **values: Any) -> None:
        """Replace members of host.json; those of extensions.queues by their names."""
        document = json.loads((ROOT / "host.json").read_text())
        queues = document["extensions"]["queues"]
        for name, value in values.items():
            place = queues if name in queues else document
            if value is None:
                del place[name]
            else:
                place[name] = value
        self.write("host.json", json.dumps(document))

    @property
    def subject(self) -> Subject:
        """What the checks are given."""
        return subject_of(self.folder)[0]

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the command; returns its exit code and what it printed."""
        self._capsys.readouterr()
        code = main(["doctor", "--app", str(self.folder), *arguments])
        out, err = self._capsys.readouterr()
        return code, out + err

    def diagnoses(self, *arguments: str) -> list[dict[str, str]]:
        """What the command prints as JSON."""
        found: list[dict[str, str]] = json.loads(self.run("--json", *arguments)[1])["diagnoses"]
        return found


def bad(found: "list[Diagnosis]") -> list[str]:
    """The errors and warnings as texts."""
    return [f"{each.severity} {each.where}: {each.what}" for each in found if each.severity != "ok"]
