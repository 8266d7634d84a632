"""Dead letters in Azurite's blobs."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.storage.blob import ContainerClient

from dispatch.inbox.errors import Unavailable
from dispatch.inbox.storage_account import Storage
from dispatch.replay.deadletters import BadBlob, BlobResult, DeadLetter, Selection, dead_letters, events_of, ingest
from dispatch.settings import Environment
from schemas import ModelRegistered, RunStatusChanged, parse_event
from tests.kit.world import World, rule, rules

EVENT = RunStatusChanged.example(id="e1")
SUBSCRIPTION = "AZUREML-EVENT"
WHY: dict[str, Any] = {
    "deadLetterReason": "MaxDeliveryAttemptsExceeded",
    "deliveryAttempts": 11,
    "lastDeliveryOutcome": "NotFound",
    "lastHttpStatusCode": 404,
    "publishTime": "2026-11-22T08:00:01.1234567Z",
    "lastDeliveryAttemptTime": "2026-11-23T06:46:00.1234567Z",
}


@pytest.fixture
def container(azurite_connection: str) -> Iterator[ContainerClient]:
    storage = Storage.of(Environment({"AzureWebJobsStorage": azurite_connection}))
    with storage.container(f"deadletter-{uuid4().hex[:12]}") as client:
        client.create_container()
        yield client


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(rules(rule("ring", on="[RunStatusChanged, ModelRegistered]")), tmp_path)


class Changing(ContainerClient):
    """A container in which every blob is overwritten as soon as it has been read."""

    def download_blob(self, blob: str, *_: Any, **__: Any) -> Any:
        read = super().download_blob(blob)
        self.upload_blob(blob, "[]", overwrite=True)
        return read


def letter(*events: dict[str, Any]) -> str:
    return json.dumps([{**event, **WHY} for event in events])


def event(id: str) -> dict[str, Any]:
    return EVENT.model_copy(update={"id": id}).wire()


def name(hour: str, id: str = "1") -> str:
    return f"{SUBSCRIPTION}/{hour}/{id}.json"


def put(container: ContainerClient, text: str | bytes, hour: str = "2026/11/23/6", id: str = "1") -> str:
    container.upload_blob(name(hour, id), text)
    return name(hour, id)


def ingested(world: World, container: ContainerClient, **how: Any) -> list[BlobResult]:
    letters, _ = dead_letters(container, Selection())
    return list(ingest(letters, container, world.app, **how))


def statuses(results: list[BlobResult]) -> list[str]:
    return [f"{one.id} {one.status}" for blob in results for one in blob.events]


def blobs(container: ContainerClient) -> list[str]:
    return sorted(blob.name for blob in container.list_blobs())


class TestBlobEvents:
    def test_events_are_read_as_they_were_published(self) -> None:
        """Without the members that Event Grid has added, and with all others."""
        odd = {**event("e1"), "mine": {"deadLetterReason": "kept: it is not in the envelope"}}
        [text] = events_of(letter(odd))
        assert json.loads(text) == odd

    def test_blob_may_contain_cloud_events(self) -> None:
        """As in the documentation: members in lower case, and a trailing comma."""
        text = """[{
            "id": "ce1", "specversion": "1.0", "source": "%s", "subject": "models/churn:7",
            "type": "Microsoft.MachineLearningServices.ModelRegistered", "time": "2026-11-22T08:00:00Z",
            "data": {"modelName": "churn", "modelVersion": "7", "modelTags": {"note": ", ]"}, "modelProperties": {},},
            "deadletterreason": "MaxDeliveryAttemptsExceeded", "deliveryattempts": 1, "lastdeliveryoutcome": "Busy",
            "publishtime": "2026-11-22T08:00:01Z",
        }]"""
        [text] = events_of(text % EVENT.topic)
        read = parse_event(text)
        assert isinstance(read, ModelRegistered)
        assert (read.id, read.data.model_tags["note"]) == ("ce1", ", ]")
        assert not {"deadletterreason", "deliveryattempts", "lastdeliveryoutcome", "publishtime"} & set(
            json.loads(text)
        )

    def test_blob_may_contain_several_events_or_one_without_an_array(self) -> None:
        assert [json.loads(text)["id"] for text in events_of(letter(event("e1"), event("e2")))] == ["e1", "e2"]
        assert [json.loads(text)["id"] for text in events_of("\ufeff" + json.dumps(event("e3")))] == ["e3"]

    def test_events_are_read_whatever_they_contain(self) -> None:
        """`receive` classifies them: huge numbers, and values that are not objects."""
        assert len(events_of(f'[{{"id": {"9" * 5_000}}}, 5, {{"id": NaN}}]')) == 3

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "it is not JSON: Expecting value at line 1, column 1"),
            ('[{"id": "e1"}', "it is not JSON: Expecting ',' delimiter at line 1, column 14"),
            ('[{"id": "a,]}', "it is not JSON: Unterminated string starting at at line 1, column 9"),
            ("[]", "it holds no event"),
            ("[" * 100_000, "it is nested too deeply"),
        ],
    )
    def test_unreadable_blob_raises_bad_blob(self, text: str, message: str) -> None:
        with pytest.raises(BadBlob) as raised:
            events_of(text)
        assert str(raised.value) == message


class TestSelectedBlobs:
    def test_blobs_are_sorted_by_time(self, container: ContainerClient) -> None:
        """Their names do not sort so, without leading zeros."""
        hours = ["2026/9/30/23", "2026/10/1/9", "2026/10/1/10", "2026/10/2/0", "2026/10/10/0"]
        for hour in hours:
            put(container, "[]", hour)
        put(container, "[]", "2026/10/1/9", "0")
        found, others = dead_letters(container, Selection())
        assert [one.name for one in found] == [name("2026/9/30/23"), name("2026/10/1/9", "0"), *map(name, hours[1:])]
        assert [one.hour for one in found][:2] == [
            datetime(2026, 9, 30, 23, tzinfo=UTC),
            datetime(2026, 10, 1, 9, tzinfo=UTC),
        ]
        assert others == []

    def test_blobs_with_other_names_are_listed_separately(self, container: ContainerClient) -> None:
        for odd in (
            "readme.json",
            "S/2026/13/1/0/1.json",
            "S/2026/1/1/24/1.json",
            "S/2026/1/1/1/1.txt",
            "S/1/1/1/1/1.json",
        ):
            container.upload_blob(odd, "[]")
        good = put(container, "[]")
        found, others = dead_letters(container, Selection())
        assert [one.name for one in found] == [good]
        assert len(others) == 5

    def test_blobs_are_selected_by_subscription_and_span(self, container: ContainerClient) -> None:
        """An hour is selected if it overlaps the span."""
        for hour in (5, 6, 7, 8):
            put(container, "[]", f"2026/11/23/{hour}")
        container.upload_blob("OTHER/2026/11/23/6/1.json", "[]")

        def chosen(prefix: str = SUBSCRIPTION, since: int = 0, until: int = 0, minute: int = 0) -> list[int]:
            moments = [datetime(2026, 11, 23, hour, minute, tzinfo=UTC) if hour else None for hour in (since, until)]
            return [one.hour.hour for one in dead_letters(container, Selection(prefix, *moments))[0]]

        assert chosen() == [5, 6, 7, 8]
        assert chosen("OTHER/") == [6]
        assert chosen("") == [5, 6, 6, 7, 8]
        assert chosen(since=6, until=8) == [6, 7]
        assert chosen(since=6, until=7, minute=30) == [6, 7]
        assert chosen(since=9) == []


class TestIngest:
    def test_ingest_runs_the_rules(self, world: World, container: ContainerClient) -> None:
        """In the order of time."""
        put(container, letter(event("e2"), event("e3")), "2026/11/23/10")
        put(container, letter(event("e1")), "2026/11/23/9")
        assert statuses(ingested(world, container)) == ["e1 new", "e2 new", "e3 new"]
        world.run()
        assert sorted(call.event.id for call in world.calls) == ["e1", "e2", "e3"]

    def test_ingest_of_a_duplicate_changes_nothing(self, world: World, container: ContainerClient) -> None:
        """The event was delivered after all, or ingested before."""
        world.receive(EVENT)
        world.run()
        put(container, letter(event("e1"), event("e2")))
        assert statuses(ingested(world, container)) == ["e1 duplicate", "e2 new"]
        assert statuses(ingested(world, container)) == ["e1 duplicate", "e2 duplicate"]
        world.run()
        assert len(world.calls) == 2

    def test_ingest_keeps_the_blobs_by_default(self, world: World, container: ContainerClient) -> None:
        kept = put(container, letter(event("e1")))
        [result] = ingested(world, container)
        assert not result.deleted
        assert blobs(container) == [kept]

    def test_ingest_with_delete_deletes_ingested_blobs(self, world: World, container: ContainerClient) -> None:
        put(container, letter(event("e1"), event("e2")))
        [result] = ingested(world, container, delete=True)
        assert result.deleted
        assert blobs(container) == []
        assert len(world.history().events) == 2

    def test_ingest_with_delete_keeps_blobs_with_rejected_events(
        self, world: World, container: ContainerClient
    ) -> None:
        """It may be the only complete copy."""
        foreign = event("e2") | {"topic": EVENT.topic.replace("churn-prod", "theirs")}
        kept = put(container, letter(event("e1"), foreign))
        assert statuses(ingested(world, container, delete=True)) == ["e1 new", "e2 rejected"]
        assert blobs(container) == [kept]
        assert [one.kind for one in world.history().rejected] == ["foreign workspace"]

    def test_ingest_continues_after_an_unreadable_blob(self, world: World, container: ContainerClient) -> None:
        """Its result names the problem."""
        bad = put(container, b"\xff[]", "2026/11/23/5")
        put(container, letter(event("e1")))
        first, second = ingested(world, container, delete=True)
        assert (first.name, first.problem) == (bad, "it is not UTF-8: invalid start byte at byte 0")
        assert statuses([second]) == ["e1 new"]
        assert blobs(container) == [bad]

    def test_ingest_continues_after_a_blob_that_was_deleted(self, world: World, container: ContainerClient) -> None:
        """Another process may be ingesting, too."""
        for id in ("1", "2"):
            put(container, letter(event(id)), id=id)
        letters, _ = dead_letters(container, Selection())
        container.delete_blob(letters[0].name)
        first, second = ingest(letters, container, world.app)
        assert first.problem == "BlobNotFound (HTTP 404)"
        assert statuses([second]) == ["2 new"]

    def test_ingest_does_not_delete_a_blob_that_has_changed(self, world: World, container: ContainerClient) -> None:
        changed = put(container, letter(event("e1")))
        letters, _ = dead_letters(container, Selection())
        with Changing.from_container_url(container.url, container.credential) as changing:
            [result] = ingest(letters, changing, world.app, delete=True)
        assert result.problem == "ingested, but not deleted: ConditionNotMet (HTTP 412)"
        assert statuses([result]) == ["e1 new"]
        assert blobs(container) == [changed]

    def test_ingest_in_a_dry_run_changes_nothing(self, world: World, container: ContainerClient) -> None:
        world.receive(EVENT)
        kept = put(container, letter(event("e1"), event("e2"), event("e3") | {"data": 5}))
        assert statuses(ingested(world, container, dry_run=True, delete=True)) == [
            "e1 duplicate",
            "e2 new",
            "e3 rejected",
        ]
        assert blobs(container) == [kept]
        assert (len(world.history().events), world.history().rejected) == (1, [])
        container.upload_blob(kept, letter(event("e2")), overwrite=True)
        assert statuses(ingested(world, container, dry_run=True, delete=True)) == ["e2 new"]
        assert blobs(container) == [kept]


def test_missing_container_raises_unavailable(azurite_connection: str) -> None:
    with (
        Storage.of(Environment({"AzureWebJobsStorage": azurite_connection})).container("nowhere") as container,
        pytest.raises(Unavailable, match="container does not exist"),
    ):
        dead_letters(container, Selection())


@pytest.mark.services
def test_unreachable_container_raises_unavailable(world: World, unused_port: int) -> None:
    """Once, and not for each blob."""
    url = f"http://127.0.0.1:{unused_port}/account/deadletter?sig=x"
    letters = [DeadLetter(datetime(2026, 11, 23, 6, tzinfo=UTC), name("2026/11/23/6"))]
    with Storage().container(url) as container, pytest.raises(Unavailable):
        list(ingest(letters, container, world.app))
