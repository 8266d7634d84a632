"""References to assets, and the label ``latest``."""

import pytest

from emulator import Azure
from handlers.azure.ml import workspace as gateway
from handlers.azure.ml.assets import AssetRef, resolve
from handlers.azure.ml.workspace import AzureML
from handlers.base import RetryLater
from schemas import WorkspaceId
from tests.handlers.deploy.site import DEV, PROD


@pytest.fixture
def azureml(azure: Azure) -> AzureML:
    return gateway.connect(WorkspaceId.parse(PROD))


@pytest.mark.parametrize(
    ("text", "kind", "id"),
    [
        ("azureml:churn-env:3", "environments", "azureml:churn-env:3"),
        ("churn-env:3", "environments", "azureml:churn-env:3"),
        ("azureml:churn-env@latest", "environments", "azureml:churn-env@latest"),
        ("azureml:scoring:1.0.2", "codes", "azureml:scoring:1.0.2"),
        (f"azureml:{PROD}/data/churn/versions/2026-11-01", "data", f"{PROD}/data/churn/versions/2026-11-01"),
        (f"{PROD}/environments/e/labels/latest", "environments", f"{PROD}/environments/e/labels/latest"),
        ("azureml://registries/acme/models/churn/versions/7", "models", "azureml://registries/acme/models/churn/versions/7"),
        ("azureml://registries/acme/components/prep/labels/latest", "components",
         "azureml://registries/acme/components/prep/labels/latest"),
    ],
)  # fmt: skip
def test_every_form_of_a_reference_is_read(text: str, kind: str, id: str) -> None:
    assert AssetRef.parse(text, kind).id == id


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("azureml:churn-env", "environments", "does not name an environment with its version"),
        ("azureml:churn-env@stable", "environments", "the only label is latest"),
        ("azureml://registries/acme/environments/e/labels/prod", "environments", "the only label is latest"),
        ("azureml:scoring@latest", "codes", "code assets have no labels; write the version"),
        ("azureml://registries/acme/models/churn/versions/7", "environments", "names a model, not an environment"),
        (f"{PROD}/computes/cpu/versions/1", "data", "names computes, not a data asset"),
        ("azureml:..:3", "environments", "does not name an environment"),
        ("azureml://registries/acme/data/../versions/1", "data", "a name cannot consist of dots"),
        ("", "models", "does not name a model"),
    ],
)
def test_reference_that_cannot_be_resolved_is_an_error(text: str, kind: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AssetRef.parse(text, kind)


def test_latest_is_the_version_that_was_registered_last(azureml: AzureML, azure: Azure) -> None:
    """As azure-ai-ml has it: not the version with the highest number."""
    azure.assets.add_environment("serving", "3")
    azure.assets.add_environment("serving", "2")
    azure.models.register("churn", "9")
    azure.models.register("churn", "8")
    azure.assets.add_data("customers", "5")
    azure.assets.add_component("prep", "4")
    names = {"environments": "serving", "models": "churn", "data": "customers", "components": "prep"}
    versions = {
        kind: resolve(azureml, AssetRef.parse(f"azureml:{name}@latest", kind)).id for kind, name in names.items()
    }
    assert versions == {
        "environments": "azureml:serving:2",
        "models": "azureml:churn:8",
        "data": "azureml:customers:5",
        "components": "azureml:prep:4",
    }
    assert azureml.client.environments.get("serving", label="latest").version == "2"


def test_latest_in_a_registry_and_in_another_workspace(azureml: AzureML, azure: Azure) -> None:
    azure.assets.add_environment("serving", "3", registry="acme")
    azure.assets.add_environment("serving", "7", workspace=DEV)
    registry = AssetRef.parse("azureml://registries/acme/environments/serving/labels/latest", "environments")
    assert resolve(azureml, registry).id == "azureml://registries/acme/environments/serving/versions/3"
    other = AssetRef.parse(f"{DEV}/environments/serving/labels/latest", "environments")
    assert resolve(azureml, other).id == f"{DEV}/environments/serving/versions/7"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("azureml:serving@latest", "environments", "there is no environment serving@latest in churn-prod"),
        ("azureml:customers@latest", "data", "there is no data asset customers@latest in churn-prod"),
        (
            "azureml://registries/acme/models/churn/labels/latest",
            "models",
            "there is no model churn@latest in the registry acme",
        ),
    ],
)
def test_missing_asset_may_appear_later(azureml: AzureML, text: str, kind: str, said: str) -> None:
    with pytest.raises(RetryLater, match=said):
        resolve(azureml, AssetRef.parse(text, kind))


def test_versions_and_curated_environments_need_no_request(azureml: AzureML, azure: Azure) -> None:
    before = len(azure.calls.all)
    for text in ("azureml:serving:3", "azureml:AzureML-sklearn-1.5@latest"):
        ref = AssetRef.parse(text, "environments")
        assert resolve(azureml, ref) is ref
    assert len(azure.calls.all) == before
