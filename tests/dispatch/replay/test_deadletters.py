"""What Event Grid could not deliver is taken in from the blobs that it wrote, in Azurite."""

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


class Restless(ContainerClient):
    """A container in which every blob is written again as soon as it has been read."""

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


def taken(world: World, container: ContainerClient, selection: Selection = Selection(), **how: Any) -> list[BlobResult]:  # noqa: B008 - frozen
    letters, _ = dead_letters(container, selection)
    return list(ingest(letters, container, world.app, **how))


def came(emptied: list[BlobResult]) -> list[str]:
    return [f"{one.id} {one.status}" for blob in emptied for one in blob.events]


def blobs(container: ContainerClient) -> list[str]:
    return sorted(blob.name for blob in container.list_blobs())


class TestABlobsEvents:
    def test_are_as_they_were_published(self) -> None:
        """Without what Event Grid has added, whatever else they have."""
        odd = {**event("e1"), "mine": {"deadLetterReason": "kept: it is not in the envelope"}}
        [text] = events_of(letter(odd))
        assert json.loads(text) == odd

    def test_may_be_cloud_events(self) -> None:
        """As the page shows them: small letters, and a comma too many."""
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

    def test_may_be_several_or_one_without_an_array(self) -> None:
        assert [json.loads(text)["id"] for text in events_of(letter(event("e1"), event("e2")))] == ["e1", "e2"]
        assert [json.loads(text)["id"] for text in events_of("\ufeff" + json.dumps(event("e3")))] == ["e3"]

    def test_are_read_whatever_is_in_them(self) -> None:
        """That is for `receive` to classify: numbers beyond all bounds, and what is no object."""
        assert len(events_of(f'[{{"id": {"9" * 5_000}}}, 5, {{"id": NaN}}]')) == 3

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "it is not JSON: Expecting value at line 1, column 1"),
            ('[{"id": "e1"}', "it is not JSON: Expecting ',' delimiter at line 1, column 14"),
            ('[{"id": "a,]}', "it is not JSON: Unterminated string starting at at line 1, column 9"),
            ("[]", "it holds no event"),
            ("[" * 100_000, "it is nested too deeply"),
        ],
    )
    def test_that_cannot_be_read_are_told(self, text: str, says: str) -> None:
        with pytest.raises(BadBlob) as raised:
            events_of(text)
        assert str(raised.value) == says


class TestWhichBlobs:
    def test_come_in_the_order_of_time(self, container: ContainerClient) -> None:
        """Which is not that of their names: there are no leading zeros."""
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

    def test_are_those_that_are_named_as_dead_letters_are(self, container: ContainerClient) -> None:
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

    def test_can_be_chosen_by_subscription_and_hour(self, container: ContainerClient) -> None:
        """Every hour of which any part is in the span."""
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


class TestTakingIn:
    def test_runs_the_rules(self, world: World, container: ContainerClient) -> None:
        """Whatever came late, and in whatever order."""
        put(container, letter(event("e2"), event("e3")), "2026/11/23/10")
        put(container, letter(event("e1")), "2026/11/23/9")
        assert came(taken(world, container)) == ["e1 new", "e2 new", "e3 new"]
        world.run()
        assert sorted(call.event.id for call in world.calls) == ["e1", "e2", "e3"]

    def test_changes_nothing_about_what_is_known(self, world: World, container: ContainerClient) -> None:
        """Delivered after all, or taken in before: it is the same event with other members."""
        world.receive(EVENT)
        world.run()
        put(container, letter(event("e1"), event("e2")))
        assert came(taken(world, container)) == ["e1 duplicate", "e2 new"]
        assert came(taken(world, container)) == ["e1 duplicate", "e2 duplicate"]
        world.run()
        assert len(world.calls) == 2

    def test_leaves_the_blobs(self, world: World, container: ContainerClient) -> None:
        kept = put(container, letter(event("e1")))
        [emptied] = taken(world, container)
        assert not emptied.deleted
        assert blobs(container) == [kept]

    def test_deletes_them_if_one_says_so(self, world: World, container: ContainerClient) -> None:
        """Once all of their events are written down."""
        put(container, letter(event("e1"), event("e2")))
        [emptied] = taken(world, container, delete=True)
        assert emptied.deleted
        assert blobs(container) == []
        assert len(world.history().events) == 2

    def test_keeps_what_is_rejected(self, world: World, container: ContainerClient) -> None:
        """It may be the only whole copy."""
        foreign = event("e2") | {"topic": EVENT.topic.replace("churn-prod", "theirs")}
        kept = put(container, letter(event("e1"), foreign))
        assert came(taken(world, container, delete=True)) == ["e1 new", "e2 rejected"]
        assert blobs(container) == [kept]
        assert [one.kind for one in world.history().rejected] == ["foreign workspace"]

    def test_goes_on_after_a_blob_that_cannot_be_read(self, world: World, container: ContainerClient) -> None:
        """And says which it was, and why."""
        bad = put(container, b"\xff[]", "2026/11/23/5")
        put(container, letter(event("e1")))
        first, second = taken(world, container, delete=True)
        assert (first.name, first.problem) == (bad, "it is not UTF-8: invalid start byte at byte 0")
        assert came([second]) == ["e1 new"]
        assert blobs(container) == [bad]

    def test_goes_on_after_a_blob_that_is_gone(self, world: World, container: ContainerClient) -> None:
        """Somebody else takes them in, too."""
        for id in ("1", "2"):
            put(container, letter(event(id)), id=id)
        letters, _ = dead_letters(container, Selection())
        container.delete_blob(letters[0].name)
        first, second = ingest(letters, container, world.app)
        assert first.problem == "BlobNotFound (HTTP 404)"
        assert came([second]) == ["2 new"]

    def test_does_not_delete_what_has_changed(self, world: World, container: ContainerClient) -> None:
        """Since it was read."""
        changed = put(container, letter(event("e1")))
        letters, _ = dead_letters(container, Selection())
        with Restless.from_container_url(container.url, container.credential) as restless:
            [emptied] = ingest(letters, restless, world.app, delete=True)
        assert emptied.problem == "ingested, but not deleted: ConditionNotMet (HTTP 412)"
        assert came([emptied]) == ["e1 new"]
        assert blobs(container) == [changed]

    def test_of_a_dry_run_says_what_it_would_do(self, world: World, container: ContainerClient) -> None:
        """Nothing is written, nothing is deleted."""
        world.receive(EVENT)
        kept = put(container, letter(event("e1"), event("e2"), event("e3") | {"data": 5}))
        assert came(taken(world, container, dry_run=True, delete=True)) == ["e1 duplicate", "e2 new", "e3 rejected"]
        assert blobs(container) == [kept]
        assert (len(world.history().events), world.history().rejected) == (1, [])
        container.upload_blob(kept, letter(event("e2")), overwrite=True)
        assert came(taken(world, container, dry_run=True, delete=True)) == ["e2 new"]
        assert blobs(container) == [kept]


def test_a_container_that_does_not_exist_is_an_error(azurite_connection: str) -> None:
    with (
        Storage.of(Environment({"AzureWebJobsStorage": azurite_connection})).container("nowhere") as container,
        pytest.raises(Unavailable, match="container does not exist"),
    ):
        dead_letters(container, Selection())


@pytest.mark.services
def test_a_container_that_cannot_be_reached_is_an_error(world: World, unused_port: int) -> None:
    """Not one for each blob."""
    url = f"http://127.0.0.1:{unused_port}/account/deadletter?sig=x"
    letters = [DeadLetter(datetime(2026, 11, 23, 6, tzinfo=UTC), name("2026/11/23/6"))]
    with Storage().container(url) as container, pytest.raises(Unavailable):
        list(ingest(letters, container, world.app))
