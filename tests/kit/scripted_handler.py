"""Scripted handlers that record each effect with its step, so that tests recognize repeated effects."""

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from handlers.base import Action, CheckBack, GiveUp, Handler, Outcome, RetryLater, Skipped, Succeeded
from schemas import Event
from tests.kit.faults import Effect


class ScriptedSteps(Handler[Event]):
    """Takes one step of its script per call. Its state has the number of the step; ``retry`` fails the first call."""

    scenario: str
    script: tuple[str, ...] = ("succeed",)

    effects: ClassVar[dict[str, Callable[[Effect], None]]] = {}  # by scenario: records an effect

    def run(self, event: Event, action: Action) -> Outcome:
        step = int(action.state.get("step", 0))
        if self.script[step] == "retry" and action.failures:
            step += 1
        events = tuple(each["id"] for each in event.view().get("events", ()))
        self.effects[self.scenario](Effect(action.rule, event.id, str(action.key), step, events))
        word, _, rest = self.script[step].partition(" ")
        match word:
            case "succeed":
                return Succeeded("done")
            case "skip":
                return Skipped("nothing to do")
            case "wait":
                return CheckBack(timedelta(seconds=int(rest)), {"step": step + 1})
            case "retry":
                raise RetryLater("busy")
            case "give-up":
                raise GiveUp("broken")
        raise AssertionError(word)


class LockedSteps(ScriptedSteps):
    """A scripted handler whose actions share one lock."""

    def run(self, event: Event, action: Action) -> Outcome:
        return super().run(event, action)

    def lock(self, event: Event) -> str:
        return "the endpoint"
