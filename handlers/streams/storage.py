"""The storage account of a rule: a connection string, or the URL of a service and the app's identity."""

import re
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from handlers.streams.message import StreamHandler

if TYPE_CHECKING:
    from handlers.azure.transport import Transport

# Of a queue or a container ("Naming Queues and Metadata", "Naming and Referencing Containers, Blobs, and Metadata").
Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9])*$", min_length=3, max_length=63)]

_SERVICES = ("blob", "dfs", "file", "queue", "table")  # in host names, after the account
_PAIR = re.compile(r"\s*([A-Za-z]+)=(.*)", re.DOTALL)


class StorageHandler(StreamHandler):
    """A handler that writes to a storage account."""

    service: ClassVar[str]  # of the account, as its host name has it: blob, queue

    account_url: str = ""
    connection_string: SecretStr | None = None

    @model_validator(mode="after")
    def _one_account(self) -> Self:
        if bool(self.account_url) == bool(self.connection_string):
            raise ValueError(
                "write account_url, such as https://acme.blob.core.windows.net, to use the app's identity, or "
                "connection_string"
            )
        if self.connection_string:
            self._check_connection_string(pairs_of(self.connection_string.get_secret_value()).keys())
        else:
            parts = urlsplit(self.account_url)
            if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
                raise ValueError("account_url is the https URL of the account's service, without a query")
            named = [label for label in parts.hostname.split(".")[1:] if label in _SERVICES]
            if named and named != [self.service]:
                expected = self.account_url.replace(f".{named[0]}.", f".{self.service}.")
                raise ValueError(f"account_url is the URL of another service ({named[0]}): write {expected}")
        return self

    def _check_connection_string(self, names: Collection[str]) -> None:
        """Raises ValueError if a client for the service cannot be made of pairs with these names."""
        if not {"accountname", f"{self.service}endpoint"} & set(names):
            raise ValueError(
                f"connection_string is not one of a storage account: it has no AccountName and no "
                f"{self.service.capitalize()}Endpoint"
            )
        if not ({"accountname", "accountkey"} <= set(names) or "sharedaccesssignature" in names):
            raise ValueError("connection_string has no AccountName with AccountKey, and no SharedAccessSignature")

    @property
    def account(self) -> str:
        """The account or its host, without secrets."""
        if self.connection_string is None:
            return urlsplit(self.account_url).netloc
        found = pairs_of(self.connection_string.get_secret_value())
        return found.get("accountname") or next(
            (urlsplit(url).netloc for name, url in found.items() if name.endswith("endpoint")), ""
        )

    def client(self, client_class: Any, name: str, **options: Any) -> Any:
        """A client of the SDK for a queue or a container, which sends each request once. Makes no request."""
        from handlers.azure.credential import credential

        # No retries in the SDK: it would sleep in this function for as long as Retry-After says. The app retries.
        shared = {"transport": _transport(), "retry_total": 0, **options}
        if self.connection_string is not None:
            return client_class.from_connection_string(self.connection_string.get_secret_value(), name, **shared)
        return client_class(self.account_url, name, credential=credential(), **shared)


def pairs_of(text: str) -> dict[str, str]:
    """The pairs of a connection string, with their names in lower case. Raises ValueError if it has none."""
    found = [_PAIR.fullmatch(pair) for pair in text.split(";") if pair.strip()]
    if not found or None in found:
        raise ValueError("connection_string is no connection string: write NAME=VALUE;NAME=VALUE")
    return {pair[1].casefold(): pair[2].strip() for pair in found if pair}


@cache
def _transport() -> "Transport":
    """One for all rules: its connections last as long as the worker."""
    from handlers.azure.transport import Transport

    return Transport()
