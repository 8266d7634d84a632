"""Hand a mail to Azure Communication Services, and look what became of it.

To accept a mail is not to send it: the service answers 202 and works on it for a while (learn.microsoft.com, "Email -
Send" and "Email - Get Send Result"). Nobody waits for that here: the action is looked at again.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceExistsError
from azure.core.rest import HttpRequest

from handlers.azure.credential import credential
from handlers.base import CheckBack, GiveUp, Outcome, Succeeded
from handlers.email.message import Mail
from handlers.email.settings import AcsService
from handlers.email.text import one_line

if TYPE_CHECKING:
    from azure.communication.email import EmailClient

_API_VERSION = "2025-09-01"

# How long after a mail was accepted it is looked at. The service lets one ask twice as often as send ("Service limits
# for Azure Communication Services", 60 and 30 a minute, 200 and 100 an hour), hence two looks for each mail.
_LOOKS = (timedelta(seconds=10), timedelta(seconds=60))


def send(service: AcsService, mail: Mail) -> CheckBack:
    """Hand it in. Raises azure-core's HttpResponseError, and others, if the service does not take it.

    The action's key is the operation's id: one that the service knows already is not sent again
    (Azure/azure-sdk-for-net#40779).
    """
    # 409 says that an earlier attempt of this action is being worked on ("Repeatability of requests").
    with _client(service) as client, suppress(ResourceExistsError):
        client.begin_send(_payload(mail), operation_id=str(mail.key), polling=False)
    sent = mail.sent("Azure Communication Services", mail.recipients)
    state = {"operation": str(mail.key), "looks": 0, "summary": sent.summary, "details": dict(sent.details)}
    return CheckBack(_LOOKS[0], state, "accepted by Azure Communication Services")


def look(service: AcsService, state: Mapping[str, Any]) -> Outcome:
    """What became of it: succeeded, failed (raises GiveUp), or not known yet, which after a while is good enough."""
    request = HttpRequest("GET", f"/emails/operations/{state['operation']}", params={"api-version": _API_VERSION})
    with _client(service) as client:
        response = client.send_request(request)
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        # The mail is accepted already; further requests would only use up the quota for sending.
        return accepted(state, "not known: too many requests")
    response.raise_for_status()
    result = response.json()
    status, looks = str(result.get("status")), state["looks"] + 1
    if status in {"Failed", "Canceled"}:
        error = result.get("error") or {}
        reason = one_line(f"{error.get('code', status)}: {error.get('message', 'no reason given')}", 500)
        raise GiveUp(f"Azure Communication Services could not send the mail: {reason}")
    if status == "Succeeded" or looks == len(_LOOKS):
        return accepted(state, status)
    return CheckBack(_LOOKS[looks], {**state, "looks": looks}, f"accepted by Azure Communication Services: {status}")


def accepted(state: Mapping[str, Any], status: str) -> Succeeded:
    """The outcome for a mail that the service has taken; `status` is the last that is known of it."""
    return Succeeded(state["summary"], {**state["details"], "status": status})


def _client(service: AcsService) -> "EmailClient":
    from azure.communication.email import EmailClient
    from azure.core.credentials import AzureKeyCredential

    key = AzureKeyCredential(service.key.get_secret_value()) if service.key else credential()
    # No retries of its own: they would sleep in here as long as a Retry-After says. dispatch retries, from the queue.
    return EmailClient(
        service.endpoint, key, api_version=_API_VERSION, retry_total=0, connection_timeout=5, read_timeout=20
    )


def _payload(mail: Mail) -> dict[str, Any]:
    # The display name is not sent: it is part of the sender's username in the Azure resource. Neither is
    # Auto-Submitted: Message-ID is the one standard header that "Adding Reserved Custom headers" speaks of.
    everyone = {"to": mail.to, "cc": mail.cc, "bcc": mail.bcc}
    content = {"subject": mail.subject, "plainText": mail.text, "html": mail.html}
    return {
        "senderAddress": mail.sender.address,
        "recipients": {part: [{"address": a} for a in some] for part, some in everyone.items() if some},
        "content": {part: text for part, text in content.items() if text},
        "headers": {"Message-ID": mail.message_id},
        "userEngagementTrackingDisabled": True,
    }
