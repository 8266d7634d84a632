"""An issue per subject, which is opened once, and gets a comment for each further event.

docs.github.com/rest/issues: "List repository issues", "Create an issue", "List issue comments", "Create an issue
comment".
"""

from collections.abc import Mapping
from datetime import UTC, timedelta
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from handlers.base import Action, GiveUp, Outcome, Succeeded, shorten
from handlers.github.api import GitHubApi
from handlers.launch.api import path_of
from handlers.launch.run import TooManyRuns
from handlers.template import MarkdownTemplate, Template
from schemas import Event

_MAX_TITLE, _MAX_BODY = 256, 65_536  # characters; GitHub answers 422 for more
_ROOM = 200  # characters of the markers
_SKEW = timedelta(minutes=5)  # how far GitHub's clock may be off


class Issue(BaseModel):
    """What a rule says about its issues."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    title: Template
    body: MarkdownTemplate = MarkdownTemplate(
        "{{ eventType }} of {{ object }} in {{ workspace.name }}, {{ eventTime }}"
    )
    comment: MarkdownTemplate | None = None  # if it is None, `body`
    subject: Template = Template("{{ object }}")  # events with the same one share an issue
    label: str = Field("azureml-events", min_length=1, max_length=50, pattern=r"^[^,\s][^,]*$")
    labels: tuple[str, ...] = ()
    assignees: tuple[str, ...] = Field((), max_length=10)

    def subject_key(self, event: Event) -> str:
        """A code of an event's workspace and subject."""
        subject = f"{event.resource}\n{self.subject.render(event).strip()}".casefold()
        return sha256(subject.encode("utf-8", "replace")).hexdigest()[:32]

    def rendered_title(self, event: Event) -> str:
        """The title on one line. Raises GiveUp if it is empty."""
        title = " ".join(self.title.render(event).split())
        if not title:
            raise GiveUp("the title of an issue cannot be empty")
        return shorten(title, _MAX_TITLE)


def open_or_comment(api: GitHubApi, issue: Issue, event: Event, action: Action) -> Outcome:
    """Open an issue about the event's subject, or comment on the open one, once per action."""
    subject, mine = _marker("subject", issue.subject_key(event)), _marker("action", action.key.hex)
    found = _open_issue(api, issue.label, subject)
    if found is None:
        return _opened(api, _create(api, issue, event, f"{mine}\n{subject}"), issue.label)
    if mine in _last_lines(found):  # an earlier call has opened it
        return _opened(api, found, issue.label)
    path = f"{api.path}/issues{path_of(found['number'])}/comments"
    comment = _comment(api, path, mine, action) if action.interrupted or action.failures else None
    if comment is None:
        text = _body((issue.comment or issue.body).render(event), mine)
        comment = api.send("POST", path, {"body": text}).json()
    return _succeeded(api, "commented", found, comment)


def _marker(kind: str, key: str) -> str:
    """A comment that Markdown hides, at the end of a body."""
    return f"<!-- mlevents-{kind}: {key} -->"


def _open_issue(api: GitHubApi, label: str, marker: str) -> Mapping[str, Any] | None:
    """The newest open issue that ends with a marker. An event cannot write it: `<` is escaped in what it renders."""
    try:
        for found in api.pages(f"{api.path}/issues", state="open", labels=label):
            if "pull_request" not in found and marker in _last_lines(found):
                return dict(found)
    except TooManyRuns:
        raise GiveUp(f"{api.repository} has too many open issues with the label {label!r}: close some") from None
    return None


def _comment(api: GitHubApi, path: str, marker: str, action: Action) -> Mapping[str, Any] | None:
    """The comment that an earlier call of the action has written."""
    since = f"{(action.started - _SKEW).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    try:
        return next((found for found in api.pages(path, since=since) if marker in _last_lines(found)), None)
    except TooManyRuns:
        return None


def _create(api: GitHubApi, issue: Issue, event: Event, markers: str) -> Mapping[str, Any]:
    body = {
        "title": issue.rendered_title(event),
        "body": _body(issue.body.render(event), markers),
        "labels": [issue.label, *issue.labels],
        "assignees": list(issue.assignees),
    }
    created: Mapping[str, Any] = api.send("POST", f"{api.path}/issues", body).json()
    return created


def _opened(api: GitHubApi, found: Mapping[str, Any], label: str) -> Outcome:
    """The outcome for a new issue. Raises GiveUp if it has no label: no later event would find it."""
    if label not in [each if isinstance(each, str) else each.get("name") for each in found.get("labels") or ()]:
        raise GiveUp(
            f"issue #{found['number']} was opened in {api.repository}, but GitHub dropped its label {label!r}, by "
            "which later events find it: give the user of the token the role Triage or Write"
        )
    return _succeeded(api, "opened", found, found)


def _succeeded(api: GitHubApi, what: str, issue: Mapping[str, Any], page: Mapping[str, Any]) -> Succeeded:
    number = issue["number"]
    said = f"issue #{number} was opened" if what == "opened" else f"a comment was added to issue #{number}"
    details = {"status": what, "issue": str(number), "link": page.get("html_url") or ""}
    return Succeeded(f"{said} in {api.repository}", details)


def _body(text: str, markers: str) -> str:
    return f"{shorten(text.strip(), _MAX_BODY - _ROOM)}\n\n{markers}"


def _last_lines(found: Mapping[str, Any]) -> str:
    return str(found.get("body") or "")[-_ROOM:]
