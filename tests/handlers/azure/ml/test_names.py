"""Names of deployments are valid, always the same for a model version, and different from all others'."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.azure.ml.names import check_endpoint_name, deployment_name, later
from handlers.azure.ml.resources import ModelRef
from tests.handlers.deploy.site import DEV, PROD

LIMITS = re.compile(r"(?=.{3,32}\Z)[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")  # azure-ai-ml's own check


@pytest.mark.parametrize(
    ("name", "version", "slug"),
    [
        ("churn", "7", "churn-7-"),
        ("Churn_Model.v2", "12", "churn-model-v2-12-"),
        ("a" * 255, "7", "a" * 21 + "-7-"),
        ("7-eleven", "1", "m-7-eleven-1-"),
        ("_", "1", "m-1-"),
        ("x", "1.2.3-rc.1", "x-1-2-3-rc-1-"),
    ],
)
def test_name_begins_with_model_and_version(name: str, version: str, slug: str) -> None:
    """Eight digits of a hash follow."""
    deployment = deployment_name(ModelRef(name, version, workspace=PROD))
    assert deployment[:-8] == slug
    assert re.fullmatch("[0-9a-f]{8}", deployment[-8:])


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=60))
def test_name_is_valid_for_every_model_name(name: str, version: str) -> None:
    deployment = deployment_name(ModelRef(name, version, workspace=PROD))
    assert LIMITS.fullmatch(deployment)
    assert deployment == deployment.lower()


def test_different_model_versions_have_different_names() -> None:
    """Also long names that are cut to the same text, and the same name in two workspaces."""
    refs = [
        ModelRef("churn", "7", workspace=PROD),
        ModelRef("churn", "7", workspace=DEV),
        ModelRef("churn", "7", registry="acme"),
        ModelRef("churn-7", "7", workspace=PROD),
        ModelRef("churn.7", "7", workspace=PROD),
        ModelRef("a" * 40 + "b", "7", workspace=PROD),
        ModelRef("a" * 40 + "c", "7", workspace=PROD),
    ]
    assert len({deployment_name(ref) for ref in refs}) == len(refs)


def test_case_of_the_workspace_id_does_not_change_the_name() -> None:
    assert deployment_name(ModelRef("churn", "7", workspace=PROD.upper())) == deployment_name(
        ModelRef("churn", "7", workspace=PROD)
    )


@pytest.mark.parametrize("name", ["ab", "1abc", "abc-", "a_b", "a" * 33, "", "a b c", "ábc"])
def test_invalid_endpoint_name_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be an endpoint's name"):
        check_endpoint_name(name)


@pytest.mark.parametrize(
    ("one", "other", "is_later"),
    [("10", "9", True), ("9", "10", False), ("7", "7", False), ("b", "a", None), ("2", "a", None), ("v", "v", False)],
)
def test_later_compares_numbers_only(one: str, other: str, is_later: bool | None) -> None:
    assert later(one, other) is is_later


@pytest.mark.parametrize("prefix", ["", "azureml:"])
def test_id_of_a_model_version_in_a_workspace_is_parsed(prefix: str) -> None:
    ref = ModelRef.parse(f"{prefix}{PROD}/models/churn/versions/7")
    assert ref == ModelRef("churn", "7", workspace=PROD)
    assert ref.id == f"{PROD}/models/churn/versions/7"


def test_id_of_a_model_version_in_a_registry_is_parsed() -> None:
    ref = ModelRef.parse("azureml://registries/acme/models/churn/versions/7")
    assert ref == ModelRef("churn", "7", registry="acme")
    assert ref.id == "azureml://registries/acme/models/churn/versions/7"


@pytest.mark.parametrize(
    "text", ["churn:7", "", PROD, f"{PROD}/models/churn", "azureml://registries/acme/models/churn"]
)
def test_invalid_id_of_a_model_version_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not the id of a model version"):
        ModelRef.parse(text)
