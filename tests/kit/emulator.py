"""An emulated Azure for one test, which the test's environment trusts and has the identity of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from emulator import Azure
from emulator.state.clock import Clock
from tests.kit import storage as kit


class _AppClock(Clock):
    """The app's clock, for the emulator."""

    def __init__(self) -> None:
        super().__init__()
        self.app = kit.Clock()

    def __call__(self) -> datetime:
        """Now."""
        return self._at or self.app() + self._ahead


def shared_clock(azure: Azure) -> kit.Clock:
    """The one clock of a test: the emulator follows the app's, so that what the app waits for takes that long there.

    Call it before anything is created in Azure: creation times then agree with what follows.
    """
    if not isinstance(azure.state.clock, _AppClock):
        azure.state.clock = _AppClock()
    return azure.state.clock.app


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
