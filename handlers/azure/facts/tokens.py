"""Tokens on a machine of a developer: a request for one that fails is not repeated for each message.

Without `az login`, azure-identity's DefaultAzureCredential asks the metadata service for a second, and then starts the
Azure CLI, PowerShell and the Azure Developer CLI, each for at most 10 seconds (its _credentials/default.py), at every
request for a token. In Azure there is only the managed identity, which fails at once and is always asked.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ClientAuthenticationError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

PAUSE = 180.0  # seconds from a request in vain to the next one
WAIT = 10.0  # seconds after which others no longer wait for a request: it will hardly succeed


def tokens_of(credential: "TokenCredential") -> "TokenCredential":
    """The credential itself in Azure; elsewhere one that remembers that it had no token."""
    shared: Any = credential  # TokenCredential is not hashable to the type checker
    return credential if os.environ.get("IDENTITY_ENDPOINT") else _remembering(shared)


@cache
def _remembering(credential: Any) -> "TokenCredential":
    return Remembering(credential)


@dataclass(slots=True)
class _Request:
    began: float
    ended: Event = field(default_factory=Event)


class Remembering:
    """A credential that raises ClientAuthenticationError for a while after a request in vain, without repeating it.

    After its first token, a credential is always asked: it exists, and an error will pass.
    """

    def __init__(self, credential: "TokenCredential", now: Callable[[], float] = time.monotonic) -> None:
        self._credential = credential
        self._now = now
        self._lock = Lock()
        self._works = False
        self._requests: dict[tuple[str, ...], _Request] = {}

    def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        """A token for the scopes. Raises ClientAuthenticationError."""
        with self._lock:
            other = self._requests.get(scopes)
            if other and self._now() - other.began >= PAUSE:
                other = None
            if not other:
                own = self._requests[scopes] = _Request(self._now())
        if other:
            other.ended.wait(max(other.began + WAIT - self._now(), 0))
            if not self._works:
                left = other.began + PAUSE - self._now()
                raise ClientAuthenticationError(f"run `az login`; it is looked for again in {max(left, 1):.0f} s")
            return self._credential.get_token(*scopes, **options)
        try:
            token = self._credential.get_token(*scopes, **options)
            self._works = True
        finally:
            own.ended.set()
        return token
