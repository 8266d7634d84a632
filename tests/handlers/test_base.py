"""The contract of handlers: what they may answer, and what is made of it before it is written down."""

import json
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

import pytest
from pydantic import SecretStr, ValidationError

from handlers.base import (
    DETAIL_LIMIT,
    DETAILS_LIMIT,
    LONGEST_WAIT,
    STATE_LIMIT,
    TEXT_LIMIT,
    Action,
    CheckBack,
    GiveUp,
    Handler,
    Outcome,
    Result,
    RetryLater,
    Skipped,
    Succeeded,
    shorten,
)
from handlers.template import Template
from schemas import Event, ModelDeployed, ModelRegistered, RunStatusChanged


class Shout(Handler[RunStatusChanged]):
    text: Template = Template("{{ subject }}")
    token: SecretStr = SecretStr("")

    def run(self, event: RunStatusChanged, action: Action) -> Outcome:
        return Succeeded(self.text.render(event).upper())


class Either(Handler[ModelRegistered | ModelDeployed]):
    def run(self, event: ModelRegistered | ModelDeployed, action: Action) -> Outcome:
        return Skipped("")


class Whatever(Handler):  # type: ignore[type-arg]  # what somebody may well write
    def run(self, event: Event, action: Action) -> Outcome:
        return Skipped("")


F = TypeVar("F", bound=Event)


class Family(Handler[F], Generic[F]):
    def run(self, event: F, action: Action) -> Outcome:
        return Skipped("")


class Member(Family[ModelDeployed]):
    pass


class Louder(Shout):
    pass


@pytest.mark.parametrize(
    ("handler", "events"),
    [
        (Shout, (RunStatusChanged,)),
        (Louder, (RunStatusChanged,)),
        (Either, (ModelRegistered, ModelDeployed)),
        (Member, (ModelDeployed,)),
        (Whatever, (Event,)),
        (Family, (Event,)),
    ],
)
def test_a_handler_says_what_it_accepts(handler: type[Handler[Any]], events: tuple[type[Event], ...]) -> None:
    """In its brackets, its parent's, or not at all: then it accepts all."""
    assert handler.accepts() == events


def test_a_handler_is_what_a_rule_says() -> None:
    """Frozen, because threads share it; a key that it does not have is a mistake; secrets are not repeated."""
    shout = Shout.model_validate({"text": "{{ id }}", "token": "s3cret"})
    assert shout.run(RunStatusChanged.example(id="e1"), Action()) == Succeeded("E1")
    with pytest.raises(ValidationError, match="frozen"):
        shout.text = Template("x")  # type: ignore[misc]  # that is what is tried
    with pytest.raises(ValidationError, match="Extra inputs") as refused:
        Shout.model_validate({"txet": "s3cret"})
    assert "s3cret" not in str(refused.value)


def test_a_handler_without_run_cannot_be_made() -> None:
    class Idle(Handler[Event]):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Idle()  # type: ignore[abstract]  # that is what is tried


def test_the_plan_shows_the_settings_rendered_and_no_secret() -> None:
    shout = Shout.model_validate({"text": "{{ id }} failed", "token": "s3cret"})
    plan = shout.plan(RunStatusChanged.example(id="e1"))
    assert plan == "Shout(text='e1 failed', token=SecretStr('**********'))"


def test_a_handler_locks_nothing_unless_it_says_so() -> None:
    assert Shout().lock(RunStatusChanged.example()) is None


def test_details_become_texts() -> None:
    """What is no text is written as JSON, and what is not even that, as Python shows it, shortened."""
    circle: list[Any] = []
    circle.append(circle)
    details = {"text": "as it is", "number": 1, "none": None, "map": {"a": [1.5]}, "circle": circle, "key": UUID(int=7)}
    assert Succeeded("done", details).details == {
        "text": "as it is",
        "number": "1",
        "none": "null",
        "map": '{"a": [1.5]}',
        "circle": "[[[[[[[...]]]]]]]",
        "key": '"00000000-0000-0000-0000-000000000007"',
    }


def test_recording_a_success_cannot_fail_for_its_size() -> None:
    outcome = Succeeded("s" * 100_000, {f"{number} {'n' * 500}": "d" * 100_000 for number in range(1_000)})
    assert len(outcome.summary) == TEXT_LIMIT
    assert len(outcome.details) == DETAILS_LIMIT
    assert {len(text) for text in outcome.details.values()} == {DETAIL_LIMIT}
    assert all(len(name) <= 100 for name in outcome.details)


def test_a_detail_of_great_depth_does_not_stop_a_success() -> None:
    deep: Any = 0
    for _ in range(10_000):
        deep = [deep]
    assert len(Succeeded("done", {"deep": deep}).details["deep"]) <= DETAIL_LIMIT


def test_a_detail_that_cannot_be_shown_does_not_stop_a_success() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    outcome = Succeeded("done", {"broken": Broken(), "keys": {(1, 2): 3}})
    assert "Broken" in outcome.details["broken"]
    assert outcome.details["keys"] == "{(1, 2): 3}"


def test_texts_of_outcomes_are_cut() -> None:
    for text in (
        Skipped("r" * 5_000).reason,
        CheckBack(timedelta(), note="r" * 5_000).note,
        str(RetryLater("r" * 5_000)),
        str(GiveUp("r" * 5_000)),
    ):
        assert len(text) == TEXT_LIMIT
        assert text.endswith("r…")


def test_a_state_comes_back_as_json_gives_it() -> None:
    """And does not change with what it was made of."""
    made: dict[Any, Any] = {"tuple": (1, 2), "nested": {"a": None}, 1: "number"}
    state = CheckBack(timedelta(minutes=1), made).state
    made["nested"]["a"] = "changed"
    assert state == {"tuple": [1, 2], "nested": {"a": None}, "1": "number"}


@pytest.mark.parametrize(
    "state", [{"x": object()}, {"x": {1, 2}}, {"x": float("nan")}, {(1, 2): "x"}, {"x": b"bytes"}, {"x": timedelta()}]
)
def test_a_state_that_is_not_json_is_given_up_where_it_is_made(state: Any) -> None:
    with pytest.raises(GiveUp, match="the handler's state is not JSON"):
        CheckBack(timedelta(), state)


def test_a_state_without_end_is_given_up() -> None:
    state: dict[str, Any] = {}
    state["self"] = state
    with pytest.raises(GiveUp, match="not JSON"):
        CheckBack(timedelta(), state)


def test_a_state_fits_a_row() -> None:
    fits = {"x": "y" * (STATE_LIMIT - len(json.dumps({"x": ""})))}
    assert CheckBack(timedelta(), fits).state == fits
    with pytest.raises(GiveUp, match=f"at most {STATE_LIMIT} are kept"):
        CheckBack(timedelta(), {"x": fits["x"] + "z"})


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        (timedelta(minutes=5), timedelta(minutes=5)),
        (timedelta(seconds=-1), timedelta()),
        (timedelta.min, timedelta()),
        (timedelta.max, LONGEST_WAIT),
    ],
)
def test_a_wait_is_neither_negative_nor_beyond_the_calendar(asked: timedelta, after: timedelta) -> None:
    assert CheckBack(asked).after == after


def test_outcomes_are_values() -> None:
    assert Succeeded("a", {"b": 1}) == Succeeded("a", {"b": "1"})
    assert CheckBack(timedelta(1), {"a": 1}) == CheckBack(timedelta(1), {"a": 1})
    with pytest.raises(AttributeError):
        Skipped("a").reason = "b"  # type: ignore[misc]  # that is what is tried


def test_what_is_raised_tells_the_dispatcher_what_it_needs() -> None:
    plain, told = RetryLater("busy"), RetryLater("busy", timedelta(1), throttled=True, patience=timedelta(2))
    assert (plain.after, plain.throttled, plain.patience) == (None, False, None)
    assert (told.after, told.throttled, told.patience) == (timedelta(1), True, timedelta(2))


def test_two_actions_have_two_keys() -> None:
    assert Action().key != Action().key


def test_a_result_is_plain_data_to_templates() -> None:
    result = Result("deploy", "failed", "no quota", {"endpoint": "churn"})
    view = result.view()
    assert view == {"rule": "deploy", "status": "failed", "summary": "no quota", "details": {"endpoint": "churn"}}
    view["details"]["endpoint"] = "changed"
    assert result.details == {"endpoint": "churn"}


def test_shorten_keeps_what_fits() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab…"
    assert shorten(123) == "123"  # type: ignore[arg-type]  # handlers are not always typed
