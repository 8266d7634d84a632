"""Handlers whose calls can be told apart: which part of an action it was that was done, or done again."""

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from handlers.base import Action, CheckBack, GiveUp, Handler, Outcome, RetryLater, Skipped, Succeeded
from schemas import Event
from tests.kit.faults import Effect


class Staged(Handler[Event]):
    """Does one stage of its script a call: its state keeps which, and a planned retry shows in the failures."""

    story: str
    script: tuple[str, ...] = ("succeed",)

    stages: ClassVar[dict[str, Callable[[Effect], None]]] = {}  # by story: where effects are done

    def run(self, event: Event, action: Action) -> Outcome:
        stage = int(action.state.get("stage", 0))
        if self.script[stage] == "retry" and action.failures:
            stage += 1
        self.stages[self.story](Effect(action.rule, event.id, str(action.key), stage))
        word, _, rest = self.script[stage].partition(" ")
        match word:
            case "succeed":
                return Succeeded("done")
            case "skip":
                return Skipped("nothing to do")
            case "wait":
                return CheckBack(timedelta(seconds=int(rest)), {"stage": stage + 1})
            case "retry":
                raise RetryLater("busy")
            case "give-up":
                raise GiveUp("broken")
        raise AssertionError(word)


class InTurns(Staged):
    """One at a time."""

    def run(self, event: Event, action: Action) -> Outcome:
        return super().run(event, action)

    def lock(self, event: Event) -> str:
        return "the endpoint"
