"""What Azure ML's errors mean where their HTTP status does not say it. `handlers.errors` judges all others."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError

from handlers.base import GiveUp, RetryLater
from handlers.errors import PERMANENT, PROPAGATION

QUOTA_HINT = (
    "delete deployments that are not used, choose another instance_type or fewer instances, or ask for more quota "
    "(learn.microsoft.com, 'Manage and increase quotas and limits for resources with Azure Machine Learning')"
)

# Azure ML says 400 to what only came too early: Azure/azure-dev#4037 is one that named a deployment just made; the
# last is from Azure/azure-sdk-for-net#36961.
_TOO_EARLY = re.compile(
    "(?i)not found in endpoint|in progress|being (?:created|updated|deleted)|in [a-z]+ing provisioning state"
)
_NO_QUOTA = re.compile(  # learn.microsoft.com, "Troubleshoot online endpoints", OutOfQuota; and Resource Manager's own
    r"(?i)out ?of ?quota|quota ?exceeded|(?:not enough|insufficient)[\w ]{0,40}quota|exceeding[\w ]{0,60}quota"
)
_COLOURS = re.compile("\x1b\\[[0-9;]*m")


@contextmanager
def explained() -> Iterator[None]:
    """Around calls to Azure ML: raises RetryLater or GiveUp where that is known, else what was raised."""
    try:
        yield
    except (RetryLater, GiveUp):
        raise
    except Exception as error:
        better = _meaning(error)
        if better is error:
            raise
        raise better from error


def _meaning(error: Exception) -> Exception:
    if isinstance(error, HttpResponseError):
        return _refused(error)
    if type(error).__module__.startswith("azure.ai.ml"):  # asked of the name, because importing it takes seconds
        cause = _cause(error)
        return _meaning(cause) if cause else GiveUp(_plain(error))
    return error


def _refused(error: HttpResponseError) -> Exception:
    text = _said(error)
    if error.status_code in {400, 403, 409} and _NO_QUOTA.search(text):
        return GiveUp(advised(text))
    if error.status_code == 400 and _TOO_EARLY.search(text):
        return RetryLater(f"HTTP 400: {text}", patience=PROPAGATION)
    if error.status_code in PERMANENT:  # said here already, so that what has been begun is undone
        return GiveUp(f"HTTP {error.status_code}: {text}")
    return error


def advised(text: str) -> str:
    """What the service says, and before it what to do, where that is known."""
    if text.startswith("no quota: ") or not _NO_QUOTA.search(text):
        return text
    return f"no quota: {QUOTA_HINT}. The service says: {text}"


def told(error: Exception) -> str:
    """Any error, in a line."""
    if isinstance(error, HttpResponseError):
        return f"HTTP {error.status_code}: {_said(error)}" if error.status_code else _said(error)
    return _plain(error) if isinstance(error, RetryLater | GiveUp) else f"{type(error).__name__}: {_plain(error)}"


def _said(error: HttpResponseError) -> str:
    """What the service says, in a line."""
    try:
        return error_text(json.loads(error.response.text())["error"]) if error.response else _plain(error)
    except (LookupError, TypeError, ValueError, AzureError):
        return _plain(error)


def _cause(error: BaseException) -> AzureError | None:
    """The answer of a service that the client has wrapped into an error of its own."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, AzureError) and not type(seen).__module__.startswith("azure.ai.ml"):
            return seen
        seen = seen.__cause__
    return None


def error_text(error: Mapping[str, Any] | None) -> str:
    """Resource Manager's error object as a line: its code and message, and those of its details."""
    if not error:
        return ""
    own = ": ".join(_unwrapped(str(error[name])) for name in ("code", "message") if error.get(name))
    inner = (error_text(detail) for detail in error.get("details") or () if isinstance(detail, Mapping))
    return "; ".join(dict.fromkeys(text for text in (own, *inner) if text))


def _unwrapped(message: str) -> str:
    """A message of a service behind Azure ML comes as JSON in JSON: an error, or lists of texts by field."""
    try:
        value = json.loads(message)
    except ValueError:
        return " ".join(message.split())
    if isinstance(value, Mapping) and isinstance(inner := value.get("error"), Mapping):
        return error_text(inner)
    if isinstance(value, Mapping) and isinstance(fields := value.get("errors"), Mapping):
        return "; ".join(f"{field}: {text}" for field, texts in fields.items() for text in texts)
    return message


def _plain(error: Exception) -> str:
    return " ".join(_COLOURS.sub("", str(error)).split())
