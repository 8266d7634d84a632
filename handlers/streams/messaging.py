"""What Event Hubs and Service Bus share: the namespace, its authorization, the request, and the meaning of errors.

learn.microsoft.com, "Send event" (Event Hubs REST API) and "Send Message" (Service Bus REST API). The SDKs speak AMQP,
and their import costs as much as azure.functions (benchmarks/README.md).
"""

import base64
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import ClassVar, Self
from urllib.parse import quote_plus

from pydantic import SecretStr, model_validator

from handlers.base import Action, GiveUp, RetryLater
from handlers.errors import retry_after
from handlers.http.answer import ErrorAnswer, no_page
from handlers.http.auth import entra_bearer
from handlers.http.handler import HttpHandler
from handlers.http.url import Url
from handlers.streams.message import Message, StreamHandler, check_size
from handlers.streams.storage import pairs_of
from schemas import Event

MAX_BODY = 1_048_576  # bytes of a message over HTTP, in every tier
MAX_PROPERTY = 128  # characters of a message id, a session id and a partition key
_TOKEN_LIFE = timedelta(minutes=15)  # of a signature: it is made for one request
_SECONDS = 20  # that the service may take; the request waits longer

# The names of which a connection string needs all of one set.
_CONNECTIONS = ({"endpoint", "sharedaccesssignature"}, {"endpoint", "sharedaccesskeyname", "sharedaccesskey"})

# The texts of ServerBusyException and QuotaExceededException ("Service Bus messaging exceptions", "Event Hubs messaging
# exceptions", "Azure Event Hubs quotas and limits"): "… is being throttled. Error code : 50008. Please wait 10 seconds
# and try again." and "The maximum entity size has been reached or exceeded for Topic …".
_THROTTLED = re.compile(r"(?i)is being throttled|server ?busy|error code ?: ?500(?:02|04|08|09)\b")
_WAIT = re.compile(r"(?i)wait (\d{1,4}) seconds?")
_FULL = re.compile(r"(?i)quota|maximum entity size")


class MessagingHandler(StreamHandler, HttpHandler[Event]):
    """A handler that sends a message to an entity of a namespace."""

    service: ClassVar[str]
    scope: ClassVar[str]
    lowest_limit: ClassVar[int]  # bytes of a message in the lowest tier

    namespace: str = ""
    connection_string: SecretStr | None = None

    @model_validator(mode="after")
    def _one_namespace(self) -> Self:
        if bool(self.namespace) == bool(self.connection_string):
            raise ValueError(
                "write namespace, such as acme.servicebus.windows.net, to use the app's identity, or connection_string"
            )
        if self.connection_string and not any(names <= self._pairs().keys() for names in _CONNECTIONS):
            raise ValueError("connection_string has no Endpoint, or no SharedAccessKeyName and SharedAccessKey")
        _ = self.url  # raises ValueError
        if "/" in self._host or not set(".:") & set(self._host):
            raise ValueError("namespace is a host name, such as acme.servicebus.windows.net")
        if (only := self._pairs().get("entitypath", "")) and self.entity.casefold() not in ("", only.casefold()):
            raise ValueError(f"connection_string is for {only} (EntityPath), and the rule sends to {self.entity}")
        return self

    @property
    def entity(self) -> str:
        """The path of the queue, topic or event hub."""
        raise NotImplementedError

    @property
    def url(self) -> Url:
        """The entity's URL. Its origin is the namespace, whose throughput all entities share. Raises ValueError."""
        return Url(f"https://{self._host}/{self.entity}")

    @property
    def _host(self) -> str:
        return self._pairs().get("endpoint", self.namespace).rpartition("://")[2].rstrip("/")

    def post(self, message: Message, action: Action, content_type: str, properties: Mapping[str, str]) -> None:
        """Send a message with its broker properties. Raises GiveUp, RetryLater, and what `send` raises."""
        body, url = self.checked_body(message), f"{self.url.origin}/{self.entity}"
        named = {name: value[:MAX_PROPERTY] for name, value in properties.items() if value}
        headers = {"Content-Type": content_type, "BrokerProperties": json.dumps(named)}
        headers["Authorization"] = self._authorization(url, action)
        with self.denials_explained():
            try:
                target = f"{url}/messages?timeout={_SECONDS}&api-version=2014-01"
                no_page(self.send("POST", target, headers=headers, body=body))
            except ErrorAnswer as error:
                raise self._meaning(error, len(body)) from error

    def checked_body(self, message: Message) -> bytes:
        """The body of a message. Raises GiveUp if it is too large for every tier."""
        check_size(len(message.body), MAX_BODY, self.service)
        return message.body

    def _urls(self) -> list[Url]:
        try:
            return [self.url]
        except ValueError:  # which `_one_namespace` reports
            return []

    def _pairs(self) -> dict[str, str]:
        return pairs_of(self.connection_string.get_secret_value()) if self.connection_string else {}

    def _authorization(self, url: str, action: Action) -> str:
        found = self._pairs()
        if not found:
            return entra_bearer(self.scope)["Authorization"]
        if "sharedaccesssignature" in found:
            return found["sharedaccesssignature"]
        return signature(url, found["sharedaccesskeyname"], found["sharedaccesskey"], action.now + _TOKEN_LIFE)

    def _meaning(self, error: ErrorAnswer, size: int) -> Exception:
        """What an error means where its status alone misleads; else the error."""
        status, text = error.response.status, error.response.text
        reason = f"HTTP {status}: {error}"
        if _THROTTLED.search(text):
            wait = _WAIT.search(text)
            after = timedelta(seconds=int(wait[1])) if wait else retry_after(error.response.headers, datetime.now(UTC))
            return RetryLater(reason, after, throttled=True)
        if status == HTTPStatus.FORBIDDEN and size > self.lowest_limit:  # "Quota exceeded or message too large"
            tier = f"{self.service} takes at most {self.lowest_limit:,} in its lowest tier"
            return GiveUp(f"{reason}; the message has {size:,} bytes, and {tier}")
        if status == HTTPStatus.FORBIDDEN and _FULL.search(text):
            return RetryLater(f"{reason}; {self.entity} is full", throttled=True)
        if status == HTTPStatus.GONE:
            return GiveUp(f"{reason}; create {self.entity}")
        return error


def signature(url: str, name: str, key: str, expires: datetime) -> str:
    """A shared access signature for an entity ("Generate a Shared Access Signature token")."""
    resource, moment = quote_plus(url), int(expires.timestamp())
    signed = base64.b64encode(hmac.digest(key.encode(), f"{resource}\n{moment}".encode(), "sha256"))
    return f"SharedAccessSignature sr={resource}&sig={quote_plus(signed)}&se={moment}&skn={quote_plus(name)}"
