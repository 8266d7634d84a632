"""The events that Event Grid could not deliver, from the blob container that its subscription names for dead letters.

From learn.microsoft.com, "Set dead-letter location and retry policy" and "Event Grid message delivery and retry": a
blob is called ``<SUBSCRIPTION>/<year>/<month>/<day>/<hour>/<id>.json``, in UTC and without leading zeros, so that names
do not sort as times do; it holds an array of one event or more, in the envelope of the subscription's schema, with
members that say why. The page's own sample of a CloudEvent has a trailing comma.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from azure.core import MatchConditions

from dispatch.app import App
from dispatch.inbox.errors import StorageError, sdk_errors_translated
from dispatch.replay.redeliver import TakenIn, redeliver

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_NAME = re.compile(r".+/([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})/([0-9]{1,2})/[^/]+\.json", re.IGNORECASE)
# What Event Grid adds to an event, in small letters as of CloudEvents. The last is in no page, but has been seen.
_ADDED = {
    "deadletterreason",
    "deliveryattempts",
    "lastdeliveryoutcome",
    "publishtime",
    "lastdeliveryattempttime",
    "lasthttpstatuscode",
}
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


class BadBlob(Exception):  # noqa: N818 - says what it is about
    """A blob cannot be read, or not be deleted; says why."""


class DeadLetter(NamedTuple):
    """One blob of dead letters: in the order of time, then of names."""

    hour: datetime
    name: str


@dataclass(frozen=True, slots=True)
class Emptied:
    """What came of one blob: its events, or what was wrong with it."""

    name: str
    events: tuple[TakenIn, ...] = ()
    deleted: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which blobs: by the beginning of their names, and by the hour in them, of which any part may be in the span."""

    prefix: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, hour: datetime) -> bool:
        """Is any part of this hour in the span?"""
        later = self.since is None or hour + timedelta(hours=1) > self.since
        return later and (self.until is None or hour < self.until)


def dead_letters(container: "ContainerClient", selection: Selection) -> tuple[list[DeadLetter], list[str]]:
    """The selected blobs, oldest hour first; and the names of those that are not named as dead letters are.

    Raises StorageError.
    """
    found, others = [], []
    with sdk_errors_translated():
        names = [blob.name for blob in container.list_blobs(name_starts_with=selection.prefix or None)]
    for name in names:
        hour = _hour(name)
        if hour is None:
            others.append(name)
        elif selection.takes(hour):
            found.append(DeadLetter(hour, name))
    return sorted(found), others


def take_in(
    letters: list[DeadLetter], container: "ContainerClient", app: App, *, delete: bool = False, dry_run: bool = False
) -> Iterator[Emptied]:
    """Each event of each blob through `receive`. A blob that cannot be read is told, and the others go on.

    With `delete`, a blob goes when all its events are written down and none was rejected: of what is rejected, it may
    be the only whole copy. Raises what the app's storage raises, and what it is when the container cannot be reached.
    """
    for letter in letters:
        try:
            texts, etag = _read(container, letter.name)
        except BadBlob as error:
            yield Emptied(letter.name, problem=str(error))
            continue
        events = tuple(redeliver(text, app, dry_run=dry_run) for text in texts)
        emptied = Emptied(letter.name, events)
        if delete and not dry_run and all(event.came != "rejected" for event in events):
            emptied = _deleted(emptied, etag, container)
        yield emptied


def events_of(text: str) -> list[str]:
    """The events in a blob's text, each as it was published. Raises BadBlob."""
    try:
        value = _lenient(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise BadBlob(f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise BadBlob("it is nested too deeply") from error
    events = value if isinstance(value, list) else [value]
    if not events:
        raise BadBlob("it holds no event")
    return [json.dumps(_stripped(event)) for event in events]


def _read(container: "ContainerClient", name: str) -> tuple[list[str], str]:
    """Its events, and the etag of what was read. Raises BadBlob."""
    try:
        with sdk_errors_translated():
            blob = container.download_blob(name)
            content = blob.readall()
        return events_of(content.decode("utf-8")), str(blob.properties.etag)
    except UnicodeDecodeError as error:
        raise BadBlob(f"it is not UTF-8: {error.reason} at byte {error.start}") from error
    except StorageError as error:
        raise BadBlob(_answered(error)) from error


def _deleted(emptied: Emptied, etag: str, container: "ContainerClient") -> Emptied:
    """Only if it is still what was read."""
    try:
        with sdk_errors_translated():
            container.delete_blob(emptied.name, etag=etag, match_condition=MatchConditions.IfNotModified)
    except StorageError as error:
        return replace(emptied, problem=f"taken in, but not deleted: {_answered(error)}")
    return replace(emptied, deleted=True)


def _lenient(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        try:
            return json.loads(_TRAILING_COMMA.sub(r"\1", text), parse_int=_integer)
        except json.JSONDecodeError:
            raise error from None


def _integer(digits: str) -> float:
    """As schemas/plain.py: beyond what a double holds, no number is read, and Python refuses more than 4,300 digits."""
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
