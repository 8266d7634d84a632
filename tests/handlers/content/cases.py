"""Events and outcomes of every kind, as handlers that write messages get them."""

from typing import get_args

from handlers.base import Action, Result
from handlers.content.summary import Summary, summarize
from schemas import EVENT_TYPES, Context, Event, ModelRegistered, RunStatusChanged
from schemas.alert import Alert, Kind
from schemas.events.run_status_changed import RunStatusChangedData
from schemas.examples import MODEL_MONITOR_BREACH
from tests.handlers.content.known_cases import ACTION, KNOWN_CASES, WORKSPACE

__all__ = ["ACTION", "ALERTS", "CASES", "LONG", "WORKSPACE", "in_context", "summary_of"]

ALERTS = Action(rule="-alerts")  # a name that no rule in a file has
LONG = "x" * 100_000


def in_context(event: Event, result: Result | None = None) -> Event:
    return Context(event, WORKSPACE, result.view() if result else None).event_for_handler()


def _results() -> dict[str, Result]:
    details = {"endpoint": "churn-eu", "link": "https://ml.azure.com/endpoints/realtime/churn-eu/detail"}
    return {
        "succeeded": Result("deploy-churn", "succeeded", "Deployed churn:7 to churn-eu: 100 % of traffic.", details),
        "failed": Result("deploy-churn", "failed", "Rolled back churn:7 on churn-eu: 12 % of requests failed", details),
        "skipped": Result("deploy-churn", "skipped", "the model has no tag stage"),
    }


def _cases() -> dict[str, tuple[Event, Action]]:
    found: dict[str, tuple[Event, Action]] = {}
    for kind in EVENT_TYPES.values():
        found[kind.__name__] = in_context(kind.example()), ACTION
        for name, result in _results().items():
            found[f"{kind.__name__} {name}"] = in_context(kind.example(), result), ACTION
    for status in RunStatusChangedData.known_texts["runStatus"]:
        found[f"run {status}"] = in_context(RunStatusChanged.example(run_status=status)), ACTION
    found["model monitor"] = in_context(RunStatusChanged.example(**MODEL_MONITOR_BREACH)), ACTION
    for alert in get_args(Kind):
        to_do = ["Fix the cause, then run it again: mlevents replay `id` --rule a-rule"]
        event = Alert.of(alert, "a-rule", f"summary of {alert}", ["first", "second"], to_do)
        found[f"alert: {alert}"] = in_context(event), ALERTS
    found["alert of a rule"] = in_context(ModelRegistered.example(), _results()["failed"]), ALERTS
    many = {f"tag-{number}": "value " * 60 for number in range(500)}
    huge = RunStatusChanged.example(run_tags=many, run_id=LONG, experiment_name=LONG, run_status="Failed")
    found["huge"] = (
        in_context(huge, Result("a-rule", "failed", "\u6a21 " * 900, dict.fromkeys(many, "y " * 1_000))),
        ACTION,
    )
    lines = ["\u6a21\u578b" * 500] * 50
    found["huge alert"] = in_context(Alert.of("failed actions", LONG, LONG, lines, lines)), ALERTS
    return found | {name: (event, ACTION) for name, event in KNOWN_CASES.items()}


CASES = _cases()


def summary_of(name: str) -> Summary:
    return summarize(*CASES[name])
