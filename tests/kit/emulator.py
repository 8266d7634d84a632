"""An emulated Azure for one test, which the test's environment trusts and has the identity of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from emulator import Azure

_MACHINE = ("AZURE_CLIENT", "ARM_CLOUD")


@contextmanager
def emulated_azure(monkeypatch: pytest.MonkeyPatch, *workspaces: str, **options: Any) -> Iterator[Azure]:
    """Start an Azure with these workspaces and the registry acme."""
    with Azure(*workspaces, registries=["acme"], **options) as azure:
        trust_only(azure, monkeypatch)
        yield azure


def trust_only(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the app's settings to this Azure, and to nothing that the machine has."""
    for name, value in azure.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azure.own_ca_file))  # each of the client's connections reads it
    for name in [name for name in os.environ if name.startswith(_MACHINE)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD")  # the client sets it: it is gone again after the test
