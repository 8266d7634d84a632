"""Ingest the events that Event Grid could not deliver from the blob container that its subscription dead-letters to.

From learn.microsoft.com, "Set dead-letter location and retry policy" and "Event Grid message delivery and retry": a
blob is named ``<SUBSCRIPTION>/<year>/<month>/<day>/<hour>/<id>.json``, in UTC and without leading zeros, so that names
do not sort by time. It holds an array of one or more events, in the envelope of the subscription's schema, with extra
members about the failed delivery. The page's sample of a CloudEvent has a trailing comma.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from azure.core import MatchConditions

from dispatch import lenient_json
from dispatch.app import App
from dispatch.inbox.errors import StorageError, sdk_errors_translated
from dispatch.replay.redeliver import Ingested, redeliver

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_NAME = re.compile(r".+/([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})/([0-9]{1,2})/[^/]+\.json", re.IGNORECASE)
# Members that Event Grid adds, in lower case as in CloudEvents. The last one is undocumented, but has been observed.
_ADDED = {
    "deadletterreason",
    "deliveryattempts",
    "lastdeliveryoutcome",
    "publishtime",
    "lastdeliveryattempttime",
    "lasthttpstatuscode",
}


class BadBlob(Exception):  # noqa: N818 - a fact about the blob, not a defect
    """Raised for a blob that cannot be read; its text is the reason."""


class DeadLetter(NamedTuple):
    """A blob of dead letters; sorts by hour, then by name."""

    hour: datetime
    name: str


@dataclass(frozen=True, slots=True)
class BlobResult:
    """The result of ingesting one blob: its events, or the problem with it."""

    name: str
    events: tuple[Ingested, ...] = ()
    deleted: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects blobs by the beginning of their names, and by a span that overlaps the hour in their names."""

    prefix: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def includes(self, hour: datetime) -> bool:
        """Does the hour that begins then overlap the span?"""
        later = self.since is None or hour + timedelta(hours=1) > self.since
        return later and (self.until is None or hour < self.until)


def dead_letters(container: "ContainerClient", selection: Selection) -> tuple[list[DeadLetter], list[str]]:
    """The selected blobs, oldest hour first, and the names of blobs that do not have the form of a dead letter's name.

    Raises StorageError.
    """
    found, others = [], []
    with sdk_errors_translated():
        names = [blob.name for blob in container.list_blobs(name_starts_with=selection.prefix or None)]
    for name in names:
        hour = _hour(name)
        if hour is None:
            others.append(name)
        elif selection.includes(hour):
            found.append(DeadLetter(hour, name))
    return sorted(found), others


def ingest(
    letters: list[DeadLetter], container: "ContainerClient", app: App, *, delete: bool = False, dry_run: bool = False
) -> Iterator[BlobResult]:
    """Ingest each event of each blob. The result of an unreadable blob names the problem; the next blob follows.

    With `delete`, deletes a blob whose events are all recorded, unless one was rejected: the blob may be the only
    complete copy of that event. Raises StorageError if the app's storage or the container is unavailable.
    """
    for letter in letters:
        try:
            texts, etag = _read(container, letter.name)
        except BadBlob as error:
            yield BlobResult(letter.name, problem=str(error))
            continue
        events = tuple(redeliver(text, app, dry_run=dry_run) for text in texts)
        result = BlobResult(letter.name, events)
        if delete and not dry_run and all(event.status != "rejected" for event in events):
            result = _delete(result, etag, container)
        yield result


def events_of(text: str) -> list[str]:
    """The events in a blob's text, each as it was published, as JSON. Raises BadBlob."""
    try:
        value = lenient_json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise BadBlob(f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise BadBlob("it is nested too deeply") from error
    events = value if isinstance(value, list) else [value]
    if not events:
        raise BadBlob("it holds no event")
    return [json.dumps(_stripped(event)) for event in events]


def _read(container: "ContainerClient", name: str) -> tuple[list[str], str]:
    """The events of a blob, and its etag. Raises BadBlob."""
    try:
        with sdk_errors_translated():
            blob = container.download_blob(name)
            content = blob.readall()
        return events_of(content.decode("utf-8")), str(blob.properties.etag)
    except UnicodeDecodeError as error:
        raise BadBlob(f"it is not UTF-8: {error.reason} at byte {error.start}") from error
    except StorageError as error:
        raise BadBlob(_answered(error)) from error


def _delete(result: BlobResult, etag: str, container: "ContainerClient") -> BlobResult:
    """Delete a blob, unless it has changed since it was read."""
    try:
        with sdk_errors_translated():
            container.delete_blob(result.name, etag=etag, match_condition=MatchConditions.IfNotModified)
    except StorageError as error:
        return replace(result, problem=f"ingested, but not deleted: {_answered(error)}")
    return replace(result, deleted=True)


def _integer(digits: str) -> float:
    """Read an integer as schemas/plain.py does: infinity if no double holds it. Python refuses over 4,300 digits."""
    return int(digits) if len(digits) <= 309 else float("inf")


def _stripped(event: Any) -> Any:
    if not isinstance(event, dict):
        return event
    return {name: value for name, value in event.items() if name.casefold() not in _ADDED}


def _hour(name: str) -> datetime | None:
    if (found := _NAME.fullmatch(name)) is None:
        return None
    try:
        year, month, day, hour = map(int, found.groups())
        return datetime(year, month, day, hour, tzinfo=UTC)
    except ValueError:
        return None


def _answered(error: StorageError) -> str:
    """The error code and HTTP status of a response, without the request's URL. Raises the error if there was none."""
    if error.status is None:
        raise error
    return f"{error.reason} (HTTP {error.status})"
