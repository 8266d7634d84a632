"""Errors of Azure Storage for the rest of the app: no module above the seam handles the SDKs' own.

    StorageError
    ├── Unavailable    the request may succeed later
    ├── Refused        the same request will never succeed: storage cannot hold its content
    └── Conflict       a row has changed since it was read

Each is chained to the SDK's error that it stands for.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError


class StorageError(Exception):
    """Base of all errors of storage; `Table`, `Queue` and everything built on them raise no other errors of storage.

    `status` is the HTTP status, None if there was no response. `reason` is the service's error code, such as
    ``ServerBusy``, else the name of the SDK's error.
    """

    def __init__(self, message: str, status: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason or type(self).__name__


class Unavailable(StorageError):  # noqa: N818 - a state of the service
    """Raised for network errors, timeouts, unreadable responses and every HTTP status but those of the other errors."""


class Refused(StorageError):  # noqa: N818 - the service's answer
    """Raised for the HTTP statuses 400 and 413, and by `dispatch.inbox.rows` for a payload that no row can hold."""


class Conflict(StorageError):  # noqa: N818 - the name of the HTTP status, 409
    """Raised by a commit that finds a row created, changed or deleted by another one; nothing was written."""


@contextmanager
def sdk_errors_translated(unreadable: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise the SDKs' errors as errors of this module.

    The SDKs parse some responses outside the code that translates errors. `unreadable` lists the exceptions of parsers
    and of requests that the SDKs then raise; they become `Unavailable`. A UnicodeError is raised unchanged, because it
    is about characters in the request.
    """
    try:
        yield
    except (StorageError, UnicodeError):
        raise
    except AzureError as error:
        raise _translated(error) from error
    except unreadable as error:
        raise Unavailable(f"{type(error).__name__}: {error}", reason=type(error).__name__) from error


def _translated(error: AzureError) -> StorageError:
    status = getattr(error, "status_code", None)
    code = getattr(error, "error_code", None)
    reason = str(getattr(code, "value", code) or type(error).__name__)
    return (Refused if status in (400, 413) else Unavailable)(str(error), status, reason)
