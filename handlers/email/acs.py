"""Send a mail through Azure Communication Services.

The service accepts a mail with 202 and sends it afterwards (learn.microsoft.com, "Email - Send" and "Email - Get Send
Result"). No worker waits for the result: later calls of the action poll for it.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.core.rest import HttpRequest

from handlers.azure.credential import credential
from handlers.base import CheckBack, GiveUp, Outcome, Succeeded
from handlers.content.text import one_line
from handlers.email.message import Mail, header_value
from handlers.email.settings import AcsService

if TYPE_CHECKING:
    from azure.communication.email import EmailClient

_SERVICE = "Azure Communication Services"
_API_VERSION = "2025-09-01"

# The delay before each poll. There are two polls per mail, because the service allows twice as many polls as sends:
# 60 and 30 a minute, 200 and 100 an hour ("Service limits for Azure Communication Services").
POLL_DELAYS = (timedelta(seconds=10), timedelta(seconds=60))
ERROR_DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=20))  # after each error of a poll


def send(service: AcsService, mail: Mail) -> CheckBack:
    """Submit a mail. Raises azure-core's errors, such as HttpResponseError, if the service does not accept it.

    The action's key is the id of the send operation: the service does not send an operation again that it has accepted
    (Azure/azure-sdk-for-net#40779).

    If it rejects the mail, it gets the mail once more as another operation, with documented headers only: Message-ID
    and those of one's own ("Adding Reserved Custom headers"). A mail without its thread is better than none.
    """
    operation = mail.key
    with _client(service) as client:
        try:
            _submit(client, mail, operation, mail.headers)
        except HttpResponseError as error:
            documented = {name: value for name, value in mail.headers.items() if name.startswith("X-")}
            if error.status_code != HTTPStatus.BAD_REQUEST or documented == mail.headers:
                raise
            operation = uuid5(mail.key, "documented headers")
            _submit(client, mail, operation, documented)
    sent = mail.sent(_SERVICE, mail.recipients)
    state = {"operation": str(operation), "summary": sent.summary, "details": dict(sent.details)}
    return CheckBack(POLL_DELAYS[0], state, f"accepted by {_SERVICE}", sent.sent)


def _submit(client: "EmailClient", mail: Mail, operation: UUID, headers: Mapping[str, str]) -> None:
    # 409: the service is still processing an earlier attempt of this action ("Repeatability of requests").
    with suppress(ResourceExistsError):
        client.begin_send(_payload(mail, headers), operation_id=str(operation), polling=False)


def poll(service: AcsService, state: Mapping[str, Any]) -> Outcome:
    """Read the result of a send operation. Raises GiveUp if the service says that it could not send the mail.

    A mail that is still on its way at the last poll counts as sent. So does a mail whose result cannot be read: the
    service has accepted it, and a replay of a failed action would send it again.
    """
    try:
        with _client(service) as client:
            response = client.send_request(_status_request(state))
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            # The service has accepted the mail; further requests would only use up the quota for sending.
            return accepted(state, "unknown: too many requests")
        response.raise_for_status()
        result = dict(response.json())
    except (AzureError, TypeError, ValueError) as error:
        return _poll_again(state, error)
    status, polls = str(result.get("status")), state.get("polls", 0) + 1
    if status in {"Failed", "Canceled"}:
        problem = result.get("error") or {}
        reason = one_line(f"{problem.get('code', status)}: {problem.get('message', 'no reason given')}", 500)
        raise GiveUp(f"{_SERVICE} could not send the mail: {reason}")
    if status == "Succeeded" or polls >= len(POLL_DELAYS):
        return accepted(state, status)
    return CheckBack(POLL_DELAYS[polls], {**state, "polls": polls}, f"accepted by {_SERVICE}: {status}")


def _status_request(state: Mapping[str, Any]) -> HttpRequest:
    return HttpRequest("GET", f"/emails/operations/{state['operation']}", params={"api-version": _API_VERSION})


def _poll_again(state: Mapping[str, Any], error: Exception) -> Outcome:
    """Wait after an error of a poll; after the last one, the result stays unknown."""
    errors, problem = state.get("errors", 0), one_line(f"unknown: {error}", 300)
    if errors >= len(ERROR_DELAYS):
        return accepted(state, problem)
    return CheckBack(ERROR_DELAYS[errors], {**state, "errors": errors + 1}, f"accepted by {_SERVICE}: {problem}")


def accepted(state: Mapping[str, Any], status: str) -> Succeeded:
    """The outcome of a mail that the service has accepted; `status` is the operation's last known status."""
    return Succeeded(state["summary"], {**state["details"], "status": status})


def _client(service: AcsService) -> "EmailClient":
    from azure.communication.email import EmailClient
    from azure.core.credentials import AzureKeyCredential

    key = AzureKeyCredential(service.key.get_secret_value()) if service.key else credential()
    # No retries in the SDK: it would sleep in this function for as long as Retry-After says. The app retries actions.
    return EmailClient(
        service.endpoint, key, api_version=_API_VERSION, retry_total=0, connection_timeout=5, read_timeout=20
    )


def _payload(mail: Mail, headers: Mapping[str, str]) -> dict[str, Any]:
    # No display name: the service takes it from the sender username in the Azure resource.
    recipients = {"to": mail.to, "cc": mail.cc, "bcc": mail.bcc}
    reply_to = {"replyTo": [{"address": address} for address in mail.reply_to]} if mail.reply_to else {}
    content = {"subject": mail.subject, "plainText": mail.text, "html": mail.html}
    return {
        "senderAddress": mail.sender.address,
        "recipients": {
            field: [{"address": a} for a in addresses] for field, addresses in recipients.items() if addresses
        },
        "content": {part: text for part, text in content.items() if text},
        "headers": {
            "Message-ID": mail.message_id,
            **{name: header_value(name, value) for name, value in headers.items()},
        },
        "userEngagementTrackingDisabled": True,
        **reply_to,
    }
