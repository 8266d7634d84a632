"""Blobs that arrive in a storage account: the emulator raises the events that the app parses."""

from typing import Any

import pytest

from emulator import Azure, ErrorResponse
from schemas import parse_event
from schemas.events.blobs import BlobCreated, BlobDeleted
from tests.kit.world import ACCOUNT


def raised(azure: Azure) -> list[Any]:
    return [parse_event(event) for event in azure.events.all]


def test_a_blob_raises_one_event_and_in_a_data_lake_two(azure: Azure) -> None:
    azure.blobs.declare(ACCOUNT)
    assert azure.blobs.put("exports/a b.csv") == "https://churnlanding.blob.core.windows.net/exports/a%20b.csv"
    assert azure.blobs.put("exports/a b.csv", "churnLanding", lake=True).startswith("https://churnlanding.dfs.")
    events = raised(azure)
    assert [(type(each), each.topic, each.data.api) for each in events] == [
        (BlobCreated, ACCOUNT, "PutBlob"),
        (BlobCreated, ACCOUNT, "CreateFile"),
        (BlobCreated, ACCOUNT, "FlushWithClose"),
    ]
    assert {each.object for each in events} == {"exports/a b.csv"}
    assert [each.data.content_length for each in events] == [524_288, 0, 524_288]
    assert events[0].sequencer < events[1].sequencer < events[2].sequencer


def test_a_deleted_blob_raises_an_event(azure: Azure) -> None:
    """An account that was not declared is one of the resource group of the first workspace."""
    azure.blobs.delete("exports/a.csv")
    azure.blobs.delete("exports/a.csv", "other", lake=True)
    azure.blobs.delete("exports/a.csv", ACCOUNT)
    events = raised(azure)
    assert {type(each) for each in events} == {BlobDeleted}
    assert [each.resource.name for each in events] == ["landing", "other", "churnlanding"]
    assert [each.data.api for each in events] == ["DeleteBlob", "DeleteFile", "DeleteBlob"]


@pytest.mark.parametrize("path", ["", "exports", "exports/", "/a.csv"])
def test_a_path_names_a_container_and_a_blob(azure: Azure, path: str) -> None:
    with pytest.raises(ErrorResponse, match="is not a container and a path"):
        azure.blobs.put(path)
    assert azure.events.all == []
