"""A project with rules and their tests, in which `mlevents test` runs."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from mlevents.__main__ import main
from tests.kit.world import SETTINGS, WORKSPACES

RULES = """\
rules:
  - name: mail
    on: RunStatusChanged
    in: { env: prod }
    when: data.runStatus StringIn Failed
    do: email
    with:
      to: "{{ data.runTags.owner | default('team@example.com') }}"
      allowed_domains: [example.com]
      subject: "{{ data.experimentName }} failed"
  - name: log-mail
    after: { rules: mail, outcome: failed }
    do: log
    with: { message: "{{ result.rule }}: {{ result.summary }} {{ result.details.server }}" }
  - name: log-all
    on: [RunStatusChanged, ModelRegistered]
    do: log
"""


class Project:
    """A folder with rules and tests; settings are those of its local.settings.json.example."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        (folder / "rules/tests").mkdir(parents=True)
        (folder / "host.json").write_text('{"functionTimeout": "00:05:00"}')
        (folder / "rules/workspaces.yaml").write_text(WORKSPACES)
        self.settings(SETTINGS)
        self.rules()

    def settings(self, values: Mapping[str, str]) -> None:
        document = {"IsEncrypted": False, "Values": dict(values)}
        (self.folder / "local.settings.json.example").write_text(json.dumps(document))

    def rules(self, text: str = RULES) -> None:
        (self.folder / "rules/churn.yaml").write_text(text)

    def tests(self, text: str, name: str = "churn.yaml") -> Path:
        path = self.folder / "rules/tests" / name
        path.write_text(text)
        return path

    def case(self, text: str, changes: Mapping[str, object] = MappingProxyType({})) -> Path:
        """A file with one test, on a failed run in production."""
        head = f"tests:\n  - name: a test\n    event: run_status_changed\n    changes: {json.dumps(dict(changes))}\n"
        return self.tests(head + "".join(f"    {line}\n" for line in text.splitlines()))

    def run(self, *arguments: str) -> tuple[int, str]:
        """The exit code, and what was printed."""
        self._capsys.readouterr()
        code = main(["test", "--app", str(self.folder), *arguments])
        out, err = self._capsys.readouterr()
        return code, out + err
