"""Steps: a helper for handlers whose work takes many calls of `run`.

A step is a small function with a unique name, which gets a typed state. It reads the current situation, does its
work unless that is done already, and saves in the state what later steps need. Its return value decides what follows:

    None         the step is done: continue with the next one
    timedelta    the step is not done: call it again after this delay
    CheckBack    the same, with a note of the step's own
    Outcome      the action has ended

Each call of `run` takes one step: the action's timeline shows all of them, and a crash repeats only one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from handlers.base import CheckBack, GiveUp, Outcome, Succeeded


class StepState(BaseModel):
    """What is kept between calls. Give every field a default: an action can outlive a deployment of the app."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    step: str = ""  # a name, not a number: a deployment may add steps while actions are running


S = TypeVar("S", bound=StepState)
Step: TypeAlias = Callable[[S], timedelta | Outcome | None]


def take_step(steps: Sequence[Step[S]], saved: Mapping[str, Any], state_class: type[S]) -> Outcome:
    """Take the step that is due. A step that sets ``state.step`` to a name continues there instead of with the next.

    Raises GiveUp if the saved state is invalid or names no step, because another version of the handler saved it, and
    if two steps have the same name or one has none.
    """
    named = {getattr(step, "__name__", ""): step for step in steps}
    names = list(named)
    if not names or len(names) < len(steps):
        raise GiveUp(f"a handler needs steps, each a function with a unique name, not {', '.join(names)}")
    try:
        state = state_class.model_validate(saved)
    except ValidationError as error:
        raise GiveUp(f"the saved state does not fit {state_class.__name__}: {error}") from error
    now = state.step = state.step or names[0]
    if now not in named:
        raise GiveUp(f"there is no step {now!r} any more, only {', '.join(names)}; replay the event")
    answer = named[now](state)
    if isinstance(answer, timedelta):
        answer = CheckBack(answer, note=f"{now}: not yet")
    if isinstance(answer, CheckBack):  # the state is kept, not what the step put into its CheckBack
        return CheckBack(answer.after, state.model_dump(mode="json"), answer.note)
    if answer is not None:
        return answer
    if state.step == now:
        if now == names[-1]:
            return Succeeded(f"{now}: done")
        state.step = names[names.index(now) + 1]
    return CheckBack(timedelta(), state.model_dump(mode="json"), f"{now}: done")
