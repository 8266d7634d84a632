"""The end of the log of a run.

Run history's details have URLs of log files, with signatures, as `az ml job stream` reads them (azure-ai-ml,
operations/_job_ops_helper.py, and constants/_job/job.py for their names). They lead to Blob Storage, which serves a
range of bytes if it begins at a known position (learn.microsoft.com, "Specifying the range header for Blob service
operations"): the first request learns the length.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from handlers.azure import cloud
from handlers.azure.arm import is_same_server
from handlers.azure.facts.parts import NotRead
from handlers.azure.facts.reader import Content, Reader
from handlers.azure.facts.values import name, object_of, printable

LINES, LINE_LIMIT = 20, 500  # lines that are kept, and characters of a line

_RANGE = 65_536  # bytes that are read of the end
_LIMIT = 32_000_000  # bytes that are read of a server that sends the whole file
_TOTAL = re.compile(r"bytes \d+-\d+/(\d{1,18})")
_NAMES = (  # the best first: a job's own output, then that of older runtimes, then that of pipelines and sweeps
    re.compile(r"user_logs/std_log(?:_process_0+|_rank_0+|[^/]*[_-]0+(?:_ps)?)?\.txt"),
    re.compile(r"user_logs/std_log.*\.txt"),
    re.compile(r"user_logs/.+"),
    re.compile(r"azureml-logs/70_driver_log.*\.txt"),
    re.compile(r"logs/azureml/stderrlogs\.txt"),
    re.compile(r"azureml-logs/(?:\d\d.+|hyperdrive)\.txt"),
    re.compile(r"logs/azureml/(?:executionlogs|stdoutlogs)\.txt"),
)


def log_file(details: Mapping[str, Any]) -> tuple[str, str] | None:
    """The name and the URL of the log that says most about a run; None if it has none."""
    files = {key: url for key, url in object_of(details.get("logFiles")).items() if isinstance(url, str) and name(key)}
    for pattern in _NAMES:
        if found := sorted(key for key in files if pattern.fullmatch(key)):
            return found[0], files[found[0]]
    return None


def log_tail(reader: Reader, url: str) -> str | None:
    """The last lines of the log at a URL; None if it is empty. Raises NotRead."""
    if not _is_storage(url, reader):
        raise NotRead("its URL is not one of Azure Storage", transient=False)
    content, whole = _end(reader, url)
    lines = content.decode("utf-8", "replace").split("\n")
    kept = [_line(line) for line in lines[0 if whole else 1 :]]
    while kept and not kept[-1]:
        kept.pop()
    return "\n".join(kept[-LINES:]) or None


def _end(reader: Reader, url: str) -> tuple[bytes, bool]:
    """The last bytes of a file, and whether they are the whole file."""
    first = _read(reader, url, 0, _RANGE - 1)
    if first.status == 416:  # no byte is in the range: the file is empty
        return b"", True
    found = _TOTAL.fullmatch(str(first.headers.get("Content-Range") or ""))
    total = int(found[1]) if found and first.status == 206 else 0
    if total <= _RANGE:
        return first.content, len(first.content) < _RANGE or total == _RANGE
    return _read(reader, url, total - _RANGE, total - 1).content, False


def _read(reader: Reader, url: str, first: int, last: int) -> Content:
    return reader.anonymous(url, {"Range": f"bytes={first}-{last}"}, _LIMIT, keep_end=_RANGE)


def _is_storage(url: str, reader: Reader) -> bool:
    """Is it a URL of the cloud's Blob Storage? Of a cloud that is not known, any server can be."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    endpoint = reader.azureml.endpoint
    if is_same_server(url, endpoint):
        return True
    suffixes = cloud.blob_suffixes(endpoint)
    return parts.scheme == "https" and bool(host) and (not suffixes or host.casefold().endswith(suffixes))


def _line(line: str) -> str:
    """A line as a terminal shows it: of a progress bar, which returns to the line's start, its last state."""
    return printable(line.rstrip("\r").rpartition("\r")[2]).rstrip()[:LINE_LIMIT]
