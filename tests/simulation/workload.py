"""The events of a workspace over some days: runs, models, and deliveries that the app must reject.

Each event comes with what the app must do about it: the rules that it matches, and its position among the events about
its object.
"""

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tests.kit.world import SETTINGS
from tests.simulation.scheduler import START

TOPIC = SETTINGS["RULES_WS_CHURN_PROD"]
TYPE = "Microsoft.MachineLearningServices."
MODELS, EXPERIMENTS = 40, 12
MALFORMED = ("{%d", '{"id": "n%d"}', '"text %d"')


def _rule(name: str, *lines: str, do: str = "Simulated", stages: int = 1) -> str:
    """A rule of a rules file; SIMULATION is replaced when the file is written."""
    common = (
        f"do: tests.simulation.handlers:{do}",
        f"with: {{ simulation: SIMULATION, stages: {stages} }}",
        "retry: { for: 3h, max_delay: 30m }",
    )
    return "  - " + "\n    ".join((f"name: {name}", *lines, *common)) + "\n"


STAGES = {"follow-any": 2, "deploy": 3}  # of rules that have more than one
MAX_COUNT, SPAN = 2, 1_800.0  # at_most of `limited`
RULES = {
    "workspaces.yaml": """
workspaces:
  churn-prod: { id: "${RULES_WS_CHURN_PROD}", env: prod }
alerts: { do: tests.simulation.handlers:Simulated, with: { simulation: SIMULATION } }
""",
    "team.yaml": "rules:\n"
    + _rule("latest", "on: [RunStatusChanged, RunCompleted]", "latest_only: true")
    + _rule("notify", "on: RunStatusChanged", "in: { env: prod }", "when: [data.runStatus StringIn Failed Canceled]")
    + _rule(
        "limited",
        "on: RunStatusChanged",
        "when: [data.runStatus StringIn Failed]",
        "at_most: { count: 2, every: 30m, by: data.experimentName }",
    )
    + _rule("follow-any", "after: { rules: notify, outcome: any }", stages=STAGES["follow-any"])
    + _rule("follow-failed", "after: { rules: [notify, deploy], outcome: failed }"),
    "other.yaml": "rules:\n"
    + _rule("record", "on: RunCompleted")
    + _rule("deploy", "on: ModelRegistered", "latest_only: true", do="Locked", stages=STAGES["deploy"]),
    "third.yaml": "rules:\n" + _rule("follow-succeeded", "after: { rules: notify }"),
}
FOLLOWS = {  # the statuses of the second rule that the first one follows
    ("follow-any", "notify"): {"succeeded", "skipped", "failed"},
    ("follow-succeeded", "notify"): {"succeeded"},
    ("follow-failed", "notify"): {"failed"},
    ("follow-failed", "deploy"): {"failed"},
}
# Rules that no rule follows with `outcome: failed`: their failures lead to an alert.
UNFOLLOWED = {"latest", "limited", "follow-any", "follow-failed", "record", "follow-succeeded"}
GUARDED = {"latest", "deploy", "limited"}  # rules whose guards may skip an action
RANKS = {"Running": 1, "Finalizing": 2, "Completed": 3, "Failed": 3, "Canceled": 3}


class WorkloadEvent(NamedTuple):
    """An event, and what the app must do about it."""

    at: float  # seconds from the start
    id: str
    raw: str
    rules: frozenset[str] = frozenset()  # that match it
    object: str = ""
    position: tuple[int, str] = (0, "")  # among the events about the object
    experiment: str = ""
    rejected: bool = False


class Workload:
    """The events of some virtual days, in the order of their times."""

    def __init__(self, seed: int, events: int, days: float) -> None:
        self._rng = random.Random(f"{seed} workload")
        self._span = days * 86_400
        self.events = sorted(self._generate(events), key=lambda event: (event.at, event.id))[:events]

    def _generate(self, count: int) -> Iterator[WorkloadEvent]:
        generated = number = 0
        while generated < count:
            number += 1
            events = [*self._related(number, self._span * self._rng.random())]
            generated += len(events)
            yield from events

    def _related(self, number: int, at: float) -> Iterator[WorkloadEvent]:
        """A delivery to reject, a model, a sweep job with many runs at the same time, or one run."""
        drawn = self._rng.random()
        if drawn < 0.01:
            yield self._rejected(number, at)
        elif drawn < 0.06:
            yield self._model(number, at)
        elif drawn < 0.1:
            for child in range(self._rng.randint(5, 30)):
                yield from self._run(f"run-{number}-{child}", at + self._rng.random())
        else:
            yield from self._run(f"run-{number}", at)

    def _run(self, run: str, at: float) -> Iterator[WorkloadEvent]:
        """The events of a run, which takes up to a second, a minute or an hour."""
        experiment = f"experiment-{self._rng.randrange(EXPERIMENTS)}"
        end = self._rng.choices(("Completed", "Failed", "Canceled"), (70, 22, 8))[0]
        duration = self._rng.choice((1, 60, 3_600)) * self._rng.random()
        data = {"experimentId": "x", "experimentName": experiment, "runId": run, "runType": "azureml.StepRun"}
        times = {"Running": at, "Finalizing": at + duration * 0.9, end: at + duration}
        for status, time in times.items():
            rules = {"latest", *({"notify"} if status in ("Failed", "Canceled") else ())}
            rules |= {"limited"} if status == "Failed" else set()
            yield self._event("RunStatusChanged", run, time, rules, {**data, "runStatus": status}, rank=RANKS[status])
        if end == "Completed":
            rules = {"latest", "record"}
            yield self._event("RunCompleted", run, at + duration + 0.5, rules, data, rank=RANKS["Completed"])

    def _model(self, number: int, at: float) -> WorkloadEvent:
        model = f"model-{self._rng.randrange(MODELS)}"
        data = {"modelName": model, "modelVersion": str(number), "modelTags": {}, "modelProperties": {}}
        return self._event("ModelRegistered", model, at, {"deploy"}, data)

    def _event(
        self, event_type: str, object: str, at: float, rules: set[str], data: dict[str, Any], *, rank: int = 0
    ) -> WorkloadEvent:
        """An event in Event Grid's schema, or for one in ten a CloudEvent."""
        time = _text(START + timedelta(seconds=at))
        id = f"{event_type}-{object}-{data.get('runStatus', data.get('modelVersion', ''))}"
        event: dict[str, Any] = {"id": id, "subject": f"about/{object}", "data": data}
        if self._rng.random() < 0.1:
            event |= {"specversion": "1.0", "type": TYPE + event_type, "source": TOPIC, "time": time}
        else:
            event |= {"topic": TOPIC, "eventType": TYPE + event_type, "eventTime": time, "dataVersion": "1"}
        experiment = data.get("experimentName", "")
        return WorkloadEvent(at, id, json.dumps(event), frozenset(rules), object, (rank, time), experiment)

    def _rejected(self, number: int, at: float) -> WorkloadEvent:
        """A delivery that is malformed, or an event of an unknown type or from an unlisted workspace."""
        event = {"id": f"n{number}", "topic": TOPIC, "subject": "s", "eventType": f"{TYPE}Unknown", "data": {}}
        unlisted = {**event, "topic": TOPIC.replace("churn-prod", "other"), "eventType": f"{TYPE}RunCompleted"}
        raws = (*(text % number for text in MALFORMED), json.dumps(event), json.dumps(unlisted))
        return WorkloadEvent(at, f"n{number}", self._rng.choice(raws), rejected=True)


def _text(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
