"""Sending a mail imports little, since a worker that starts must answer Event Grid within seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.acs import KEY, mail_service
from tests.kit.smtp import mail_server

ROOT = Path(__file__).resolve().parents[3]

SEND = """
import json, sys
from handlers.base import Action
from handlers.email.handler import Email
from schemas import RunStatusChanged
outcome = Email(to="ml-team@example.com", subject="{{ id }}").run(RunStatusChanged.example(), Action())
print(json.dumps([type(outcome).__name__, sorted(sys.modules)]))
"""


def modules_after_sending(**settings: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after sending one mail."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EMAIL_", "COVERAGE_"))}
    done = subprocess.run(
        [sys.executable, "-c", SEND],
        cwd=ROOT,
        env=environment | {"EMAIL_FROM": "events@example.com"} | settings,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    outcome, modules = json.loads(done.stdout)
    assert outcome in {"Succeeded", "CheckBack"}
    return set(modules)


def loaded(modules: set[str], package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in modules)


@pytest.fixture(scope="module")
def over_smtp() -> set[str]:
    with mail_server() as server:
        modules = modules_after_sending(
            EMAIL_SMTP_HOST=server.host, EMAIL_SMTP_PORT=str(server.port), EMAIL_SMTP_SECURITY="none"
        )
    assert len(server.accepted) == 1
    return modules


@pytest.mark.parametrize(
    "package",
    ["azure.ai", "azure.identity", "azure.communication", "azure.functions", "msal", "dispatch", "mlevents", "tests"],
)
def test_smtp_does_not_load(over_smtp: set[str], package: str) -> None:
    assert not loaded(over_smtp, package)


@pytest.mark.services
def test_azure_with_a_key_loads_only_the_mail_client() -> None:
    with mail_service() as service:
        modules = modules_after_sending(EMAIL_ACS_ENDPOINT=service.url, EMAIL_ACS_KEY=KEY)
    assert loaded(modules, "azure.communication.email")
    for package in ("azure.ai", "azure.identity", "azure.functions", "dispatch", "mlevents"):
        assert not loaded(modules, package)
