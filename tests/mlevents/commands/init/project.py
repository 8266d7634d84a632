"""An app's folder in which tests run ``mlevents init``."""

from pathlib import Path

import pytest

from dispatch.rules.loader import load
from mlevents.__main__ import main
from mlevents.app_settings import LocalSettings
from tests.kit.world import ARM
from tests.mlevents.commands.deployed import Terminal

DEV = ARM.format("11111111-1111-1111-1111-111111111111", "dev")
PROD = ARM.format("22222222-2222-2222-2222-222222222222", "prod")
MAIL = ("--alerts", "ann@example.com, bob@example.com")
FIRST = {"rules/workspaces.yaml", "rules/mail.yaml", "rules/tests/mail.yaml", "local.settings.json"}
# As `az resource list --resource-type Microsoft.MachineLearningServices/workspaces --output json` prints them.
LISTED = [
    {
        "changedTime": "2026-11-20T08:00:00.000000+00:00", "createdTime": "2026-01-08T09:30:00.000000+00:00",
        "extendedLocation": None, "id": id, "identity": {"principalId": None, "type": "SystemAssigned"},
        "kind": "Default", "location": "westeurope", "managedBy": None, "name": id.rpartition("/")[2], "plan": None,
        "properties": None, "provisioningState": "Succeeded", "resourceGroup": id.split("/")[4],
        "sku": {"name": "Basic", "tier": "Basic"}, "tags": tags,
        "type": "Microsoft.MachineLearningServices/workspaces",
    }
    for id, tags in ((DEV, None), (PROD, {"Environment": "production", "team": "churn"}))
]  # fmt: skip


def init(app: Path, *options: str) -> int:
    return main(["init", "--app", str(app), *options])


def typed(app: Path, monkeypatch: pytest.MonkeyPatch, text: str, *options: str) -> int:
    monkeypatch.setattr("sys.stdin", Terminal(text))
    return init(app, *options)


def texts(app: Path) -> dict[str, str]:
    return {
        path.relative_to(app).as_posix(): path.read_text()
        for path in app.rglob("*")
        if path.is_file() and path.name != "host.json"
    }


def labels(app: Path) -> dict[str, dict[str, str]]:
    loaded = load(app / "rules", LocalSettings.load(app).values, app)
    assert loaded.errors == ()
    assert loaded.workspaces
    return {workspace.name: dict(workspace.labels) for workspace in loaded.workspaces}
