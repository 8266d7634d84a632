"""`log` writes one line per event, whatever the event contains."""

import logging

import pytest
from jinja2 import TemplateError
from pydantic import ValidationError

from handlers.base import Action, Succeeded
from handlers.log import Log
from schemas import EVENT_TYPES, Event, ModelRegistered, RunStatusChanged


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_default_message_names_event_and_workspace(caplog: pytest.LogCaptureFixture) -> None:
    event = RunStatusChanged.example(id="e1", run_id="bold_ant_42", run_status="Failed")
    outcome = Log().run(event, Action())
    line = "Microsoft.MachineLearningServices.RunStatusChanged bold_ant_42 Failed in churn-prod (event e1)"
    assert outcome == Succeeded(line)
    assert caplog.record_tuples == [("mlevents.log", logging.INFO, line)]


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: kind.__name__)
def test_default_message_suits_every_event_type(kind: type[Event], caplog: pytest.LogCaptureFixture) -> None:
    event = kind.example()
    Log().run(event, Action())
    assert event.object in caplog.text
    assert event.id in caplog.text


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_level_of_the_rule_is_used(level: str, caplog: pytest.LogCaptureFixture) -> None:
    Log.model_validate({"level": level, "message": "m"}).run(ModelRegistered.example(), Action())
    assert caplog.records[0].levelname == level.upper()


@pytest.mark.parametrize("level", ["critical", "INFO", 10, ""])
def test_unknown_level_is_an_error(level: object) -> None:
    with pytest.raises(ValidationError, match="'debug', 'info', 'warning' or 'error'"):
        Log.model_validate({"level": level})


def test_message_is_a_template() -> None:
    log = Log.model_validate({"message": "{{ data.modelName }} by {{ data.modelTags.team }}"})
    assert log.run(ModelRegistered.example(), Action()) == Succeeded("churn by churn")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x\nERROR forged", "x\\nERROR forged"),
        ("x\r\ny", "x\\r\\ny"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\u2028b\x85c\u202ed", "a\\u2028b\\x85c\\u202ed"),
        ("a\ud800b", "a\ufffdb"),
        ("100% %s {0}", "100% %s {0}"),
        ("Grüße 模型 🚀", "Grüße 模型 🚀"),
    ],
)
def test_unprintable_characters_are_escaped(text: str, line: str, caplog: pytest.LogCaptureFixture) -> None:
    """An event can neither end the line nor color it."""
    Log.model_validate({"message": "{{ data.runTags.note }}"}).run(
        RunStatusChanged.example(run_tags={"note": text}), Action()
    )
    assert caplog.messages == [line]


def test_long_line_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    event = RunStatusChanged.example(run_tags={"note": "x" * 1_000_000})
    Log.model_validate({"message": "{{ data.runTags.note }}"}).run(event, Action())
    assert len(caplog.messages[0]) == 10_000


def test_missing_key_is_an_error() -> None:
    with pytest.raises(TemplateError, match="nothing"):
        Log.model_validate({"message": "{{ data.nothing }}"}).run(ModelRegistered.example(), Action())


def test_plan_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    log = Log.model_validate({"level": "warning", "message": "{{ object }}"})
    assert log.plan(ModelRegistered.example()) == "log warning: churn"
    assert caplog.messages == []
