"""Blobs that arrive in storage accounts, and are deleted: only their events."""

from emulator import blobs
from emulator.control.lookup import Lookup
from emulator.http.response import ErrorResponse
from emulator.state.ids import name_of
from emulator.state.state import State


class Blobs:
    """Raises the events of storage accounts. Without an `account`, given by name or id, the first one is meant."""

    def __init__(self, state: State, lookup: Lookup) -> None:
        self._state, self._lookup = state, lookup
        self._accounts: tuple[str, ...] = ()  # ids that are found by name

    def declare(self, id: str) -> None:
        """Let a storage account in any resource group be found by its name."""
        self._accounts = (*self._accounts, id)

    def put(self, path: str, account: str | None = None, *, lake: bool = False, size: int = 524_288) -> str:
        """Upload a blob, which raises BlobCreated, in a data `lake` twice. Returns the blob's URL.

        `path` begins with the container. Raises an error response if it names no blob.
        """
        return self._raise(path, account, ("CreateFile", "FlushWithClose") if lake else ("PutBlob",), size)

    def delete(self, path: str, account: str | None = None, *, lake: bool = False) -> str:
        """Delete a blob, whether or not it was uploaded, which raises BlobDeleted. Returns the blob's URL."""
        return self._raise(path, account, ("DeleteFile" if lake else "DeleteBlob",), None)

    def _raise(self, path: str, account: str | None, apis: tuple[str, ...], size: int | None) -> str:
        container, _, name = path.partition("/")
        if not container or not name:
            raise ErrorResponse(400, "InvalidUri", f"{path!r} is not a container and a path: exports/daily/churn.csv")
        id, url = self._id(account), ""
        with self._state.transaction():
            for api in apis:
                if size is None:
                    event = blobs.deleted(self._state, id, path, api)
                else:
                    event = blobs.created(self._state, id, path, api, 0 if api == "CreateFile" else size)
                self._state.raise_event(event)
                url = event["data"]["url"]
        return url

    def _id(self, account: str | None) -> str:
        if account is None and self._accounts:
            return self._accounts[0]
        name = account or "landing"
        default = name if name.startswith("/") else f"{self._lookup.group}/providers/{blobs.TYPE}/{name}"
        return next((id for id in self._accounts if name_of(id).lower() == name.lower()), default)
