"""`LaunchHandler`: the base of handlers that start a run of another service, and the settings that they share."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from handlers.base import Action, Handler, Outcome
from handlers.duration import Duration, PollInterval, format_duration
from handlers.launch.plan import Plan
from handlers.launch.steps import start_and_follow
from handlers.launch.target import Target
from handlers.template import Template
from schemas import Event

E = TypeVar("E", bound=Event)

# The name or the number of a workflow or pipeline: YAML reads the latter as a number.
NameOrNumber: TypeAlias = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]

LAUNCH_SETTINGS = ("wait", "timeout", "cancel_on_timeout", "poll", "at_least_once")


class LaunchHandler(Handler[E], Generic[E]):
    """A handler that starts a run, and follows it to the end if the rule says `wait`."""

    starts_runs: ClassVar[bool] = True

    wait: bool = Field(False, strict=True)
    timeout: Duration = timedelta(hours=24)
    cancel_on_timeout: bool = Field(False, strict=True)
    poll: PollInterval | None = None
    at_least_once: bool = Field(False, strict=True)

    @model_validator(mode="after")
    def _timeout_needs_wait(self) -> Self:
        settings = [name for name in ("timeout", "cancel_on_timeout", "poll") if name in self.model_fields_set]
        if settings and not self.wait:
            raise ValueError(f"{settings[0]} has no effect without wait: true")
        return self

    def check_kinds(self, kinds: Mapping[str, tuple[str, ...]]) -> None:
        """Check that the rule names one of the kinds of effects, with no setting of another. Raises ValueError.

        `kinds` are the settings that name a kind, each with the settings that only this kind has.
        """
        named = [name for name in kinds if getattr(self, name)]
        if len(named) != 1:
            raise ValueError(f"name one of {', '.join(kinds)}" + (f", not {' and '.join(named)}" if named else ""))
        for kind, names in kinds.items():
            if kind != named[0] and (given := [name for name in names if name in self.model_fields_set]):
                raise ValueError(f"{named[0]} has no {given[0]}: it is a setting of {kind}")

    def launch(self, action: Action, target: Target) -> Outcome:
        """Take the next step of an action. Raises RetryLater, GiveUp, and the errors of the service's client."""
        return start_and_follow(
            Plan(
                action=action,
                target=target,
                wait=self.wait,
                timeout=self.timeout,
                cancel_on_timeout=self.cancel_on_timeout,
                poll=self.poll,
                at_least_once=self.at_least_once,
            )
        )

    def planned_wait(self) -> str:
        """The end of a plan: how long the handler waits for the run's end."""
        return f"; wait at most {format_duration(self.timeout)} for its end" if self.wait else ""


def check_ref(value: Template) -> None:
    """Check that the template of a branch or a tag reads the workspace only. Raises ValueError."""
    if not value.names <= {"workspace"}:
        raise ValueError(
            "ref depends on the event, and anyone who may tag a run writes a part of it: a branch has its own "
            "version of the workflow or pipeline. Write a name, or one that depends on {{ workspace.labels… }}"
        )


def text_values(values: Mapping[str, Any]) -> dict[str, str]:
    """Rendered values as texts, for services whose inputs are texts; what is none becomes JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
    }
