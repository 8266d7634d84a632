"""A work item per action.

learn.microsoft.com/rest/api/azure/devops, 7.1: "Work Items - Create", "Wiql - Query By Wiql"; "Work tracking, process,
and project limits".
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticCustomError

from handlers.azure_devops.api import AzureDevOpsApi
from handlers.base import Action, GiveUp, Outcome, Succeeded, shorten
from handlers.launch.api import path_of
from handlers.template import HtmlTemplate, Template
from schemas import Event

TITLE, TAGS = "System.Title", "System.Tags"
_HTML = frozenset(  # the fields of type HTML that Microsoft's processes have ("Work item field index")
    {
        "system.description",
        "system.history",
        "microsoft.vsts.tcm.reprosteps",
        "microsoft.vsts.tcm.systeminfo",
        "microsoft.vsts.common.acceptancecriteria",
        "microsoft.vsts.common.resolution",
        "microsoft.vsts.cmmi.symptom",
        "microsoft.vsts.cmmi.proposedfix",
        "microsoft.vsts.cmmi.mitigationplan",
        "microsoft.vsts.cmmi.impactassessmenthtml",
        "microsoft.vsts.cmmi.justification",
    }
)
_MAX_TITLE = 255  # characters


def _fields(value: Any) -> dict[str, Any]:
    """Templates in place of texts: of HTML for a field of HTML, so that an event cannot add markup."""
    if not isinstance(value, Mapping):
        raise PydanticCustomError("fields", "Input should be a mapping, such as System.Title: text")
    found: dict[str, Any] = {}
    for name, given in value.items():
        each = given.source if isinstance(given, Template) else given
        if not isinstance(each, str | bool | int | float):
            raise PydanticCustomError("fields", "{name} should be a text, a number, true or false", {"name": str(name)})
        if str(name).casefold() == TAGS.casefold() and ";" not in str(each) and "," in str(each):
            raise PydanticCustomError("fields", "tags are separated by semicolons: a; b")
        kind = HtmlTemplate if str(name).casefold() in _HTML else Template
        found[str(name)] = kind(each) if isinstance(each, str) else each
    if TITLE.casefold() not in map(str.casefold, found):
        raise PydanticCustomError("fields", "a work item needs a title: System.Title")
    return found


class WorkItem(BaseModel):
    """What a rule says about its work items."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    type: str = Field(min_length=1, max_length=128, pattern=r"^[^/\\{}%]+$")
    fields: Annotated[Mapping[str, Any], PlainValidator(_fields)]

    def rendered(self, event: Event) -> dict[str, Any]:
        """The fields without those that are empty. Raises GiveUp if the title is empty."""
        found = {
            name: value.render(event).strip() if isinstance(value, Template) else value
            for name, value in self.fields.items()
        }
        found = {name: value for name, value in found.items() if value != ""}
        title = next((name for name in found if name.casefold() == TITLE.casefold()), None)
        if title is None:
            raise GiveUp("the title of a work item cannot be empty")
        return {**found, title: shorten(" ".join(str(found[title]).split()), _MAX_TITLE)}


def open_work_item(api: AzureDevOpsApi, item: WorkItem, event: Event, action: Action) -> Outcome:
    """Open a work item, unless an earlier call of the action has done so: a tag shows whose it is."""
    tag = action.job_name
    id = _existing(api, tag) if action.interrupted or action.failures else None
    if id is None:
        id = _create(api, item, event, tag)
    link = f"{api.url}{path_of(api.project)}/_workitems/edit{path_of(id)}"
    details = {"work_item": id, "link": link, "where": api.project}
    return Succeeded(f"{item.type} {id} was opened in {api.project}", details)


def _existing(api: AzureDevOpsApi, tag: str) -> str | None:
    """The work item with a tag, which has letters, digits and hyphens only."""
    condition = f"[System.TeamProject] = @project AND [{TAGS}] CONTAINS '{tag}'"
    query = f"SELECT [System.Id] FROM WorkItems WHERE {condition}"  # noqa: S608 - no text of an event is in it
    answer = api.send("POST", f"{api.path}/wit/wiql", {"query": query})
    found = answer.json().get("workItems") or []
    return str(found[0]["id"]) if found else None


def _create(api: AzureDevOpsApi, item: WorkItem, event: Event, tag: str) -> str:
    fields = item.rendered(event)
    given = next((name for name in fields if name.casefold() == TAGS.casefold()), TAGS)
    fields[given] = "; ".join(str(part) for part in (fields.get(given), tag) if part)
    patch = [{"op": "add", "path": f"/fields/{name}", "value": value} for name, value in fields.items()]
    path = f"{api.path}/wit/workitems{path_of(f'${item.type}')}"
    return str(api.send("POST", path, patch, "application/json-patch+json").json()["id"])
