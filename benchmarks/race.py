"""Measure the cost of an event beside comparable software: `python -m benchmarks.race`.

It prints CPU time of one thread, and ratios within the run. requirements-dev.in has the peers; storage is Azurite.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, Union
from uuid import uuid4

from azure.core import MatchConditions
from azure.data.tables import TableClient, UpdateMode
from azure.eventgrid import EventGridEvent
from azure.storage.queue import QueueClient, TextBase64EncodePolicy
from pydantic import Field, TypeAdapter, create_model

from benchmarks.measure import Step, print_ratios, side_by_side
from dispatch.act import act
from dispatch.app import App
from dispatch.filters import EventFilter
from dispatch.receive import receive
from dispatch.rules import load
from dispatch.rules.rule import Rules
from emulator.background import Background
from handlers.template import Template
from mlevents.local.azurite import Azurite
from schemas import EVENT_TYPES, Event, RunStatusChanged, parse_event

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = json.loads((ROOT / "local.settings.json.example").read_text(encoding="utf-8"))["Values"]
WORKSPACES = 'workspaces: { churn-prod: { id: "${RULES_WS_CHURN_PROD}", env: prod } }'

RULE = """
  - name: rule-{n}
    on: {on}
    in: {{ env: prod }}
    when: [data.runStatus StringIn Failed NotResponding, data.runTags.team StringIn team-{n}]
    do: log
"""
OTHER_RULE = """
  - name: rule-{n}
    on: {on}
    do: log
"""
# An EventBridge event (docs.aws.amazon.com, "Amazon EventBridge events reference") with the data of an Azure ML event.
EVENT_BRIDGE = {
    "version": "0",
    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "detail-type": "RunStatusChanged",
    "source": "example.ml",
    "account": "111122223333",
    "time": "2026-11-22T18:43:48Z",
    "region": "us-west-1",
    "resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"],
}
FILTER = {
    "includedEventTypes": ["Microsoft.MachineLearningServices.RunStatusChanged"],
    "subjectBeginsWith": "experiments/",
    "advancedFilters": [
        {"operatorType": "StringIn", "key": "data.runStatus", "values": ["Failed", "NotResponding"]},
        {"operatorType": "IsNotNull", "key": "data.runTags.team"},
    ],
}


def main() -> int:
    """Run both benchmarks, and return the exit code of the process."""
    try:
        steps, baseline = powertools_steps()
    except ImportError:
        print("the peers are not installed: make install", file=sys.stderr)
        return 1
    print_ratios("Read and match an event", side_by_side(steps | cpu_steps(), calls=500), baseline)
    with storage_steps() as (steps, baseline):
        print_ratios("Receive an event and carry out its action", side_by_side(steps, calls=1, rounds=200), baseline)
    return 0


def powertools_steps() -> tuple[dict[str, Step], str]:
    """The parser of AWS Powertools on an EventBridge event with the same data. The baseline types that data, too."""
    parser = import_module("aws_lambda_powertools.utilities.parser")
    models = import_module("aws_lambda_powertools.utilities.parser.models")
    detail = create_model(
        "Detail",
        runId=(str, ...),
        runStatus=(str, ...),
        experimentId=(str, ...),
        experimentName=(str, ...),
        runType=(str, ...),
        runTags=(dict[str, Any], ...),
        runProperties=(dict[str, Any], ...),
    )
    raw = json.dumps(EVENT_BRIDGE | {"detail": RunStatusChanged.example().wire()["data"]})
    envelope = parser.envelopes.EventBridgeEnvelope
    baseline = "AWS Powertools: parse an EventBridge event, data typed"
    return {
        "AWS Powertools: parse an EventBridge event, data untyped": lambda: parser.parse(raw, models.EventBridgeModel),
        baseline: lambda: parser.parse(json.loads(raw), detail, envelope=envelope),
    }, baseline


def cpu_steps() -> dict[str, Step]:
    """Steps that read or match an event, without storage."""
    event = RunStatusChanged.example(topic=SETTINGS["RULES_WS_CHURN_PROD"], run_status="Failed")
    raw, wire = json.dumps(event.wire()), event.wire()
    union = discriminated_union()
    with TemporaryDirectory() as folder:
        rules = hundred_rules(Path(folder))
    event_filter, template = EventFilter.model_validate(FILTER), Template("{{ data.experimentName }} failed")
    return {
        "pydantic: a discriminated union of the five types": lambda: union.validate_json(raw),
        "azure-eventgrid: EventGridEvent.from_json": lambda: EventGridEvent.from_json(raw),
        "parse_event": lambda: parse_event(raw),
        "parse_event, workspace and 100 rules": lambda: rules.matching(rules.context(parse_event(raw))),
        "EventFilter.matches": lambda: event_filter.matches(wire),
        "Template.render of a subject": lambda: template.render(event),
    }


def discriminated_union() -> TypeAdapter[Any]:
    """The least that pydantic can do for typed events: five models without validators, discriminated by event type."""
    common: dict[str, Any] = {"id": str, "topic": str, "subject": str, "eventTime": datetime, "data": dict[str, Any]}
    literal: Any = Literal
    models = tuple(create_model(name, eventType=(literal[name], ...), **common) for name in EVENT_TYPES)
    union: Any = Union[models]  # noqa: UP007 - its members are known only at run time
    return TypeAdapter(Annotated[union, Field(discriminator="eventType")])


def hundred_rules(folder: Path) -> Rules:
    """33 rules for the event's type with two conditions each, one of which the event meets; 67 for other types."""
    texts = [RULE.format(n=n, on="RunStatusChanged") for n in range(33)]
    texts += [OTHER_RULE.format(n=n, on=("ModelRegistered", "ModelDeployed")[n % 2]) for n in range(33, 100)]
    (folder / "workspaces.yaml").write_text(WORKSPACES, encoding="utf-8")
    (folder / "rules.yaml").write_text("rules:" + "".join(texts), encoding="utf-8")
    rules = load(folder, SETTINGS)
    if len(rules.by_name) != 100:
        raise SystemExit(f"the benchmark's rules have errors: {rules.errors}")
    return rules


@contextmanager
def storage_steps() -> Iterator[tuple[dict[str, Step], str]]:
    """Steps on Azurite: one event with one `log` action, and the same five storage calls by Microsoft's SDKs alone."""
    unique = uuid4().hex[:12]
    with Background() as background, TemporaryDirectory() as folder:
        azurite = background.run(Azurite.start())
        try:
            sdk = BareCalls(azurite.connection_string, unique)
            app = whole_app(azurite.connection_string, unique, Path(folder))
            baseline = "the five calls by Microsoft's SDKs"
            yield {baseline: sdk.run, "receive and act": lambda: app_run(*app)}, baseline
        finally:
            background.run(azurite.stop())


class BareCalls:
    """The storage calls of receiving an event and carrying out its action, by the SDKs alone."""

    def __init__(self, connection_string: str, unique: str) -> None:
        self.table = TableClient.from_connection_string(connection_string, f"bare{unique}")
        self.queue = QueueClient.from_connection_string(
            connection_string, f"bare{unique}", message_encode_policy=TextBase64EncodePolicy()
        )
        self.table.create_table()
        self.queue.create_queue()
        self.payload = json.dumps(RunStatusChanged.example().wire()).encode()

    def run(self) -> None:
        """Make one transaction, one queue put, one range query, one update and another transaction."""
        key = {"PartitionKey": "2026-11-22", "RowKey": uuid4().hex}
        action = key | {"RowKey": f"{key['RowKey']}|log-it", "status": "pending", "timeline": "[]"}
        marker = key | {"RowKey": f"!open|{key['RowKey']}|log-it"}
        creates: list[Any] = [("create", key | {"raw": self.payload}), ("create", action), ("create", marker)]
        self.table.submit_transaction(creates)
        self.queue.send_message(json.dumps(action))
        where = "PartitionKey eq @day and RowKey ge @first and RowKey lt @last"
        names = {"day": key["PartitionKey"], "first": key["RowKey"], "last": f"{key['RowKey']}~"}
        _, found = self.table.query_entities(where, parameters=names)
        unchanged = {"match_condition": MatchConditions.IfNotModified}
        running = action | {"status": "running"}
        claimed = self.table.update_entity(running, mode=UpdateMode.REPLACE, etag=found.metadata["etag"], **unchanged)
        done = (
            "update",
            action | {"status": "succeeded"},
            {"mode": UpdateMode.REPLACE, "etag": claimed["etag"], **unchanged},
        )
        self.table.submit_transaction([done, ("delete", marker)])


class Sent(list[str]):
    """A queue that keeps a list of the messages that it sends."""

    def __init__(self, app: App) -> None:
        super().__init__()
        self._send = app.queue.send

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        """Send a message, and keep it."""
        self.append(message)
        self._send(message, after)


def whole_app(connection_string: str, unique: str, folder: Path) -> tuple[App, Sent]:
    """Return the app with one rule that logs, and its queue."""
    (folder / "rules").mkdir()
    (folder / "rules" / "workspaces.yaml").write_text(WORKSPACES, encoding="utf-8")
    (folder / "rules" / "rules.yaml").write_text("rules: [{ name: log-it, on: RunStatusChanged, do: log }]")
    (folder / "host.json").write_bytes((ROOT / "host.json").read_bytes())
    names = {"MLEVENTS_TABLE": f"app{unique}", "MLEVENTS_QUEUE": f"app{unique}"}
    app = App.from_settings({**SETTINGS, "AzureWebJobsStorage": connection_string, **names}, folder)
    sent = Sent(app)
    return replace(app, queue=sent), sent


def app_run(app: App, sent: Sent) -> None:
    """Receive one event and carry out its action."""
    event: Event = RunStatusChanged.example(
        id=uuid4().hex, topic=SETTINGS["RULES_WS_CHURN_PROD"], event_time=datetime.now(UTC).isoformat()
    )
    receive(json.dumps(event.wire()), app)
    act(sent.pop(), app)


if __name__ == "__main__":
    sys.exit(main())
