"""An emulator for one test, with environment variables that point the app to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from emulator import Azure
from emulator.state.clock import Clock
from mlevents.testing import storage


class _AppClock(Clock):
    """The emulator's clock, which follows the app's."""

    def __init__(self) -> None:
        super().__init__()
        self.app = storage.Clock()

    def __call__(self) -> datetime:
        return self._at or self.app() + self._ahead


def shared_clock(azure: Azure) -> storage.Clock:
    """Make the emulator follow the app's clock, and return that clock, so that time passes in both alike.

    Call this before creating anything in Azure, so that creation times are by this clock.
    """
    if not isinstance(azure.state.clock, _AppClock):
        azure.state.clock = _AppClock()
    return azure.state.clock.app


_MACHINE = ("AZURE_CLIENT", "ARM_CLOUD")  # prefixes of variables that point to a real Azure


@contextmanager
def emulated_azure(monkeypatch: pytest.MonkeyPatch, *workspaces: str, **options: Any) -> Iterator[Azure]:
    """Run an emulator with these workspaces and the registry acme."""
    with Azure(*workspaces, registries=["acme"], **options) as azure:
        trust_only(azure, monkeypatch)
        yield azure


def trust_only(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment variables that point the app to this emulator, and unset those of a real Azure."""
    for name, value in azure.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azure.own_ca_file))  # a small file, because each connection parses it
    for name in [name for name in os.environ if name.startswith(_MACHINE)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD")  # the client sets it; monkeypatch undoes that
