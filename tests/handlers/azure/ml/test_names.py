"""Names of deployments are within the service's limits, the same for one model version, and no other's."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.azure.ml.names import check_endpoint_name, deployment_name, later
from handlers.azure.ml.resources import ModelRef
from tests.handlers.deploy.site import DEV, PROD

LIMITS = re.compile(r"(?=.{3,32}\Z)[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")  # as azure-ai-ml checks it


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
def test_a_name_can_be_read(name: str, version: str, slug: str) -> None:
    """It begins with the model's name and ends with its version, before the digits."""
    made = deployment_name(ModelRef(name, version, workspace=PROD))
    assert made[:-8] == slug
    assert re.fullmatch("[0-9a-f]{8}", made[-8:])


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=60))
def test_a_name_is_within_the_limits_whatever_the_model_is_called(name: str, version: str) -> None:
    made = deployment_name(ModelRef(name, version, workspace=PROD))
    assert LIMITS.fullmatch(made)
    assert made == made.lower()


def test_no_two_model_versions_have_one_name() -> None:
    """Not those that are cut alike, nor those of one name in two places."""
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


def test_a_workspace_in_other_letters_is_the_same() -> None:
    assert deployment_name(ModelRef("churn", "7", workspace=PROD.upper())) == deployment_name(
        ModelRef("churn", "7", workspace=PROD)
    )


@pytest.mark.parametrize("name", ["ab", "1abc", "abc-", "a_b", "a" * 33, "", "a b c", "ábc"])
def test_names_that_no_endpoint_can_have(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be an endpoint's name"):
        check_endpoint_name(name)


@pytest.mark.parametrize(
    ("one", "other", "is_later"),
    [("10", "9", True), ("9", "10", False), ("7", "7", False), ("b", "a", None), ("2", "a", None), ("v", "v", False)],
)
def test_which_version_is_later(one: str, other: str, is_later: bool | None) -> None:
    assert later(one, other) is is_later


@pytest.mark.parametrize("prefix", ["", "azureml:"])
def test_the_id_of_a_workspace_s_model_version(prefix: str) -> None:
    ref = ModelRef.parse(f"{prefix}{PROD}/models/churn/versions/7")
    assert ref == ModelRef("churn", "7", workspace=PROD)
    assert ref.id == f"{PROD}/models/churn/versions/7"


def test_the_id_of_a_registry_s_model_version() -> None:
    ref = ModelRef.parse("azureml://registries/acme/models/churn/versions/7")
    assert ref == ModelRef("churn", "7", registry="acme")
    assert ref.id == "azureml://registries/acme/models/churn/versions/7"


@pytest.mark.parametrize(
    "text", ["churn:7", "", PROD, f"{PROD}/models/churn", "azureml://registries/acme/models/churn"]
)
def test_what_is_not_the_id_of_a_model_version(text: str) -> None:
    with pytest.raises(ValueError, match="not the id of a model version"):
        ModelRef.parse(text)
