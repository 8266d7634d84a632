"""What the record and the log say of attempts that fail: expected errors, defects, and rules that are missing."""

import builtins
import dataclasses
import json
import logging
import smtplib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.identity import CredentialUnavailableError
from pydantic import BaseModel, TypeAdapter

from handlers.base import Action, Outcome
from handlers.duration import format_duration
from schemas import Event, RunStatusChanged
from tests.kit.world import Call, Scripted, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")
HERE = "tests/dispatch/test_failed_attempts.py"


class Frozen(BaseModel, frozen=True):
    text: str = ""


@dataclasses.dataclass(frozen=True)
class FrozenData:
    text: str = ""


def change_frozen(_: str) -> None:
    Frozen().text = "a"  # type: ignore[misc]


def change_frozen_data(_: str) -> None:
    FrozenData().text = "a"  # type: ignore[misc]


def call_library(text: str) -> None:
    json.loads(json.dumps({text: object()}))


def throttle(_: str) -> None:
    error = HttpResponseError("slow down")
    error.status_code = 429
    raise error


def lose_connection(_: str) -> None:
    raise ServiceRequestError("no route")


def have_no_identity(_: str) -> None:
    raise CredentialUnavailableError("no managed identity")


def refuse_mail(_: str) -> None:
    raise smtplib.SMTPServerDisconnected("bye")


def check_type(_: str) -> None:
    TypeAdapter(int).validate_python("the service sent this")


class Raises(Scripted):
    """Raises: the script has names of builtin exceptions or of functions above, followed by a text."""

    def run(self, event: Event, action: Action) -> Outcome:
        calls = [call for call in self.calls[self.world] if call.action.key == action.key]
        word, _, text = self.script[min(len(calls), len(self.script) - 1)].partition(" ")
        found: Any = getattr(builtins, word, None) or globals().get(word)
        if found is None:
            return super().run(event, action)
        self.calls[self.world].append(Call(event, action))
        if isinstance(found, type):
            raise found(text)
        found(text)
        raise AssertionError("it raises")


def started(folder: Path, *script: str, **keys: str) -> World:
    text = rule("ring", *script, **keys).replace("SCRIPTED", "tests.dispatch.test_failed_attempts:Raises")
    world = World(rules(text), folder)
    assert world.loaded.errors == ()
    world.receive(EVENT)
    return world


def settled(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    found = [vars(record).get("mlevents", {}) for record in caplog.records]
    return [keys for keys in found if keys.get("name") == "action.settled"]


PROGRAMMING_ERRORS = [
    "TypeError",
    "AttributeError",
    "NameError",
    "UnboundLocalError",
    "ImportError",
    "ModuleNotFoundError",
    "SyntaxError",
    "NotImplementedError",
    "AssertionError",
    "RecursionError",
    "change_frozen",
    "change_frozen_data",
    "call_library",
]


class TestProgrammingErrors:
    @pytest.mark.parametrize("error", PROGRAMMING_ERRORS)
    def test_an_action_with_one_is_tried_three_times(self, error: str, tmp_path: Path) -> None:
        """`retry` of the rule cannot prolong it."""
        world = started(tmp_path, error, retry="{ for: 30d }")
        start = world.clock()
        world.run()
        assert len(world.calls) == 3
        assert world.clock() - start < timedelta(minutes=1)
        record = world.actions["ring"]
        assert record.status == "failed"
        assert record.note.startswith(f"gave up after 3 attempts: an error in code at {HERE}:")

    def test_the_reason_names_the_line_of_the_handler_s_code(self, tmp_path: Path) -> None:
        """Not that of the library which it calls."""
        world = started(tmp_path, "call_library")
        world.run()
        lines = Path(__file__).read_text().splitlines()
        line = 1 + next(n for n, text in enumerate(lines) if "json.loads(json.dumps" in text)
        note = world.actions["ring"].note
        assert f"at {HERE}:{line}: TypeError: Object of type object is not JSON serializable" in note

    def test_retry_of_the_rule_can_shorten_it(self, tmp_path: Path) -> None:
        world = started(tmp_path, "TypeError", retry="{ for: 5s, first_delay: 10s }")
        world.run()
        assert len(world.calls) == 2

    def test_other_failures_in_between_start_the_count_again(self, tmp_path: Path) -> None:
        script = "TypeError", "TypeError", "KeyError", "TypeError", "TypeError", "succeed"
        world = started(tmp_path, *script)
        world.run()
        assert world.ends() == {"ring": "succeeded"}

    def test_one_that_goes_away_does_no_harm(self, tmp_path: Path) -> None:
        """A service's odd answer can cause one."""
        world = started(tmp_path, "AttributeError", "TypeError", "succeed")
        world.run()
        assert world.ends() == {"ring": "succeeded"}

    @pytest.mark.parametrize("error", ["KeyError", "IndexError", "ValueError", "RuntimeError", "check_type", "OSError"])
    def test_errors_that_odd_answers_cause_are_retried_as_long_as_others(self, error: str, tmp_path: Path) -> None:
        world = started(tmp_path, *[error] * 5, "succeed")
        world.run()
        assert world.ends() == {"ring": "succeeded"}


EXPECTED = ["throttle", "lose_connection", "have_no_identity", "refuse_mail", "ConnectionError", "TimeoutError"]


class TestLog:
    @pytest.mark.parametrize("error", [*EXPECTED, "retry busy", "forbidden"])
    def test_an_attempt_with_an_expected_error_is_one_warning(
        self, error: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It says which action, which attempt, and when the next one is; it has no traceback."""
        world = started(tmp_path, error, "succeed")
        with caplog.at_level(logging.INFO):
            world.step()
        [record] = [record for record in caplog.records if record.levelno > logging.INFO]
        assert (record.levelname, record.exc_info, record.stack_info) == ("WARNING", None, None)
        assert "\n" not in record.getMessage()
        [keys] = settled(caplog)
        assert (keys["status"], keys["rule"], keys["event"], keys["attempt"]) == ("waiting", "ring", "e1", 1)
        assert (keys["object"], keys["workspace"]) == (EVENT.object, "churn-prod")
        assert keys["due"] == world.actions["ring"].due.isoformat(timespec="seconds")
        assert keys["wait"] == format_duration(world.actions["ring"].due - world.clock())

    def test_attempts_are_counted_also_while_the_service_throttles(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = started(tmp_path, "throttle", "throttle", "retry", "wait 60", "succeed")
        with caplog.at_level(logging.INFO):
            world.run()
        called = [keys["attempt"] for keys in settled(caplog) if not keys["note"].startswith("throttled until")]
        assert called == [1, 2, 3, 4, 1]

    def test_the_traceback_of_an_unexpected_error_is_logged_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As an error, on several lines; later attempts are one warning each."""
        world = started(tmp_path, *["KeyError a"] * 4, "succeed")
        with caplog.at_level(logging.INFO):
            world.run()
        [error] = [record for record in caplog.records if record.levelno == logging.ERROR]
        first, *lines = error.getMessage().split("\n")
        assert first == f"rule ring on event e1 object={EVENT.object} workspace=churn-prod attempt=1"
        assert lines[0] == "  | Traceback (most recent call last):"
        assert error.exc_info is None
        warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 4

    def test_another_unexpected_error_is_logged_too(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        world = started(tmp_path, "KeyError", "ValueError", "KeyError", "ValueError", "succeed")
        world.run()
        texts = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert [text.rpartition("| ")[2] for text in texts] == ["KeyError: ''", "ValueError"]

    def test_an_end_has_the_keys_of_its_action_too(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        world = started(tmp_path, "retry", "give-up")
        with caplog.at_level(logging.INFO):
            world.run()
        *_, keys = settled(caplog)
        assert (keys["status"], keys["object"], keys["workspace"]) == ("failed", EVENT.object, "churn-prod")
        assert keys["attempt"] == 2
        assert "due" not in keys

    def test_a_wait_without_an_error_is_no_warning(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        world = started(tmp_path, "wait 60", "succeed")
        with caplog.at_level(logging.INFO):
            world.run()
        assert {record.levelname for record in caplog.records} == {"INFO"}


class TestMissingRule:
    """The action of a rule that was renamed or removed."""

    def test_its_note_says_how_to_end_it(self, tmp_path: Path) -> None:
        """A rule that matches no event, and logs."""
        world = started(tmp_path, "succeed")
        world.write(rules(rule("renamed")))
        world.step()
        note = world.actions["ring"].note
        assert "To continue its actions, give a rule the name ring again" in note
        entry = "{" + note.partition("add a rule {")[2].partition("}")[0] + "}"
        world.write(f"rules:\n  - {entry}\n")
        assert world.loaded.errors == ()
        world.receive(EVENT.model_copy(update={"id": "e2"}))
        world.run()
        assert world.ends() == {"ring": "succeeded"}
        assert world.calls == []
