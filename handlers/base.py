"""The contract between the app and a handler: what a handler is, what it gets, and how it reports the outcome.

A handler is a frozen pydantic model. Its fields are the settings that a rule may write under ``with:``; its `run` does
the work::

    class Shout(Handler[RunStatusChanged]):
        text: Template = Template("{{ subject }}")

        def run(self, event: RunStatusChanged, action: Action) -> Outcome:
            return Succeeded(self.text.render(event).upper())

An action is one rule applied to one event. What `run` returns or raises decides what happens to the action:

    outcome                 the action                               `run` is called again
    returns Succeeded       ends as succeeded                        no
    returns Skipped         ends as skipped                          no
    returns CheckBack       waits with its state; failures reset     after `CheckBack.after`
    raises RetryLater       waits, and counts a failure              after the rule's backoff, or `RetryLater.after`
      which is throttled    waits with its `destination`             after the pause that the service needs
    raises GiveUp           ends as failed; can be replayed          no
    raises anything else    as RetryLater or GiveUp: see handlers.errors

An action that keeps failing for longer than the rule's ``retry.for`` ends as failed, too. When an action ends, the
rules whose ``after`` selects this outcome start.

`run` may be called again for the same action although it has done its work: the worker may have died before the outcome
was recorded. `Action.key` is the same on every call and `Action.interrupted` says that a call did not end, so that a
handler can check what that call has done.
"""

import json
import reprlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, get_args
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, field_validator

from handlers import lineage
from handlers.roles import Role
from handlers.template import Template
from schemas import Event, ResourceId

E = TypeVar("E", bound=Event)

GIVES_UP = "give up: "  # how a handler's `plan` begins if `run` would raise GiveUp
TEXT_LIMIT = 1_000  # characters of a summary, a reason or a note
DETAIL_LIMIT = 1_024  # characters of one detail
DETAILS_LIMIT = 40  # details of one outcome
STATE_LIMIT = 30_000  # characters of a state as JSON; a property of an Azure table holds 32 Ki characters
LONGEST_WAIT = timedelta(days=366)  # of a CheckBack: adding more to a date could overflow


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The work is done. `details` are for people, and for the rules that follow (``result.details``).

    Details that are not text become JSON. Long texts are cut to `TEXT_LIMIT` and `DETAIL_LIMIT` characters, and details
    beyond `DETAILS_LIMIT` are dropped: a success must not fail because it cannot be recorded.

    `sent` is what the call has sent, such as the subject, the text and the HTML of a mail: texts by name, which are
    kept with the action, whole if they fit, and shown to people on its page. The names ``text`` and ``html`` have a
    meaning there.
    """

    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)
    sent: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "summary", shorten(self.summary))
        kept = list(self.details.items())[:DETAILS_LIMIT]
        object.__setattr__(self, "details", {shorten(k, 100): shorten(_text(v), DETAIL_LIMIT) for k, v in kept})


@dataclass(frozen=True, slots=True)
class Skipped:
    """There was nothing to do; `reason` says why."""

    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", shorten(self.reason))


@dataclass(frozen=True, slots=True)
class CheckBack:
    """The work has started, or cannot start yet: call `run` again after a while. No worker waits in the meantime.

    `state` is JSON of at most `STATE_LIMIT` characters; the next call gets it as `Action.state`, as JSON decodes it.
    `after` is cut to the range from zero to `LONGEST_WAIT`; `note` is shown in the action's timeline; `sent` is that of
    `Succeeded`. Raises GiveUp if the state is not JSON or too long: here, where the traceback still names the handler.
    """

    after: timedelta
    state: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    sent: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            text = json.dumps(dict(self.state), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise GiveUp(f"the handler's state is not JSON: {error}") from error
        if len(text) > STATE_LIMIT:
            raise GiveUp(f"the handler's state has {len(text)} characters of JSON; at most {STATE_LIMIT} are allowed")
        object.__setattr__(self, "state", json.loads(text))
        object.__setattr__(self, "after", min(max(self.after, timedelta()), LONGEST_WAIT))
        object.__setattr__(self, "note", shorten(self.note))


Outcome: TypeAlias = Succeeded | Skipped | CheckBack


class RetryLater(Exception):  # noqa: N818 - an outcome of a handler, not a bug
    """The work failed, and may succeed on another attempt.

    `after` is the delay that the service requested; it replaces the rule's backoff if it is longer. `throttled` means
    that the service throttles every client (HTTP 429 or 503): all actions with the same `Handler.destination` wait, and
    the wait does not count against the rule's ``retry.for``. `max_elapsed` limits how long errors of this kind are
    retried; it can shorten ``retry.for``, and not extend it. Raises TypeError if a delay is not a timedelta.
    """

    def __init__(
        self,
        reason: str,
        after: timedelta | None = None,
        *,
        throttled: bool = False,
        max_elapsed: timedelta | None = None,
    ) -> None:
        super().__init__(shorten(reason))
        for name, span in (("after", after), ("max_elapsed", max_elapsed)):
            if span is not None and not isinstance(span, timedelta):
                raise TypeError(f"RetryLater's {name} is a timedelta or None, not {span!r}")
        self.after = after
        self.throttled = throttled
        self.max_elapsed = max_elapsed


class GiveUp(Exception):  # noqa: N818 - an outcome of a handler, not a bug
    """The work failed, and another attempt would fail, too: the action ends as failed, and can be replayed."""

    def __init__(self, reason: str) -> None:
        super().__init__(shorten(reason))


@dataclass(frozen=True, slots=True)
class Result:
    """How the action of another rule on the same event ended: ``result`` in the templates of a rule with ``after``."""

    rule: str
    status: str  # succeeded, skipped or failed
    summary: str
    details: Mapping[str, str] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """The result as plain data, for conditions and templates."""
        return {"rule": self.rule, "status": self.status, "summary": self.summary, "details": dict(self.details)}


def _always(_: Event) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Action:
    """One rule applied to one event. A run that it starts should have its `job_name`, its `tags`, or both."""

    rule: str = "a-rule"
    source: str = ""  # file and line of the rule: "rules/churn.yaml:12"
    key: UUID = field(
        default_factory=uuid4
    )  # the same on every call: for a job name, a Message-ID, a deduplication key
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    now: datetime = field(default_factory=lambda: datetime.now(UTC))  # when this call began
    failures: int = 0  # how often `run` raised RetryLater since the last CheckBack
    replay_number: int = 0  # how often the event had been replayed
    interrupted: bool = False  # a call since the last CheckBack or failure has not ended
    state: Mapping[str, Any] = field(default_factory=dict)  # the state of the last CheckBack
    result: Result | None = None  # the result that a rule with ``after`` follows
    event: str = ""  # the event's id
    depth: int = 1  # the number of starts in the chain, if this action starts something
    matches: Callable[[Event], bool] = field(default=_always, compare=False)  # does the rule's `when` match?

    @property
    def job_name(self) -> str:
        """A name for a job: the same on every call. The events of the job contain it (see handlers.lineage)."""
        return lineage.job_name(self.rule, self.depth, self.key)

    @property
    def tags(self) -> dict[str, str]:
        """Tags that say which rule and which event started something."""
        return lineage.tags(self.rule, self.depth, self.event)


@dataclass(frozen=True, slots=True)
class Finding:
    """An error in what the settings of a rule name, such as a file. Without a `file`, its position is the rule's.

    A warning is about something that works, and that somebody should decide on.
    """

    message: str
    file: str = ""  # as the reader of `mlevents check` finds it: "rules/jobs/retrain.yml"
    line: int = 0  # from 1; 0 if it is unknown
    severity: Literal["error", "warning"] = "error"


class Handler(BaseModel, Generic[E]):
    """The base of all handlers, for events of type `E`. A rule has one instance, frozen because threads share it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    roles: ClassVar[tuple[Role, ...]] = ()  # that the app's identity needs
    shows_events: ClassVar[bool] = False  # if true, it makes messages of its own with what a service knows of an event
    starts_runs: ClassVar[bool] = False  # if true, a rule's `max_depth` limits chains of runs
    publishes_events: ClassVar[bool] = False  # if true, it limits chains of published events, too
    template_names: ClassVar[frozenset[str]] = frozenset()  # names beside the event's that its templates are given

    @field_validator("*")
    @classmethod
    def _only_templates_have_expressions(cls, value: Any) -> Any:
        """Reject an expression where it would not be rendered, but be used as it is."""
        if _has_expression(value):
            raise ValueError("this setting is not a template, so {{ … }} and {% … %} have no effect in it")
        return value

    @abstractmethod
    def run(self, event: E, action: Action) -> Outcome:
        """Do the work, or its next step. May be called again for the same action: use `action.key` to do it once."""

    def plan(self, event: E) -> str:
        """What `run` would do, as one line without secrets: for ``dry_run`` and ``mlevents check``."""
        shown = (f"{name}={v.render(event) if isinstance(v, Template) else v!r}" for name, v in self)
        return f"{type(self).__name__}({', '.join(shown)})"

    def sends(self, event: E) -> Mapping[str, str | tuple[str, ...]]:
        """What `run` would send, by name, like the subject of a mail: for tests of rules. By default, its templates.

        Those that read `template_names` are left out: only `run` knows them.
        """
        found = {name: _rendered(value, event, self.template_names) for name, value in self}
        return {name: value for name, value in found.items() if value is not None}

    def findings(self) -> Iterable[Finding]:
        """Errors that take too long to find while the rules load, for ``mlevents check``; no worker calls it.

        It may import anything, and should send no request.
        """
        return ()

    def lock(self, event: E) -> str | None:
        """The name of a lock, which one action at a time holds, on any machine, from its first call to its end."""
        return None

    def destination(self, event: E) -> str | None:
        """The name of the service that `run` calls: all actions that share it wait while it is throttled.

        If it is None, only the actions of the same rule wait.
        """
        return None

    def check_workspace(self, workspace: ResourceId) -> None:
        """Raise ValueError if it cannot act on events of this workspace or storage account. Called when rules load."""

    @classmethod
    def accepts(cls) -> tuple[type[Event], ...]:
        """The event classes that `run` takes: those in ``Handler[...]``, or all if the class names none."""
        for base in cls.__mro__:
            for given in getattr(base, "__pydantic_generic_metadata__", {}).get("args", ()):
                if not isinstance(given, TypeVar):
                    return get_args(given) or (given,)
        return (Event,)


def _has_expression(value: Any) -> bool:
    """Does a text in the value have a template's expression, without being a template?"""
    match value:
        case str():
            return "{{" in value or "{%" in value
        case BaseModel():
            return any(_has_expression(inner) for _, inner in value)
        case Mapping():
            return any(_has_expression(inner) for inner in (*value.keys(), *value.values()))
        case list() | tuple() | set() | frozenset():
            return any(_has_expression(inner) for inner in value)
    return False


def _rendered(value: Any, event: Event, unknown: frozenset[str]) -> str | tuple[str, ...] | None:
    """A template as it renders, or several of them; None for any other value, and for templates with unknown names."""
    match value:
        case Template() if not value.names & unknown:
            return value.render(event)
        case (Template(), *_) if not any(each.names & unknown for each in value):
            return tuple(each.render(event) for each in value)
    return None


def shorten(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text, cut to `limit` characters; a text that is cut ends in an ellipsis."""
    text = str(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, default=str)
    except Exception:  # of any kind: the work is done, and must be recorded
        return reprlib.repr(value)
