"""The storage account: access, tried by harmless calls, and the clock of this machine against the service's.

A row is written into a partition of its own and deleted. A message is sent that stays invisible for a minute, and is
deleted by its receipt; should this process die in between, the app drops it, because it names no action. Roles are
those of learn.microsoft.com, "Assign an Azure role for access to table data" and "… to queue data".
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from dispatch.inbox.keys import UNDATED, ActionId
from dispatch.inbox.messages import Message
from mlevents.doctor.diagnosis import Diagnoses, Diagnosis, Group
from mlevents.doctor.names import host_ids
from mlevents.record import Record, is_local_url
from mlevents.subscriptions.model import CONTAINER

PARTITION = "doctor"  # of the row that is written and deleted
HOSTS, LOCKS = "azure-webjobs-hosts", "locks/"  # the host's own container; the folders in it are ids of hosts
SKEW, MOST_SKEW = timedelta(seconds=10), timedelta(minutes=10)  # Azure refuses signatures that are 15 minutes off

_STORAGE, _CLOCK, _LETTERS, _NAMES = Group("storage"), Group("clock"), Group("dead letters"), Group("names")
_TABLES, _QUEUES = "Storage Table Data Contributor", "Storage Queue Data Contributor"
_BLOBS = "Storage Blob Data Reader"
_MOST = 5_000  # blobs that are counted

T = TypeVar("T")


class _Tried(Exception):  # noqa: N818 - it carries a diagnosis out of a block
    """A call has failed; `diagnosis` says how. Without a login, all others fail, too."""

    def __init__(self, diagnosis: Diagnosis, *, has_login: bool = True) -> None:
        super().__init__(diagnosis.what)
        self.diagnosis, self.has_login = diagnosis, has_login


def check(record: Record, now: Callable[[], datetime], app_name: str = "") -> Diagnoses:
    """Try each kind of access that the app needs, with the login of this machine."""
    for part in (_table, _queues, _dead_letters):
        try:
            yield from part(record)
        except _Tried as failure:
            yield failure.diagnosis
            if not failure.has_login:
                return
    yield from _hosts(record, app_name)
    yield from _clock(record, now)


def _table(record: Record) -> Diagnoses:
    row = {"PartitionKey": PARTITION, "RowKey": PARTITION, "commit": "doctor"}
    with record.storage.table(record.names.table) as client:
        where = f"{client.url.partition('?')[0]}/{record.names.table}"
        with _tried(_STORAGE, "the table", where, _TABLES):
            try:
                next(iter(client.query_entities("PartitionKey eq 'doctor'", results_per_page=1)), None)
            except ResourceNotFoundError:
                text = "there is no table yet: the app creates it with the first event"
                yield _STORAGE.warning(text, where, "send an event, if the app has run already: `mlevents send`")
                return
        with _tried(_STORAGE, "rows of the table", where, _TABLES):
            try:
                client.upsert_entity(row)
            finally:
                client.delete_entity(PARTITION, PARTITION)
    yield _STORAGE.ok("rows can be read, written and deleted", where)


def _queues(record: Record) -> Diagnoses:
    names = record.names
    message = str(Message(ActionId(UNDATED, PARTITION, PARTITION), 1))
    missing = []
    for name in (names.events, f"{names.events}-poison", names.actions, f"{names.actions}-poison"):
        with record.storage.queue(name) as client, _tried(_STORAGE, "messages", client.url.partition("?")[0], _QUEUES):
            try:
                client.peek_messages(1)
            except ResourceNotFoundError:
                missing.append(name)
                continue
            if name == names.actions:
                sent = client.send_message(message, visibility_timeout=60, time_to_live=120)
                client.delete_message(sent)
    where = record.storage.queue(names.actions).url.partition("?")[0]
    if missing and is_local_url(where):
        yield _STORAGE.ok(f"{len(missing)} queues do not exist until they are needed", where)
    elif missing:
        text = f"these queues do not exist yet: {', '.join(missing)}; the host and the app create them"
        yield _STORAGE.warning(text, where, "deploy the app, or infra/, which creates them")
    if names.actions not in missing:
        yield _STORAGE.ok("messages can be peeked at, sent and deleted", where)


def _dead_letters(record: Record) -> Diagnoses:
    container = record.storage.container(CONTAINER)
    where = container.url.partition("?")[0]
    command = f"read them: `mlevents replay --dead-letters {CONTAINER} --dry-run`"
    count = 0
    with _tried(_LETTERS, "dead letters", where, _BLOBS):
        try:
            for count, _ in enumerate(container.list_blob_names(), 1):
                if count == _MOST:
                    break
        except ResourceNotFoundError:
            if is_local_url(where):
                yield _LETTERS.ok("Event Grid writes none into the storage of this machine", where)
                return
            text = f"there is no container {CONTAINER}: Event Grid drops what it cannot deliver"
            yield _LETTERS.error(
                text, where, "create it, or deploy infra/; then subscribe with it: docs/subscriptions.md"
            )
            return
    if count:
        text = f"{count}{' or more' if count == _MOST else ''} blobs with events that Event Grid could not deliver wait"
        yield _LETTERS.warning(text, where, f"{command}, then without --dry-run")
    else:
        yield _LETTERS.ok("none wait", where)


def _hosts(record: Record, app_name: str) -> Diagnoses:
    """Other function apps in the account. Who may not list the host's blobs gets no finding: the app needs no list."""
    container = record.storage.container(HOSTS)
    with suppress(AzureError):
        apps = [name.rstrip("/").rpartition("/")[2] for name in _folders(container)]
        yield from host_ids(apps, app_name, container.url.partition("?")[0])


def _folders(container: Any) -> Iterator[str]:
    for each in container.walk_blobs(LOCKS):
        if each.name.endswith("/"):
            yield str(each.name)


def _clock(record: Record, now: Callable[[], datetime]) -> Diagnoses:
    """Compare this machine's clock with the header Date of a response, within the time that the request took."""
    dates: list[str] = []

    def keep(response: Any) -> None:
        dates.append(response.http_response.headers.get("Date", ""))

    with record.storage.table(record.names.table) as client:
        where, began = client.url.partition("?")[0], now()
        with suppress(AzureError):
            next(iter(client.query_entities("PartitionKey eq 'doctor'", raw_response_hook=keep)), None)
        took = now() - began
    yield from compared(next((date for date in dates if date), ""), began, took, where)


def compared(date: str, began: datetime, took: timedelta, where: str) -> Diagnoses:
    """The difference between the clock here, when a request began and how long it took, and a service's Date."""
    try:
        theirs = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        yield _CLOCK.warning("the storage service did not say what time it is", where)
        return
    after = began + took - theirs  # Date is cut to whole seconds
    skew = max(timedelta(), theirs - began - took, after - took - timedelta(seconds=1))
    seconds = skew // timedelta(seconds=1)
    if skew > SKEW:
        text = f"the clock of this machine differs from the service's by {seconds} s"
        report = _CLOCK.error if skew > MOST_SKEW else _CLOCK.warning
        yield report(text, where, "synchronize it: times on record, leases and signatures depend on it")
    else:
        yield _CLOCK.ok(f"it agrees with the storage service's to {SKEW // timedelta(seconds=1)} s", where)


@contextmanager
def _tried(group: Group, what: str, where: str, role: str) -> Iterator[None]:
    """Turn an error of a call into a diagnosis with what to do: log in, or get a role."""
    try:
        yield
    except ClientAuthenticationError as error:
        to_do = f"log in with `az login`; the account's role {role} may be missing, too"
        failure = group.error(f"{what} cannot be read: {_short(error)}", where, to_do)
        raise _Tried(failure, has_login=error.status_code is not None) from error
    except HttpResponseError as error:
        to_do = "look at the account in the portal: is it there, and does its firewall let this machine in?"
        if error.status_code == 403:
            to_do = f"get the role {role} (new ones take 10 minutes), and check the account's firewall"
        raise _Tried(group.error(f"{what}: {_short(error)}", where, to_do)) from error
    except AzureError as error:
        to_do = "check the account's name, the network, and a firewall; locally: is `mlevents start` running?"
        raise _Tried(group.error(f"{what} cannot be reached: {_short(error)}", where, to_do)) from error


def _short(error: AzureError) -> str:
    code, status = getattr(error, "error_code", None), getattr(error, "status_code", None)
    named = str(getattr(code, "value", code) or type(error).__name__)
    return f"{named} (HTTP {status})" if status else f"{named}: {str(error).strip().partition(chr(10))[0][:200]}"
