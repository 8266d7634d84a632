"""`TargetWorkspace`: a workspace that a rule acts in, by its name in ``rules/workspaces.yaml`` or by its ARM id.

Handlers do not read rules files. Whoever loads the rules hands the names over, as pydantic's validation context::

    Deploy.model_validate(settings, context={WORKSPACES: {"churn-prod": WorkspaceId.parse("/subscriptions/…")}})

so that an unknown name is a mistake in the rule's line, found when the rules load. None in place of the names says that
they are not known now, because workspaces.yaml is refused: then the rule is not there until it is mended, and its
actions wait.
"""

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from schemas import WorkspaceId

WORKSPACES = "workspaces"
NOT_KNOWN = "workspaces_not_known"  # the type of the error that says so: no mistake of the rule's


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


TargetWorkspace: TypeAlias = Annotated[WorkspaceId, BeforeValidator(_resolved)]
