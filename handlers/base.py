"""What a handler is, what it is given, and what it may answer.

A handler is a frozen pydantic model: its fields are what a rule may say under ``with:``, its `run` does the work::

    class Shout(Handler[RunStatusChanged]):
        text: Template = Template("{{ subject }}")

        def run(self, event: RunStatusChanged, action: Action) -> Outcome:
            return Succeeded(self.text.render(event).upper())

What goes as planned is returned, what goes wrong is raised:

    returned   Succeeded     done
               Skipped       there was nothing to do
               CheckBack     started, or not yet: call me again after a while, with this state
    raised     RetryLater    may go right later; counts as a failure
               GiveUp        will never go right
               all else      judged in one place, handlers.errors: a permanent HTTP status gives up, the rest retries
"""

import json
import reprlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar, get_args
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict

from handlers import lineage
from handlers.template import Template
from schemas import Event

E = TypeVar("E", bound=Event)

TEXT_LIMIT = 1_000  # characters of a summary, a reason or a note
DETAIL_LIMIT = 500  # characters of one detail
DETAILS_LIMIT = 40  # how many details
STATE_LIMIT = 30_000  # characters of a state as JSON; Azure Tables holds 32 Ki characters in a property
LONGEST_WAIT = timedelta(days=366)  # of a CheckBack: longer ones would leave the calendar


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Done. `details` are for people and for rules that follow (``result.details``): texts; anything else as JSON.

    Too long texts are cut and too many details dropped, here, so that recording a success cannot fail.
    """

    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "summary", shorten(self.summary))
        kept = list(self.details.items())[:DETAILS_LIMIT]
        object.__setattr__(self, "details", {shorten(k, 100): shorten(_text(v), DETAIL_LIMIT) for k, v in kept})


@dataclass(frozen=True, slots=True)
class Skipped:
    """There was nothing to do, and why."""

    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", shorten(self.reason))


@dataclass(frozen=True, slots=True)
class CheckBack:
    """Started, or not yet: call me again after a while. Nobody waits meanwhile.

    `state` is JSON of at most `STATE_LIMIT` characters; the next call finds it in `Action.state`, as JSON gives it
    back. Raises GiveUp at once, while the handler can still be named, if it is not.
    """

    after: timedelta
    state: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        try:
            text = json.dumps(dict(self.state), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise GiveUp(f"the handler's state is not JSON: {error}") from error
        if len(text) > STATE_LIMIT:
            raise GiveUp(f"the handler's state has {len(text)} characters of JSON; at most {STATE_LIMIT} are kept")
        object.__setattr__(self, "state", json.loads(text))
        object.__setattr__(self, "after", min(max(self.after, timedelta()), LONGEST_WAIT))
        object.__setattr__(self, "note", shorten(self.note))


Outcome: TypeAlias = Succeeded | Skipped | CheckBack


class RetryLater(Exception):  # noqa: N818 - a handler's answer, not a defect
    """May go right later.

    `after`, where the service named a time, replaces the rule's backoff. `throttled` says that the service asked for a
    pause (HTTP 429 or 503): waiting, not failing, so that it costs no patience. `patience` shortens the rule's
    ``retry.for`` where waiting longer is pointless.
    """

    def __init__(
        self,
        reason: str,
        after: timedelta | None = None,
        *,
        throttled: bool = False,
        patience: timedelta | None = None,
    ) -> None:
        super().__init__(shorten(reason))
        for name, span in (("after", after), ("patience", patience)):
            if span is not None and not isinstance(span, timedelta):
                raise TypeError(f"RetryLater's {name} is a timedelta or None, not {span!r}")
        self.after = after
        self.throttled = throttled
        self.patience = patience


class GiveUp(Exception):  # noqa: N818 - a handler's answer, not a defect
    """Will never go right: recorded as failed, kept for replay."""

    def __init__(self, reason: str) -> None:
        super().__init__(shorten(reason))


@dataclass(frozen=True, slots=True)
class Result:
    """How another rule's action on the same event ended; ``result`` in the templates of a rule with ``after``."""

    rule: str
    status: str  # succeeded, skipped or failed
    summary: str
    details: Mapping[str, str] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """Plain data, as conditions and templates see it."""
        return {"rule": self.rule, "status": self.status, "summary": self.summary, "details": dict(self.details)}


def _always(_: Event) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Action:
    """One rule applied to one event. What it starts carries its `job_name`, or its `tags`, or both."""

    rule: str = "a-rule"
    source: str = ""  # where the rule stands: "rules/churn.yaml:12"
    key: UUID = field(default_factory=uuid4)  # the same on every call: a job name, a Message-ID, a deduplication key
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    now: datetime = field(default_factory=lambda: datetime.now(UTC))  # when this call began
    failures: int = 0  # RetryLaters since the last CheckBack
    replay_number: int = 0  # how often the event had been replayed
    interrupted: bool = False  # a call since the last CheckBack, and since it failed last, did not come to its end
    state: Mapping[str, Any] = field(default_factory=dict)  # what the last CheckBack kept
    result: Result | None = None  # what it follows, for a rule with ``after``
    event: str = ""  # the event's id
    depth: int = 1  # how many starts there are in a chain, if this action starts something
    matches: Callable[[Event], bool] = field(default=_always, compare=False)  # does the rule's `when` hold, of this?

    @property
    def job_name(self) -> str:
        """The name for a job: the same on every call, and the events of the job tell by it who started it."""
        return lineage.job_name(self.rule, self.depth, self.key)

    @property
    def tags(self) -> dict[str, str]:
        """Tags that say who started something."""
        return lineage.tags(self.rule, self.depth, self.event)


class Handler(BaseModel, Generic[E]):
    """One kind of thing to do about events of type `E`. One instance per rule, shared by threads, hence frozen."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    starts_runs: ClassVar[bool] = False  # then a chain of starts is not followed deeper than a rule's `max_depth`

    @abstractmethod
    def run(self, event: E, action: Action) -> Outcome:
        """Do it, or its next part. May be called again for the same action: make it repeatable by `action.key`."""

    def plan(self, event: E) -> str:
        """What `run` would do, in a line without secrets: for ``dry_run`` and ``mlevents check``."""
        shown = (f"{name}={v.render(event) if isinstance(v, Template) else v!r}" for name, v in self)
        return f"{type(self).__name__}({', '.join(shown)})"

    def lock(self, event: E) -> str | None:
        """Actions with the same lock take turns, over all machines, each from its first call to its end."""
        return None

    def destination(self, event: E) -> str | None:
        """What is busy when it answers 429 or 503: all actions with the same destination wait. None: the rule's own."""
        return None

    @classmethod
    def accepts(cls) -> tuple[type[Event], ...]:
        """The event classes that `run` takes: what stands in ``Handler[...]``; where nothing does, all."""
        for base in cls.__mro__:
            for given in getattr(base, "__pydantic_generic_metadata__", {}).get("args", ()):
                if not isinstance(given, TypeVar):
                    return get_args(given) or (given,)
        return (Event,)


def shorten(text: str, limit: int = TEXT_LIMIT) -> str:
    """At most `limit` characters of a text; what was cut ends in an ellipsis."""
    text = str(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, default=str)
    except Exception:  # whatever it is: what the handler did is done, and must be recorded
        return reprlib.repr(value)
