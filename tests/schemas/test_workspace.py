"""`WorkspaceId`, the ARM id of a workspace."""

import pytest

from schemas import WorkspaceId, parse_event
from tests.kit.wires import WORKSPACE, event_grid


def test_an_arm_id_is_taken_apart() -> None:
    """And printed as it came."""
    workspace = WorkspaceId.parse(WORKSPACE)
    assert (workspace.subscription, workspace.resource_group, workspace.name) == ("5d1f", "rg-ml", "churn")
    assert str(workspace) == WORKSPACE
    assert parse_event(event_grid()).workspace == workspace


@pytest.mark.parametrize("spelling", [WORKSPACE.upper(), WORKSPACE.lower(), WORKSPACE + "/"])
def test_case_makes_no_other_workspace(spelling: str) -> None:
    """ARM ids are compared without regard to it; `str` still is the id as it came."""
    workspace = WorkspaceId.parse(spelling)
    assert workspace == WorkspaceId.parse(WORKSPACE)
    assert len({workspace, WorkspaceId.parse(WORKSPACE)}) == 1
    assert str(workspace) == spelling


@pytest.mark.parametrize(("part", "other"), [("5d1f", "5d1e"), ("rg-ml", "rg"), ("churn", "churn2")])
def test_every_part_counts(part: str, other: str) -> None:
    """Subscription, resource group and name."""
    assert WorkspaceId.parse(WORKSPACE.replace(part, other)) != WorkspaceId.parse(WORKSPACE)


def test_a_workspace_is_not_its_text() -> None:
    """A text could be in another case."""
    assert WorkspaceId.parse(WORKSPACE) != WORKSPACE


@pytest.mark.parametrize("name", ["{workspace-name}", "ws with spaces", "Größe", "a.b_c-d"])
def test_any_name_will_do(name: str) -> None:
    """The documentation's have braces."""
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
def test_anything_else_is_refused(text: str) -> None:
    """The error shows the form of an id."""
    with pytest.raises(
        ValueError, match=r"^a workspace's ARM id: /subscriptions/<id>/resourceGroups/<name>/providers/"
    ):
        WorkspaceId.parse(text)
