"""host.json and local.settings.json.example have the values that the code relies on."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dispatch.app import App
from dispatch.inbox.actions import NewAction
from dispatch.inbox.leases import Claim, NotYet
from dispatch.inbox.rows import EventRecord
from dispatch.inbox.storage_account import Storage
from dispatch.rules import load
from dispatch.settings import Environment, SettingsError, function_timeout
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged

ROOT = Path(__file__).resolve().parent.parent
HOST: dict[str, Any] = json.loads((ROOT / "host.json").read_text())
EXAMPLE: dict[str, Any] = json.loads((ROOT / "local.settings.json.example").read_text())


def test_the_queue_settings_are_explicit() -> None:
    """The defaults of the host would break guarantees; docs/architecture.md describes them."""
    assert HOST["extensions"]["queues"] == {
        "messageEncoding": "none",  # the app decodes: with base64, the host calls no function for other messages
        "batchSize": 8,  # sync functions share PYTHON_THREADPOOL_THREAD_COUNT threads; receiving needs a free one
        "newBatchThreshold": 4,
        "maxPollingInterval": "00:00:05",  # the default of a minute would delay every action of an idle app
        "visibilityTimeout": "00:01:00",  # the default of zero uses up all attempts within a second of an outage
        "maxDequeueCount": 10,
    }


@pytest.mark.parametrize("override", [{}, {"AzureFunctionsJobHost__functionTimeout": "00:20:00"}])
def test_a_lease_is_a_minute_longer_than_the_function_timeout(
    azurite_connection: str, override: dict[str, str]
) -> None:
    """It is derived from the timeout in effect; clocks may differ by a minute."""
    values = {"AzureWebJobsStorage": azurite_connection, "MLEVENTS_TABLE": f"t{uuid4().hex}", **override}
    inbox = App.from_settings(EXAMPLE["Values"] | values).inbox
    event = RunStatusChanged.example()
    record = EventRecord(json.dumps(event.wire()), event.id, "RunStatusChanged", "churn-prod", event.object, NOW)
    [message] = inbox.add(event, record, [NewAction("ring", "log", "")], NOW)[1]
    claim = inbox.leases.claim(message, NOW)
    timeout = function_timeout(Environment(override), ROOT / "host.json")
    assert isinstance(claim, Claim)
    assert claim.record.due == NOW + timeout + timedelta(minutes=1)
    assert inbox.leases.claim(message, NOW) == NotYet(claim.record.due)


def test_the_extension_bundle_has_the_range_of_core_tools() -> None:
    """The host finds no bundle for a narrower range."""
    assert HOST["version"] == "2.0"
    assert HOST["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }


def test_the_example_settings_are_enough_to_start(tmp_path: Path) -> None:
    """They have storage, a mail server and the workspaces of the rules."""
    values = EXAMPLE["Values"]
    assert EXAMPLE["IsEncrypted"] is False
    assert all(isinstance(value, str) for value in values.values())
    assert values["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert int(values["PYTHON_THREADPOOL_THREAD_COUNT"]) >= HOST["extensions"]["queues"]["batchSize"] * 4
    assert Storage.of(Environment(values)).connection_string == "UseDevelopmentStorage=true"
    loaded = load(ROOT / "samples" / "rules", values)
    assert loaded.errors == ()
    assert loaded.by_name
    app = App.from_settings(values | {"MLEVENTS_RULES": "samples/rules"})
    assert set(app.rules.by_name) == set(loaded.by_name)


def test_missing_storage_raises_an_error_that_names_the_setting() -> None:
    with pytest.raises(SettingsError, match="Set AzureWebJobsStorage to a connection string"):
        App.from_settings({name: value for name, value in os.environ.items() if "AzureWebJobs" not in name})
