"""BlobCreated and BlobDeleted: the payloads of Microsoft's page, and what rules and mails read of them."""

import json
from typing import Any

import pytest

from dispatch.filters.condition import Condition
from dispatch.guards.event_order import Position, object_of
from handlers.base import Action
from handlers.content.summary import summarize
from handlers.lineage import lineage_of, rule_code
from schemas import EVENT_TYPES, Context, Event, parse_event
from schemas.canonical import CanonicalReader
from schemas.events.blobs import BlobCreated, BlobDeleted
from tests.kit.world import ACCOUNT

SUBJECT = "/blobServices/default/containers/{}/blobs/{}"


def created(path: str, **changes: Any) -> BlobCreated:
    container, _, name = path.partition("/")
    return BlobCreated.example(subject=SUBJECT.format(container, name), **changes)


def test_a_file_of_a_data_lake_is_read() -> None:
    """As the page "Azure Blob Storage as an Event Grid source" has it: from the other host, and with an offset."""
    raw = {
        "topic": ACCOUNT,
        "subject": "/blobServices/default/containers/lake/blobs/new-file.txt",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2017-06-26T18:41:00.9584103Z",
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "data": {
            "api": "FlushWithClose",
            "contentType": "text/plain",
            "contentLength": 0,
            "contentOffset": 0,
            "blobType": "BlockBlob",
            "url": "https://churnlanding.dfs.core.windows.net/lake/new-file.txt",
            "sequencer": "00000000000004420000000000028963",
        },
        "dataVersion": "",
        "metadataVersion": "1",
    }
    event = parse_event(json.dumps(raw))
    assert event == CanonicalReader.of(EVENT_TYPES.values()).read(json.dumps(raw))
    assert (event.object, event.label, event.about) == (
        "lake/new-file.txt",
        "lake/new-file.txt",
        "blob lake/new-file.txt",
    )
    assert event.view()["blob"] == {"container": "lake", "path": "new-file.txt", "folder": "", "name": "new-file.txt"}
    assert event.names == ("lake/new-file.txt", "new-file.txt")
    assert parse_event(event.wire()) == event


def test_an_unusual_subject_leaves_the_url() -> None:
    """Then there are no parts, and conditions on them do not hold."""
    event = BlobCreated.example(subject="/blobServices/default")
    assert event.blob is None
    assert event.object == event.data.url
    assert event.view()["blob"] is None
    assert ("Path", event.data.url) in event.rows
    assert not Condition.parse("blob.path StringEndsWith csv").matches(event.view())
    assert lineage_of(event) is None


def test_a_sender_cannot_forge_the_parts() -> None:
    event = parse_event({**created("exports/a.csv").wire(), "BLOB": {"path": "forged"}})
    assert {name.lower() for name in event.view()} >= {"blob"}
    assert [value for name, value in event.view().items() if name.lower() == "blob"] == [event.blob._asdict()]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "event", [created("exports/daily/churn.csv"), BlobDeleted.example()], ids=lambda e: type(e).__name__
)
def test_rules_read_the_parts_of_a_blob(event: Event) -> None:
    """Of the whole view and of its part alone."""
    context = Context(event)
    for condition in ("blob.container StringIn exports", "Blob.Folder StringIn daily", "blob.name StringIn churn.csv"):
        assert Condition.parse(condition).matches(context.view())
        assert Condition.parse(condition).matches(context.view_of("blob"))


def test_a_created_and_a_deleted_blob_are_one_object_in_order() -> None:
    """The sequencer decides; both hosts name one blob."""
    before, after = created("exports/daily/churn.csv"), BlobDeleted.example(event_time="2026-11-22T01:00:00Z")
    assert object_of(before) == object_of(after)
    assert Position.of(after).is_after(Position.of(before))


def test_outputs_of_a_job_have_its_lineage() -> None:
    """Azure ML writes them into a folder with the job's name."""
    path = f"azureml/azureml/mle-2-{rule_code('train')}-{'0' * 32}/model/a.bin"
    lineage = lineage_of(created(path))
    assert lineage is not None
    assert (lineage.rule, lineage.depth) == (rule_code("train"), 2)
    assert lineage_of(created("exports/a.csv")) is None


def test_a_mail_says_which_blob() -> None:
    summary = summarize(created("exports/daily/churn.csv"), Action())
    assert summary.headline == "Blob exports/daily/churn.csv created"
    [section] = summary.sections
    assert dict(section.rows) == {
        "Container": "exports",
        "Path": "daily/churn.csv",
        "Type": "text/csv",
        "Size": "524,288 bytes",
    }
    deleted = summarize(BlobDeleted.example(), Action())
    assert deleted.headline == "Blob exports/daily/churn.csv deleted"
    assert "Size" not in dict(deleted.sections[0].rows)
