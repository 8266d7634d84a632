"""Events of hostile and broken senders, sent to the real functions over HTTP and through the queues.

Every input that reaches a function is accepted, or recorded as rejected. None makes the function raise or hang, none is
lost, and afterwards the app works as before. The host refuses the other inputs, as the real host does.
"""

import base64
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from dispatch.app import App
from dispatch.inbox.keys import event_key
from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite
from mlevents.local.host.payloads import event_grid
from schemas import EventError, RunStatusChanged, parse_event
from tests.handlers.email.received import ReceivedMail, assert_harmless_mail
from tests.kit.hostile import CLOUD_EVENTS, HUGE, SAMPLES, TEXTS, altered, damaged, deep, deliveries
from tests.kit.processes import EXAMPLE, settings_of
from tests.kit.started import ROOT

pytestmark = pytest.mark.no_cover  # slow under coverage, and other tests cover the same lines

SEED = 20261122
RULES = """
rules:
  - name: log-everything
    on: [RunCompleted, RunStatusChanged, ModelRegistered, ModelDeployed, DatasetDriftDetected]
    do: log
"""
WORKSPACES = """
workspaces: { churn-prod: { id: "${RULES_WS_CHURN_PROD}", env: prod } }
alerts: { do: email, with: { to: [ml-platform@example.com] } }
"""
LINE = re.compile(r"(\d\d:\d\d:\d\d  | {10}| {21})\S")  # an event; a detail; a hint below an event
EVENT = SAMPLES[-1]


@dataclass
class Target:
    """The running app, with its records and queues."""

    local: LocalApp

    def post(self, body: bytes, function: str = "azureml_event", **headers: str) -> requests.Response:
        headers = {"aeg-event-type": "Notification", **{name.replace("_", "-"): h for name, h in headers.items()}}
        return requests.post(self.local.url_of(function), body, headers=headers, timeout=30)

    def queue(self, setting: str, suffix: str = "") -> QueueClient:
        name = f"{self.local.environment[setting]}{suffix}"
        return QueueClient.from_connection_string(self.local.connection_string, name)

    def recorded(self) -> "Record":
        """The keys of all recorded events, and the texts of all rejected ones."""
        inbox = App.from_settings(self.local.environment, ROOT).inbox
        histories = [inbox.history.day(day) for day in inbox.history.days()]
        keys = {key for history in histories for key in history.events}
        return Record(keys, {rejected.raw for history in histories for rejected in history.rejected})

    def raised(self) -> list[str]:
        """The printed lines about functions that raised."""
        return [line for line in self.local.lines if " failed: " in line]

    def works(self) -> bool:
        """Is a valid event carried out?"""
        id = uuid4().hex
        event = RunStatusChanged.example(id=id, run_id=f"r-{id}")
        assert self.post(json.dumps([event.wire()]).encode()).status_code == 202
        return bool(
            self.local.wait(lambda: any(r["name"] == "action.settled" and r["event"] == id for r in self.local.records))
        )


@dataclass
class Record:
    """The keys of the accepted events, and the texts of the rejected ones."""

    keys: set[str]
    rejected: set[str]

    def has(self, text: str) -> bool:
        """Was this text accepted or rejected? A row has only the beginning of a text that is too large for it."""
        if text in self.rejected or any(len(raw) >= 30_000 and text.startswith(raw) for raw in self.rejected):
            return True
        try:
            return event_key(parse_event(text))[1] in self.keys
        except EventError:
            return False


@pytest.fixture(scope="module")
def target(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "workspaces.yaml").write_text(WORKSPACES)
    (folder / "team.yaml").write_text(RULES)
    settings = settings_of(azurite.connection_string, folder) | {
        "AzureFunctionsJobHost__extensions__queues__maxDequeueCount": "2",
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:00",
        "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.5",
    }
    with LocalApp(ROOT, settings=settings, settings_file=EXAMPLE, folder=folder / "state") as local:
        local.console.lines.clear()  # the lines of the start
        yield Target(local)


def decoded(body: bytes) -> tuple[list[str], bool]:
    """The texts that functions get of a delivery, and whether the host accepts all of it."""
    try:
        parsed = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return [], False
    if not isinstance(parsed, dict | list):
        return [], False
    events = parsed if isinstance(parsed, list) else [parsed]
    texts = [event_grid(event).data["json"] for event in events if isinstance(event, dict)]
    return texts, len(texts) == len(events)


def attack(target: Target, bodies: Sequence[bytes], **headers: str) -> tuple[int, int]:
    """Post all bodies, and check the answers and the records.

    Returns the number of calls of functions, and of deliveries that the host refused.
    """
    worker, texts, refused = target.local.worker_pid, list[str](), 0
    for body in bodies:
        answer = target.post(body, **headers)
        passed_on, accepted = decoded(body)
        assert answer.status_code == (202 if accepted else 500), body[:1_000]
        texts += passed_on
        refused += not accepted
    record = target.recorded()
    assert [text[:1_000] for text in texts if not record.has(text)] == []
    assert target.raised() == []
    assert target.local.worker_pid == worker
    assert_harmless(target)
    return len(texts), refused


def assert_harmless(target: Target) -> None:
    """Assert that no input has broken or forged a line of the log or of a mail, or moved the cursor."""
    assert [line for line in target.local.lines if not (line.isprintable() and LINE.match(line))] == []
    for mail in target.local.mails:
        page = mail.message.get_body(("html",))
        html = str(page.get_content()).replace("\r\n", "\n") if page else ""
        seen = ReceivedMail(set(mail.recipients), mail.subject, mail.text, html)
        assert seen.recipients == {"ml-platform@example.com"}
        assert_harmless_mail(replace(seen, recipients={"ml-team@example.com"}))


def event(**changes: Any) -> dict[str, Any]:
    return {**EVENT, "id": uuid4().hex, **changes}


def delivery_of(**changes: Any) -> bytes:
    """A delivery of one event."""
    return json.dumps([event(**changes)]).encode()


def data(**changes: Any) -> bytes:
    return delivery_of(data={**EVENT["data"], **changes})


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "white space": b" \r\n\t",
    "a byte order mark": b"\xef\xbb\xbf" + delivery_of(),
    "UTF-16": json.dumps([EVENT]).encode("utf-16"),
    "invalid UTF-8": b'[{"id": "\xff\xfe\xc3"}]',
    "surrogates in UTF-8": delivery_of(id="x").replace(b'"x"', b'"\xed\xa0\x80"'),
    "lone surrogates": delivery_of(id="\ud800", subject="\udfff"),
    "not JSON": b"id=1&topic=2",
    "truncated JSON": delivery_of()[:-30],
    "two JSON texts": delivery_of() + delivery_of(),
    "null": b"null",
    "a text": b'"event"',
    "a number": b"42",
    "an empty list": b"[]",
    "an empty object": b"{}",
    "a list of a list": b"[[]]",
    "a list of other values": b'[1, null, "x", [], true]',
    "a valid event among invalid ones": json.dumps([event(), 5, event(id=None), {}]).encode(),
    "ten thousand levels": deep(10_000).encode(),
    "ten thousand levels of objects": deep(10_000, "a").encode(),
    "ten thousand levels in an event": delivery_of(data="DEEP").replace(b'"DEEP"', deep(10_000).encode()),
    "sixty-five levels": data(deep=json.loads(deep(65))),
    "five hundred levels": data(deep=json.loads(deep(500, "a"))),
    "a huge number": data(n=HUGE),
    "five thousand digits": data(n="N").replace(b'"N"', b"9" * 5_000),
    "an exponent": data(n="N").replace(b'"N"', b"1e999999999"),
    "not a number": data(n=float("nan"), m=float("inf"), o=float("-inf")),
    "duplicate keys": delivery_of()[:-2] + b', "id": "second", "id": "third", "ID": "fourth", "data": null}]',
    "keys that differ in case": delivery_of(Id="other", ID="another", TOPIC="x", eventtype="y"),
    "a key of NULs": delivery_of(**{"\x00": 1, "a\x00b": 2}),
    "a key of 100,000 characters": delivery_of(**{"k" * 100_000: 1}),
    "ten thousand keys": data(runTags={f"k{n}": n for n in range(10_000)}),
    "a megabyte": data(runTags={"note": "x" * 1_000_000}),
    "a megabyte that cannot be compressed": data(runTags={"note": random.Random(SEED).randbytes(700_000).hex()}),
    "a megabyte of escapes": data(runTags={"note": "\x00\u2028" * 80_000}),
    "a megabyte that is not an event": json.dumps({"x": "y" * 1_000_000}).encode(),
    "year 1": delivery_of(eventTime="0001-01-01T00:00:00Z"),
    "before year 1": delivery_of(eventTime="0001-01-01T00:00:00+14:00"),
    "year 9999": delivery_of(eventTime="9999-12-31T23:59:59.9999999-14:00"),
    "no time": delivery_of(eventTime=""),
    "a leap second": delivery_of(eventTime="2026-12-31T23:59:60Z"),
    "a time that is a number": delivery_of(eventTime=1732266764),
    "an event type with a NUL at its end": delivery_of(
        eventType="Microsoft.MachineLearningServices.RunStatusChanged\x00"
    ),
    "a forged alert": delivery_of(eventType="azureml-events.Alert", data={"kind": "x", "summary": "forged"}),
    "an event type of another service": delivery_of(eventType="Microsoft.Storage.BlobCreated"),
    "a foreign workspace": delivery_of(topic=EVENT["topic"].replace("churn-prod", "other")),
    "no workspace": delivery_of(topic="/"),
    "data as a text": delivery_of(data=json.dumps(EVENT["data"])),
    "data in Base64": json.dumps([{**CLOUD_EVENTS[0], "data_base64": "eyJ9", "data": None}]).encode(),
    "a CloudEvent": json.dumps(CLOUD_EVENTS[0]).encode(),
    "a batch of CloudEvents": json.dumps(CLOUD_EVENTS).encode(),
    "both envelopes": delivery_of(specversion="1.0", source="x", type="y", time="z"),
    "a CloudEvent of the future": json.dumps({**CLOUD_EVENTS[0], "specversion": "9.9", "id": "f"}).encode(),
    "an array in an array": json.dumps([[EVENT]]).encode(),
    "fifty empty objects": b"[" + b"{}," * 49 + b"{}]",
}
OF_TEXTS: dict[str, bytes] = {
    **{f"ids like {text[:20]!r}": delivery_of(id=text or "-", subject=text) for text in TEXTS},
    **{f"runs like {text[:20]!r}": data(runId=text, runStatus=text, runTags={text: text}) for text in TEXTS},
    **{f"topics like {text[:20]!r}": delivery_of(topic=text) for text in TEXTS},
    **{f"times like {text[:20]!r}": delivery_of(eventTime=text) for text in TEXTS},
}


def test_handwritten_inputs_do_no_harm(target: Target) -> None:
    """All of BODIES, and ten of OF_TEXTS."""
    some = random.Random(SEED).sample([*OF_TEXTS.values()], 10)
    called, refused = attack(target, [*BODIES.values(), *some])
    assert called > 50
    assert refused > 10
    assert target.works()
    target.local.wait(lambda: target.local.mails)  # so many were rejected that an alert is sent
    assert_harmless(target)


def test_random_inputs_do_no_harm(target: Target) -> None:
    """25 deliveries; `make fuzz` sends thousands."""
    attack(target, [*deliveries(25, SEED)])
    assert target.works()


@pytest.mark.fuzz
def test_each_hostile_text_does_no_harm(target: Target) -> None:
    attack(target, [*OF_TEXTS.values()])
    assert target.works()


@pytest.mark.fuzz
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", range(SEED, SEED + 5))
def test_thousands_of_random_inputs_do_no_harm(target: Target, seed: int) -> None:
    called, refused = attack(target, [*deliveries(1_000, seed)])
    assert target.works()
    print(f"\nseed {seed}: 1,000 deliveries, {called} events in them, {refused} deliveries refused by the host")


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("no content type", {"content_type": ""}),
        ("a wrong content type", {"content_type": "image/png"}),
        ("another character set", {"content_type": "application/json; charset=utf-16"}),
        ("a form", {"content_type": "application/x-www-form-urlencoded"}),
        ("a batch of CloudEvents", {"content_type": "application/cloudevents-batch+json"}),
        ("a CloudEvent", {"content_type": "application/cloudevents+json; charset=utf-8"}),
        ("a CloudEvent in headers", {"ce_id": "1", "ce_source": "/x", "ce_type": "T", "ce_specversion": "1.0"}),
        ("a long header", {"aeg_subscription_name": "x" * 5_000}),
    ],
)
def test_wrong_headers_do_no_harm(target: Target, kind: str, headers: dict[str, str]) -> None:
    """Only the body is read."""
    attack(target, [delivery_of(), json.dumps(EVENT["data"]).encode(), b"{}", b""], **headers)


@pytest.mark.parametrize(
    "name", ["azureml_event\r\nX: y", "../act", "act", "sweep", "%00", "a" * 5_000, "azureml_event "]
)
def test_only_event_grid_functions_accept_deliveries(target: Target, name: str) -> None:
    assert target.post(delivery_of(), name).status_code == 404


def put(queue: QueueClient, *bodies: bytes) -> None:
    for body in bodies:
        queue.send_message(base64.b64encode(body).decode())


def wait_until_empty(target: Target, *queues: QueueClient) -> None:
    """Wait until the queues have no messages, not even invisible ones."""

    def are_empty() -> bool:
        time.sleep(0.1)  # leaves storage to the app
        return not any(queue.get_queue_properties().approximate_message_count for queue in queues)

    target.local.wait(are_empty, seconds=100)


def queued(count: int, seed: int) -> Iterator[bytes]:
    """Bodies that fit a message. All of them reach the function, whether they are JSON or not."""
    chance = random.Random(seed)
    for body in chance.sample([*BODIES.values(), *OF_TEXTS.values()], min(count, 150)):
        if len(body) < 40_000 and _is_utf8(body):
            yield body
    for _ in range(count):
        text = json.dumps(altered(chance.choice((*SAMPLES, *CLOUD_EVENTS)), chance)).encode()
        body = damaged(text, chance) if chance.random() < 0.5 else text
        if len(body) < 40_000 and _is_utf8(body):
            yield body


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("suffix", ["", "-poison"])
def test_hostile_messages_in_the_queue_of_events_do_no_harm(target: Target, suffix: str) -> None:
    """The host does not parse these messages. The same holds for its poison queue."""
    enqueue_hostile_events(target, suffix, [*queued(15, SEED)])


@pytest.mark.fuzz
@pytest.mark.timeout(1_800)
def test_thousands_of_hostile_messages_in_the_queue_of_events_do_no_harm(target: Target) -> None:
    count = enqueue_hostile_events(target, "", [*queued(3_000, SEED)])
    print(f"\n{count} hostile messages in the queue of events")


def enqueue_hostile_events(target: Target, suffix: str, bodies: Sequence[bytes]) -> int:
    with target.queue("MLEVENTS_EVENTS_QUEUE", suffix) as queue:
        _create(queue)
        put(queue, *bodies)
        wait_until_empty(target, queue)
    record = target.recorded()
    assert [body[:1_000] for body in bodies if not record.has(body.decode())] == []
    assert target.raised() == []
    assert target.works()
    return len(bodies)


def _create(queue: QueueClient) -> None:
    try:
        queue.get_queue_properties()
    except ResourceNotFoundError:
        queue.create_queue()


ACTION = {"schema": 1, "day": "2026-11-22", "event": "00000000-0", "rule": "log-everything", "ticket": 1}
MESSAGES = [
    b"",
    b"{}",
    b"null",
    b"[]",
    b"42",
    b'"x"',
    b"not JSON",
    b"\x00",
    deep(10_000).encode(),
    b"9" * 5_000,
    *(
        json.dumps({**ACTION, **change}).encode()
        for change in (
            {},
            {"schema": 99},
            {"schema": None},
            {"ticket": None},
            {"ticket": "one"},
            {"ticket": "9" * 5_000},
            {"ticket": HUGE},
            {"ticket": -HUGE},
            {"ticket": float("nan")},
            {"ticket": float("inf")},
            {"ticket": [1]},
            {"day": None},
            {"day": "../2026-11-22"},
            {"day": "' or PartitionKey ge '"},
            {"day": "days"},
            {"day": "notes"},
            {"day": "x" * 5_000},
            {"event": "!open|x"},
            {"event": ["x"]},
            {"event": {"x": 1}},
            {"event": ""},
            {"event": "x\r\naction.settled rule=forged"},
            {"rule": "../../x"},
            {"rule": "\ud800"},
            {"rule": 5},
            {"rule": "{{ 7 * 7 }}"},
            {"more": "x" * 10_000},
        )
    ),
]  # fmt: skip - one a line


@pytest.mark.parametrize("suffix", ["", "-poison"])
def test_hostile_messages_in_the_queue_of_actions_do_no_harm(target: Target, suffix: str) -> None:
    """Each is dropped with a log record: none is repeated, and none stops the others."""
    assert target.works()
    with target.queue("MLEVENTS_QUEUE", suffix) as queue, target.queue("MLEVENTS_QUEUE") as actions:
        _create(queue)
        put(queue, *MESSAGES)
        wait_until_empty(target, queue, actions)
    assert target.raised() == []
    assert target.works()


@pytest.mark.parametrize("suffix", ["", "-poison"])
@pytest.mark.parametrize("setting", ["MLEVENTS_EVENTS_QUEUE", "MLEVENTS_QUEUE"])
def test_undecodable_messages_reach_the_app(target: Target, setting: str, suffix: str) -> None:
    """Those that are not Base64 or not UTF-8 are recorded as rejected events, or logged, and then deleted."""
    names = {"event.rejected"} if setting == "MLEVENTS_EVENTS_QUEUE" else {"action.unreadable"}
    before = sum(record["name"] in names for record in target.local.records)
    with (
        target.queue(setting) as queue,
        target.queue(setting, suffix) as sent,
        target.queue(setting, "-poison") as poison,
    ):
        _create(queue)
        _create(poison)
        put(sent, f"{setting}{suffix}".encode() + b"\xff\xfe", f"{setting}{suffix}".encode() + b"\xed\xa0\x80")
        sent.send_message(f"not Base64! {setting}{suffix}")
        wait_until_empty(target, queue, poison)
    assert sum(record["name"] in names for record in target.local.records) == before + 3
    assert target.raised() == []
    assert target.works()
