"""The watch over HTTPS, against the emulated Azure ML."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dispatch.watch import looks
from emulator import Azure
from handlers.azure import lists
from handlers.azure.arm import Arm
from handlers.azure.transport import Transport
from tests.dispatch.watch.test_models import brief
from tests.dispatch.watch.watching import WORKSPACE, Watching

TYPES = ("ModelTagged", "ModelArchived", "ModelRestored", "RegistryModelRegistered", "DeploymentFailed", "JobMissed")


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    with Azure(WORKSPACE, registries=["churn-registry"]) as azure:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azure.own_ca_file))
        arm = Arm(azure.endpoint, azure.credential(), Transport())
        monkeypatch.setattr(looks, "service", lambda: arm)
        yield azure


def test_emulator_plays_everything_that_the_watch_sees(azure: Azure, tmp_path: Path) -> None:
    found = Watching.on(tmp_path, *TYPES)
    now = datetime.now(UTC)
    found.world.clock.time = now - timedelta(days=1)
    azure.models.register("churn", "7", {"stage": "staging"})
    azure.models.register("churn", "8", {"stage": "staging"})
    azure.models.register("churn", "1", registry="churn-registry")
    azure.endpoints.add("churn")
    azure.workspaces.add_schedule("nightly", "0 3 * * *", experiment="churn-training")
    assert found.look() == []
    azure.models.tag("churn", "8", {"stage": "production"})
    azure.models.archive("churn", "7")
    azure.models.register("churn", "2", registry="churn-registry")
    azure.endpoints.add_deployment("churn", "blue", f"{WORKSPACE}/models/churn/versions/8", state="Failed")
    assert sorted(brief(found.look())) == [
        ("DeploymentFailed", "endpoints/churn/deployments/blue"),
        ("ModelArchived", "models/churn:7"),
        ("ModelTagged", "models/churn:8"),
        ("RegistryModelRegistered", "models/churn:2"),
    ]
    azure.models.restore("churn", "7")
    assert brief(found.look()) == [("ModelRestored", "models/churn:7")]
    missed = found.look(after=timedelta(days=3))
    assert set(brief(missed)) == {("JobMissed", "schedules/nightly")}
    assert found.look() == []


def test_app_without_a_role_is_told(azure: Azure, tmp_path: Path) -> None:
    found = Watching.on(tmp_path, "DeploymentFailed")
    azure.faults.fail("GET onlineEndpoints", status=403, code="AuthorizationFailed", message="no action", times=None)
    found.look()
    [state] = found.world.app.inbox.shared.all("watch|").values()
    assert "AuthorizationFailed" in state["reason"]


def test_client_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that connections and tokens are kept."""
    monkeypatch.setenv("MLEVENTS_ARM_ENDPOINT", "https://localhost:1")
    assert lists.connect() is lists.connect()
