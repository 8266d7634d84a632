"""What is outside of the table: dead letters, and messages in queues. They are named, and deleted only on request."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions

from dispatch.erasure.needle import Needle
from dispatch.inbox.errors import StorageError, sdk_errors_translated

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient
    from azure.storage.queue import QueueClient

PEEKED = 32  # messages that the service shows at once, those in front


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of a queue that have the name, and how many were not looked at."""

    queue: str
    found: int
    unseen: int = 0


def dead_letters(container: "ContainerClient", needle: Needle) -> Iterator[tuple[str, str]]:
    """The names and etags of blobs that have the name; none without such a container. Raises StorageError."""
    try:
        with sdk_errors_translated():
            names = [blob.name for blob in container.list_blobs()]
    except StorageError as error:
        if error.status == 404:
            return
        raise
    for name in names:
        with sdk_errors_translated():
            blob = container.download_blob(name)
            text = blob.readall().decode("utf-8", "replace")
        if needle.is_in(text):
            yield name, str(blob.properties.etag)


def delete_dead_letters(container: "ContainerClient", blobs: Sequence[tuple[str, str]]) -> None:
    """Delete blobs, unless they have changed since they were read. Raises StorageError."""
    for name, etag in blobs:
        with sdk_errors_translated():
            container.delete_blob(name, etag=etag, match_condition=MatchConditions.IfNotModified)


def messages(client: "QueueClient", needle: Needle) -> Messages | None:
    """The messages in front of a queue that have the name; None without such a queue. Raises StorageError."""
    try:
        with sdk_errors_translated((ValueError,)):
            count = client.get_queue_properties().approximate_message_count or 0
            seen: list[Any] = list(client.peek_messages(PEEKED))
    except StorageError as error:
        if error.status == 404:
            return None
        raise
    found = sum(needle.is_in(str(message.content)) for message in seen)
    return Messages(client.queue_name, found, max(0, count - len(seen)))
