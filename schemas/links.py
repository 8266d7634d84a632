"""Deep links into the Azure ML studio of the public cloud.

Shapes: a run's as azureml-core prints it ("Web View: https://ml.azure.com/runs/..."); an endpoint's, and the workspace
as `wsid`, as in microsoft/promptflow, open_model_llm.py; a model's as in kestra-io/plugin-azure. Every part that comes
from an event is percent-encoded, so that it stays the part it is.
"""

from urllib.parse import quote

from schemas.workspace import WorkspaceId


def run_link(workspace: WorkspaceId, run_id: str) -> str | None:
    """The page of a run."""
    return _link(workspace, "runs", _part(run_id))


def model_link(workspace: WorkspaceId, name: str, version: str) -> str | None:
    """The page of a model version."""
    return _link(workspace, "model", f"{_part(name)}:{_part(version)}", "details")


def endpoint_link(workspace: WorkspaceId, name: str) -> str | None:
    """The page of a real-time endpoint."""
    return _link(workspace, "endpoints", "realtime", _part(name), "detail")


def _link(workspace: WorkspaceId, *path: str) -> str | None:
    if {".", ".."} & set(path):
        return None  # a browser takes these as directions, encoded or not
    subscription, group, name = map(_part, (workspace.subscription, workspace.resource_group, workspace.name))
    provider = "providers/Microsoft.MachineLearningServices"
    wsid = f"/subscriptions/{subscription}/resourceGroups/{group}/{provider}/workspaces/{name}"
    return f"https://ml.azure.com/{'/'.join(path)}?wsid={wsid}"


def _part(text: str) -> str:
    return quote(text, safe="", errors="replace")
