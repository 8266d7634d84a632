"""Translate errors of Azure Resource Manager and azure-ai-ml whose HTTP status alone is misleading.

`translated_errors` wraps every call, and handlers.errors classifies the exceptions that it raises:

    raised inside                                                       raised instead
    ├── RetryLater, GiveUp                                              itself
    ├── azure.core.exceptions.HttpResponseError
    │   ├── 400, 403 or 409 with a text about quota                     GiveUp, with advice
    │   ├── 400 with a text about an operation in progress              RetryLater, for at most PROPAGATION
    │   ├── a permanent status                                          GiveUp, with the service's own text
    │   └── any other status                                            itself
    ├── an exception of azure.ai.ml
    │   ├── caused by an error of azure-core                            what that one becomes
    │   └── with no such cause: the client rejects its arguments        GiveUp
    └── any other exception                                             itself
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError

from handlers.azure.client_errors import describe_client_error
from handlers.base import GiveUp, RetryLater
from handlers.errors import PERMANENT, PROPAGATION, said_once

QUOTA_HINT = (
    "delete deployments that are not used, choose another instance_type or fewer instances, or ask for more quota "
    "(learn.microsoft.com, 'Manage and increase quotas and limits for resources with Azure Machine Learning')"
)

# Azure ML answers 400 to a request that only comes too early: Azure/azure-dev#4037 shows it for a deployment that was
# just created, Azure/azure-sdk-for-net#36961 for the last alternative.
_TOO_EARLY = re.compile(
    "(?i)not found in endpoint|in progress|being (?:created|updated|deleted)|in [a-z]+ing provisioning state"
)
_NO_QUOTA = re.compile(  # learn.microsoft.com, "Troubleshoot online endpoints", OutOfQuota; and Resource Manager's own
    r"(?i)out ?of ?quota|quota ?exceeded|(?:not enough|insufficient)[\w ]{0,40}quota|exceeding[\w ]{0,60}quota"
)
_COLORS = re.compile("\x1b\\[[0-9;]*m")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate what the block raises, as the table above says."""
    try:
        yield
    except (RetryLater, GiveUp):
        raise
    except Exception as error:
        translated = _translate(error)
        if translated is error:
            raise
        raise translated from error


def _translate(error: Exception) -> Exception:
    if isinstance(error, HttpResponseError):
        return _translate_response(error)
    if type(error).__module__.startswith("azure.ai.ml"):  # by name, because importing it takes seconds
        cause = _cause(error)
        return _translate(cause) if cause else GiveUp(describe_client_error(error))
    return error


def _translate_response(error: HttpResponseError) -> Exception:
    text = _service_message(error)
    if error.status_code in {400, 403, 409} and _NO_QUOTA.search(text):
        return GiveUp(with_quota_hint(text))
    if error.status_code == 400 and _TOO_EARLY.search(text):
        return RetryLater(f"HTTP 400: {text}", max_elapsed=PROPAGATION)
    if error.status_code in PERMANENT:  # here already, so that a handler that catches GiveUp can clean up
        return GiveUp(f"HTTP {error.status_code}: {text}")
    return error


def with_quota_hint(text: str) -> str:
    """Return the service's message, preceded by advice if it is about quota."""
    if text.startswith("no quota: ") or not _NO_QUOTA.search(text):
        return text
    return f"no quota: {QUOTA_HINT}. The service says: {text}"


def describe(error: Exception) -> str:
    """Any error as one line: with its HTTP status and the service's message, or with its class."""
    if isinstance(error, HttpResponseError):
        return f"HTTP {error.status_code}: {_service_message(error)}" if error.status_code else _service_message(error)
    return _one_line(error) if isinstance(error, RetryLater | GiveUp) else f"{type(error).__name__}: {_one_line(error)}"


def _service_message(error: HttpResponseError) -> str:
    """The message in an error response, as one line."""
    try:
        return error_text(json.loads(error.response.text())["error"]) if error.response else _one_line(error)
    except (LookupError, TypeError, ValueError, AzureError):
        return _one_line(error)


def _cause(error: BaseException) -> AzureError | None:
    """The first error of azure-core in the chain of causes: azure-ai-ml wraps it in an error of its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AzureError) and not type(cause).__module__.startswith("azure.ai.ml"):
            return cause
        cause = cause.__cause__
    return None


def error_text(error: Mapping[str, Any] | None) -> str:
    """Resource Manager's error object as one line: its code and message, and those of its details, each once."""
    if not error:
        return ""
    own = ": ".join(_unwrap(str(error[name])) for name in ("code", "message") if error.get(name))
    inner = (error_text(detail) for detail in error.get("details") or () if isinstance(detail, Mapping))
    return "; ".join(dict.fromkeys(text for text in (own, *inner) if text))


def _unwrap(message: str) -> str:
    """The text in a message that is JSON: an error object, or lists of texts by field, as inner services send them."""
    try:
        value = json.loads(message)
    except ValueError:
        return " ".join(message.split())
    if isinstance(value, Mapping) and isinstance(inner := value.get("error"), Mapping):
        return error_text(inner)
    if isinstance(value, Mapping) and isinstance(fields := value.get("errors"), Mapping):
        return "; ".join(f"{field}: {text}" for field, texts in fields.items() for text in texts)
    return message


def _one_line(error: Exception) -> str:
    return " ".join(said_once(_COLORS.sub("", str(error))).split())
