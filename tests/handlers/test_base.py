"""The contract of handlers: their classes, and the outcomes that they return or raise."""

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


class Whatever(Handler):  # type: ignore[type-arg]  # a user can write that
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
def test_handler_accepts_the_events_in_its_type_argument(
    handler: type[Handler[Any]], events: tuple[type[Event], ...]
) -> None:
    """Its own or its parent's; without one it accepts all events."""
    assert handler.accepts() == events


def test_handler_has_the_settings_of_its_rule() -> None:
    """It is frozen, because threads share it. An unknown setting is an error, which does not repeat secrets."""
    shout = Shout.model_validate({"text": "{{ id }}", "token": "s3cret"})
    assert shout.run(RunStatusChanged.example(id="e1"), Action()) == Succeeded("E1")
    with pytest.raises(ValidationError, match="frozen"):
        shout.text = Template("x")  # type: ignore[misc]  # the test tries that
    with pytest.raises(ValidationError, match="Extra inputs") as refused:
        Shout.model_validate({"txet": "s3cret"})
    assert "s3cret" not in str(refused.value)


def test_handler_without_run_cannot_be_created() -> None:
    class Idle(Handler[Event]):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Idle()  # type: ignore[abstract]  # the test tries that


def test_plan_shows_rendered_settings_without_secrets() -> None:
    shout = Shout.model_validate({"text": "{{ id }} failed", "token": "s3cret"})
    plan = shout.plan(RunStatusChanged.example(id="e1"))
    assert plan == "Shout(text='e1 failed', token=SecretStr('**********'))"


def test_handler_has_no_lock_by_default() -> None:
    assert Shout().lock(RunStatusChanged.example()) is None


def test_details_become_text() -> None:
    """Other values become JSON, or Python's shortened repr if JSON cannot represent them."""
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


def test_summary_and_details_of_a_success_are_cut_to_their_limits() -> None:
    outcome = Succeeded("s" * 100_000, {f"{number} {'n' * 500}": "d" * 100_000 for number in range(1_000)})
    assert len(outcome.summary) == TEXT_LIMIT
    assert len(outcome.details) == DETAILS_LIMIT
    assert {len(text) for text in outcome.details.values()} == {DETAIL_LIMIT}
    assert all(len(name) <= 100 for name in outcome.details)


def test_deeply_nested_detail_does_not_prevent_a_success() -> None:
    deep: Any = 0
    for _ in range(10_000):
        deep = [deep]
    assert len(Succeeded("done", {"deep": deep}).details["deep"]) <= DETAIL_LIMIT


def test_detail_without_a_repr_does_not_prevent_a_success() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    outcome = Succeeded("done", {"broken": Broken(), "keys": {(1, 2): 3}})
    assert "Broken" in outcome.details["broken"]
    assert outcome.details["keys"] == "{(1, 2): 3}"


def test_reasons_and_notes_are_cut_to_their_limit() -> None:
    for text in (
        Skipped("r" * 5_000).reason,
        CheckBack(timedelta(), note="r" * 5_000).note,
        str(RetryLater("r" * 5_000)),
        str(GiveUp("r" * 5_000)),
    ):
        assert len(text) == TEXT_LIMIT
        assert text.endswith("r…")


def test_state_is_a_copy_as_json_decodes_it() -> None:
    """Later changes of the original do not affect it."""
    original: dict[Any, Any] = {"tuple": (1, 2), "nested": {"a": None}, 1: "number"}
    state = CheckBack(timedelta(minutes=1), original).state
    original["nested"]["a"] = "changed"
    assert state == {"tuple": [1, 2], "nested": {"a": None}, "1": "number"}


@pytest.mark.parametrize(
    "state", [{"x": object()}, {"x": {1, 2}}, {"x": float("nan")}, {(1, 2): "x"}, {"x": b"bytes"}, {"x": timedelta()}]
)
def test_state_that_is_not_json_gives_up_at_once(state: Any) -> None:
    with pytest.raises(GiveUp, match="the handler's state is not JSON"):
        CheckBack(timedelta(), state)


def test_state_that_contains_itself_gives_up() -> None:
    state: dict[str, Any] = {}
    state["self"] = state
    with pytest.raises(GiveUp, match="not JSON"):
        CheckBack(timedelta(), state)


def test_state_that_does_not_fit_a_row_gives_up() -> None:
    fits = {"x": "y" * (STATE_LIMIT - len(json.dumps({"x": ""})))}
    assert CheckBack(timedelta(), fits).state == fits
    with pytest.raises(GiveUp, match=f"at most {STATE_LIMIT} are allowed"):
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
def test_delay_of_check_back_is_cut_to_its_range(asked: timedelta, after: timedelta) -> None:
    assert CheckBack(asked).after == after


def test_outcomes_are_immutable_values() -> None:
    assert Succeeded("a", {"b": 1}) == Succeeded("a", {"b": "1"})
    assert CheckBack(timedelta(1), {"a": 1}) == CheckBack(timedelta(1), {"a": 1})
    with pytest.raises(AttributeError):
        Skipped("a").reason = "b"  # type: ignore[misc]  # the test tries that


def test_retry_later_carries_its_delay_and_limit() -> None:
    plain, full = RetryLater("busy"), RetryLater("busy", timedelta(1), throttled=True, max_elapsed=timedelta(2))
    assert (plain.after, plain.throttled, plain.max_elapsed) == (None, False, None)
    assert (full.after, full.throttled, full.max_elapsed) == (timedelta(1), True, timedelta(2))


def test_each_action_has_a_key_of_its_own() -> None:
    assert Action().key != Action().key


def test_view_of_a_result_is_a_copy_as_plain_data() -> None:
    result = Result("deploy", "failed", "no quota", {"endpoint": "churn"})
    view = result.view()
    assert view == {"rule": "deploy", "status": "failed", "summary": "no quota", "details": {"endpoint": "churn"}}
    view["details"]["endpoint"] = "changed"
    assert result.details == {"endpoint": "churn"}


def test_shorten_cuts_only_longer_text() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab…"
    assert shorten(123) == "123"  # type: ignore[arg-type]  # handlers are not always typed
