"""``do: blob``: append the event as a line to an append blob, such as a file of JSON lines in a data lake.

learn.microsoft.com, "Append Block" and "Understanding block blobs, append blobs, and page blobs": an append blob has at
most 50,000 blocks, and an append is atomic. Each line is a block of its own, so that several writers can append. When a
blob is full, the lines go to the next one: ``events.jsonl``, ``events-1.jsonl``, ``events-2.jsonl`` ….

The service has no key by which it knows a block again. But a line contains the action's key: when a call may have
appended it (it did not end, or its response was lost), the next call searches for it before it appends again.
"""

from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from handlers.base import Action, GiveUp, Outcome, RetryLater, Succeeded
from handlers.roles import Role, Scope
from handlers.streams.message import Message, check_size
from handlers.streams.storage import Name, StorageHandler
from handlers.template import UrlPartTemplate
from schemas import Event

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

MAX_LINE = 4 * 1024 * 1024  # bytes of a block, in every version of the service
MAX_NAME = 1_024  # characters of a blob's name
SEARCHED = 256 * 1024 * 1024  # bytes at the end of a blob that are searched for a line
_PIECE = 4 * 1024 * 1024  # bytes that are read at once
_MAX_BLOBS = 1_000  # of one path


class Blob(StorageHandler):
    """Append the event to an append blob."""

    service: ClassVar[str] = "blob"
    roles: ClassVar[tuple[Role, ...]] = (
        Role(
            "Storage Blob Data Contributor",
            "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
            Scope.BLOB_CONTAINER,
            "the container",
            "to append to blobs without a connection string",
        ),
    )

    container: Name
    path: UrlPartTemplate

    @field_validator("path")
    @classmethod
    def _names_a_file(cls, path: UrlPartTemplate) -> UrlPartTemplate:
        if path.source.startswith("/") or _path_error(path.pattern):
            raise ValueError(
                "path is a file's name with its folders, such as events/{{ workspace.name }}.jsonl, "
                "without a segment that is empty or ends in a dot"
            )
        return path

    def run(self, event: Event, action: Action) -> Outcome:
        """Append the line. Raises azure-core's errors, jinja2.TemplateError, and GiveUp if it cannot be appended."""
        from azure.storage.blob import ContainerClient

        message, name = self.message(event, action.job_name), self._path(event)
        line, mark = _line(message), action.job_name.encode()
        is_unsure = (action.interrupted or action.failures > 0) and mark in line
        with self.denials_explained(), self.client(ContainerClient, self.container) as container:
            found = _find(container, name, mark) if is_unsure else None
            where = found or _append(container, name, line)
        done = "was already in" if found else "appended to"
        return Succeeded(f"{message.type} {done} {where}", {"container": self.container, "blob": where})

    def plan(self, event: Event) -> str:
        """The blob, and the size of the line."""
        message = self.message(event)
        size, where = len(_line(message)), f"{self._path(event)} in {self.container} of {self.account}"
        return f"append {message.type} ({size:,} bytes) to {where}"

    def destination(self, event: Event) -> str:
        """The account, to which the service's limits apply."""
        return f"blobs of {self.account}"

    def _path(self, event: Event) -> str:
        path = self.path.render(event)
        if error := _path_error(path):
            raise GiveUp(f"the path {path[:200]!r} {error}; give values that may be empty a default")
        return path


def _line(message: Message) -> bytes:
    line = message.body + b"\n"
    check_size(len(line), MAX_LINE, "an append blob")
    return line


def _path_error(path: str) -> str:
    """Why a blob cannot have this name; empty if it can ("Naming and Referencing Containers, Blobs, and Metadata")."""
    if any(not segment or segment.endswith(".") for segment in path.split("/")):
        return "has a segment that is empty or ends in a dot"
    return f"has more than {MAX_NAME:,} characters" if len(path) > MAX_NAME else ""


def _names(name: str) -> Iterator[str]:
    """The names of a path's blobs, in the order in which they fill up."""
    path = PurePosixPath(name)
    yield name
    yield from (str(path.with_name(f"{path.stem}-{number}{path.suffix}")) for number in range(1, _MAX_BLOBS))


def _append(container: "ContainerClient", name: str, line: bytes) -> str:
    """Append to the first of the path's blobs that is not full. Returns its name."""
    from azure.core.exceptions import HttpResponseError

    for each in _names(name):
        try:
            _append_to(container.get_blob_client(each), line)
        except HttpResponseError as error:
            code = getattr(error, "error_code", None)
            if code == "BlockCountExceedsLimit":
                continue
            if code == "InvalidBlobType":
                raise GiveUp(f"{each} is no append blob: write another path, or delete it") from error
            if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE and not code:
                # The service names its reason; a gateway may have lost its answer, so the next call searches.
                raise RetryLater(f"HTTP 503 without an error code of the service: {error.message}") from error
            raise
        return each
    raise GiveUp(f"{name} and {_MAX_BLOBS - 1:,} blobs after it are full: write a path with a date, such as a day")


def _append_to(blob: "BlobClient", line: bytes) -> None:
    """Append a line, after creating the blob if it does not exist."""
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

    try:
        blob.append_block(line)
    except ResourceNotFoundError as error:
        if getattr(error, "error_code", None) != "BlobNotFound":  # but the container
            raise
        with suppress(ResourceExistsError, ResourceModifiedError):  # 409 or 412: another action has created it
            blob.create_append_blob(match_condition=MatchConditions.IfMissing)
        blob.append_block(line)


def _find(container: "ContainerClient", name: str, mark: bytes) -> str | None:
    """The blob that has the line of an action, by its name; None if none has.

    An earlier call appended to the last blob, or the last but one. Its line may differ: rules can change meanwhile.
    """
    from azure.core.exceptions import ResourceNotFoundError

    sizes: dict[str, int] = {}
    for each in _names(name):
        try:
            sizes[each] = container.get_blob_client(each).get_blob_properties().size
        except ResourceNotFoundError:
            break
    last = list(sizes)[-2:]
    return next((each for each in last if _contains(container.get_blob_client(each), sizes[each], mark)), None)


def _contains(blob: "BlobClient", size: int, mark: bytes) -> bool:
    """Does the end of a blob have the text?"""
    tail = b""
    for start in range(max(0, size - SEARCHED), size, _PIECE):
        # One request per piece: within one download, the SDK refuses a blob that has grown.
        piece = tail + blob.download_blob(start, min(_PIECE, size - start)).readall()
        if mark in piece:
            return True
        tail = piece[-len(mark) :]
    return False
