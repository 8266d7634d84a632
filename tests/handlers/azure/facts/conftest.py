"""Fixtures: an emulated Azure, and the events about its objects."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from emulator import WORKSPACE, Azure
from handlers.azure.facts import fetch
from schemas import ModelDeployed, ModelRegistered, RunStatusChanged
from schemas.facts import EndpointFacts, ModelFacts, RunFacts
from tests.kit.emulator import emulated_azure

WITHIN = 30.0  # seconds: more than a loaded machine needs

RunOf: TypeAlias = Callable[..., RunFacts]
ModelOf: TypeAlias = Callable[..., ModelFacts]
EndpointOf: TypeAlias = Callable[..., EndpointFacts]


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """An emulator whose jobs end at once, with the compute `cluster`."""
    with emulated_azure(monkeypatch, WORKSPACE) as azure:
        azure.workspaces.add_compute("cluster", size="Standard_NC6s_v3")
        azure.jobs.set_duration(seconds=0)
        azure.operations.set_duration(polls=0)
        yield azure


@pytest.fixture
def run_of(azure: Azure) -> RunOf:
    """A function that fetches the facts about a run."""

    def fetched(name: str, within: float = WITHIN, **changes: Any) -> RunFacts:
        found = fetch(RunStatusChanged.example(topic=WORKSPACE, runId=name, **changes), "run", within)
        assert isinstance(found, RunFacts)
        return found

    return fetched


@pytest.fixture
def model_of(azure: Azure) -> ModelOf:
    """A function that fetches the facts about a model version."""

    def fetched(name: str, version: str, within: float = WITHIN) -> ModelFacts:
        event = ModelRegistered.example(topic=WORKSPACE, modelName=name, modelVersion=version)
        found = fetch(event, "model", within)
        assert isinstance(found, ModelFacts)
        return found

    return fetched


@pytest.fixture
def endpoint_of(azure: Azure) -> EndpointOf:
    """A function that fetches the facts about an endpoint."""

    def fetched(name: str, within: float = WITHIN) -> EndpointFacts:
        found = fetch(ModelDeployed.example(topic=WORKSPACE, serviceName=name), "endpoint", within)
        assert isinstance(found, EndpointFacts)
        return found

    return fetched
