"""The keys of a rule that are guards, and the order in which guards are called."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from dispatch.guards.at_least import AtLeast, Threshold
from dispatch.guards.at_most import AtMost, Limit
from dispatch.guards.base import Guard
from dispatch.guards.collect import Collect, Span, valid_span
from dispatch.guards.dry_run import DryRun
from dispatch.guards.latest_only import LatestOnly
from dispatch.guards.lock import Lock
from dispatch.inbox.rows import ActionRecord
from dispatch.rules.reading.pydantic_errors import invalid
from dispatch.rules.reading.shapes import MAPPING, OTHER, Named, form
from handlers.base import Handler
from handlers.duration import Duration


class GuardKeys(BaseModel):
    """The keys of a rule that are guards. A new guard is a file in this folder, a field here and a line in `guards`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    dry_run: bool = Field(False, strict=True, description="Record what would be done, and do nothing.")
    latest_only: bool = Field(False, strict=True, description="Act only on the latest event about an object.")
    at_most: Limit | None = Field(
        None,
        description="Limit the actions of this rule in a span of time.",
        examples=[{"count": 1, "every": "7d", "by": "drift.monitor"}],
    )

    at_least: Threshold | None = Field(
        None,
        description="Act once when this many events have come within a span of time.",
        examples=[{"count": 10, "within": "3h"}],
    )
    collect: Annotated[
        Annotated[Annotated[Duration, AfterValidator(valid_span)], Tag(OTHER)] | Annotated[Span, Tag(MAPPING)],
        Discriminator(form),
        Named("collect", "Write collect: 15m, or collect: { for: 15m, by: data.experimentName }."),
    ] = Field(  # type: ignore[assignment]
        None,  # absent, or one of the two, but not null
        description="Carry out one action for all events of a window, which opens with the first one.",
        examples=["15m", {"for": "15m", "by": "data.experimentName"}],
    )

    @model_validator(mode="after")
    def _guards_make_sense(self) -> "GuardKeys":
        """Reject keys that contradict each other: an action for many events has no single object."""
        gathers = "collect" if self.collect else "at_least" if self.at_least else ""
        if self.collect and self.at_least:
            raise invalid("a rule has either collect or at_least", "Write a rule for each.")
        if gathers and self.latest_only:
            raise invalid(
                f"latest_only has no meaning beside {gathers}: an action for many events is about many objects",
                "Remove latest_only.",
            )
        if self.collect and self.at_most and self.at_most.by not in ("", self._span.by):
            raise invalid(
                f"at_most limits the actions for each {self.at_most.by}, and collect makes one action of events with "
                f"different values of it",
                f"Write collect: {{ for: …, by: {self.at_most.by} }}, or remove by from at_most.",
            )
        return self

    @property
    def _span(self) -> Span:
        return self.collect if isinstance(self.collect, Span) else Span.model_validate({"for": self.collect})

    def guards(self, handler: Handler[Any]) -> tuple[Guard, ...]:
        """Return the guards of a rule with this handler, in the order in which they are called.

        `collect` and `at_least` come before `dry_run`, which shows what would be done about all events of a window.
        `latest_only` beside `at_most` is called twice: before it, so that a superseded event takes no slot, and after
        it, so that an event which `at_most` skips supersedes no other.
        """
        has_lock = type(handler).lock is not Handler.lock
        in_order = (
            Collect(self._span.span, self._span.by, handler.shows_events) if self.collect else None,
            AtLeast(self.at_least, handler.shows_events) if self.at_least else None,
            DryRun(handler) if self.dry_run else None,
            LatestOnly(record=False) if self.latest_only and self.at_most else None,
            AtMost(self.at_most) if self.at_most else None,
            LatestOnly() if self.latest_only else None,
            Lock(handler) if has_lock else None,
        )
        return tuple(guard for guard in in_order if guard is not None)


def guards_of(guards: Sequence[Guard], record: ActionRecord) -> Sequence[Guard]:
    """The guards of a rule for an action; one that leads a window closes it although its rule collects no more."""
    if record.leads and not any(map(gathers, guards)):
        return (Collect(), *guards)
    return guards


def gathers(guard: Guard) -> bool:
    """Does the guard make one action of several events?"""
    return isinstance(guard, Collect | AtLeast)
