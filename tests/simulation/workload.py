"""What happens in a workspace over some days: runs that start and end, models that are registered, and some nonsense.

Each event comes with what an outsider knows of it: which rules it should lead to, and its place in the order of things.
"""

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tests.kit.world import SETTINGS
from tests.simulation.agenda import START

TOPIC = SETTINGS["RULES_WS_CHURN_PROD"]
TYPE = "Microsoft.MachineLearningServices."
MODELS, EXPERIMENTS = 40, 12
NONSENSE = ("{%d", '{"id": "n%d"}', '"text %d"')  # none of which is an event

RULES = {
    "workspaces.yaml": """
workspaces:
  churn-prod: { id: "${RULES_WS_CHURN_PROD}", env: prod }
alerts: { do: tests.simulation.deeds:Deed, with: { world: WORLD } }
""",
    "team.yaml": """
rules:
  - name: newest
    on: [RunStatusChanged, RunCompleted]
    latest_only: true
    do: tests.simulation.deeds:Deed
    with: { world: WORLD }
    retry: { for: 3h, max_delay: 30m }
  - name: tell
    on: RunStatusChanged
    in: { env: prod }
    when: [data.runStatus StringIn Failed Canceled]
    do: tests.simulation.deeds:Deed
    with: { world: WORLD }
    retry: { for: 3h, max_delay: 30m }
  - name: seldom
    on: RunStatusChanged
    when: [data.runStatus StringIn Failed]
    at_most: { count: 2, every: 30m, by: data.experimentName }
    do: tests.simulation.deeds:Deed
    with: { world: WORLD }
    retry: { for: 3h, max_delay: 30m }
  - name: tell-more
    after: { rules: tell, outcome: any }
    do: tests.simulation.deeds:Deed
    with: { world: WORLD, stages: 2 }
    retry: { for: 3h, max_delay: 30m }
  - name: cry
    after: { rules: [tell, ship], outcome: failed }
    do: tests.simulation.deeds:Deed
    with: { world: WORLD }
    retry: { for: 3h, max_delay: 30m }
""",
    "other.yaml": """
rules:
  - name: note
    on: RunCompleted
    do: tests.simulation.deeds:Deed
    with: { world: WORLD }
    retry: { for: 3h, max_delay: 30m }
  - name: ship
    on: ModelRegistered
    latest_only: true
    do: tests.simulation.deeds:Exclusive
    with: { world: WORLD, stages: 3 }
    retry: { for: 3h, max_delay: 30m }
""",
    "third.yaml": """
rules:
  - name: told-well
    after: { rules: tell }
    do: tests.simulation.deeds:Deed
    with: { world: WORLD }
    retry: { for: 3h, max_delay: 30m }
""",
}
FOLLOWS = {  # rule: (the rule that it follows, how that must have ended)
    ("tell-more", "tell"): {"succeeded", "skipped", "failed"},
    ("told-well", "tell"): {"succeeded"},
    ("cry", "tell"): {"failed"},
    ("cry", "ship"): {"failed"},
}
UNFOLLOWED = {"newest", "seldom", "tell-more", "cry", "note", "told-well"}  # alerts tell when one of them has failed
GUARDED = {"newest", "ship", "seldom"}  # which may be skipped before they are called
STAGES = {"tell-more": 2, "ship": 3}  # of rules that have more than one
MOST, EVERY = 2, 1_800.0  # at_most of `seldom`
RANKS = {"Running": 1, "Finalizing": 2, "Completed": 3, "Failed": 3, "Canceled": 3}


class Fact(NamedTuple):
    """An event, and what an outsider knows of it."""

    at: float  # seconds from the start
    id: str
    raw: str
    rules: frozenset[str] = frozenset()  # which it should lead to
    object: str = ""
    place: tuple[int, str] = (0, "")  # in the order of events about the object
    experiment: str = ""
    rejected: bool = False


class Workload:
    """Events of some virtual days, in the order in which they happen."""

    def __init__(self, seed: int, events: int, days: float) -> None:
        self._chance = random.Random(f"{seed} workload")
        self._span = days * 86_400
        self.facts = sorted(self._events(events), key=lambda fact: (fact.at, fact.id))[:events]

    def _events(self, events: int) -> Iterator[Fact]:
        made = number = 0
        while made < events:
            number += 1
            some = [*self._some(number, self._span * self._chance.random())]
            made += len(some)
            yield from some

    def _some(self, number: int, at: float) -> Iterator[Fact]:
        lot = self._chance.random()
        if lot < 0.01:
            yield self._nonsense(number, at)
        elif lot < 0.06:
            yield self._model(number, at)
        elif lot < 0.1:  # a sweep job: many at once
            for child in range(self._chance.randint(5, 30)):
                yield from self._run(f"run-{number}-{child}", at + self._chance.random())
        else:
            yield from self._run(f"run-{number}", at)

    def _run(self, run: str, at: float) -> Iterator[Fact]:
        """A run starts and ends, sometimes at once."""
        experiment = f"experiment-{self._chance.randrange(EXPERIMENTS)}"
        end = self._chance.choices(("Completed", "Failed", "Canceled"), (70, 22, 8))[0]
        lasts = self._chance.choice((1, 60, 3_600)) * self._chance.random()
        data = {"experimentId": "x", "experimentName": experiment, "runId": run, "runType": "azureml.StepRun"}
        times = {"Running": at, "Finalizing": at + lasts * 0.9, end: at + lasts}
        for status, time in times.items():
            rules = {"newest", *({"tell"} if status in ("Failed", "Canceled") else ())}
            rules |= {"seldom"} if status == "Failed" else set()
            yield self._fact("RunStatusChanged", run, time, rules, {**data, "runStatus": status}, rank=RANKS[status])
        if end == "Completed":
            yield self._fact("RunCompleted", run, at + lasts + 0.5, {"newest", "note"}, data, rank=RANKS["Completed"])

    def _model(self, number: int, at: float) -> Fact:
        model = f"model-{self._chance.randrange(MODELS)}"
        data = {"modelName": model, "modelVersion": str(number), "modelTags": {}, "modelProperties": {}}
        return self._fact("ModelRegistered", model, at, {"ship"}, data)

    def _fact(self, kind: str, object: str, at: float, rules: set[str], data: dict[str, Any], *, rank: int = 0) -> Fact:
        time = _text(START + timedelta(seconds=at))
        id = f"{kind}-{object}-{data.get('runStatus', data.get('modelVersion', ''))}"
        event: dict[str, Any] = {"id": id, "subject": f"about/{object}", "data": data}
        if self._chance.random() < 0.1:
            event |= {"specversion": "1.0", "type": TYPE + kind, "source": TOPIC, "time": time}
        else:
            event |= {"topic": TOPIC, "eventType": TYPE + kind, "eventTime": time, "dataVersion": "1"}
        experiment = data.get("experimentName", "")
        return Fact(at, id, json.dumps(event), frozenset(rules), object, (rank, time), experiment)

    def _nonsense(self, number: int, at: float) -> Fact:
        """What is rejected: no JSON, no event, an event of an unknown type, or from elsewhere."""
        event = {"id": f"n{number}", "topic": TOPIC, "subject": "s", "eventType": f"{TYPE}Unheard", "data": {}}
        elsewhere = {**event, "topic": TOPIC.replace("churn-prod", "other"), "eventType": f"{TYPE}RunCompleted"}
        raws = (*(text % number for text in NONSENSE), json.dumps(event), json.dumps(elsewhere))
        return Fact(at, f"n{number}", self._chance.choice(raws), rejected=True)


def _text(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
