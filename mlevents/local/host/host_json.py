"""The settings of host.json that the local host uses: functionTimeout, extensions.queues and extensions.http.

As in the real host, an app setting ``AzureFunctionsJobHost__extensions__queues__batchSize`` overrides the file.
Defaults: Azure/azure-sdk-for-net, QueuesOptions.cs; Azure/azure-functions-host, ScriptJobHostOptionsSetup.cs.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from mlevents.app_settings import BadFile, read_object

_OVERRIDE = "azurefunctionsjobhost:"
_TIME_SPAN = re.compile(r"(?:(\d{1,7})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?|(\d{1,7})", re.ASCII)


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """extensions.queues: how queue triggers read."""

    batch_size: int = 16
    new_batch_threshold: int = 8 * (os.cpu_count() or 1)
    max_polling_interval: timedelta = timedelta(minutes=1)
    visibility_timeout: timedelta = timedelta()
    max_dequeue_count: int = 5
    base64: bool = True


@dataclass(frozen=True, slots=True)
class HostJson:
    """The settings of a host.json."""

    function_timeout: timedelta | None = timedelta(minutes=30)  # None: no limit
    queues: QueueOptions = QueueOptions()
    route_prefix: str = "api"  # extensions.http.routePrefix, of HTTP functions

    @classmethod
    def load(cls, app_dir: Path, environment: Mapping[str, str]) -> Self:
        """Read the app's host.json, overridden by `environment`. Raises BadFile."""
        path = app_dir / "host.json"
        try:
            document = read_object(path)
        except FileNotFoundError:
            raise BadFile(f"there is no host.json in {app_dir}: that is not a function app") from None
        values = _flat(document)
        names = {name: name.replace("__", ":").casefold() for name in environment}
        values |= {n.removeprefix(_OVERRIDE): environment[o] for o, n in names.items() if n.startswith(_OVERRIDE)}
        return cls._of(_Values(path.name, values))

    @classmethod
    def _of(cls, values: "_Values") -> Self:
        default = QueueOptions()
        batch = values.number("batchSize", default.batch_size, 1, 32)
        encoding = values.text("messageEncoding", "base64").lower()
        if encoding not in {"base64", "none"}:
            raise BadFile(f"{values.where('messageEncoding')} is {encoding!r}; it is base64 or none")
        queues = QueueOptions(
            batch_size=batch,
            new_batch_threshold=values.number("newBatchThreshold", batch // 2 * (os.cpu_count() or 1), 0),
            max_polling_interval=values.span("maxPollingInterval", default.max_polling_interval),
            visibility_timeout=values.span("visibilityTimeout", default.visibility_timeout),
            max_dequeue_count=values.number("maxDequeueCount", default.max_dequeue_count, 1),
            base64=encoding == "base64",
        )
        if queues.max_polling_interval < timedelta(milliseconds=100):
            raise BadFile(f"{values.where('maxPollingInterval')} is less than 100 ms")
        return cls(values.timeout(), queues, values.values.get("extensions:http:routeprefix", "api").strip("/"))


def time_span(text: str) -> timedelta:
    """A .NET TimeSpan: ``hh:mm:ss``, ``d.hh:mm:ss``, ``hh:mm``, or days. Raises ValueError."""
    if not (parts := _TIME_SPAN.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is not a time span; write hours, minutes and seconds: 00:05:00")
    days, hours, minutes, seconds = (int(parts[n] or 0) for n in (1, 2, 3, 4))
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"{text!r} is not a time span: at most 23 hours, 59 minutes and 59 seconds")
    fraction = float(f"0.{parts[5] or 0}")
    return timedelta(days=days + int(parts[6] or 0), hours=hours, minutes=minutes, seconds=seconds + fraction)


@dataclass(frozen=True, slots=True)
class _Values:
    """The file's values by their lower-case path ("extensions:queues:batchsize"), as in .NET's configuration."""

    file: str
    values: Mapping[str, str]

    def where(self, name: str) -> str:
        return f"{self.file}: extensions.queues.{name}"

    def text(self, name: str, default: str) -> str:
        return self.values.get(f"extensions:queues:{name}".casefold(), default)

    def number(self, name: str, default: int, least: int, most: int = 2**31 - 1) -> int:
        text = self.text(name, str(default))
        try:
            value = int(text)
        except ValueError:
            raise BadFile(f"{self.where(name)} is {text!r}; it must be a whole number") from None
        if not least <= value <= most:
            raise BadFile(f"{self.where(name)} is {value}; it must be {least} to {most}")
        return value

    def span(self, name: str, default: timedelta) -> timedelta:
        if (text := self.text(name, "")) == "":
            return default
        try:
            return time_span(text)
        except ValueError as error:
            raise BadFile(f"{self.where(name)}: {error}") from error

    def timeout(self) -> timedelta | None:
        text = self.values.get("functiontimeout", "00:30:00")
        if text == "-1":
            return None
        try:
            return time_span(text)
        except ValueError as error:
            raise BadFile(f"{self.file}: functionTimeout: {error}, or -1 for no limit") from error


def _flat(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        return {k: v for name, item in value.items() for k, v in _flat(item, f"{path}:{name}".casefold()).items()}
    if isinstance(value, list):
        return {k: v for n, item in enumerate(value) for k, v in _flat(item, f"{path}:{n}").items()}
    return {path.removeprefix(":"): str(value)}
