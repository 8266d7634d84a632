"""The rows of the inbox as typed records, fitted to the limits of Azure Tables here and nowhere else.

A property holds 64 KiB (32 Ki characters), a row 1 MiB, an integer 32 bits, and dates begin in 1601
(learn.microsoft.com, "Understanding the Table service data model"). So times are stored as text, texts are truncated,
and a large event is compressed and split over several properties. Columns keep the names of the first release:
`ActionRecord` and `EventRecord` say which attribute is in which column.
"""

from dispatch.inbox.rows.action import ENDED, ActionRecord, Status, TimelineEntry
from dispatch.inbox.rows.columns import CHUNK, SCHEMA, clean, packed, read_result, unpacked, written_result
from dispatch.inbox.rows.event import EventRecord, Rejected, RejectionKind

__all__ = [
    "CHUNK",
    "ENDED",
    "SCHEMA",
    "ActionRecord",
    "EventRecord",
    "Rejected",
    "RejectionKind",
    "Status",
    "TimelineEntry",
    "clean",
    "packed",
    "read_result",
    "unpacked",
    "written_result",
]
