"""Links to pages of the Azure ML studio in the public cloud.

Forms: a run's as azureml-core prints it ("Web View: https://ml.azure.com/runs/..."); an endpoint's, and the workspace
as `wsid`, as in microsoft/promptflow, open_model_llm.py; a model's as in kestra-io/plugin-azure.
"""

from urllib.parse import quote

from schemas.resource import WorkspaceId


def studio_link(workspace: WorkspaceId, *path: str) -> str | None:
    """The link to a page of a workspace. The caller quotes what comes from an event (`quoted`).

    None if a part of the path is ``.`` or ``..``: browsers resolve these even where they are percent-encoded.
    """
    if {".", ".."} & set(path):
        return None
    subscription, group, name = map(quoted, (workspace.subscription, workspace.resource_group, workspace.name))
    wsid = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{workspace.resource_type}/{name}"
    return f"https://ml.azure.com/{'/'.join(path)}?wsid={wsid}"


def run_link(workspace: WorkspaceId, run_id: str) -> str | None:
    """The link to a run's page."""
    return studio_link(workspace, "runs", quoted(run_id))


def endpoint_link(workspace: WorkspaceId, endpoint: str) -> str | None:
    """The link to the page of an online endpoint."""
    return studio_link(workspace, "endpoints", "realtime", quoted(endpoint), "detail")


def endpoints_link(workspace: WorkspaceId) -> str | None:
    """The link to the list of endpoints, of every kind. The form of a batch endpoint's own page is not published."""
    return studio_link(workspace, "endpoints")


def quoted(text: str) -> str:
    """A text from an event, percent-encoded, so that it stays one part of a path."""
    return quote(text, safe="", errors="replace")
