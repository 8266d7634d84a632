"""`TargetWorkspace`: a setting that names a workspace, by its name in ``rules/workspaces.yaml`` or by its ARM id.

Handlers do not read rules files: dispatch.rules.load passes the names as pydantic's validation context::

    Deploy.model_validate(settings, context={WORKSPACES: {"churn-prod": WorkspaceId.parse("/subscriptions/…")}})

An unknown name is then an error in the rule's line, found when the rules load. None instead of the names means
that they are unknown because workspaces.yaml is invalid: the rule is not loaded, and its actions wait until that is
fixed.
"""

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from schemas import WorkspaceId

WORKSPACES = "workspaces"
NOT_KNOWN = (
    "workspaces_not_known"  # the type of pydantic's error if the names are unknown: the rule itself may be valid
)


def _resolved(value: Any, info: ValidationInfo) -> WorkspaceId:
    if isinstance(value, WorkspaceId):
        return value
    if not isinstance(value, str):
        raise ValueError("should be the name of a workspace, or its ARM id")  # noqa: TRY004 - pydantic collects ValueErrors
    if value.startswith("/"):
        return WorkspaceId.parse(value)
    known = (info.context or {}).get(WORKSPACES, {})
    if known is None:
        raise PydanticCustomError(NOT_KNOWN, "the workspaces are not known")
    if value not in known:
        names = ", ".join(known) or "none"
        raise ValueError(f"there is no workspace {value!r} in rules/workspaces.yaml, which has {names}")
    workspace: WorkspaceId = known[value]
    return workspace


TargetWorkspace: TypeAlias = Annotated[WorkspaceId, BeforeValidator(_resolved, json_schema_input_type=str)]
