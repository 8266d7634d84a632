"""`ResourceId` and `WorkspaceId`: ARM ids of the resources that raise events."""

import pytest

from schemas import ResourceId, RunCompleted, WorkspaceId, parse_event
from schemas.events.registry import parse_resource, registered
from tests.kit.payloads import WORKSPACE, event_grid


def test_parse_reads_the_parts_of_an_id() -> None:
    """`str` is the text that was parsed."""
    workspace = WorkspaceId.parse(WORKSPACE)
    assert (workspace.subscription, workspace.resource_group, workspace.name) == ("5d1f", "rg-ml", "churn")
    assert str(workspace) == WORKSPACE
    assert parse_event(event_grid()).workspace == workspace


@pytest.mark.parametrize("spelling", [WORKSPACE.upper(), WORKSPACE.lower(), WORKSPACE + "/"])
def test_ids_are_equal_regardless_of_case(spelling: str) -> None:
    """As in ARM, also with a slash at the end; `str` keeps the spelling."""
    workspace = WorkspaceId.parse(spelling)
    assert workspace == WorkspaceId.parse(WORKSPACE)
    assert len({workspace, WorkspaceId.parse(WORKSPACE)}) == 1
    assert str(workspace) == spelling


@pytest.mark.parametrize(("part", "other"), [("5d1f", "5d1e"), ("rg-ml", "rg"), ("churn", "churn2")])
def test_ids_with_a_different_part_are_not_equal(part: str, other: str) -> None:
    """Subscription, resource group or name."""
    assert WorkspaceId.parse(WORKSPACE.replace(part, other)) != WorkspaceId.parse(WORKSPACE)


def test_an_id_does_not_equal_its_text() -> None:
    """The text could be in another case, which would break the hash."""
    assert WorkspaceId.parse(WORKSPACE) != WORKSPACE


@pytest.mark.parametrize("name", ["{workspace-name}", "ws with spaces", "Größe", "a.b_c-d"])
def test_names_may_have_any_characters(name: str) -> None:
    """The documentation's placeholders have braces."""
    assert WorkspaceId.parse(WORKSPACE.replace("churn", name)).name == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "churn",
        WORKSPACE + "/jobs/x",
        WORKSPACE.replace("/workspaces/", "/registries/"),
        WORKSPACE.replace("MachineLearningServices", "MachineLearning"),
        WORKSPACE.replace("rg-ml", ""),
        WORKSPACE.replace("rg-ml", " "),
        WORKSPACE + "\r\nX: y",
        " " + WORKSPACE,
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    """The error shows the form of an id."""
    with pytest.raises(
        ValueError, match=r"^a workspace's ARM id: /subscriptions/<id>/resourceGroups/<name>/providers/"
    ):
        WorkspaceId.parse(text)


class AccountId(ResourceId):
    """The id of another resource type, whose parts can be those of a workspace."""

    __slots__ = ()
    resource_type = "Microsoft.Storage/storageAccounts"
    noun = "a storage account"


class AccountChanged(RunCompleted):
    """An event type of this resource type."""

    resource_id = AccountId


ACCOUNT = WORKSPACE.replace("MachineLearningServices/workspaces", "Storage/storageAccounts")


def test_ids_of_different_resource_types_are_not_equal() -> None:
    """Also if they have the same name in the same resource group."""
    account, workspace = AccountId.parse(ACCOUNT), WorkspaceId.parse(WORKSPACE)
    assert account.key == workspace.key
    assert account != workspace


def test_parse_resource_reads_ids_of_the_registered_types() -> None:
    """And no others."""
    assert parse_resource(WORKSPACE) == WorkspaceId.parse(WORKSPACE)
    with pytest.raises(ValueError, match=r"^a workspace's ARM id: [^,]+$"):
        parse_resource(ACCOUNT)
    with registered(AccountChanged):
        assert parse_resource(ACCOUNT) == AccountId.parse(ACCOUNT)
        assert parse_resource(WORKSPACE) == WorkspaceId.parse(WORKSPACE)
        with pytest.raises(ValueError, match=r"^a workspace's ARM id: .+, or a storage account's ARM id: "):
            parse_resource("churn")
