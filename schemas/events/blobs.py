"""BlobCreated and BlobDeleted: a blob was created or deleted in a storage account.

Source: learn.microsoft.com, "Azure Blob Storage as an Event Grid source".
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from schemas.events.base import Event, EventData, Rows, short_name
from schemas.events.subject import subject_parts
from schemas.fields import Number, OptionalText, RequiredText
from schemas.resource import ResourceId

_CONTAINERS, _BLOBS = "/blobServices/default/containers/", "/blobs/"
_SUBJECT = re.escape(_CONTAINERS) + "([^/]+)" + _BLOBS + "(.+)"
_TOPIC = (
    "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-ml-prod"
    "/providers/Microsoft.Storage/storageAccounts/churnlanding"
)


class StorageAccountId(ResourceId):
    """The ARM id of a storage account."""

    __slots__ = ()
    resource_type = "Microsoft.Storage/storageAccounts"
    noun = "a storage account"
    listed_under = "storage"
    topic_type = "Microsoft.Storage.StorageAccounts"
    api_version = "2024-01-01"


class BlobSubject(NamedTuple):
    """``/blobServices/default/containers/{container}/blobs/{path}``."""

    container: str
    path: str


class Blob(NamedTuple):
    """Where a blob is: its container, its path there, and the two parts of the path; a folder may be empty."""

    container: str
    path: str
    folder: str
    name: str


class BlobData(EventData):
    """What is known of the blob, and the operation of storage's API by which it was created or deleted."""

    api: OptionalText = None
    content_type: OptionalText = None
    content_length: Number = None
    blob_type: OptionalText = None
    url: RequiredText


class BlobCreatedData(BlobData):
    """A blob that was created or replaced."""

    known_texts: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api": ("PutBlob", "PutBlockList", "CopyBlob", "CreateFile", "FlushWithClose", "SftpCreate", "SftpCommit")
    }
    more_names: ClassVar[tuple[str, ...]] = ("contentOffset", "accessTier", "identity")


class BlobDeletedData(BlobData):
    """A blob that was deleted."""

    known_texts: ClassVar[Mapping[str, tuple[str, ...]]] = {"api": ("DeleteBlob", "DeleteFile", "SftpRemove")}
    more_names: ClassVar[tuple[str, ...]] = ("accessTier", "identity")


class BlobEvent(Event):
    """An event about a blob."""

    publisher = "Microsoft.Storage"
    resource_id = StorageAccountId
    own_members = ("blob",)
    published_as: ClassVar[Mapping[tuple[str, str], tuple[str, str, str]]] = {
        ("blob.container", "StringIn"): ("subject", "StringBeginsWith", _CONTAINERS + "{}" + _BLOBS),
        ("blob.container", "StringBeginsWith"): ("subject", "StringBeginsWith", _CONTAINERS + "{}"),
        ("blob.path", "StringIn"): ("subject", "StringEndsWith", _BLOBS + "{}"),
        ("blob.path", "StringBeginsWith"): ("subject", "StringContains", _BLOBS + "{}"),
        ("blob.path", "StringContains"): ("subject", "StringContains", "{}"),
        ("blob.path", "StringEndsWith"): ("subject", "StringEndsWith", "{}"),
        ("blob.folder", "StringBeginsWith"): ("subject", "StringContains", _BLOBS + "{}"),
        ("blob.name", "StringIn"): ("subject", "StringEndsWith", "/{}"),
        ("blob.name", "StringBeginsWith"): ("subject", "StringContains", "/{}"),
        ("blob.name", "StringContains"): ("subject", "StringContains", "{}"),
        ("blob.name", "StringEndsWith"): ("subject", "StringEndsWith", "{}"),
    }

    data: BlobData

    @property
    def blob(self) -> Blob | None:
        """Where the blob is; None if the subject does not have the documented form."""
        parts = self.subject_parts
        if parts is None:
            return None
        folder, _, name = parts.path.rpartition("/")
        return Blob(*parts, folder, name)

    @property
    def object(self) -> str:
        """The container and the path, which are the same in both of the account's URLs; else the URL."""
        return "/".join(self.subject_parts or (self.data.url,))

    @property
    def names(self) -> tuple[str, ...]:
        """The container with the path, and the name alone."""
        return tuple(dict.fromkeys((self.object, self.object.rpartition("/")[2] or self.object)))

    @property
    def label(self) -> str:
        """The container and the path."""
        return short_name(self.object)

    @property
    def object_kind(self) -> str:
        """Created or deleted, it is one object."""
        return "Blob"

    @property
    def about(self) -> str:
        """The blob."""
        return f"blob {self.object}"

    @property
    def subject_parts(self) -> BlobSubject | None:
        """The container and the path."""
        return subject_parts(BlobSubject, _SUBJECT, self.subject)

    @property
    def rows(self) -> Rows:
        """The blob, where it is, and what it holds."""
        blob, size = self.blob, self.data.content_length
        return (
            ("Container", blob.container if blob else None),
            ("Path", blob.path if blob else self.data.url),
            ("Type", self.data.content_type),
            ("Size", None if size is None else f"{size:,.0f} bytes"),
        )

    @property
    def chosen_names(self) -> tuple[str, ...]:
        """The path: by default, Azure ML writes the outputs of a job into a folder with the job's name."""
        return (blob.path,) if (blob := self.blob) else ()


class BlobCreated(BlobEvent):
    """A blob was created or replaced in a storage account."""

    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "eventTime": "2026-11-22T07:30:11.204817Z",
        "topic": _TOPIC,
        "subject": f"{_CONTAINERS}exports{_BLOBS}daily/churn.csv",
        "data": {
            "api": "PutBlockList",
            "clientRequestId": "6d79dbfb-0e37-4fc4-981f-442c9ca65760",
            "requestId": "831e1650-001e-001b-66ab-eeb76e000000",
            "eTag": '"0x8DE29A3B6F2C1D0"',
            "contentType": "text/csv",
            "contentLength": 524288,
            "blobType": "BlockBlob",
            "url": "https://churnlanding.blob.core.windows.net/exports/daily/churn.csv",
            "sequencer": "00000000000004420000000000028963",
            "storageDiagnostics": {"batchId": "b68529f3-68cd-4744-baa4-3c0498ec19f0"},
        },
    }

    data: BlobCreatedData

    @property
    def headline(self) -> str:
        """The blob."""
        return f"Blob {short_name(self.object)} created"


class BlobDeleted(BlobEvent):
    """A blob was deleted from a storage account."""

    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "4c2359fe-001e-00ba-0e04-58586806d298",
        "eventTime": "2026-11-22T09:12:22.567400Z",
        "topic": _TOPIC,
        "subject": f"{_CONTAINERS}exports{_BLOBS}daily/churn.csv",
        "data": {
            "api": "DeleteBlob",
            "requestId": "4c2359fe-001e-00ba-0e04-585868000000",
            "contentType": "text/csv",
            "blobType": "BlockBlob",
            "url": "https://churnlanding.blob.core.windows.net/exports/daily/churn.csv",
            "sequencer": "0000000000000442000000000002F5CA",
            "storageDiagnostics": {"batchId": "b68529f3-68cd-4744-baa4-3c0498ec19f0"},
        },
    }

    data: BlobDeletedData

    @property
    def headline(self) -> str:
        """The blob."""
        return f"Blob {short_name(self.object)} deleted"
